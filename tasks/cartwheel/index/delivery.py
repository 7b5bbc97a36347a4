"""A release sent to an index: settled as a whole first, then file by file with a ledger, so that it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from cartwheel.index.sender import LOST, Answer, Sender
from cartwheel.index.warehouse import Index, Listed, listing
from cartwheel.model.errors import StepFailed
from cartwheel.world.files import sha256_of, write_atomically
from cartwheel.world.run import STOP, Interrupted

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


class Patience(Struct, frozen=True, kw_only=True):
    """How often and how long a passing failure is waited for."""

    tries: int = 6
    base: float = 2.0
    longest: float = 60.0
    obeyed: float = 900.0
    """The longest Retry-After that is waited for, in seconds."""
    lag: float = 10.0
    """Between two looks for a file that the index says it has and does not list."""


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
    would be compiled there instead is to be found."""
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


def pause(attempt: int, retry_after: float, patience: Patience) -> float:
    """Seconds to wait after the `attempt`th failure (from 1): what the index asks for, or twice as long each time."""
    return max(retry_after, min(patience.base * 2.0 ** (attempt - 1), patience.longest))


def look(index: Index, project: str, version: str, planned: Mapping[str, str]) -> tuple[Settlement, tuple[str, ...]]:
    """What the index holds against what is planned (SHA-256 by name), and why nothing may be sent; changes nothing."""
    listed = listing(index, project, version)
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
    sleep: Sleep | None = None,
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
    settled, refused = look(index, project, version, planned)
    refused += book.refusals(planned)
    if refused:
        raise StepFailed("\n".join((f"{index.name}: nothing was sent:", *(f"  {line}" for line in refused))))
    for name in settled.skip:
        book.note(name, planned[name], "there")
        say(f"{name}: on {index.name} already, with the same bytes")
    waiting = tuple(name for name in settled.send if not book.sent(name, planned[name]))
    for name in sorted(set(settled.send) - set(waiting)):
        say(f"{name}: sent before; {index.name} does not list it yet")
    if not waiting:
        return ()
    courier = _Courier(index, project, version, book, say, patience or Patience(), sleep or _sleep)
    with Sender(index, environ=environ) as sender:
        for name in waiting:
            courier.deliver(sender, paths[name], planned[name])
    return waiting


