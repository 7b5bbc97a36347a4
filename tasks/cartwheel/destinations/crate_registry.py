"""Crates sent to a registry: settled as a whole first, then one by one, each waited for until the next can use it."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from msgspec import Struct

from cartwheel.cargo.publish_order import Crate, chosen, reached, understood
from cartwheel.destinations.cargo_publish import Cargo
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.retries import Patience, wait_asked
from cartwheel.destinations.retries import sleep as wait
from cartwheel.destinations.twine_upload import Answer
from cartwheel.filesystem.files import sha256_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.binary_facts import shortened_list
from cartwheel.process.run import STOP, Interrupted

Say = Callable[[str], None]
Sleep = Callable[[float], None]

ONE_AT_A_TIME = threading.Lock()
"""Held while crates are sent or compared: packages of one workspace may have crates in common."""

PATIENCE = Patience(lag=5.0)
VISIBLE_SECONDS = 900.0
"""How long a crate is waited for that was sent and that the registry does not show."""


class Standing(Struct, frozen=True, kw_only=True):
    """Where each crate of a release stands, in the order of publishing."""

    waiting: tuple[Crate, ...] = ()
    there: tuple[Crate, ...] = ()
    """Published before, with the same content."""
    wrong: tuple[str, ...] = ()
    """Published before, with other content: each in words, with both digests."""
    packed: Mapping[str, str] = {}
    """The SHA-256 of each crate's file as packed here, by the crate's name."""


# Which crates --------------------------------------------------------------------------------------------------------


def crates_of(
    cargo: Cargo, own: Path, *, root: Path, extensions: Iterable[Path], asked: tuple[str, ...] | None, alone: bool
) -> tuple[Crate, ...]:
    """The crates that a package's release sends, each after those it needs.

    `own`: the folder of the package's crate.  All crates of its workspace count, and those that they need by path
    within the project; where other packages share the workspace (not `alone`), only those that this one needs.
    """
    folders = tuple(_as_cargo_says(path) for path in extensions)
    known = {crate.folder: crate for crate in understood(cargo.metadata(), folders)}
    home, waiting = root.resolve(), list(known.values())
    while waiting:
        for sibling in waiting.pop().siblings:
            manifest = Path(sibling.folder, "Cargo.toml")
            if sibling.published and sibling.folder not in known and manifest.resolve().is_relative_to(home):
                more = understood(cargo.metadata(manifest), folders)
                found = [crate for crate in more if crate.folder == sibling.folder]
                known.update({crate.folder: crate for crate in found})
                waiting += found
    needed = known if alone or asked is not None else reached(_as_cargo_says(own), known)
    return chosen((crate for folder, crate in known.items() if folder in needed), cargo.registry.name, asked)


def _as_cargo_says(folder: Path) -> str:
    return str(folder.resolve()).replace("\\", "/")


# What is there -------------------------------------------------------------------------------------------------------


def look(cargo: Cargo, crates: tuple[Crate, ...], *, verify: bool) -> Standing:
    """Where each crate stands; with `verify` those to be sent are compiled from their files.  Sends nothing."""
    files = cargo.package(crates, verify=False)
    theirs = {crate: data for crate in crates if (data := cargo.published(crate)) is not None}
    other = {crate: _compared(crate, files[crate.name], data, crates) for crate, data in theirs.items()}
    standing = Standing(
        waiting=tuple(crate for crate in crates if crate not in theirs),
        there=tuple(crate for crate in crates if crate in theirs and not other[crate]),
        wrong=tuple(
            _conflict(crate, cargo.registry.name, files[crate.name], theirs[crate], names)
            for crate, names in other.items()
            if names
        ),
        packed={crate.name: sha256_of(files[crate.name]) for crate in crates},
    )
    if verify and standing.waiting and not standing.wrong:
        cargo.package(standing.waiting, verify=True)
    return standing


def wait_until_shown(
    cargo: Cargo,
    crates: tuple[Crate, ...],
    *,
    say: Say,
    deadline: float = VISIBLE_SECONDS,
    sleep: Sleep | None = None,
    clock: Callable[[], float] = time.monotonic,
    among: tuple[Crate, ...] = (),
) -> tuple[str, ...]:
    """Wait until the registry serves every crate; what is wrong then, none: each is there with our content.

    `among`: all crates of the release, where `crates` are some of them that are packed already.
    """
    end, seconds, told = clock() + deadline, 1.0, False
    files = {crate.name: cargo.packed(crate) for crate in crates} if among else cargo.package(crates, verify=False)
    for crate in crates:
        while (theirs := cargo.published(crate)) is None:
            if clock() >= end:
                return (f"{crate.name} {crate.version}: not on {cargo.registry.name} after {deadline:.0f} s",)
            if not told:
                say(f"{cargo.registry.name} does not show {crate.name} {crate.version} yet; waiting")
                told = True
            (sleep or wait)(min(seconds, max(0.1, end - clock())))
            seconds = min(seconds * 1.5, 30.0)
        names = _compared(crate, files[crate.name], theirs, among or crates)
        if names:
            return (_conflict(crate, cargo.registry.name, files[crate.name], theirs, names),)
    return ()


def _compared(crate: Crate, ours: Path, theirs: bytes, crates: tuple[Crate, ...]) -> tuple[str, ...]:
    return differences(ours.read_bytes(), theirs, (other.name for other in crates))


def _conflict(crate: Crate, registry: str, ours: Path, theirs: bytes, files: tuple[str, ...]) -> str:
    return (
        f"{crate.name} {crate.version}: {registry} has it with other content ({shortened_list(files)}): "
        f"ours sha256 {sha256_of(ours)}, theirs {hashlib.sha256(theirs).hexdigest()}; "
        "a published crate is never replaced: release the next version"
    )


def differences(ours: bytes, theirs: bytes, crates: Iterable[str]) -> tuple[str, ...]:
    """The files of two .crate files that differ in what counts.

    Which commit they were packed on does not (`.cargo_vcs_info.json`), nor the form of the manifest that cargo
    writes, nor the checksums in Cargo.lock of the release's own `crates`, which change with the commit.
    """
    names = frozenset(crates)
    left, right = _contents(ours, names), _contents(theirs, names)
    return tuple(sorted(name for name in {*left, *right} if left.get(name) != right.get(name)))


def _contents(crate: bytes, own: frozenset[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(crate), mode="r:gz") as archive:
            for member in archive:
                name = str(PurePosixPath(*PurePosixPath(member.name).parts[1:]))
                file = archive.extractfile(member) if member.isfile() else None
                if name != ".cargo_vcs_info.json":
                    found[name] = _meaning(name, file.read() if file else b"", own)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StepFailed(f"a .crate file cannot be read: {error}") from None
    return found


def _meaning(name: str, data: bytes, own: frozenset[str]) -> object:
    if name not in ("Cargo.toml", "Cargo.lock"):
        return hashlib.sha256(data).hexdigest()
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return hashlib.sha256(data).hexdigest()
    for row in table.get("package", ()) if name == "Cargo.lock" else ():
        if row.get("name") in own:
            row.pop("checksum", None)
    return table


# Sending -------------------------------------------------------------------------------------------------------------


def send(
    cargo: Cargo,
    crates: tuple[Crate, ...],
    *,
    book: Ledger,
    say: Say,
    patience: Patience = PATIENCE,
    sleep: Sleep | None = None,
) -> tuple[str, ...]:
    """Publish whatever of `crates` the registry lacks, in this order; the names of those that were sent.

    Raises `StepFailed` before the first byte where one is there with other content or cannot be compiled as packed,
    and later where the registry refuses; a second run sends only the rest.
    """
    registry = cargo.registry.name
    standing = look(cargo, crates, verify=True)
    if standing.wrong:
        raise StepFailed("\n".join((f"{registry}: nothing was sent:", *(f"  {line}" for line in standing.wrong))))
    for crate in standing.there:
        book.note(crate.file, standing.packed[crate.name], "there")
        say(f"{crate.name} {crate.version}: on {registry} already, with the same content")
    courier = _Courier(cargo, book, say, patience, sleep or wait)
    for crate in standing.waiting:
        sha256 = standing.packed[crate.name]
        if book.sent(crate.file, sha256):
            say(f"{crate.name} {crate.version}: sent before; {registry} does not show it yet")
        else:
            courier.deliver(crate, sha256)
        wrong = wait_until_shown(cargo, (crate,), say=say, sleep=sleep, among=crates)
        if wrong:
            raise StepFailed("\n".join((*wrong, "start again later: only what is missing is sent")))
    return tuple(crate.name for crate in standing.waiting)


class _Courier:
    """Delivers one crate at a time, and knows what to make of every answer."""

    def __init__(self, cargo: Cargo, book: Ledger, say: Say, patience: Patience, sleep: Sleep) -> None:
        self._cargo, self._book, self._say, self._patience, self._sleep = cargo, book, say, patience, sleep

    def deliver(self, crate: Crate, sha256: str) -> None:
        """Send until the registry has it; raises `StepFailed` where it will not."""
        registry = self._cargo.registry.name
        for attempt in range(1, self._patience.tries + 1):
            if STOP.is_set():
                raise Interrupted
            self._book.note(crate.file, sha256, "sending")
            answer = self._cargo.publish(crate)
            if answer.taken or self._is_there(crate, answer):
                self._book.note(crate.file, sha256, "sent", answer)
                self._say(f"{crate.name} {crate.version}: sent to {registry}")
                return
            if not answer.passing or attempt == self._patience.tries:
                break
            self._wait(crate, attempt, answer)
        self._book.note(crate.file, sha256, "unknown" if answer.open else "refused", answer)
        raise StepFailed(f"{crate.name} {crate.version}: {registry} {_refused(answer, self._patience.tries)}")

    def _is_there(self, crate: Crate, answer: Answer) -> bool:
        """Whether the registry has this version after all, whatever it answered; its content is compared later."""
        if answer.status in (401, 403, 413, 429):
            return False
        for number in range(looks := 3 if _says_existing(answer) else 1):
            try:
                if self._cargo.published(crate) is not None:
                    return True
            except StepFailed:
                return False  # a registry in trouble, which takes no version twice
            if number + 1 < looks:
                self._sleep(self._patience.lag)
        return False

    def _wait(self, crate: Crate, attempt: int, answer: Answer) -> None:
        seconds = wait_asked(
            f"{crate.name} {crate.version}: {self._cargo.registry.name}", attempt, answer.retry_after, self._patience
        )
        self._say(f"{crate.name} {crate.version}: {answer.words}; again in {seconds:.0f} s")
        self._sleep(seconds)


def _says_existing(answer: Answer) -> bool:
    return "already uploaded" in answer.words or "already exists" in answer.words


def _refused(answer: Answer, tries: int) -> str:
    again = "start again later: only what is missing is sent"
    if answer.status in (401, 403) or "no token found" in answer.words:
        return f"does not accept the credentials ({answer.words}); check the token and what it may do"
    if _says_existing(answer):
        return f"says it has it but does not show it ({answer.words}); it may be withdrawn, or just uploaded: {again}"
    if answer.passing:
        return f"could not take it after {tries} tries ({answer.words}); {again}"
    return f"refuses it ({answer.words}); nothing after it was sent"
