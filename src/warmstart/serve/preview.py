"""`POST /preview`: a picture as browsers can show it, for the page."""

from __future__ import annotations

import io

from starlette.requests import Request
from starlette.responses import Response

from warmstart.serve import body
from warmstart.serve.state import state_of

MAX_SIDE = 1600
"""Maximum pixels of the longer side."""
MAX_PIXELS = 16_000_000
"""Maximum number of pixels of a picture to preview; several may be decoded at the same time."""


async def preview(request: Request) -> Response:
    """A picture in any format that models read, such as TIFF, as WebP."""
    state = state_of(request)
    data = await state.read(request, state.deadline(request))
    max_pixels = min(MAX_PIXELS, state.settings.max_pixels)
    content = await body.offload(body.ALWAYS, _as_webp, data, max_pixels)
    return Response(content, media_type="image/webp")


def _as_webp(data: bytes, max_pixels: int) -> bytes:
    from warmstart.image import decoder

    picture = decoder.decode(data, name="the picture", max_pixels=max_pixels)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=85)
    return file.getvalue()
