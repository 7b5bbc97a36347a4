"""Makes a release page: a draft that gets every file and is then published, or completes an unfinished page.

Nothing published is replaced or deleted. The only thing removed is an asset in the state "starter", left by an
interrupted upload: it cannot be downloaded and blocks its name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cartwheel.destinations import retries
from cartwheel.destinations.github_api import Api, Persistent, Reply
from cartwheel.destinations.protocol import (
    BROKEN,
    COMPLETE,
    MISSING,
    NOTHING,
    PARTIAL,
    Answer,
    DestinationStatus,
    Item,
    ItemStatus,
    Release,
    Say,
    Sleep,
    Standing,
    item_statuses,
    overall_state,
)
from cartwheel.destinations.release_bundles import Bundles, provenance_of
from cartwheel.destinations.release_page import (
    Asset,
    Page,
    PageSpec,
    archive_stem,
    asset_of,
    extra_files,
    files_of,
    find,
    judge,
    latest,
    page_of,
    partners,
    rows_of,
    sums_name,
    tag_refusals,
)
from cartwheel.destinations.release_report import attach_report
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.destination import GITHUB
from cartwheel.model.errors import StepFailed

PATIENCE = Patience()
_ONE_AT_A_TIME = threading.Lock()
"""Held while a release is made: packages may share a page, and two drafts of one tag would become two releases."""


class GitHubRelease:
    """The release page of one tag."""

    content, lags, one_by_one, deadline = "bytes", False, False, 60.0

    def __init__(
        self,
        api: Api,
        spec: PageSpec,
        *,
        say: Say,
        patience: Patience | None = None,
        wait: Sleep | None = None,
        release: Release | None = None,
        bundles: Bundles | None = None,
    ) -> None:
        self.name, self.url = api.place.name, api.place.url
        self.patience = patience or PATIENCE
        self._api, self._spec, self._say, self._release = api, spec, say, release
        self._forge = Persistent(api, say, self.patience, wait or retries.sleep)
        self._page: Page | None = None
        self._bundles = bundles

    @contextmanager
    def session(self) -> Iterator[None]:
        """Serializes the releases of this process; closes the connections at the end."""
        with _ONE_AT_A_TIME, self._api:
            yield

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """The planned files, an archive of them all, and the list of their digests."""
        extra: tuple[Path, ...] = ()
        if self._release:
            stem, sums = archive_stem(self._release.package), sums_name(self._release)
            extra = extra_files([item.path for item in files], self._release.scratch, stem=stem, sums=sums)
            if not self._spec.notes and not self._spec.generated:
                version = self._release.package.version
                self._say(f"the changelog has no entry for {version}, so the release page has no notes")
        extras = (Item(name=path.name, path=path, sha256=sha256_of(path)) for path in extra)
        items = (*files, *extras)
        self._spec = replace(
            self._spec, files={i.name: i.path for i in items}, sha256={i.name: i.sha256 for i in items}
        )
        return items

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """A missing token; with `sending`, also a tag that is missing on the remote or on another commit."""
        if unsigned := self._bundles.refusal() if self._bundles and sending else "":
            return (unsigned,)
        return self._api.without_token() or (tag_refusals(self._forge, self._spec) if sending else ())

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """Compares the page with the plan; with `public` a draft does not count, since users cannot see it."""
        part = self._part(items)
        self._page = find(self._forge, self._spec.tag, self._page.id if self._page else 0)
        standing = judge(self._page, part, self._digest)
        hidden = ""
        if public and (self._page is None or self._page.draft):
            hidden = f"{self._spec.tag}: {'a draft, which nobody sees' if self._page else 'no release'}"
        return Standing(send=standing.send, there=standing.there, wrong=standing.wrong, trouble=hidden)

    def prepare(self, standing: Standing) -> None:
        """Makes the draft, and removes remains of interrupted uploads under the planned names."""
        self._page = self._page or self._draft()
        for asset in judge(self._page, self._spec, self._digest).broken:
            self._remove_rest(asset)

    def send(self, item: Item) -> Answer:
        """Uploads one file, once. Remains of an interrupted upload are removed; the answer then has status 503, so
        it is retried."""
        if self._page is None:
            raise StepFailed(f"{self.name}: no draft of {self._spec.tag} to send {item.name} to")
        if sha256_of(item.path) != item.sha256:
            raise StepFailed(f"{item.name}: it was changed while the release was sent; start again")
        reply = self._api.upload(f"{self._page.upload}?name={item.name}", item.path)
        if reply.answer.taken and self._is_complete(item, reply):
            return reply.answer
        taken = reply.answer.taken or "already_exists" in reply.codes
        if taken or reply.answer.passing:
            page = find(self._forge, self._spec.tag, self._page.id)
            for asset in judge(page, self._part((item,)), self._digest).broken:
                self._remove_rest(asset)
        return Answer(status=503, words=reply.answer.text) if taken else reply.answer

    def renew_credentials(self, answer: Answer) -> bool:
        """Always False: a GitHub token cannot be renewed."""
        return False

    def settles(self, answer: Answer) -> int:
        """At most one look: a release page shows at once what it has."""
        return 0 if answer.status in (401, 403, 404, 413, 429) or not (answer.passing or answer.open) else 1

    def refusal(self, item: Item, answer: Answer) -> str:
        """Why the file was not taken."""
        return f"{self._forge.refusal(answer, item.name)}; nothing after it was sent"

    def finish(self, items: Sequence[Item]) -> None:
        """Compares all files again and publishes the page, unless files of packages that share it are missing."""
        spec, name = self._spec, self.name
        page = find(self._forge, spec.tag, self._page.id if self._page else 0)
        if page is None or (self._page and page.id != self._page.id):
            raise StepFailed(f"{name}: the release of {spec.tag} is gone while it was made; start again")
        standing = judge(page, spec, self._digest)
        if standing.wrong or standing.send:
            lines = standing.wrong or tuple(f"{file}: sent, and the release does not show it" for file in standing.send)
            raise StepFailed("\n".join((f"{name}: {spec.tag} is not published:", *lines)))
        if self._bundles and not page.immutable:
            whole = [asset.name for asset in page.assets if asset.whole]
            self._bundles.add(self._forge, page.upload, spec.sha256, whole)
        if self._release:
            attach_report(self._api, self._release, spec.commit, page, self._say)
        missing = sorted(set(spec.others) - {asset.name for asset in page.assets if asset.whole})
        if page.draft and missing:
            self._say(f"{spec.tag}: stays a draft until {missing[0]} and what else shares the release is there")
            return
        self._publish(page)
        if page.prerelease != spec.prerelease and not page.draft:
            kind = "a pre-release" if page.prerelease else "no pre-release"
            self._say(f"{spec.tag}: was published as {kind}, unlike its version; change it by hand if it matters")
        self._say(f"{spec.tag}: {'published' if page.draft else 'complete'}: {page.html}")

    def prove(self, items: Sequence[Item]) -> str:
        """Installs nothing: that the page shows every file is the proof. Verifies the bundles."""
        line = f"{len(items)} files on the release {self._spec.tag}, each with the same bytes"
        if not (self._bundles and self._page):
            return line
        digests = {item.name: item.sha256 for item in items}
        proven = self._bundles.verify(self._api, self._page.assets, digests, self._api.place.repository)
        return "; ".join(filter(None, (line, proven)))

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """Each file of the page compared with `digests`, and the state and address of the page."""
        assert self._release is not None
        release, spec = self._release, self._spec
        names = files_of(release.package, shared=bool(partners(release)))
        page = find(self._forge, spec.tag)
        if page is None:
            missing = tuple(ItemStatus(name=file, state=MISSING) for file in names)
            return DestinationStatus(
                name=self.name, kind=GITHUB, state=NOTHING, detail="no release page", items=missing
            )
        planned = {file: digests.get(file, "") for file in names}
        assets = {asset.name: asset for asset in page.assets if asset.name in planned or asset.name not in spec.others}
        held = {file: asset.sha256 for file, asset in assets.items()}
        items = tuple(
            ItemStatus(name=item.name, state=BROKEN)
            if item.name in assets and not assets[item.name].whole
            else replace(item, provenance=provenance_of(item.name, assets))
            for item in item_statuses(planned, held, extra=False)
        )
        kind = "a draft" if page.draft else "published, and can no longer be changed" if page.immutable else "published"
        state = overall_state(items)
        state = PARTIAL if page.draft and state == COMPLETE else state
        return DestinationStatus(name=self.name, kind=GITHUB, state=state, detail=f"{kind}: {page.html}", items=items)

    def _digest(self, asset: Asset) -> str:
        return self._api.digest(asset.url)

    def _part(self, items: Sequence[Item]) -> PageSpec:
        """The plan reduced to these items; the other files of the page stay known but are not judged."""
        names = {item.name for item in items}
        rest = tuple(file for file in self._spec.files if file not in names)
        return replace(
            self._spec, files={i.name: i.path for i in items}, sha256={i.name: i.sha256 for i in items},
            others=(*rest, *self._spec.others),
        )  # fmt: skip

    def _draft(self) -> Page:
        spec = self._spec
        document = {"tag_name": spec.tag, "name": spec.title, "body": spec.notes, "draft": True}
        document |= {"prerelease": spec.prerelease}
        lost: list[Page] = []

        def make() -> Reply:
            reply = self._api.ask("POST", "releases", document)
            if reply.answer.passing and (page := find(self._forge, spec.tag)):
                lost.append(page)  # the answer was lost, not the request
                return Reply(answer=Answer(status=200, words=""))
            return reply

        reply = self._forge.attempt(make, spec.tag)
        if lost:
            return lost[-1]
        if not reply.answer.taken:
            raise StepFailed(self._forge.refusal(reply.answer, spec.tag))
        page = page_of(self._forge, reply.fields)
        self._give_way(page)
        self._say(f"{spec.tag}: a draft is made")
        return page

    def _give_way(self, page: Page) -> None:
        """Resolves a race of two runs: if the other draft is older, deletes this empty one; raises `StepFailed`."""
        other = next((row for row in rows_of(self._forge, self._spec.tag) if row.get("id", page.id) < page.id), None)
        if other:
            self._forge.ask("DELETE", f"releases/{page.id}", ok=(404,))
            raise StepFailed(
                f"{self.name}: another run makes the release of {self._spec.tag} at this moment "
                f"({other.get('html_url')}); start again when it has ended"
            )

    def _publish(self, page: Page) -> None:
        spec = self._spec
        lacks_notes = not page.notes and not page.immutable
        notes = (self._generated_notes() if spec.generated else spec.notes) if lacks_notes else ""
        change: dict[str, Any] = {"body": notes} if notes else {}
        if page.draft:
            newest = latest(self._forge, spec)
            change |= {"draft": False, "prerelease": spec.prerelease, "make_latest": "true" if newest else "false"}
        if not change:
            return
        reply = self._forge.ask("PATCH", f"releases/{page.id}", {"tag_name": spec.tag, **change})
        if reply.fields.get("draft"):
            raise StepFailed(f"{self.name}: {spec.tag} is still a draft, although it was told to publish it")

    def _generated_notes(self) -> str:
        """The notes from merged pull requests since the release before (REST API, "generate release notes content for
        a release", November 2026)."""
        reply = self._forge.ask("POST", "releases/generate-notes", {"tag_name": self._spec.tag})
        return str(reply.fields.get("body") or "")

    def _remove_rest(self, asset: Asset) -> None:
        """Removes what an interrupted upload left."""
        self._forge.ask("DELETE", f"releases/assets/{asset.id}", ok=(404,))
        self._say(f"{asset.name}: the rest of an upload that broke off is removed")

    def _is_complete(self, item: Item, reply: Reply) -> bool:
        """Whether the reply describes the whole file. Raises `StepFailed` if GitHub changed the file's name."""
        if not isinstance(reply.document, dict):
            return False
        asset = asset_of(reply.document)
        if asset.name != item.name:
            raise StepFailed(
                f"{item.name}: {self.name} calls it {asset.name}; remove it there, and give the file a name it keeps"
            )
        return asset.whole and asset.size == item.path.stat().st_size and asset.sha256 in ("", item.sha256)
