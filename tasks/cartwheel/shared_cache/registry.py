"""A registry of the OCI distribution specification 1.1 as a store (`oci://`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from cartwheel.destinations.http import body_up_to, conversation, is_loopback, reason
from cartwheel.model.errors import CartwheelError
from cartwheel.process.run import Interrupted
from cartwheel.shared_cache.registry_login import credentials
from cartwheel.shared_cache.store import (
    LONGEST_MANIFEST,
    CacheFault,
    DamagedEntry,
    check_digest,
    deadline,
    digest_of,
)

if TYPE_CHECKING:
    import requests

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_LONGEST = LONGEST_MANIFEST
"""Bytes of an answer without a file."""
_PAGES = 1000


class RegistryStore:
    """A repository of a registry. Plain http is spoken on loopback only."""

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        host, _, self._name = address.partition("/")
        self._host, self._environ = host, environ
        scheme = "http" if is_loopback(f"http://{host}") else "https"
        self._base = f"{scheme}://{'registry-1.docker.io' if host == 'docker.io' else host}/v2/{self._name}/"
        self._authorization = ""
        self._login: tuple[str, str] | None = None

    def manifest(self, tag: str) -> bytes | None:
        status, data, _ = self._ask("GET", f"manifests/{tag}", headers={"Accept": MANIFEST})
        return None if status == 404 else self._expect(status, data, 200)

    def blob(self, digest: str, size: int) -> bytes:
        status, data, _ = self._ask("GET", f"blobs/{digest}", longest=size)
        if status == 404:
            raise DamagedEntry(f"{digest[:19]} is missing")
        return check_digest(self._expect(status, data, 200), digest)

    def has_blob(self, digest: str, size: int) -> bool:
        return self._ask("HEAD", f"blobs/{digest}")[0] == 200

    def put_blob(self, data: bytes) -> str:
        digest = digest_of(data)
        if self.has_blob(digest, len(data)):
            return digest
        status, answer, headers = self._ask("POST", "blobs/uploads/")
        self._expect(status, answer, 202)
        if not headers.get("Location"):
            raise CacheFault(f"{self._host} names no address for an upload")
        place = urljoin(self._base, headers["Location"])
        if urlsplit(place).scheme != urlsplit(self._base).scheme:
            raise CacheFault(f"{self._host} names an upload address of another scheme")
        place += f"{'&' if '?' in place else '?'}digest={digest}"
        status, answer, _ = self._ask("PUT", place, data=data, headers={"Content-Type": "application/octet-stream"})
        self._expect(status, answer, 201)
        return digest

    def put_manifest(self, tag: str, data: bytes) -> None:
        status, answer, _ = self._ask("PUT", f"manifests/{tag}", data=data, headers={"Content-Type": MANIFEST})
        self._expect(status, answer, 201)

    def tags(self) -> Iterable[str]:
        place, names, seen = "tags/list?n=1000", dict[str, None](), set[str]()
        for _ in range(_PAGES):
            status, data, headers = self._ask("GET", place)
            if status == 404:
                break
            names |= dict.fromkeys(_tags(self._expect(status, data, 200)))
            following = re.match(r'<([^>]+)>;\s*rel="?next"?', headers.get("Link", ""))
            if not following:
                break
            seen.add(place)
            place = urljoin(self._base, following[1])
            if place in seen:
                break
        return tuple(names)

    def delete(self, tag: str) -> None:
        data = self.manifest(tag)
        if data is None:
            return
        status, answer, _ = self._ask("DELETE", f"manifests/{digest_of(data)}")
        if status in (400, 405):
            raise CacheFault(f"{self._host} deletes nothing by its API; set an expiry in the registry's own settings")
        if status != 404:
            self._expect(status, answer, 202)
        if self.manifest(tag) is not None:  # some registries keep a tag as a manifest of its own
            status, answer, _ = self._ask("DELETE", f"manifests/{tag}")
            self._expect(status, answer, 202)

    def sweep(self) -> None:
        """A registry collects blobs without a manifest itself."""

    def _expect(self, status: int, data: bytes, expected: int) -> bytes:
        if status != expected:
            login = " (docker login or podman login)" if status in (401, 403) else ""
            raise CacheFault(f"{self._host} answered {status}{login}")
        return data

    def _ask(
        self,
        method: str,
        place: str,
        *,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        longest: int = _LONGEST,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of an answer; logs in once if the registry asks for it."""
        url = place if "://" in place else self._base + place
        answer = self._once(method, url, data, headers or {}, longest)
        same = urlsplit(url).netloc == urlsplit(self._base).netloc
        if answer[0] == 401 and same and self._log_in(answer[2].get("WWW-Authenticate", "")):
            answer = self._once(method, url, data, headers or {}, longest)
        return answer

    def _once(
        self, method: str, url: str, data: bytes, headers: Mapping[str, str], longest: int, params: Any = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        import requests

        same = urlsplit(url).netloc == urlsplit(self._base).netloc
        authorization = self._authorization if same else ""

        def auth(request: Any) -> Any:  # set here, so that requests drops it when a redirect leads to another host
            if authorization:
                request.headers["Authorization"] = authorization
            return request

        def exchange(session: requests.Session) -> tuple[int, bytes, Mapping[str, str]]:
            with session.request(method, url, data=data or None, headers=dict(headers), params=params) as answer:
                limit = max(longest, _LONGEST if not answer.ok else 0)
                body = body_up_to(answer, limit, DamagedEntry("an answer of the cache is longer than it should be"))
                return answer.status_code, body, _known_headers(answer.headers)

        try:
            with conversation(url, auth) as talk:
                size = len(data) + (longest if longest != _LONGEST else 0)
                return talk.exchange(exchange, seconds=deadline(size))
        except Interrupted:
            raise
        except CacheFault:
            raise
        except (CartwheelError, requests.RequestException, OSError, ValueError) as error:
            raise CacheFault(f"{self._host}: {reason(error, self._secrets())}") from None

    def _secrets(self) -> tuple[str, ...]:
        login = self._login or ("", "")
        return tuple(word for word in (self._authorization.partition(" ")[2], login[1]) if word)

    def _log_in(self, challenge: str) -> bool:
        """Answer a challenge of a registry; whether there is another authorization than before."""
        self._login = self._login or credentials(self._host, self._name, self._environ)
        kinds = _challenges(challenge)
        before = self._authorization
        if "bearer" in kinds:
            self._authorization = self._token(kinds["bearer"])
        elif "basic" in kinds:
            self._authorization = _basic(self._login) if self._login else ""
        return bool(self._authorization) and self._authorization != before

    def _token(self, values: Mapping[str, str]) -> str:
        import msgspec

        realm = values.get("realm", "")
        if urlsplit(realm).scheme != "https" and not (is_loopback(realm) and is_loopback(self._base)):
            raise CacheFault(f"{self._host} wants a login at an address without TLS")
        params = {name: values[name] for name in ("service", "scope") if values.get(name)}
        self._authorization = ""
        headers = {"Authorization": _basic(self._login)} if self._login else {}
        status, data, _ = self._once("GET", realm, b"", headers, _LONGEST, params)
        self._expect(status, data, 200)
        try:
            answer = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CacheFault(f"{self._host}: the login's answer is no JSON") from None
        token = answer.get("token") or answer.get("access_token")
        return f"Bearer {token}" if isinstance(token, str) and token.isprintable() else ""


def _challenges(header: str) -> Mapping[str, Mapping[str, str]]:
    """The parameters of each kind of login that a registry offers (RFC 9110, 11.6.1); Harbor offers two at once."""
    kinds: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for name, value in re.findall(r'([\w-]+)(?:\s*=\s*("[^"]*"|[^\s,"]+))?', header):
        if value:
            values.setdefault(name.lower(), value.strip('"'))
        else:
            values = kinds.setdefault(name.lower(), {})
    return kinds


def _known_headers(headers: Any) -> Mapping[str, str]:
    """The headers that are read here under the names that are used here."""
    return {name: headers[name] for name in ("Location", "Link", "WWW-Authenticate") if name in headers}


def _basic(login: tuple[str, str]) -> str:
    import base64

    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


def _tags(data: bytes) -> Iterable[str]:
    import msgspec

    class Tags(msgspec.Struct):
        tags: list[str] | None = None

    try:
        return msgspec.json.decode(data, type=Tags).tags or ()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CacheFault("the list of tags is no JSON") from None
