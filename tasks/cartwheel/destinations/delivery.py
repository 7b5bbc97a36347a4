"""A release sent to an index: settled as a whole first, then file by file with a ledger, so that it can be resumed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.pypi_index import Index, Listed, listing, token_variable, with_digests
from cartwheel.destinations.retries import LOST, Patience, sleep, wait_asked
from cartwheel.destinations.twine_upload import Answer, Sender
from cartwheel.filesystem.files import sha256_of
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.run import STOP, Interrupted

Say = Callable[[str], None]
Sleep = Callable[[float], None]

WINDOW = timedelta(days=14)
"""PyPI takes new files for a release that long after its first (pypi/warehouse#19727, 8 July 2026)."""


class Conflict(Struct, frozen=True, kw_only=True):
    """A file that is on the index with other bytes."""

    file: str
    ours: str
    theirs: str


class Settlement(Struct, frozen=True, kw_only=True):
    """What is to be done with each file of a release, in the order to do it."""

    send: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    """There already, with the same bytes."""
    conflicts: tuple[Conflict, ...] = ()
    unknown: tuple[str, ...] = ()
    """There already, and the index does not say with which bytes."""
    foreign: tuple[str, ...] = ()
    """There and not part of the plan."""


def settle(planned: Mapping[str, str], held: Mapping[str, str]) -> Settlement:
    """Compare what is planned with what the index holds, both as SHA-256 by file name."""
    there = {file: held[file] for file in planned if file in held}
    return Settlement(
        send=in_order(file for file in planned if file not in held),
        skip=in_order(file for file, theirs in there.items() if theirs == planned[file]),
        conflicts=tuple(
            Conflict(file=file, ours=planned[file], theirs=theirs)
            for file, theirs in sorted(there.items())
            if theirs not in ("", planned[file])
        ),
        unknown=in_order(file for file, theirs in there.items() if not theirs),
        foreign=in_order(file for file in held if file not in planned),
    )


def in_order(files: Iterable[str]) -> tuple[str, ...]:
    """Wheels for one platform first, then those for any, the sdist last: until a platform has its wheel, nothing that
    would be compiled there instead is to be found.

    It is the same order in every run, so that of two releases at once the one that is later with the first file that
    differs stops there, and what is on the index is all of the other one's."""
    return tuple(sorted(files, key=lambda file: (not file.endswith(".whl"), file.endswith("-any.whl"), file)))


def refusals(settled: Settlement, index: str) -> tuple[str, ...]:
    """Why nothing may be sent; none: the rest may."""
    lines = [
        f"{c.file}: {index} has it with other bytes: ours sha256 {c.ours}, theirs {c.theirs}; "
        "a published file is never replaced: release the next version"
        for c in settled.conflicts
    ]
    lines += [
        f"{file}: {index} has it and gives no digest, so it cannot be compared; compare it by hand"
        for file in settled.unknown
    ]
    lines += [
        f"{file}: {index} has it and the plan has not; plan it, or release the next version" for file in settled.foreign
    ]
    return tuple(lines)


def too_late(listed: Iterable[Listed], now: datetime) -> tuple[str, ...]:
    """Why PyPI would take no more files of a release; none: it would."""
    first = min((row.uploaded for row in listed if row.uploaded), default=now)
    if now - first <= WINDOW:
        return ()
    return (f"the release is from {first:%d %B %Y}, and PyPI takes no file after 14 days; release the next version",)


def look(
    index: Index, project: str, version: str, planned: Mapping[str, str], *, say: Say | None = None
) -> tuple[Settlement, tuple[str, ...]]:
    """What the index holds against what is planned (SHA-256 by name), and why nothing may be sent; changes nothing."""
    listed = with_digests(listing(index, project, version, say=say), planned)
    settled = settle(planned, {row.file: row.sha256 for row in listed})
    late = too_late(listed, datetime.now(UTC)) if index.public and settled.send else ()
    return settled, (*refusals(settled, index.name), *late)


def send(
    index: Index,
    project: str,
    version: str,
    files: Iterable[Path],
    *,
    ledger: Path,
    environ: Mapping[str, str],
    say: Say,
    patience: Patience | None = None,
    wait: Sleep | None = None,
    expected: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Send whatever of `files` the index lacks, and return the names that were sent.

    `expected`: the SHA-256 by file name that the files' records say; another one is refused.  Raises `StepFailed`
    before the first byte where anything conflicts, and later where the index refuses; what was sent by then is in the
    ledger and on the index, and a second run sends only the rest.
    """
    paths = {path.name: path for path in files}
    planned = {name: sha256_of(path) for name, path in paths.items()}
    _refuse_changed(planned, expected or planned)
    book = Ledger(ledger, index, project, version, say)
    settled, refused = look(index, project, version, planned, say=say)
    refused += book.refusals(planned)
    if refused:
        raise StepFailed("\n".join((f"{index.name}: nothing was sent:", *(f"  {line}" for line in refused))))
    for name in settled.skip:
        if not book.holds(name, planned[name]):
            book.note(name, planned[name], "there")
        say(f"{name}: on {index.name} already, with the same bytes")
    waiting = tuple(name for name in settled.send if not book.sent(name, planned[name]))
    for name in sorted(set(settled.send) - set(waiting)):
        say(f"{name}: sent before; {index.name} does not list it yet")
    if not waiting:
        return ()
    courier = _Courier(index, project, version, book, say, patience or Patience(), wait or sleep)
    with Sender(index, environ=environ) as sender:
        for number, name in enumerate(waiting, len(planned) - len(waiting)):
            try:
                courier.deliver(sender, paths[name], planned[name])
            except CartwheelError as error:
                raise StepFailed(f"{error}\n{number} of {len(planned)} files are on {index.name}") from None
    return waiting


_NEVER_TAKEN = (401, 403, 413, 429)
"""After these an index has certainly not kept the file."""


class _Courier:
    """Delivers one file at a time, and knows what to make of every answer."""

    def __init__(
        self, index: Index, project: str, version: str, book: Ledger, say: Say, patience: Patience, wait: Sleep
    ) -> None:
        self._index, self._project, self._version = index, project, version
        self._book, self._say, self._patience, self._sleep = book, say, patience, wait

    def deliver(self, sender: Sender, path: Path, sha256: str) -> None:
        """Send until the index has it; raises `CartwheelError` where it will not."""
        name = path.name
        for attempt in range(1, self._patience.tries + 1):
            if STOP.is_set():
                raise Interrupted
            sender.refresh()
            if not _is_still(path, sha256):
                raise StepFailed(
                    f"{name}: it was changed while the release was sent; run its check again and start again"
                )
            self._book.note(name, sha256, "sending")
            answer = self._sent(sender, path, sha256)
            if answer.taken:
                self._book.note(name, sha256, "sent", answer)
                self._say(f"{name}: sent to {self._index.name}")
                return
            self._book.note(name, sha256, "unknown" if answer.open else "refused", answer)
            if self._is_there(name, sha256, answer):
                self._book.note(name, sha256, "there", answer)
                self._say(f"{name}: on {self._index.name}, with the same bytes")
                return
            if answer.status in (401, 403) and sender.renewed():
                self._say(f"{name}: the token has expired; sent again with a new one")
                continue
            if not answer.passing or attempt == self._patience.tries:
                break
            self._wait(name, attempt, answer)
        raise StepFailed(_refused(name, self._index, answer, self._patience))

    def _sent(self, sender: Sender, path: Path, sha256: str) -> Answer:
        try:
            return sender.upload(path)
        except StepFailed:  # it did not leave this machine
            self._book.note(path.name, sha256, "refused")
            raise

    def _is_there(self, name: str, sha256: str, answer: Answer) -> bool:
        """Whether the index has these very bytes after all; a conflict raises.

        After 400 or 409 that speaks of a file there, its page may lag behind, and is looked at again.
        """
        if answer.status in _NEVER_TAKEN or answer.location:
            return False
        looks = 3 if _says_existing(answer) else 1
        for number in range(looks):
            try:
                rows = with_digests(listing(self._index, self._project, self._version), (name,))
            except StepFailed:
                if answer.passing:
                    return False  # an index in trouble; the file is sent again, which no index takes twice
                raise
            settled = settle({name: sha256}, {row.file: row.sha256 for row in rows if row.file == name})
            refused = refusals(settled, self._index.name)
            if refused:
                self._book.note(name, sha256, "refused", answer)
                raise StepFailed("\n".join(refused))
            if settled.skip:
                return True
            if number + 1 < looks:
                self._sleep(self._patience.lag)
        return False

    def _wait(self, name: str, attempt: int, answer: Answer) -> None:
        seconds = wait_asked(f"{name}: {self._index.name}", attempt, answer.retry_after, self._patience)
        self._say(f"{name}: {_said(answer)}; again in {seconds:.0f} s")
        self._sleep(seconds)


class _Advice(Struct, frozen=True, kw_only=True):
    """What to say of an answer that refuses a file, and what to do."""

    statuses: tuple[int, ...]
    words: str
    """A pattern of the index's own words."""
    text: str


_ADVICE = (
    _Advice(
        statuses=(301, 302, 303, 307, 308), words="",
        text="{where} redirects to {location}, where neither the file nor the credentials are sent; "
        "if that is its address now, make it the 'url' of [tool.cartwheel.index.{index}]",
    ),
    _Advice(
        statuses=(403,), words="read-only|temporarily disabled",
        text="{where} takes no files now ({said}); {again}",
    ),
    _Advice(
        statuses=(401, 403), words="allowed to upload",
        text="{where} knows the credentials, and they may not upload to this project ({said}); "
        "use a token of the project, or ask one of its owners",
    ),
    _Advice(
        statuses=(401, 403), words="expired",
        text="{where} finds the token expired ({said}); put a new one into {variable} or where it came from, "
        "and start again: only what is missing is sent",
    ),
    _Advice(
        statuses=(401, 403), words="",
        text="{where} does not accept the credentials ({said}); check the token and what it may do",
    ),
    _Advice(
        statuses=(400,), words="previously used|already been used",
        text="{where} had a file of that name, which was deleted, and takes a name only once ({said}); "
        "release the next version",
    ),
    _Advice(
        statuses=(400, 409), words="exist",
        text="{where} says it has it but does not list it ({said}); {again}",
    ),
    _Advice(
        statuses=(409,), words="",
        text="{where} says it has it but does not list it ({said}); {again}",
    ),
    _Advice(
        statuses=(404, 405, 410), words="",
        text="{where} takes no files at {url} ({said}); look at the 'url' of [tool.cartwheel.index.{index}]",
    ),
    _Advice(
        statuses=(413,), words="",
        text="{where} finds it too large ({said}); make it smaller, or ask there for a higher limit",
    ),
)  # fmt: skip
"""The first row that fits counts.  The words are Warehouse's, forklift/legacy.py, 21 August 2026."""


def _refused(name: str, index: Index, answer: Answer, patience: Patience) -> str:
    where, said = f"{name}: {index.name}", _said(answer)
    again = "start again later: only what is missing is sent"
    for row in _ADVICE:
        if answer.status in row.statuses and re.search(row.words, answer.words, re.IGNORECASE):
            return row.text.format(
                where=where, said=said, again=again, location=answer.location or "nowhere", index=index.name,
                url=index.url, variable=token_variable(index.name),
            )  # fmt: skip
    if answer.passing:
        return f"{where} could not take it after {patience.tries} tries ({said}); {again}"
    return f"{where} refuses it ({said}); nothing after it was sent"


def _says_existing(answer: Answer) -> bool:
    return answer.status == 409 or (answer.status == 400 and "exist" in answer.words.lower())


def _said(answer: Answer) -> str:
    return answer.words if answer.status == LOST else f"{answer.status} {answer.words}".strip()


def _is_still(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def _refuse_changed(planned: Mapping[str, str], expected: Mapping[str, str]) -> None:
    lines = [
        f"  {file}: sha256 {planned.get(file, 'missing')}, expected {expected.get(file, 'no such file')}"
        for file in sorted({*planned, *expected})
        if planned.get(file) != expected.get(file)
    ]
    if lines:
        raise StepFailed("\n".join(("nothing was sent: these files are not the ones that were checked:", *lines)))
