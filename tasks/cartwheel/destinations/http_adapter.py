"""Connections of `requests` that can be ended from another thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cartwheel.destinations.upload_count import CountedBody

if TYPE_CHECKING:
    from cartwheel.destinations.http import Conversation


def adapter_of(conversation: Conversation, *, timeout: tuple[float, float]) -> Any:
    """An adapter that registers its connections with `conversation` and never retries, since `retries` does.

    `timeout`: the default seconds for a connection and for each read.
    """
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def connect(self) -> None:
            conversation.opened(self)
            super().connect()
            conversation.connected()

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            conversation.opened(self)
            super().connect()
            conversation.connected()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    pools = {"http": PlainPool, "https": SecurePool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **named: Any) -> None:
            super().init_poolmanager(*args, **named)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **named)
            manager.pool_classes_by_scheme = pools
            return manager

        def send(self, request: Any, **how: Any) -> Any:  # type: ignore[override]
            how["timeout"] = how.get("timeout") or timeout
            if hasattr(request.body, "read"):
                request.body = CountedBody(request.body)
            return super().send(request, **how)

    return Adapter(max_retries=0)
