"""Hostile requests to a server: bombs of every format, deep and wide JSON, wide tables, huge shapes,
and the largest inputs that a server takes."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from serving_clients import Connection, request

MIB = 2**20
PICTURE, SERIES = "/v1/predict/leaf_deeplabv3", "/v1/predict/deepar"
TEXT, PROMPT = "/v1/predict/sst2_bert_tiny", "/v1/predict/shakespeare_gpt2"
SOUND = "/v1/predict/digits_wavenet_asr"
TENSORS = "/v2/models/efficientnet_lite0/infer"
TYPES = {"png": "image/png", "gif": "image/gif", "bmp": "image/bmp", "tiff": "image/tiff"} | {
    "webp": "image/webp",
    "jpeg": "image/jpeg",
}


class Case(NamedTuple):
    """A hostile request.

    Attributes:
        data: makes its bytes.
        is_allowed: whether it is within the limits, and answered; the others are refused.
    """

    data: Callable[[], bytes]
    is_allowed: bool = False

    def expects(self, status: int) -> bool:
        """Whether this status is right: of what is allowed, also that the queue is full or the
        deadline has passed."""
        if self.is_allowed:
            return status in (200, 429, 504)
        return 400 <= status < 500


def picture(format_: str, side: int, mode: str = "L") -> Callable[[], bytes]:
    """A picture of one colour."""

    def data() -> bytes:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = None
        file = io.BytesIO()
        options = {"compression": "tiff_deflate"} if format_ == "tiff" else {}
        Image.new(mode, (side, side)).save(file, format_, **options)
        return request(PICTURE, file.getvalue(), {"Content-Type": TYPES[format_]})

    return data


def header_of_png() -> bytes:
    """A PNG of gigapixels that ends after its header."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return request(PICTURE, data, {"Content-Type": "image/png"})


def recording(seconds: float, rate: int, channels: int, format_: str) -> Callable[[], bytes]:
    """Silence."""

    def data() -> bytes:
        import numpy as np
        import soundfile

        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", rate, channels, format=format_) as sound:
            second = np.zeros((rate, channels), np.int16)
            for _ in range(int(seconds)):
                sound.write(second)
        return request(SOUND, file.getvalue(), {"Content-Type": f"audio/{format_.lower()}"})

    return data


def text_as_json(path: str, value: object) -> Callable[[], bytes]:
    return lambda: json_bytes(path, json.dumps(value).encode())


def json_bytes(path: str, data: bytes, **headers: str) -> bytes:
    return request(path, data, {"Content-Type": "application/json", **headers})


def table(data: bytes) -> Callable[[], bytes]:
    return lambda: request(SERIES, data, {"Content-Type": "text/csv"})


def tensor(shape: list[int], data: list[float] | None = None) -> Callable[[], bytes]:
    tensor = {"name": "images", "datatype": "FP32", "shape": shape, "data": data or [0.0]}
    return text_as_json(TENSORS, {"inputs": [tensor]})


def gzip_bomb() -> bytes:
    packed = gzip.compress(b"[" * (300 * MIB), 9)
    return json_bytes(SERIES, packed, **{"Content-Encoding": "gzip"})


def gzip_of_json() -> bytes:
    """As much JSON as a body may hold, in 60 kB."""
    data = b'{"inputs": [' + b"1," * 9_900_000 + b"1]}"
    return json_bytes(SERIES, gzip.compress(data, 6), **{"Content-Encoding": "gzip"})


def form(parts: int) -> Callable[[], bytes]:
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    media = {"Content-Type": "multipart/form-data; boundary=x"}
    return lambda: request(PICTURE, field * parts + b"--x--\r\n", media)


