"""doit's backend over records: the steps write the state, and doit only reads it.

A step's action commits its record after success (`action.py`).  This module answers doit's questions from the records,
and stores the state of users' own tasks beside them.  doit imports it in every project of an environment that has
cartwheel: it imports the standard library only, and other modules of cartwheel on first use.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartwheel.model.record import Record

OURS: set[str] = set()
"""The names of all tasks that are steps; the pipeline fills it while doit loads the tasks."""

GROUPS: set[str] = set()
"""The names of group tasks, filled when tasks are made; they have no records."""

_DOIT_KEYS_END = ":"
_SCHEMA = 1


class Records:
    """All records of a project, below one folder.  doit makes one for each process and calls this interface."""

    desc = "one JSON record per task, written when the task succeeds"

    def __init__(self, name: str, codec: object, *, module_name: str | None = None) -> None:
        self.name = name
        self.folder = Path(name)
        self.asked: set[str] = set()
        self.at_end: list[Callable[[], None]] = []
        self.after_own: list[Callable[[], None]] = []
        """Called when a task of the project's own has succeeded."""
        self._loaded: dict[str, Record | None] = {}
        self._foreign: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, dict[str, Any]] = {}
        self._listings: dict[str, Mapping[str, str]] = {}
        self._warned: set[str] = set()

    # what steps use

    def path(self, task: str) -> Path:
        """The file of a task's record; the parts of a task's name are folders."""
        *folders, last = task.split(":")
        return self.folder.joinpath(*folders, f"{last}.json")

    def load(self, task: str) -> Record | None:
        """The record of a step's last success; None if it is missing, or damaged, which is also a warning."""
        if task not in self._loaded:
            self._loaded[task] = self._load(task)
        return self._loaded[task]

    def drop(self, task: str) -> None:
        """Forget a success, so that an interrupted step never counts as finished."""
        from cartwheel.filesystem.windows_files import delete_file

        self._loaded[task] = None
        delete_file(self.path(task))

    def commit(self, record: Record) -> None:
        """Store a success: the listing first, the record last, each by an atomic rename."""
        from cartwheel.filesystem.files import write_atomically
        from cartwheel.model.record import listing_name, listing_to_json, to_json

        data = listing_to_json(record.seen.listing)
        name = listing_name(data)
        listing = self._listing_path(name)
        if not _holds(listing, data):
            write_atomically(listing, data)
        write_atomically(self.path(record.task), to_json(record, name))
        self._loaded[record.task] = record

    def forget_all(self) -> None:
        """Read every record again: another run may have written them."""
        self._loaded.clear()

    def every(self) -> tuple[Record, ...]:
        """All readable records of steps, planned or not."""
        tasks = (p.relative_to(self.folder).as_posix().removesuffix(".json").replace("/", ":") for p in self._files())
        return tuple(record for task in tasks if (record := self.load(task)) is not None)

    def _files(self) -> list[Path]:
        return [p for p in sorted(self.folder.rglob("*.json")) if p.parent.name != "listings"]

    def _load(self, task: str) -> Record | None:
        from cartwheel.model.record import UnreadableRecord, from_json, record_with_listing

        try:
            data = self.path(task).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unreadable(task, error.strerror or "it cannot be read")
            return None
        try:
            record, name = from_json(data)
            listing = self._read_listing(name)
        except UnreadableRecord as error:
            self._unreadable(task, str(error))
            return None
        except OSError:
            self._unreadable(task, "its list of inputs is gone")
            return None
        return record_with_listing(record, listing)

    def _read_listing(self, name: str) -> Mapping[str, str]:
        from cartwheel.model.record import listing_from_json

        if name not in self._listings:
            self._listings[name] = listing_from_json(self._listing_path(name).read_bytes(), name)
        return self._listings[name]

    def _listing_path(self, name: str) -> Path:
        return self.folder / "listings" / f"{name}.json"

    def _unreadable(self, task: str, why: str) -> None:
        if task not in self._warned:
            self._warned.add(task)
            sys.stderr.write(f"warning: the record of {task} is not used: {why}; the task will run again\n")

    # what doit asks; keys ending in ":" are doit's own, all others are paths of file_deps

    def get(self, task: str, key: str) -> Any:
        """A value that doit stores for a task."""
        if key == "ignore:":
            self.asked.add(task)
        if task in OURS:
            return None if key.endswith(_DOIT_KEYS_END) or self.load(task) is None else 1
        return self._own(task).get(key)

    def set(self, task: str, key: str, value: Any) -> None:
        """Store a value of a user's own task; steps have written their records already."""
        if key == "ignore:":
            from doit.exceptions import InvalidCommand

            raise InvalidCommand(f"{task} cannot be ignored: a release counts on every task having run")
        if task in OURS or task in GROUPS:
            return
        self._pending.setdefault(task, {})[key] = value
        if key == "deps:":
            for action in self.after_own:
                action()
            self._commit_own(task, self._pending.pop(task))

    def in_(self, task: str) -> bool:
        """Whether anything is stored for a task."""
        return self.load(task) is not None if task in OURS else bool(self._own(task))

    def remove(self, task: str) -> None:
        """`doit forget`.  In a run doit calls this for failed tasks too, where it must do nothing for a step: one that
        ran has dropped its record itself, and one that failed because of an earlier step keeps its record."""
        if task in self.asked and task in OURS:
            return
        self.drop(task)
        self._foreign[task] = {}

    def remove_all(self) -> None:
        """`doit forget --all`."""
        from cartwheel.filesystem.windows_files import remove_tree

        remove_tree(self.folder, ignore_errors=True)
        self.forget_all()
        self._foreign.clear()

    def dump(self) -> None:
        """The end of a command.  Everything is on disk already.  Raises only for a user's mistake."""
        for action in self.at_end:
            action()

    def _own(self, task: str) -> dict[str, Any]:
        if task not in self._foreign:
            try:
                body = json.loads(self.path(task).read_bytes())
                own = body["doit"] if body["schema"] == _SCHEMA else {}
            except (OSError, ValueError, KeyError, TypeError):
                own = {}
            self._foreign[task] = own if isinstance(own, dict) else {}
        return self._foreign[task]

    def _commit_own(self, task: str, values: dict[str, Any]) -> None:
        from cartwheel.filesystem.files import write_atomically

        if not (values.get("deps:") or values.get("_values_:") or values.get("result:")):
            return
        try:
            data = json.dumps({"schema": _SCHEMA, "doit": values}, default=str).encode()
            write_atomically(self.path(task), data)
        except OSError as error:
            sys.stderr.write(f"warning: {task}: its state could not be kept ({error.strerror}); it will run again\n")
        self._foreign[task] = values


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file exists and is undamaged."""
    try:
        return path.read_bytes() == data
    except OSError:
        return False
