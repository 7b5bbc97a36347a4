"""A stand-in for GitHub's releases on this machine: drafts, assets and their states, in the form of the REST API."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cartwheel.stand_ins.stub_server import StubRequest, served_address


class LoopbackReleases:
    """The releases of one repository, and their address while they are served."""

    repository = "rehearsal/project"

    def __init__(self, tags: Callable[[], Mapping[str, str]], *, token: str = "") -> None:
        self.tags = tags
        """Returns the commit of each tag in the repository."""
        self.token = token
        """Required for changes; empty: anyone may change releases."""
        self.releases: dict[int, dict[str, Any]] = {}
        self.assets: dict[int, dict[str, Any]] = {}
        self.bytes: dict[int, bytes] = {}
        self.immutable = False
        """Whether a published release can no longer be changed."""
        self.digests = True
        """Whether assets are listed with their digest."""
        self.latest = ""
        """The tag of the release that is marked as the latest."""
        self.base = ""
        self._last = 0

    @property
    def settings(self) -> dict[str, object]:
        """The keys that replace the table of the index it stands in for."""
        return {"url": self.base, "repository": self.repository}

    def summary(self) -> str:
        """A line for each release page."""
        lines = (
            f"release page {row['tag_name']}: {'a draft' if row['draft'] else 'published'}, "
            f"{len(self.files(row['tag_name']))} files\n"
            for row in self.releases.values()
        )
        return "".join(lines)

    def new_id(self) -> int:
        """An unused id for a release or an asset."""
        self._last += 1
        return self._last

    def assets_of(self, release: int) -> list[dict[str, Any]]:
        """The assets of one release."""
        return [asset for asset in self.assets.values() if asset["release"] == release]

    def files(self, tag: str) -> dict[str, bytes]:
        """The complete assets of a tag's releases, by name."""
        releases = [row["id"] for row in self.releases.values() if row["tag_name"] == tag]
        assets = (asset for release in releases for asset in self.assets_of(release) if asset["state"] == "uploaded")
        return {asset["name"]: self.bytes[asset["id"]] for asset in assets}

    def add(self, **fields: Any) -> dict[str, Any]:
        """Adds a release, as a person could through the web page."""
        number = self.new_id()
        row = {
            "id": number, "name": "", "body": "", "draft": False, "prerelease": False, "immutable": False, **fields,
            "html_url": f"{self.base}/{self.repository}/releases/{number}",
            "upload_url": f"{self.base}/uploads/{number}/assets{{?name,label}}",
        }  # fmt: skip
        row["immutable"] = self.immutable and not row["draft"]
        self.releases[number] = row
        return row

    def attach(self, release: int, name: str, data: bytes, *, state: str = "uploaded") -> dict[str, Any]:
        """Adds an asset to a release."""
        number = self.new_id()
        self.bytes[number] = data
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}" if self.digests and state == "uploaded" else None
        self.assets[number] = {
            "id": number, "name": name, "size": len(data), "state": state, "digest": digest, "release": release,
            "url": f"{self.base}/repos/{self.repository}/releases/assets/{number}",
        }  # fmt: skip
        return self.assets[number]

    @contextmanager
    def open(self, kind: type[GitHubRequest] | None = None) -> Iterator[LoopbackReleases]:
        """Serves the releases while the context lasts; `base` is the API's address."""
        with served_address(kind or GitHubRequest, self) as self.base:
            yield self


