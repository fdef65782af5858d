"""A stub of the Hugging Face hub: a real HTTP server with the few endpoints of an upload, which keeps it in memory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_stubTokenOfTheTests"


class HubStub(ThreadingHTTPServer):
    """The server.

    Attributes:
        repos: what each repository was created with, by its full name.
        files: content by repository, branch and path.
        requests: paths of all requests, in their order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, dict[str, Any]] = {}
        self.branches: set[tuple[str, str]] = set()
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Its address, for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def hub_stub() -> Iterator[HubStub]:
    """Run the server during the block."""
    with HubStub() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: HubStub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        hub, path = self.server, unquote(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub.requests.append(path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/branch/" in path:
            repo, _, branch = path.removeprefix("/api/models/").partition("/branch/")
            hub.branches.add((repo, branch))
            self._answer({})
        elif "/preupload/" in path:
            self._answer({"files": [self._mode(file) for file in json.loads(body)["files"]]})
        elif path.endswith("/info/lfs/objects/batch"):
            actions = [
                {**each, "actions": {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": actions})
        elif "/commit/" in path:
            self._commit(path, body)
        else:
            self._answer({"error": f"the stub has no {path}"}, 404)

    def do_PUT(self) -> None:
        self.server.objects[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({})

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        url = {"url": f"{self.server.url}/{name}", "name": name}
        if name in self.server.repos:
            self._answer({"error": "You already created this model repo", **url}, 409)
            return
        self.server.repos[name] = asked
        self.server.branches.add((name, "main"))
        self._answer(url)

    def _commit(self, path: str, body: bytes) -> None:
        repo, _, branch = path.removeprefix("/api/models/").partition("/commit/")
        if (repo, branch) not in self.server.branches:
            self._answer({"error": f"Invalid rev id: {branch}"}, 404)
            return
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.server.files[repo, branch, value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.server.files[repo, branch, value["path"]] = self.server.objects[value["oid"]]
        self._answer({"commitUrl": f"{self.server.url}/{repo}/commit/1", "commitOid": "1" * 40})

    @staticmethod
    def _mode(file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith(".safetensors")
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