class Ledger:
    """What was sent to one index for one version: written before and after every file, by atomic rename."""

    def __init__(self, path: Path, index: Index, project: str, version: str, say: Say) -> None:
        self._path = path
        self._head = {"schema": 1, "index": index.name, "url": index.url, "project": project, "version": version}
        self._files = self._read(say)

    def sent(self, file: str, sha256: str) -> bool:
        """Whether the index has answered that it took these bytes."""
        row = self._files.get(file, {})
        return row.get("state") == "sent" and row.get("sha256") == sha256

    def refusals(self, planned: Mapping[str, str]) -> tuple[str, ...]:
        """Files that were sent before with other bytes than now, listed by the index or not."""
        return tuple(
            f"{file}: it was sent on {row.get('at')} with sha256 {row.get('sha256')}, and is {planned[file]} now; "
            "a published file is never replaced: release the next version"
            for file, row in sorted(self._files.items())
            if file in planned and row.get("state") in ("sent", "there") and row.get("sha256") != planned[file]
        )

    def note(self, file: str, sha256: str, state: str, answer: Answer | None = None) -> None:
        """Write down what is happening to a file: `sending`, `sent`, `there` or `refused`."""
        row: dict[str, object] = {
            "sha256": sha256,
            "state": state,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if answer:
            row |= {"status": answer.status, "words": answer.words}
        self._files[file] = row
        text = json.dumps({**self._head, "files": self._files}, indent=1)
        try:
            write_atomically(self._path, text.encode() + b"\n")
        except OSError as error:
            raise StepFailed(
                f"{file}: {state}, but the ledger {self._path} cannot be written ({error.strerror}); "
                "make it writable and start again: the index itself is asked"
            ) from None

    def _read(self, say: Say) -> dict[str, dict[str, object]]:
        """The rows of an earlier run; one that is damaged or of another address is set aside."""
        try:
            found = json.loads(self._path.read_bytes())
            rows = {str(file): dict(row) for file, row in found["files"].items()}
            if {key: found.get(key) for key in self._head} == self._head:
                return rows
            self._path.replace(self._path.with_name(f"{self._path.name}.earlier"))
            say(f"{self._path.name}: of another address, {found.get('url')}; kept as {self._path.name}.earlier")
            return {}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            aside = self._path.with_name(self._path.name + ".damaged")
            self._path.replace(aside)
            say(f"{self._path.name}: damaged and set aside as {aside.name}; the index itself is asked")
            return {}


_NEVER_TAKEN = (401, 403, 413, 429)
"""After these an index has certainly not kept the file."""


class _Courier:
    """Delivers one file at a time, and knows what to make of every answer."""

    def __init__(
        self, index: Index, project: str, version: str, book: Ledger, say: Say, patience: Patience, sleep: Sleep
    ) -> None:
        self._index, self._project, self._version = index, project, version
        self._book, self._say, self._patience, self._sleep = book, say, patience, sleep

    def deliver(self, sender: Sender, path: Path, sha256: str) -> None:
        """Send until the index has it; raises `StepFailed` where it will not."""
        name = path.name
        for attempt in range(1, self._patience.tries + 1):
            if STOP.is_set():
                raise Interrupted
            self._book.note(name, sha256, "sending")
            answer = sender.upload(path)
            if answer.taken:
                self._book.note(name, sha256, "sent", answer)
                self._say(f"{name}: sent to {self._index.name}")
                return
            if self._is_there(name, sha256, answer):
                self._book.note(name, sha256, "there", answer)
                self._say(f"{name}: on {self._index.name}, with the same bytes")
                return
            if not answer.passing or attempt == self._patience.tries:
                break
            self._wait(name, attempt, answer)
        self._book.note(name, sha256, "refused", answer)
        raise StepFailed(self._refused(name, answer))

    def _is_there(self, name: str, sha256: str, answer: Answer) -> bool:
        """Whether the index has these very bytes after all; a conflict raises.

        After 400 or 409 that speaks of a file there, its page may lag behind, and is looked at again.
        """
        if answer.status in _NEVER_TAKEN:
            return False
        looks = 3 if _says_existing(answer) else 1
        for number in range(looks):
            try:
                rows = {row.file: row.sha256 for row in listing(self._index, self._project, self._version)}
            except StepFailed:
                if answer.passing:
                    return False  # an index in trouble; the file is sent again, which no index takes twice
                raise
            settled = settle({name: sha256}, {name: rows[name]} if name in rows else {})
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
        seconds = pause(attempt, answer.retry_after, self._patience)
        if seconds > self._patience.obeyed:
            self._say(f"{name}: {self._index.name} asks to wait {seconds / 60:.0f} minutes")
            raise StepFailed(
                f"{name}: {self._index.name} asks to wait {seconds / 60:.0f} minutes; start again then: "
                "only what is missing is sent"
            )
        self._say(f"{name}: {_said(answer)}; again in {seconds:.0f} s")
        self._sleep(seconds)

    def _refused(self, name: str, answer: Answer) -> str:
        where = f"{name}: {self._index.name}"
        again = "start again later: only what is missing is sent"
        if answer.status in (401, 403):
            return f"{where} does not accept the credentials ({_said(answer)}); check the token and what it may do"
        if _says_existing(answer):
            return f"{where} says it has it but does not list it ({_said(answer)}); {again}"
        if answer.passing:
            return f"{where} could not take it after {self._patience.tries} tries ({_said(answer)}); {again}"
        return f"{where} refuses it ({_said(answer)}); nothing after it was sent"


def _says_existing(answer: Answer) -> bool:
    return answer.status == 409 or (answer.status == 400 and "exist" in answer.words.lower())


def _said(answer: Answer) -> str:
    return answer.words if answer.status == LOST else f"{answer.status} {answer.words}".strip()


def _refuse_changed(planned: Mapping[str, str], expected: Mapping[str, str]) -> None:
    lines = [
        f"  {file}: sha256 {planned.get(file, 'missing')}, expected {expected.get(file, 'no such file')}"
        for file in sorted({*planned, *expected})
        if planned.get(file) != expected.get(file)
    ]
    if lines:
        raise StepFailed("\n".join(("nothing was sent: these files are not the ones that were checked:", *lines)))


def _sleep(seconds: float) -> None:
    if STOP.wait(seconds):
        raise Interrupted
