"""An hour of a server's life: honest clients, clients that leave, hostile ones, and a bundle that
changes, for the better and for the worse."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from pathlib import Path

from serving_clients import Connection, request
from serving_hostile import CASES, prepared, status

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "cat.jpg"
JPEG = {"Content-Type": "image/jpeg"}
PAUSE = 0.3
"""Seconds, at most, that a client waits after an answer."""
CHANGE_SECONDS = 15.0
"""Seconds between changes of the bundle."""


def as_json(path: str, value: object) -> bytes:
    return request(path, json.dumps(value).encode(), {"Content-Type": "application/json"})


def honest() -> dict[str, tuple[bytes, str]]:
    """Requests that are answered with 200, and a text that the answer holds."""
    photo = PHOTO.read_bytes()
    return {
        "a photo": (request("/v1/predict/efficientnet_lite0?top_k=1", photo, JPEG), "tiger cat"),
        "a photo to a bundle that is loaded again": (
            request("/v1/predict/net?top_k=1", photo, JPEG),
            '"cat"',
        ),
        "a segmentation": (request("/v1/predict/leaf_deeplabv3", photo, JPEG), "mask_png"),
        "a text": (as_json("/v1/predict/sst2_bert_tiny", {"inputs": "what a film"}), "positive"),
        "a prompt": (
            as_json(
                "/v1/predict/shakespeare_gpt2",
                {"inputs": "JULIET:", "options": {"max_new_tokens": 8, "seed": 1}},
            ),
            '"text"',
        ),
        "a series": (
            as_json(
                "/v1/predict/deepar",
                {"inputs": list(range(50)), "options": {"horizon": 2, "samples": 5}},
            ),
            '"quantiles"',
        ),
        "speech": (
            as_json("/v1/predict/digits_wavenet", {"inputs": "two", "options": {"seconds": 0.05}}),
            '"audio_wav"',
        ),
    }


STREAM = as_json(
    "/v1/completions",
    {"model": "shakespeare_gpt2", "prompt": "ROMEO:", "max_tokens": 60, "stream": True},
)
LONG = as_json(
    "/v1/predict/deepar",
    {"inputs": list(range(50)), "options": {"horizon": 4000, "samples": 200}},
)


class Mixed:
    """Clients in threads.

    Args:
        address: of the server.
        folder: of the bundle that is served as "net", which is changed.
        clients: how many ask; one more changes the bundle.

    Attributes:
        wrong: what was not as it should be.
        counts: what was sent and answered as it should be.
    """

    def __init__(self, address: str, folder: Path, clients: int):
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self._address, self._folder = address, folder
        self._stop = threading.Event()
        self._honest = honest()
        names = [name for name, case in CASES.items() if not case.is_allowed]
        self._hostile = {name: prepared()[name] for name in names}
        work = [(self._ask, n) for n in range(clients)] + [(self._change, 0)]
        self._threads = [threading.Thread(target=f, args=(n,), daemon=True) for f, n in work]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def total(self) -> int:
        return sum(self.counts.values())

    def described(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self.counts.items())

    def _ask(self, number: int) -> None:
        choice = random.Random(number)
        connection = Connection(self._address)
        while not self._stop.is_set():
            what = choice.choices(("answered", "refused", "left"), (80, 10, 10))[0]
            if what == "answered":
                connection = self._honest_request(connection, choice)
            elif what == "refused":
                self._hostile_request(choice)
            else:
                self._leave(choice)
            self._stop.wait(choice.random() * PAUSE)
        connection.socket.close()

    def _honest_request(self, connection: Connection, choice: random.Random) -> Connection:
        name = choice.choice(list(self._honest))
        data, expected = self._honest[name]
        try:
            code = connection.ask(data)
            answer = bytes(connection.got).partition(b"\r\n\r\n")[2].decode()
            if code == 200 and expected in answer:
                self.counts["answered"] += 1
            else:
                self.wrong.append(f"{name}: {code} {answer[:200]}")
        except OSError as error:
            self.wrong.append(f"{name}: no answer, {error!r}")
            connection.socket.close()
            return Connection(self._address)
        return connection

    def _hostile_request(self, choice: random.Random) -> None:
        name = choice.choice(list(self._hostile))
        connection = Connection(self._address)
        code = 0
        try:
            code = connection.ask(self._hostile[name])
        except OSError:  # the server may close before it has read all
            code = status(bytes(connection.got))
        connection.socket.close()
        if code and not CASES[name].expects(code):
            self.wrong.append(f"{name}: {code}")
        self.counts["refused"] += 1

    def _leave(self, choice: random.Random) -> None:
        """Leave in the middle of a request, of long work, or of a stream."""
        data = choice.choice((STREAM, LONG, next(iter(self._honest.values()))[0]))
        connection = Connection(self._address)
        if choice.random() < 0.3:
            connection.socket.sendall(data[: choice.randrange(len(data))])
        else:
            connection.socket.sendall(data)
            if data is STREAM:
                connection.socket.recv(2000)
            self._stop.wait(choice.random() * PAUSE)
        connection.socket.close()
        self.counts["left"] += 1

    def _change(self, _: int) -> None:
        """Change a file that does not matter, or cut the labels off and make them whole again."""
        labels = self._folder / "labels.json"
        whole = labels.read_text()
        number = 0
        while not self._stop.wait(CHANGE_SECONDS):
            number += 1
            if number % 2:
                (self._folder / "README.md").write_text(str(number))
            else:
                labels.write_text(whole[: len(whole) // 2])
                self._stop.wait(CHANGE_SECONDS)
                labels.write_text(whole)
