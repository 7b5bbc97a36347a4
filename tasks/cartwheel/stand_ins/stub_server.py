"""A small HTTP server on this machine's own interface, for the stand-ins of a rehearsal and of the tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubRequest(BaseHTTPRequestHandler):
    """One request; a subclass says in `respond` what is answered."""

    protocol_version = "HTTP/1.1"
    place: Any = None
    """What the requests are about; the same for all of one server."""

    def respond(self) -> None:
        """Answer the request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Every method is answered in one place."""
        self.respond()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names are http.server's

    def body(self) -> bytes:
        """What was sent along."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Status, body and headers (`Retry_After` is `Retry-After`)."""
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {**named, "Content-Length": str(len(content)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def tell(self, status: int, document: Mapping[str, Any] | list[Any], **headers: str) -> None:
        """The same with JSON."""
        self.answer(status, json.dumps(document).encode(), **{"Content_Type": "application/json", **headers})

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""


@contextmanager
def served_address(kind: type[StubRequest], place: object) -> Iterator[str]:
    """The server's address, without a slash at its end, for as long as the context lasts."""
    handler = type(kind.__name__, (kind,), {"place": place})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
