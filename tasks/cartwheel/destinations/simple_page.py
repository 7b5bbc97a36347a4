"""Requests a project's page of the simple API once, and recognises answers that are not such a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cartwheel.destinations.credentials import Credentials
from cartwheel.destinations.http import CONNECT_SECONDS, conversation, redirects_away, without_userinfo
from cartwheel.destinations.pypi_index import Index

if TYPE_CHECKING:
    import requests


class Elsewhere(Exception):
    """The index redirects readers to another host; the text is the address."""


class NoIndex(Exception):
    """The answer is not a page of the simple API; the text says what it is."""


def project_page(index: Index, project: str, credentials: Credentials | None) -> Any:
    """The project's page; None if the index does not know the project. Raises `Elsewhere` and `NoIndex`."""
    import pypi_simple

    def stay(answer: requests.Response, *_: Any, **__: Any) -> None:
        if to := redirects_away(answer, index.simple):
            path = urlsplit(to).path.rstrip("/").rpartition("/")[2]
            shown = without_userinfo(to.partition("?")[0])
            answer.close()
            raise Elsewhere(shown) if _same_project(path, project) else NoIndex(f"it sends readers on to {shown}")

    def ask(session: requests.Session) -> Any:
        url = pypi_simple.PyPISimple(index.simple, session=session).get_project_url(project)
        headers = {"Accept": pypi_simple.ACCEPT_JSON_PREFERRED, "Cache-Control": "no-cache", "Pragma": "no-cache"}
        with session.get(url, timeout=(CONNECT_SECONDS, 60.0), headers=headers) as answer:
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            if answer.status_code != 200:
                raise NoIndex(f"it answers {answer.status_code} {answer.reason or ''}".rstrip())
            found = pypi_simple.ProjectPage.from_response(answer, project)
            if "json" not in answer.headers.get("Content-Type", "") and not _is_simple(found, project, answer.text):
                raise NoIndex("it answers with a web page without any link to a file, as a page to sign in is")
            return found

    auth = (credentials.username, credentials.password) if credentials else None
    with conversation(index.simple, auth) as talk:
        talk.session.hooks["response"].insert(0, stay)
        return talk.exchange(ask)


def _same_project(name: str, project: str) -> bool:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name) == canonicalize_name(project)


def _is_simple(page: Any, project: str, text: str) -> bool:
    """Whether an HTML page belongs to the simple API: it declares a version, links to files, or has the heading of an
    empty page.

    PEP 503 and 629; the heading is that of the example there, which Nexus, GitLab, Azure and pypiserver also write.
    """
    if page.repository_version is not None or any(row.package_type is not None for row in page.packages):
        return True
    heading = re.search(r"(?is)<(title|h1)[^>]*>\s*links for\s+(.*?)\s*</", text)
    return bool(heading) and _same_project(str(heading[2] if heading else "").split("/")[-1], project)
