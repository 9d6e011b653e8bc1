"""A scripted HTTP server on a real socket: it answers what a test told it to, and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Sent:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Script:
    """Replies by method and path; the last reply of a route repeats."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._replies: dict[tuple[str, str], list[Reply]] = {}
        self.url = ""

    def on(self, method: str, path: str, *replies: Reply) -> None:
        self._replies[method, path] = list(replies)

    def answer(self, request: Sent) -> Reply:
        self.sent.append(request)
        replies = self._replies.get((request.method, request.path))
        if not replies:
            return Reply(404, {"id": 4, "error": "NotFoundError", "message": f"No {request.path} here."})
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def only(self, method: str, path: str) -> Sent:
        """Return the one request of that route."""
        [one] = [s for s in self.sent if (s.method, s.path) == (method, path)]
        return one


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            headers = {k.lower(): v for k, v in self.headers.items()}
            body = self.rfile.read(length)
            reply = script.answer(Sent(self.command, split.path, parse_qs(split.query), headers, body))
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    return Handler


@contextmanager
def serve_script(script: Script | None = None) -> Iterator[Script]:
    """Serve a script on a free port of this machine; `script.url` is its address."""
    script = script or Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
