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

    def pool_of(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        """The class of pools whose connections are registered when they open."""

        class Connection(pool.ConnectionCls):  # type: ignore[name-defined,misc]
            def connect(self) -> None:
                conversation.register(self)
                super().connect()
                conversation.note_contact()

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    pools = {"http": pool_of(HTTPConnectionPool), "https": pool_of(HTTPSConnectionPool)}

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
