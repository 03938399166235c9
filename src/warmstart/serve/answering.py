"""From inputs of a task to the model's answers, and from these to JSON."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from warmstart.core.results import Failed
from warmstart.errors import InputError
from warmstart.serve.kinds import Kind, check_size
from warmstart.serve.settings import Settings

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.speech.results.audio import Audio

ALONE = frozenset({"forecasting", "audio-generation", "speech-recognition"})
"""Tasks whose inputs go through the engine one at a time anyway, or whose random numbers depend on their place."""


HISTORY, LONGEST_HISTORY = 4, 2000
"""Of a series so many horizons, and steps at most, are told before its forecast."""


def answer(model: Model, kind: Kind, settings: Settings, values: Sequence[Any],
           options: Mapping[str, Any]) -> list[Any]:
    """A result, a list of results (of a table), or the `InputError`, for each value.

    Raises:
        WarmstartError: an option is wrong, or the model cannot answer at all.
    """
    results: list[Any] = list(values)
    usable = []
    for place, value in enumerate(values):
        try:
            check_size(kind, value, settings)
            usable.append(place)
        except InputError as error:
            results[place] = error
    if len(usable) > 1:
        answers = model([values[place] for place in usable], **options, batch_size=len(usable))
    else:
        answers = [_one(model, values[place], options) for place in usable]
    for place, found in zip(usable, answers, strict=True):
        results[place] = found.error if isinstance(found, Failed) else found
    return results


def _one(model: Model, value: Any, options: Mapping[str, Any]) -> Any:
    try:
        return model(value, **options)
    except InputError as error:
        return error


def told(result: Any, name: str = "") -> dict[str, Any]:
    """A result as JSON values: its `to_dict()`, and what that leaves out: the sound (`audio_wav`, base64), the
    map of classes (`mask_png`, base64 of a PNG with a palette), the end of the series (`history`).

    Args:
        result: of any task.
        name: how the request knows the input; replaces the name that the model gave to bytes.
    """
    if name and not isinstance(result, Failed):
        result = dataclasses.replace(result, input=name)
    found = result.to_dict()
    if hasattr(result, "samples") and hasattr(result, "sample_rate"):
        found["audio_wav"] = base64.b64encode(wav(result)).decode()
    if hasattr(result, "labels_map") and len(result.labels) <= 256:
        file = io.BytesIO()
        result.indexed().save(file, "PNG")
        found["mask_png"] = base64.b64encode(file.getvalue()).decode()
    if hasattr(result, "series") and hasattr(result, "horizon"):
        shown = min(len(result.series), HISTORY * result.horizon, LONGEST_HISTORY)
        first = len(result.series) - shown
        found["history"] = {
            "timestamps": [time.isoformat() for time in result.series.index(first, shown)],
            "values": [float(f"{value:.7g}") for value in result.series.target[first:]]}
    return found


def wav(sound: Audio) -> bytes:
    """Sound as a WAV file of 16 bits."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound.samples, sound.sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
