"""A gate before a server, as an OAuth proxy is one: it wants a bearer token, and shows the server a user of its own."""

from __future__ import annotations

import base64
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_FILE = "model.safetensors"
DROPPED = ("transfer-encoding", "connection", "content-length", "date", "server")


@contextmanager
def gate(uri: str, token: str, user: str, password: str, upload_s: float = 0.0) -> Iterator[str]:
    """Forward to a server; ``upload_s`` is how long it takes weights that it was sent. Its address."""
    basic = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {token}":
                self._answer(401, {}, b"You shall not pass.")
                return
            if self.command == "PUT" and self.path.endswith(SLOW_FILE):
                time.sleep(upload_s)
            server = http.client.HTTPConnection(str(urlsplit(uri).netloc), timeout=60)
            server.request(
                self.command,
                self.path,
                body,
                dict(self.headers.items()) | {"Authorization": basic, "Host": str(urlsplit(uri).netloc)},
            )
            answer = server.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep the tests' output clean."""

    doors = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=doors.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{doors.server_port}"
    finally:
        doors.shutdown()
        doors.server_close()