CASES = {
    "a PNG of gigapixels": Case(header_of_png),
    **{
        f"a bomb in {name}": Case(picture(name, side))
        for name, side in (
            ("png", 20_000),
            ("gif", 12_000),
            ("tiff", 20_000),
            ("jpeg", 12_000),
            ("webp", 7000),
        )
    },
    **{
        f"the largest {name}": Case(picture(name, side, mode), is_allowed=True)
        for name, side, mode in (
            ("png", 7000, "RGB"),
            ("gif", 7000, "L"),
            ("bmp", 7000, "L"),
            ("tiff", 7000, "RGB"),
            ("jpeg", 7000, "RGB"),
            ("webp", 4000, "RGB"),
        )
    },
    "FLAC of hours": Case(recording(7200, 8000, 1, "FLAC")),
    "FLAC of the highest rate": Case(recording(60, 655_350, 8, "FLAC"), is_allowed=True),
    "OGG of minutes": Case(recording(300, 48_000, 8, "OGG"), is_allowed=True),
    "deep JSON": Case(lambda: json_bytes(PROMPT, b"[" * 100_000)),
    "deep JSON in a value": Case(lambda: json_bytes(SERIES, b'{"inputs":' * 100_000)),
    "JSON of arrays": Case(
        lambda: json_bytes(SERIES, b'{"inputs": [' + b"[]," * 1_100_000 + b"1]}")
    ),
    "JSON of numbers": Case(
        lambda: json_bytes(SERIES, b'{"inputs": [' + b"1," * 10_100_000 + b"1]}")
    ),
    "JSON of allowed numbers": Case(
        lambda: json_bytes(SERIES, b'{"inputs": [' + b"1," * 9_900_000 + b"1]}")
    ),
    "JSON of strings": Case(
        lambda: json_bytes(TEXT, b'{"inputs": [' + b'"a",' * 1_900_000 + b'"a"]}')
    ),
    "JSON of a long number": Case(lambda: json_bytes(SERIES, b'{"inputs": ' + b"9" * MIB + b"}")),
    "base64 of nothing": Case(
        lambda: json_bytes(PICTURE, b'{"inputs": "' + b"A" * (60 * MIB) + b'"}')
    ),
    "commas": Case(table(b"," * 2**20)),
    "quotes": Case(table(b'"' * 2**22)),
    "a wide table": Case(table(b",".join(b"c%d" % n for n in range(900)) + b"\n" + b"1\n" * 5000)),
    "a long table": Case(table(b"t\n" + b"1\n" * 5_000_000)),
    "the longest table": Case(table(b"y\n" + b"1\n" * 3_900_000), is_allowed=True),
    "a gzip bomb": Case(gzip_bomb),
    "a gzip of JSON": Case(gzip_of_json),
    "a huge shape": Case(tensor([10**9, 10**9])),
    "a shape beyond 64 bits": Case(tensor([2**62, 2**62, 2**62])),
    "a negative shape": Case(tensor([-1, 224, 224, 3])),
    "a shape without numbers": Case(tensor([0, 2**40, 2**40])),
    "too many tensors": Case(
        text_as_json(
            TENSORS,
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}] * 50_000},
        )
    ),
    "the longest text": Case(text_as_json(TEXT, {"inputs": "a" * 200_000}), is_allowed=True),
    "too long a text": Case(text_as_json(TEXT, {"inputs": "a " * 200_000})),
    "the most texts": Case(text_as_json(TEXT, {"inputs": ["é́" * 90_000] * 8}), is_allowed=True),
    "a prompt without spaces": Case(text_as_json(PROMPT, {"inputs": "a" * 200_000})),
    "as many tokens as may be": Case(
        text_as_json(
            PROMPT,
            {
                "inputs": ["A"] * 16,
                "options": {"max_new_tokens": 2048, "overflow": "slide"},
            },
        ),
        is_allowed=True,
    ),
    "too many tokens": Case(
        text_as_json(
            PROMPT,
            {
                "inputs": ["A"] * 64,
                "options": {"max_new_tokens": 2048, "num_beams": 16, "overflow": "slide"},
            },
        )
    ),
    "too many steps": Case(
        text_as_json(SERIES, {"inputs": [1, 2, 3], "options": {"horizon": 10_000, "samples": 1000}})
    ),
    "a form of many fields": Case(form(500_000)),
    "a form without end": Case(
        lambda: request(
            PICTURE, b"--x\r\n" * MIB, {"Content-Type": "multipart/form-data; boundary=x"}
        )
    ),
}


@cache
def prepared() -> dict[str, bytes]:
    """The bytes of all cases; work that asks for much of the model ends after 2 s."""
    made = {}
    for name, case in CASES.items():
        data = case.data()
        if case.is_allowed:
            data = data.replace(b"\r\n\r\n", b"\r\nX-Request-Timeout: 2\r\n\r\n", 1)
        made[name] = data
    return made


def ask(address: str, data: bytes) -> int:
    """The status of one request on a connection of its own; 0: closed without an answer."""
    connection = Connection(address)
    try:
        return connection.ask(data)
    except OSError:
        return status(bytes(connection.got))
    finally:
        connection.socket.close()


def status(answer: bytes) -> int:
    """Of an answer of which at least the first line has come."""
    return int(answer[9:12]) if answer[9:12].isdigit() else 0


class Hostile:
    """Clients in processes of their own that send all cases, again and again.

    Args:
        address: of the server.
        clients: how many.
        start: of the random order.
    """

    def __init__(self, address: str, clients: int, start: int = 0):
        prepared()
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._counts = context.Queue()
        self._processes = [
            context.Process(target=self._run, args=(address, start + 1000 * n), daemon=True)
            for n in range(clients)
        ]
        for process in self._processes:
            process.start()

    def stop(self) -> Counter[tuple[str, int]]:
        """How often each (case, status) came."""
        self._stop.set()
        counts: Counter[tuple[str, int]] = Counter()
        for _ in self._processes:
            counts += self._counts.get(timeout=120)
        for process in self._processes:
            process.join()
        return counts

    def _run(self, address: str, seed: int) -> None:
        order = random.Random(seed)
        counts: Counter[tuple[str, int]] = Counter()
        while not self._stop.is_set():
            names = list(CASES)
            order.shuffle(names)
            for name in names:
                if self._stop.is_set():
                    break
                counts[name, ask(address, prepared()[name])] += 1
        self._counts.put(counts)
