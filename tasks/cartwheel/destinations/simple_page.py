"""Requests a project's page of the simple API once, and recognises answers that are not such a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cartwheel.destinations.credentials import Credentials
from cartwheel.destinations.http import CONNECT_SECONDS, body_up_to, conversation, redirects_away, without_userinfo
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.simple_api import ACCEPT, ListedFile, NoIndex, listed_files, same_project

if TYPE_CHECKING:
    import requests

LARGEST = 100_000_000
"""Bytes of a page, unpacked, that are read at most; PyPI's longest page has about 20 million (November 2026)."""


class Elsewhere(Exception):
    """The index redirects readers to another host; the text is the address."""


def project_page(
    index: Index, project: str, credentials: Credentials | None, *, connect: float = CONNECT_SECONDS
) -> tuple[ListedFile, ...] | None:
    """The files on the project's page; None if the index does not know the project.

    Raises `Elsewhere` and `NoIndex`.
    """
    from packaging.utils import canonicalize_name

    def stay(answer: requests.Response, *_: Any, **__: Any) -> None:
        if to := redirects_away(answer, index.simple):
            path = urlsplit(to).path.rstrip("/").rpartition("/")[2]
            shown = without_userinfo(to.partition("?")[0])
            answer.close()
            raise Elsewhere(shown) if same_project(path, project) else NoIndex(f"it sends readers on to {shown}")

    def ask(session: requests.Session) -> tuple[ListedFile, ...] | None:
        url = f"{index.simple.rstrip('/')}/{canonicalize_name(project)}/"
        headers = {"Accept": ACCEPT, "Cache-Control": "no-cache", "Pragma": "no-cache"}
        with session.get(url, timeout=(CONNECT_SECONDS, 60.0), headers=headers) as answer:
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            if answer.status_code != 200:
                raise NoIndex(f"it answers {answer.status_code} {answer.reason or ''}".rstrip())
            kind = answer.headers.get("Content-Type", "")
            body = body_up_to(answer, LARGEST, NoIndex(f"its page has more than {LARGEST // 1_000_000} MB"))
            return listed_files(body, content_type=kind, url=answer.url, project=project)

    auth = (credentials.username, credentials.password) if credentials else None
    with conversation(index.simple, auth) as talk:
        talk.session.hooks["response"].insert(0, stay)
        return talk.exchange(ask, connect=connect)
