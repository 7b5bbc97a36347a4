"""A note of a change to several files, kept during the change, so that the next run can undo a killed one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from cartwheel.filesystem.files import put_back, replace_all, sweep_beside, write_atomically
from cartwheel.model.errors import StepFailed

NOTE = ".cartwheel/local/unfinished.json"


class UndoNote(Struct, frozen=True, kw_only=True):
    """A change in progress; paths are relative to the project."""

    what: str
    """In words, such as `bump to 1.3.0`."""
    commit: str
    """HEAD before the change.  A different HEAD means that the change was committed or a person went on from it."""
    before: Mapping[str, bytes]
    after: Mapping[str, bytes | None]
    """`None` for a file to remove."""
    modes: Mapping[str, int]


@contextmanager
def replace_with_note(root: Path, files: Mapping[str, bytes | None], *, what: str, commit: str) -> Iterator[None]:
    """Replace files like `filesystem.files.replace_all`, and leave a note for `undo` if this process is killed."""
    change = UndoNote(
        what=what,
        commit=commit,
        before={path: (root / path).read_bytes() for path in files},
        after=files,
        modes={path: (root / path).stat().st_mode & 0o7777 for path in files},
    )
    try:
        write_atomically(root / NOTE, msgspec.json.encode(change))
    except OSError as error:
        raise StepFailed(f"{root / NOTE}: cannot be written ({error.strerror}); every file is as it was") from None
    try:
        with replace_all(root, files):
            yield
    except BaseException:
        if all(_content(root / path) == data for path, data in change.before.items()):
            (root / NOTE).unlink(missing_ok=True)  # else `undo` still needs the note
        raise
    (root / NOTE).unlink(missing_ok=True)


def undo(root: Path) -> tuple[str, ...]:
    """Undo the unfinished change of a killed process; returns one line about it, or an empty tuple.

    A file is kept if its content has changed since; all files are kept if HEAD has.  Call it only while holding the
    run's lock.  Raises `StepFailed` if a file cannot be written.
    """
    try:
        change = msgspec.json.decode((root / NOTE).read_bytes(), type=UndoNote)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise StepFailed(f"{NOTE}: cannot be read ({error}); see `git status`, and remove that file") from None
    from cartwheel.repository.git import Repository

    with Repository(root) as repo:
        here = repo.head() == change.commit
    sweep_beside({(root / path).resolve(): data or b"" for path, data in change.after.items()})
    left = [path for path, data in change.after.items() if _content(root / path) == data != change.before[path]]
    if here:
        lost = [p for p in left if not put_back((root / p).resolve(), change.before[p], change.modes[p])]
        if lost:
            raise StepFailed(f"{', '.join(lost)}: cannot be written; a {change.what} was killed, and these hold it")
    (root / NOTE).unlink(missing_ok=True)
    return (f"a {change.what} was killed before its end; put back: {', '.join(left)}",) if here and left else ()


def refuse(root: Path) -> None:
    """Undo the change of a killed process; raises `StepFailed` if there was one, as this run read the old state."""
    undone = undo(root)
    if undone:
        raise StepFailed("\n".join((*undone, "every file is as it was before; start again")))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
