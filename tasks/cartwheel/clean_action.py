"""The doit actions of `clean` and `clean:cargo`."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from cartwheel.filesystem.files import disk_error_in_words
from cartwheel.model.errors import CartwheelError
from cartwheel.run_context import RunContext

CLEAN_CARGO = "clean:cargo"


class CleanAction(BaseAction):  # type: ignore[misc]
    """Removes and lists the outputs of all tasks, or with `clean:cargo` only cargo's build directories."""

    def __init__(self, context: RunContext, name: str) -> None:
        self.context = context
        self.name = name
        self.task = None
        self.out = self.err = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return "remove the outputs of tasks"

    def execute(self, out: object = None, err: object = None) -> TaskFailed | None:
        """List and remove the files.  Returns a failure as doit's `TaskFailed`; raises nothing."""
        from cartwheel import clean

        context = self.context
        if not {"clean", self.name}.intersection(context.named) and any(
            "*" in word and fnmatch(self.name, word) for word in context.named
        ):
            return TaskFailed(f"this removes outputs, so it runs only when it is named: doit run {self.name}")
        try:
            context.begin()
            if self.name == CLEAN_CARGO:
                removed = clean.remove(clean.cargo_folders(context.root), context.root)
            else:
                outputs = [path for record in context.records.every() for path in record.makes]
                removed = clean.remove(clean.leftovers(context.root, context.project, outputs), context.root)
        except CartwheelError as error:
            return TaskFailed(str(error))
        except OSError as error:
            return TaskFailed(disk_error_in_words(error))
        for path in removed:
            context.announce(f"removed {path}")
        if self.name != CLEAN_CARGO:
            context.records.forget_all()
            context.snapshot.readonly = True
        return None
