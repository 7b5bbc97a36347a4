"""The number of threads of a run without `-n`."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

CLEAN = "clean"
"""The start of the names of tasks that remove outputs; tasks after them on a command line must wait for them."""

_TASKS_AT_ONCE = 64
"""Threads of a parallel run. Most wait for a slot or for a copy of compiled crates, so there are more than slots."""


_FIRST = ("ready", "checklist")
"""Stages that may end a run by a refusal or a question, and so come before anything is built."""


def threads_by_default(tasks: Sequence[Any], selected: Iterable[str], keep_going: bool) -> int:
    """The number of doit's threads; 0 for a sequential run.

    `tasks` are doit's tasks, all of the project. A run is sequential if a task with actions in it is the project's own:
    such tasks may rely on the order of the command line, and doit replaces `sys.stdout` while one runs.
    `keep_going` (doit's `--continue`) is passed on to the steps. Tasks of a parallel run get the order of `_FIRST`.
    """
    step = next(filter(_is_step, tasks), None)
    if step is None:
        return 0
    step.meta["judgement"].context.keep_going = keep_going
    run = _selection(tasks, selected)
    if any(task.name.startswith(CLEAN) or (task.actions and not _is_step(task)) for task in run.values()):
        return 0
    first = [task for stage in _FIRST for task in run.values() if task.name.startswith(f"{stage}:") and task.actions]
    if first and keep_going:
        return 0  # a later question must not depend on an earlier refusal
    if first:
        _in_order(tasks, first, run)
    return _TASKS_AT_ONCE


def _in_order(tasks: Sequence[Any], first: Sequence[Any], run: Mapping[str, Any]) -> None:
    """Add task dependencies so that the tasks of `first` run one after another, and all others after them."""
    before = _selection(tasks, [task.name for task in first])
    for earlier, later in pairwise(first):
        later.task_dep.append(earlier.name)
    for task in run.values():
        if task.name not in before:
            task.task_dep.append(first[-1].name)


def _is_step(task: Any) -> bool:
    return "judgement" in (task.meta or {})


def _selection(tasks: Sequence[Any], words: Iterable[str]) -> Mapping[str, Any]:
    """The tasks that these words select, and all that they need, by name and in the order of `tasks`."""
    by_name = {task.name: task for task in tasks}
    makers = {target: task.name for task in tasks for target in task.targets}
    seen: set[str] = set()
    waiting = [*words]
    while waiting:
        word = waiting.pop()
        for name in fnmatch.filter(by_name, word) if "*" in word else (makers.get(word, word),):
            if name not in seen and name in by_name:
                seen.add(name)
                task = by_name[name]
                waiting += (*task.task_dep, *task.setup_tasks, *task.calc_dep, *task.file_dep)
    return {name: task for name, task in by_name.items() if name in seen}
