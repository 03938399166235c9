"""A hub on loopback with one repository, which speaks as the real one does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class HubState:
    """What the hub has, and what it received."""

    name: str = "org/name"
    status: int = 200
    visibility: object = None
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    commits: int = 0


class Handler(BaseHTTPRequestHandler):
    """The calls that `huggingface_hub` makes to upload, and those of a download."""

    server: Hub

    def do_POST(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state.tokens.add(self.headers.get("Authorization", ""))
        path = self.path.partition("?")[0]
        if state.status != 200:
            self.reply({"error": "You don't have the rights"}, state.status)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            state.visibility = asked.get("private", asked.get("visibility"))
            self.reply({"url": f"{self.server.base}/{state.name}", "id": state.name})
        elif path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            modes = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".tflite") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(body)["files"]
            ]
            self.reply({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {
                    "oid": one["oid"],
                    "size": one["size"],
                    "actions": {"upload": {"href": f"{self.server.base}/lfs/{one['oid']}"}},
                }
                for one in json.loads(body)["objects"]
            ]
            self.reply({"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.reply({"error": path}, 404)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.state.objects[hashlib.sha256(data).hexdigest()] = data
        self.reply({})

    def do_GET(self) -> None:
        state, path = self.server.state, self.path.partition("?")[0]
        commit = f"{state.commits:040d}"
        if path.startswith(f"/api/models/{state.name}/revision/"):
            siblings = [
                {"rfilename": name, "size": len(data), "blobId": git_sha1(data)}
                for name, data in state.files.items()
            ]
            self.reply({"id": state.name, "sha": commit, "siblings": siblings})
        elif path.startswith(f"/{state.name}/resolve/{commit}/"):
            self.raw(state.files[path.removeprefix(f"/{state.name}/resolve/{commit}/")])
        elif "/tree/" in path:
            self.reply([{"type": "file", "path": p, "size": 1, "oid": "0"} for p in state.files])
        elif path.startswith(f"/api/models/{state.name}"):
            siblings = [{"rfilename": name} for name in state.files]
            self.reply({"id": state.name, "sha": commit, "siblings": siblings})
        else:
            self.reply({"error": path}, 404)

    def commit(self, lines: list[dict]) -> None:
        state = self.server.state
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                state.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                state.files[value["path"]] = state.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del state.files[value["path"]]
        state.commits += 1
        base = f"{self.server.base}/{state.name}/commit/{state.commits:040d}"
        self.reply({"success": True, "commitOid": f"{state.commits:040d}", "commitUrl": base})

    def reply(self, value: object, status: int = 200) -> None:
        self.raw(json.dumps(value).encode(), status, "application/json")

    def raw(self, data: bytes, status: int = 200, media: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = HubState()
        self.base = f"http://127.0.0.1:{self.server_address[1]}"


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubState]:
    """The hub, to which `HF_ENDPOINT` points."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    yield server.state
    server.shutdown()
    thread.join()
    server.server_close()
