"""A release on GitHub: a draft with every file, then published; one that is half made is completed.

Nothing that was published is replaced or deleted.  What is removed is only what an upload that broke off left behind:
an asset in the state "starter", which nobody can download and which keeps its name from being used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cartwheel.destinations.github_api import Api, Persistent, Reply, code_of, told
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.release_page import Asset, Page, Wanted, asset_of, find, judge, page_of, rows_of
from cartwheel.destinations.retries import Patience
from cartwheel.destinations.retries import sleep as wait
from cartwheel.destinations.twine_upload import Answer
from cartwheel.model.errors import StepFailed

Say = Callable[[str], None]
Sleep = Callable[[float], None]

ONE_AT_A_TIME = threading.Lock()
"""Held while a release is worked on: packages may share one, and two drafts of a tag would be two releases."""


def look(api: Api, wanted: Wanted, *, say: Say, patience: Patience, sleep: Sleep | None = None) -> tuple[str, ...]:
    """Every reason not to send anything; none: it may be.  Changes nothing."""
    forge = Persistent(api, say, patience, sleep or wait)
    _refuse_without_token(forge)
    wrong = _about_tag(forge, wanted)
    return (*wrong, *judge(find(forge, wanted.tag), wanted, lambda asset: api.digest(asset.url)).wrong)


def _refuse_without_token(forge: Persistent) -> None:
    if not forge.api.has_token:
        from cartwheel.destinations.pypi_index import token_variable

        place = forge.api.place
        raise StepFailed(
            f"{place.name}: no token; set {token_variable(place.name)} (or GITHUB_TOKEN) to one that may write "
            f"contents of {place.repository}"
        )


def _about_tag(forge: Persistent, wanted: Wanted) -> tuple[str, ...]:
    """GitHub makes a tag of its own where there is none, on whatever its default branch leads to then."""
    if not wanted.commit:
        return ()
    reply = forge.ask("GET", f"commits/tags/{wanted.tag}", ok=(404, 422))
    found = str((reply.document or {}).get("sha", "")) if reply.answer.taken else ""
    place = forge.api.place
    if not found:
        return (f"{place.repository} has no tag {wanted.tag} at {place.api}; push it first: doit tag",)
    if found != wanted.commit:
        return (
            f"{wanted.tag} is on commit {found[:12]} there, and this is {wanted.commit[:12]}; a tag is never moved",
        )
    return ()


# Making it -----------------------------------------------------------------------------------------------------------


def complete(
    api: Api, wanted: Wanted, *, book: Ledger, say: Say, patience: Patience, sleep: Sleep | None = None
) -> tuple[str, ...]:
    """Make the release, or what is missing of it, and publish it; the names of the files that were sent.

    Raises `StepFailed` before anything is changed where anything conflicts, and later where GitHub refuses; a second
    run does only the rest.
    """
    forge = Persistent(api, say, patience, sleep or wait)
    _refuse_without_token(forge)
    wrong = _about_tag(forge, wanted)
    page = find(forge, wanted.tag)
    standing = judge(page, wanted, lambda asset: api.digest(asset.url))
    wrong += (*standing.wrong, *book.refusals(wanted.sha256))
    if wrong:
        raise StepFailed("\n".join((f"{api.place.name}: nothing was sent:", *(f"  {line}" for line in wrong))))
    for name in standing.there:
        book.note(name, wanted.sha256[name], "there")
        say(f"{name}: on {api.place.name} already, with the same bytes")
    page = page or _draft(forge, wanted, say)
    courier = _Courier(forge, page, wanted, book, say)
    for asset in standing.broken:
        courier.remove_rest(asset)
    for name in standing.send:
        courier.deliver(name)
    _publish(forge, wanted, page, say)
    return standing.send


def _draft(forge: Persistent, wanted: Wanted, say: Say) -> Page:
    document = {"tag_name": wanted.tag, "name": wanted.title, "body": wanted.notes, "draft": True}
    document |= {"prerelease": wanted.prerelease}
    for attempt in range(1, 100):
        reply = forge.api.ask("POST", "releases", document)
        if reply.answer.taken:
            break
        found = find(forge, wanted.tag) if reply.answer.passing else None
        if found:  # the answer was lost, not the request
            return found
        if not forge.again(wanted.tag, attempt, reply):
            raise StepFailed(forge.refused(reply, wanted.tag))
    page = page_of(forge, reply.document)
    _give_way(forge, wanted, page)
    say(f"{wanted.tag}: a draft is made")
    return page


def _give_way(forge: Persistent, wanted: Wanted, page: Page) -> None:
    """Of two releases at once the one with the older draft goes on; the other takes its own, still empty, away."""
    other = next((row for row in rows_of(forge, wanted.tag) if row["id"] < page.id), None)
    if other:
        forge.ask("DELETE", f"releases/{page.id}", ok=(404,))
        raise StepFailed(
            f"{forge.api.place.name}: another run makes the release of {wanted.tag} at this moment "
            f"({other.get('html_url')}); start again when it has ended"
        )


def _publish(forge: Persistent, wanted: Wanted, page: Page, say: Say) -> None:
    """Compare all that is there once more, then make it public."""
    found = find(forge, wanted.tag, page.id)
    if found is None or found.id != page.id:
        raise StepFailed(f"{forge.api.place.name}: the release of {wanted.tag} is gone while it was made; start again")
    standing = judge(found, wanted, lambda asset: forge.api.digest(asset.url))
    if standing.wrong or standing.send:
        lines = standing.wrong or tuple(f"{name}: sent, and the release does not show it" for name in standing.send)
        raise StepFailed("\n".join((f"{forge.api.place.name}: {wanted.tag} is not published:", *lines)))
    missing = sorted(set(wanted.others) - {asset.name for asset in found.assets if asset.whole})
    if found.draft and missing:
        say(f"{wanted.tag}: stays a draft until {missing[0]} and what else shares the release is there")
        return
    change: dict[str, Any] = {} if found.notes or not wanted.notes or found.immutable else {"body": wanted.notes}
    if found.draft:
        change |= {"draft": False, "prerelease": wanted.prerelease, "make_latest": "legacy"}
    if change:
        reply = forge.ask("PATCH", f"releases/{found.id}", {"tag_name": wanted.tag, **change})
        if (reply.document or {}).get("draft"):
            raise StepFailed(
                f"{forge.api.place.name}: {wanted.tag} is still a draft, although it was told to publish it"
            )
    if found.prerelease != wanted.prerelease and not found.draft:
        kind = "a pre-release" if found.prerelease else "no pre-release"
        say(f"{wanted.tag}: was published as {kind}, unlike its version; change it by hand if it matters")
    say(f"{wanted.tag}: {'published' if found.draft else 'complete'}: {found.html}")


class _Courier:
    """Delivers one file at a time, and knows what to make of every answer."""

    def __init__(self, forge: Persistent, page: Page, wanted: Wanted, book: Ledger, say: Say) -> None:
        self._forge, self._page, self._wanted, self._book, self._say = forge, page, wanted, book, say
        self._name = forge.api.place.name

    def deliver(self, name: str) -> None:
        """Send until the release has it; raises `StepFailed` where it will not."""
        path, sha256 = self._wanted.files[name], self._wanted.sha256[name]
        for attempt in range(1, 100):
            self._book.note(name, sha256, "sending")
            reply = self._forge.api.upload(f"{self._page.upload}?name={name}", path)
            if reply.answer.taken and self._as_sent(name, reply):
                self._book.note(name, sha256, "sent", reply.answer)
                self._say(f"{name}: sent to {self._name}")
                return
            if self._is_there(name, reply):
                self._book.note(name, sha256, "there", reply.answer)
                self._say(f"{name}: on {self._name}, with the same bytes")
                return
            if not self._forge.again(name, attempt, _as_passing(reply)):
                break
        self._book.note(name, sha256, "unknown" if reply.answer.open else "refused", reply.answer)
        raise StepFailed(f"{self._forge.refused(reply, name)}; nothing after it was sent")

    def remove_rest(self, asset: Asset) -> None:
        """Remove what an upload that broke off left."""
        self._forge.ask("DELETE", f"releases/assets/{asset.id}", ok=(404,))
        self._say(f"{asset.name}: the rest of an upload that broke off is removed")

    def _as_sent(self, name: str, reply: Reply) -> bool:
        """Whether the answer is about the whole file; GitHub changes names it does not like."""
        if not isinstance(reply.document, dict):
            return False
        asset = asset_of(reply.document)
        if asset.name != name:
            raise StepFailed(
                f"{name}: {self._name} calls it {asset.name}; remove it there, and give the file a name it keeps"
            )
        return asset.whole and asset.size == self._wanted.files[name].stat().st_size

    def _is_there(self, name: str, reply: Reply) -> bool:
        """Whether these very bytes are there after all; other bytes raise, and the rest of a broken upload is
        removed, since its name is taken until then."""
        if reply.status in (401, 403, 404, 413, 429):
            return False
        if not (reply.answer.passing or reply.answer.taken or "already_exists" in code_of(reply)):
            return False
        found = find(self._forge, self._wanted.tag, self._page.id)
        one = Wanted(
            tag=self._wanted.tag, commit="", title="", notes="", prerelease=False, project=self._wanted.project,
            files={name: self._wanted.files[name]}, sha256={name: self._wanted.sha256[name]},
            others=(*self._wanted.files, *self._wanted.others),
        )  # fmt: skip
        standing = judge(found, one, lambda asset: self._forge.api.digest(asset.url))
        if standing.wrong:
            self._book.note(name, self._wanted.sha256[name], "refused", reply.answer)
            raise StepFailed("\n".join(standing.wrong))
        for asset in standing.broken:
            self.remove_rest(asset)
        return bool(standing.there)


def _as_passing(reply: Reply) -> Reply:
    """A name that was taken by the rest of a broken upload, or an upload that came to an end and is not whole, is
    tried again like any failure that passes."""
    if reply.answer.taken or "already_exists" in code_of(reply):
        return Reply(answer=Answer(status=503, words=told(reply), retry_after=0.0))
    return reply


# Seeing it -----------------------------------------------------------------------------------------------------------


def shown(
    api: Api, wanted: Wanted, *, say: Say, patience: Patience, sleep: Sleep | None = None, looks: int = 5
) -> tuple[str, ...]:
    """What is wrong with the published release; none: every file is there with our bytes, and all can see it."""
    forge = Persistent(api, say, patience, sleep or wait)
    wrong: tuple[str, ...] = ()
    for number in range(looks):
        page = find(forge, wanted.tag)
        standing = judge(page, wanted, lambda asset: api.digest(asset.url))
        wrong = standing.wrong + tuple(f"{name}: not on the release" for name in standing.send)
        if page is None or page.draft:
            wrong = (f"{wanted.tag}: {'a draft, which nobody sees' if page else 'no release'}", *wrong)
        if not wrong or standing.wrong or number + 1 == looks:
            break
        (sleep or wait)(patience.lag)
    return wrong
