"""Parses a project's page of the simple API, JSON (PEP 691, 700) or HTML (PEP 503, 592, 629, 658); computes only."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from cartwheel.process.redact import inert

ACCEPT = ", ".join(
    (
        "application/vnd.pypi.simple.v1+json",
        "application/vnd.pypi.simple.v1+html;q=0.2",
        "text/html;q=0.01",  # pypiserver and other older indexes answer nothing else
    )
)
"""The Accept header of a request for a page."""

_DISTRIBUTION = re.compile(r"(?i)[^/\s]+-\d[^/\s]*\.(whl|tar\.(gz|bz2|xz|z)|tgz|zip|egg|exe|msi|rpm|deb|dmg)")


class NoIndex(Exception):
    """The answer is not a page of the simple API; the text says what it is."""


class BrokenPage(NoIndex):
    """The answer breaks off or is garbled; another request may bring the whole."""


class ListedFile(Struct, frozen=True, kw_only=True):
    """A file as an index lists it."""

    file: str
    sha256: str
    """In lower case; empty if the index gives no SHA-256."""
    url: str
    uploaded: datetime | None = None
    yanked: bool = False
    size: int = 0
    """Bytes; 0 if the index gives no size."""
    metadata_url: str = ""
    """The address of its METADATA file (PEP 658); empty if the index serves none."""
    provenance: str = ""
    """The address of its attestations (PEP 740); empty if it has none, or the index does not tell."""


def listed_files(body: bytes, *, content_type: str, url: str, project: str) -> tuple[ListedFile, ...]:
    """The files on a page. `url`: its address, the base of relative links. Raises `NoIndex`."""
    kind, _, parameters = content_type.lower().partition(";")
    if kind.strip().endswith("json"):
        return _from_json(body, url)
    if kind.strip() in ("", "text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"):
        charset = re.search(r"charset=[\"']?([\w.:-]+)", parameters)
        return _from_html(_text(body, charset[1] if charset else "utf-8"), url, project)
    raise NoIndex(f"it answers with {kind.strip()[:80]}, expected JSON or HTML of the simple API")


# JSON ---------------------------------------------------------------------------------------------------------------


class _Meta(Struct, rename="kebab"):
    api_version: str


class _File(Struct, rename="kebab"):
    filename: str
    url: str
    hashes: dict[str, str | None] | None = None
    yanked: bool | str | None = False
    size: int | None = None
    upload_time: str | None = None
    core_metadata: bool | dict[str, str] | None = None
    provenance: str | None = None
    dist_info_metadata: bool | dict[str, str] | None = None


class _Project(Struct):
    meta: _Meta
    files: list[_File]


def _from_json(body: bytes, url: str) -> tuple[ListedFile, ...]:
    try:
        page = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=_Project)
    except msgspec.ValidationError as error:
        raise NoIndex(f"its answer is not the JSON of the simple API ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenPage(f"its answer is broken JSON ({error})") from None
    _refuse_version(page.meta.api_version)
    return tuple(
        ListedFile(
            file=_one_line(row.filename),
            sha256=((row.hashes or {}).get("sha256") or "").lower(),
            url=_absolute_address(url, row.url),
            uploaded=_moment(row.upload_time or ""),
            yanked=row.yanked not in (False, None),
            size=row.size or 0,
            provenance=row.provenance or "",
            metadata_url=_metadata(_absolute_address(url, row.url))
            if row.core_metadata or row.dist_info_metadata or {} in (row.core_metadata, row.dist_info_metadata)
            else "",
        )
        for row in page.files
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# HTML ---------------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The links, the base and the version of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.base = self.version = ""
        self.links: list[tuple[dict[str, str], str]] = []
        self._open: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        row = {name: value or "" for name, value in reversed(attrs)}  # the first of two equal names counts
        if tag == "a" and "href" in row:
            self._open = row
            self.links.append((row, ""))
        elif tag == "base" and not self.base:
            self.base = row.get("href", "")
        elif tag == "meta" and row.get("name") == "pypi:repository-version":
            self.version = row.get("content", "")

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            row, text = self.links.pop()
            self.links.append((row, text + data))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None


def _from_html(text: str, url: str, project: str) -> tuple[ListedFile, ...]:
    page = _Page()
    page.feed(text)
    page.close()
    if page.version:
        _refuse_version(page.version)
    rows = tuple(_file_of_link(row, words, _absolute_address(url, page.base)) for row, words in page.links)
    files = tuple(row for row in rows if _DISTRIBUTION.fullmatch(row.file))
    if not (page.version or files or _is_empty_page(text, project)):
        raise NoIndex("it answers with a web page without any link to a file, as a page to sign in is")
    return files


def _absolute_address(base: str, address: str) -> str:
    """The absolute address of a link; raises `NoIndex` if it is not an address."""
    try:
        joined = urljoin(base, address)
        _ = urlsplit(joined).port
    except ValueError as error:
        raise NoIndex(f"it links to '{inert(address)[:_SHOWN]}', which is not an address ({error})") from None
    return joined


_SHOWN = 80


def _file_of_link(row: dict[str, str], words: str, base: str) -> ListedFile:
    address, fragment = urldefrag(_absolute_address(base, row["href"].strip()))
    name, _, digest = fragment.partition("=")
    file = words.strip()
    if not _DISTRIBUTION.fullmatch(file):  # a shortened or decorated text; PEP 503 wants the address's last part
        file = unquote(urlsplit(address).path.rpartition("/")[2])
    metadata = row.get("data-core-metadata", row.get("data-dist-info-metadata", "false"))
    return ListedFile(
        file=_one_line(file),
        sha256=digest.partition("&")[0].lower() if name == "sha256" else "",
        url=address,
        yanked="data-yanked" in row,
        provenance=row.get("data-provenance", ""),
        metadata_url="" if metadata.lower() == "false" else _metadata(address),
    )


def _is_empty_page(text: str, project: str) -> bool:
    """Whether a page has the heading of a page without files.

    The heading is that of PEP 503's example, which Nexus, GitLab, Azure and pypiserver also write.
    """
    heading = re.search(r"(?is)<(title|h1)[^>]*>\s*links for\s+(.*?)\s*</", text)
    return bool(heading) and same_project(str(heading[2] if heading else "").split("/")[-1], project)


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


# Both ---------------------------------------------------------------------------------------------------------------


def same_project(name: str, project: str) -> bool:
    """Whether two spellings name one project."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name) == canonicalize_name(project)


def _one_line(name: str) -> str:
    """A file name as it may be shown: without characters that control a terminal, in one line."""
    return inert(name).replace("\n", "\\n").replace("\t", "\\t")[:400]


def _refuse_version(text: str) -> None:
    """Raises `NoIndex` for a version of the simple API other than 1 (PEP 629)."""
    if not re.match(r"1(\.|$)", text.strip()):
        raise NoIndex(f"it speaks version {text.strip()[:20]} of the simple API, and 1 is known here")


def _metadata(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path}.metadata", "", ""))
