"""Delivers a release: compares the whole first, then sends item by item with a ledger, so that it can resume.

Retries, waiting and the ledger live only here, for every kind of destination.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cartwheel.destinations import retries
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.protocol import Answer, Destination, Item, Say, Sleep, Standing
from cartwheel.destinations.retries import Trouble, poll, with_retries
from cartwheel.destinations.upload_count import UploadCount
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.run import Interrupted


def stage(paths: Sequence[Path], folder: Path, expected: Mapping[str, str]) -> tuple[Item, ...]:
    """Copies each file to a private folder and digests it while copying; only the copies are examined and sent later.

    `expected`: the SHA-256 by file name, as recorded by the checks. Raises `StepFailed` if a digest or a name differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    items = tuple(
        Item(name=path.name, path=folder / path.name, sha256=_copy(path, folder / path.name)) for path in paths
    )
    digests = {item.name: item.sha256 for item in items}
    lines = [
        f"  {file}: sha256 {digests.get(file, 'missing')}, expected {expected.get(file, 'no such file')}"
        for file in sorted({*digests, *expected})
        if digests.get(file) != expected.get(file)
    ]
    if lines:
        raise StepFailed("\n".join(("nothing was sent: these files are not the ones that were checked:", *lines)))
    return items


def _copy(path: Path, copy: Path) -> str:
    """Copies a file and returns the SHA-256 of what was written; the original is read only once."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as source, open(copy, "xb") as target:
            while part := source.read(1 << 20):
                digest.update(part)
                target.write(part)
        os.chmod(copy, 0o400)
    except OSError as error:
        raise StepFailed(f"{path.name}: cannot be copied for the upload: {error.strerror}") from None
    return digest.hexdigest()


def refusals(destination: Destination, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
    """Every reason against sending that can be known before anything is public; empty: sending is allowed.

    A destination that cannot be read is also a reason.
    """
    lines = list(destination.refusals(items, sending=sending))
    try:
        standing = destination.look(items)
        lines += standing.wrong or ((standing.trouble,) if standing.trouble else ())
    except StepFailed as error:
        lines += str(error).splitlines()
    return tuple(lines)


def deliver(
    destination: Destination,
    items: Sequence[Item],
    book: Ledger,
    *,
    say: Say,
    wait: Sleep | None = None,
    measure: Callable[[Callable[[], str]], None] = lambda progress: None,
) -> tuple[str, ...]:
    """Sends the `items` that the destination lacks, makes them public, and returns the names that were sent.

    `measure` gets a function that tells how much has been sent, to call from another thread.

    Raises `StepFailed` before the first byte on a conflict, and later if the destination refuses an item. What was sent
    by then is in the ledger, and a second run sends only the rest.
    """
    planned = {item.name: item for item in items}
    standing = destination.look(items)
    wrong = standing.wrong
    if destination.content == "bytes":  # else the same content may be packed with other bytes
        wrong += book.refusals({name: item.sha256 for name, item in planned.items()})
    if wrong or standing.trouble:
        lines = wrong or (standing.trouble,)
        raise StepFailed("\n".join((f"{destination.name}: nothing was sent:", *(f"  {line}" for line in lines))))
    for name in standing.there:
        item = planned[name]
        if not book.holds(name, item.sha256):
            book.note(name, item.sha256, "there")
        say(f"{item.label}: on {destination.name} already, with the same {destination.content}")
    destination.prepare(standing)
    count = UploadCount(planned[name] for name in standing.send)
    measure(count.words)
    courier = _Courier(destination, book, say, wait or retries.sleep, count)
    sent: list[str] = []
    for item in (planned[name] for name in standing.send):
        if destination.lags and book.was_accepted(item.name, item.sha256):
            say(f"{item.label}: sent before; {destination.name} does not list it yet")
        else:
            try:
                courier.deliver(item)
            except CartwheelError as error:
                number = len(standing.there) + standing.send.index(item.name)
                raise StepFailed(f"{error}\n{number} of {len(planned)} files are on {destination.name}") from None
            sent.append(item.name)
        if destination.one_by_one:
            missing = wait_until_visible(destination, items, (item,), say=say, wait=wait)
            if missing:
                raise StepFailed("\n".join((*missing, "start again later: only what is missing is sent")))
    destination.finish(items)
    return tuple(sent)


class _Courier:
    """Delivers one item at a time and decides what each answer means."""

    def __init__(self, destination: Destination, book: Ledger, say: Say, wait: Sleep, count: UploadCount) -> None:
        self._destination, self._book, self._say, self._wait, self._count = destination, book, say, wait, count

    def deliver(self, item: Item) -> None:
        """Sends until the destination has the item; raises `CartwheelError` if it refuses."""
        answer, done = with_retries(
            lambda: self._attempt(item), self._trouble_of, patience=self._destination.patience,
            who=f"{item.label}: {self._destination.name}", say=self._say, wait=self._wait,
        )  # fmt: skip
        if not done:
            raise StepFailed(self._destination.refusal(item, answer))
        self._count.end(item)

    def _attempt(self, item: Item) -> tuple[Answer, bool]:
        """Sends one request; returns the answer, and whether the destination has the item now."""
        self._book.note(item.name, item.sha256, "sending")
        self._count.begin(item)
        try:
            answer = self._destination.send(item)
        except Interrupted:
            raise  # it may have arrived
        except StepFailed:  # it did not leave this machine
            self._book.note(item.name, item.sha256, "refused")
            raise
        if answer.taken:
            self._book.note(item.name, item.sha256, "sent", answer)
            self._say(f"{item.label}: sent to {self._destination.name}")
            return answer, True
        self._book.note(item.name, item.sha256, "unknown" if answer.open else "refused", answer)
        if self._is_there(item, answer):
            self._book.note(item.name, item.sha256, "there", answer)
            self._say(f"{item.label}: on {self._destination.name}, with the same {self._destination.content}")
            return answer, True
        return answer, False

    def _trouble_of(self, outcome: tuple[Answer, bool]) -> Trouble | None:
        answer, done = outcome
        if done:
            return None
        if answer.status in (401, 403) and self._destination.renew_credentials(answer):
            self._say("the token has expired; sent again with a new one")
            return Trouble(words="", at_once=True)
        return Trouble(words=answer.text, retry_after=answer.retry_after) if answer.passing else None

    def _is_there(self, item: Item, answer: Answer) -> bool:
        """Whether the destination has these bytes despite its answer; raises `StepFailed` on a conflict.

        The page of a destination may lag behind its answer that the item exists, so it is read again after a pause.
        """
        looks = self._destination.settles(answer)
        for number in range(looks):
            try:
                standing = self._destination.look((item,))
            except StepFailed as error:
                if answer.passing:
                    return False  # the destination is down; to send twice is safe
                raise StepFailed(f"{self._destination.refusal(item, answer)}\n{error}") from None
            if standing.wrong:
                self._book.note(item.name, item.sha256, "refused", answer)
                raise StepFailed("\n".join(standing.wrong))
            if item.name in standing.there:
                return True
            if standing.trouble and answer.passing:
                return False
            if standing.trouble:
                raise StepFailed(f"{self._destination.refusal(item, answer)}\n{standing.trouble}")
            if number + 1 < looks:
                self._wait(self._destination.patience.lag)
        return False


def wait_until_visible(
    destination: Destination,
    items: Sequence[Item],
    awaited: Sequence[Item] = (),
    *,
    say: Say,
    wait: Sleep | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, ...]:
    """Waits until the destination shows all `items`, or those in `awaited`; returns the problems, empty if all are
    shown.

    An item that is not shown yet is waited for. Other bytes end the wait at once. A failure that will not pass, such as
    rejected credentials, raises `StepFailed` at once.
    """
    awaited = awaited or items
    limit = destination.deadline if seconds is None else seconds
    last = Standing()

    def look() -> str:
        nonlocal last
        last = destination.look(awaited, public=True)
        if last.wrong or last.withdrawn or not (last.send or last.trouble):
            return ""
        trouble = f" ({last.trouble})" if last.trouble else ""
        there = len(awaited) - len(last.send) if not last.trouble or last.there else 0
        if len(items) > 1 and len(awaited) == 1:
            return f"{destination.name} does not show {awaited[0].label} yet{trouble}"
        return f"{destination.name} shows {there} of {len(awaited)} files{trouble}"

    poll(look, seconds=limit, say=say, wait=wait, clock=clock)
    if last.wrong or last.withdrawn:
        return last.wrong + last.withdrawn
    missing = last.send or (tuple(item.name for item in awaited) if last.trouble else ())
    trouble = f" ({last.trouble})" if last.trouble else ""
    return tuple(
        f"{name}: not on {destination.name} after {limit:.0f} s; start again later{trouble}" for name in missing
    )
