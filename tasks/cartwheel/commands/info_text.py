"""The page of `doit info` for a step or a group of steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.action import log_path
from cartwheel.commands.plan import FRESH, RUN, closure, context_of, outlook


def info_text(tasks: list[Any], task: Any, *, status: bool) -> tuple[str, bool]:
    """The page, and whether the task or a task of the group would run.  `status`: say which, and why."""
    root = context_of(tasks).root
    members = {task.name} if task.actions else _members(task.name, tasks)
    rows = tuple(row for row in outlook(closure(tasks, [task.name])) if row.name in members)
    waiting = tuple(row for row in rows if row.state != FRESH)
    lines = [task.name, *([task.doc] if task.doc else []), ""]
    if status:
        lines += _part("state", _state(task, rows, waiting))
    lines += _part("after" if task.actions else "tasks", task.task_dep)
    lines += _part("needs", sorted(task.file_dep))
    lines += _part("makes", task.targets)
    log = log_path(root, task.name)
    lines += _part("log", (log.relative_to(root).as_posix(),) if log.is_file() else ())
    return "\n".join(lines) + "\n", bool(waiting)


def _members(group: str, tasks: Iterable[Any]) -> set[str]:
    return {task.name for task in tasks if task.name.startswith(f"{group}:") and task.actions}


def _state(task: Any, rows: tuple[Any, ...], waiting: tuple[Any, ...]) -> Iterable[str]:
    if not task.actions:
        return (f"{len(waiting)} of {len(rows)} tasks would run; see: doit plan {task.name}",)
    if not waiting:
        return ("up to date",)
    head = "would run" if waiting[0].state == RUN else "cannot run here"
    return (f"{head}: {waiting[0].why[0]}", *waiting[0].why[1:])


def _part(title: str, values: Iterable[str]) -> list[str]:
    return [f"{title if number == 0 else '':6} {value}" for number, value in enumerate(values)]