class GitHubRequest(StubRequest):
    """The requests of a release."""

    place: LoopbackReleases
    query: Mapping[str, list[str]] = {}

    def respond(self) -> None:
        """Dispatches a request by method and path."""
        split = urlsplit(self.path)
        self.query = parse_qs(split.query)
        path = split.path.removeprefix(f"/repos/{self.place.repository}")
        if self.place.token and self.command != "GET" and not self._is_authorized():
            self.body()
            self.refuse(401, "Bad credentials")
            return
        for method, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                getattr(self, name)(*match.groups())
                return
        self.refuse(404, "Not Found")

    def _is_authorized(self) -> bool:
        return hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {self.place.token}")

    def refuse(self, status: int, message: str, *codes: str, **headers: str) -> None:
        """Answers with an error in GitHub's form."""
        errors = [{"resource": "ReleaseAsset", "field": "name", "code": code} for code in codes]
        self.tell(status, {"message": message, **({"errors": errors} if errors else {})}, **headers)

    def commit(self, tag: str) -> None:
        """Answers with the commit of a tag."""
        sha = self.place.tags().get(tag)
        if sha:
            self.tell(200, {"sha": sha})
        else:
            self.refuse(422, f"No commit found for SHA: tags/{tag}")

    def releases(self) -> None:
        """Answers with all releases, newest first."""
        self.page(sorted(self.place.releases.values(), key=lambda row: -int(row["id"])))

    def page(self, rows: list[dict[str, Any]]) -> None:
        """Answers with one page of a list and a link to the next."""
        size, number = int(self.query.get("per_page", ["30"])[0]), int(self.query.get("page", ["1"])[0])
        path = self.path.partition("?")[0]
        following = f'<{self.place.base}{path}?per_page={size}&page={number + 1}>; rel="next"'
        more = {"Link": following} if len(rows) > size * number else {}
        self.tell(200, rows[size * (number - 1) : size * number], **more)

    def create(self) -> None:
        """Makes a release."""
        self.tell(201, self.place.add(**self.document()))

    def generate(self) -> None:
        """Answers with notes for a tag."""
        tag = self.document()["tag_name"]
        self.tell(200, {"name": tag, "body": f"## What's Changed\n* a pull request, for {tag}"})

    def change(self, number: str) -> None:
        """Changes a release: publishes it or edits its text."""
        row, changes = self.place.releases[int(number)], self.document()
        if changes.pop("make_latest", "") == "true":
            self.place.latest = row["tag_name"]
        if row["immutable"] and set(changes) - {"body", "name", "tag_name"}:
            self.refuse(422, "Cannot change an immutable release")
            return
        row |= changes
        row["immutable"] = self.place.immutable and not row["draft"]
        self.tell(200, row)

    def drop(self, number: str) -> None:
        """Deletes a release."""
        self.place.releases.pop(int(number), None)
        self.answer(204)

    def assets(self, number: str) -> None:
        """Answers with the assets of a release."""
        self.page(self.place.assets_of(int(number)))

    def upload(self, number: str) -> None:
        """Accepts a file."""
        data, name = self.body(), self.query["name"][0]
        if self.place.releases[int(number)]["immutable"]:
            self.refuse(422, "Cannot upload assets to an immutable release")
        elif name in (asset["name"] for asset in self.place.assets_of(int(number))):
            self.refuse(422, "Validation Failed", "already_exists")
        else:
            self.tell(201, self.place.attach(int(number), name, data))

    def remove(self, number: str) -> None:
        """Deletes an asset."""
        self.place.assets.pop(int(number), None)
        self.answer(204)

    def asset(self, number: str) -> None:
        """Redirects to the storage address of an asset's bytes."""
        self.answer(302, Location=f"{self.place.base}/stored/{number}")

    def stored(self, number: str) -> None:
        """Answers with an asset's bytes; refuses requests that carry a token, which must not be sent to the storage
        host."""
        if self.headers.get("Authorization"):
            self.answer(400)
        else:
            self.answer(200, self.place.bytes[int(number)])

    def document(self) -> dict[str, Any]:
        """The request's body, parsed as JSON."""
        body: dict[str, Any] = json.loads(self.body())
        return body


ROUTES = (
    ("GET", r"/commits/tags/(.+)", "commit"),
    ("GET", r"/releases", "releases"),
    ("POST", r"/releases", "create"),
    ("POST", r"/releases/generate-notes", "generate"),
    ("PATCH", r"/releases/(\d+)", "change"),
    ("DELETE", r"/releases/(\d+)", "drop"),
    ("GET", r"/releases/(\d+)/assets", "assets"),
    ("GET", r"/releases/assets/(\d+)", "asset"),
    ("DELETE", r"/releases/assets/(\d+)", "remove"),
    ("POST", r"/uploads/(\d+)/assets", "upload"),
    ("GET", r"/stored/(\d+)", "stored"),
)
