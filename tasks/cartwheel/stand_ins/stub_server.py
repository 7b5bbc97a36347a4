"""A small HTTP server on the loopback interface, for the stand-ins of rehearsals and tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubRequest(BaseHTTPRequestHandler):
    """One request; subclasses answer it in `respond`."""

    protocol_version = "HTTP/1.1"
    place: Any = None
    """The state that the requests work on, shared by all requests of one server."""

    def respond(self) -> None:
        """Answers the request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Sends every method to `respond`."""
        self.respond()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names are http.server's

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Sends status, headers and, unless HEAD is answered, the body; `_` in a header's name becomes `-`."""
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {**named, "Content-Length": str(len(content)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = True

    def tell(self, status: int, document: Mapping[str, Any] | list[Any], **headers: str) -> None:
        """Sends a JSON document with status and headers."""
        self.answer(status, json.dumps(document).encode(), **{"Content_Type": "application/json", **headers})

    def log_message(self, format: str, *arguments: object) -> None:
        """Prints nothing."""


@contextmanager
def served_address(kind: type[StubRequest], place: object) -> Iterator[str]:
    """Serves while the context lasts; yields the address without a slash at its end."""
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
