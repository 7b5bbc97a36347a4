"""`doit plan` as text for people: files and tasks, folded so that the plan of a new project fits on a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from cartwheel.model.project import Package, Project
from cartwheel.model.wheels.artifacts import Artifact, package_artifacts

FEW = 12
"""Up to this many tasks, or files of a package, each has its own line."""


class Forecast(Protocol):
    """The line of a task that would run."""

    @property
    def name(self) -> str:
        """The task."""

    @property
    def state(self) -> str:
        """`run` or `blocked`."""

    @property
    def why(self) -> tuple[str, ...]:
        """The reasons."""


def plan_as_text(
    project: Project, waiting: Sequence[Forecast], count: int, remarks: Sequence[str], *, everything: bool
) -> str:
    """The files of each package, then what would run.

    `waiting`: the tasks that are not up to date, of `count` tasks.  Unless `everything`, more than `FEW` files or tasks
    are folded into a line for each target, and for each stage and reason.
    """
    lines: list[str] = []
    for package in project.packages:
        lines.append(f"{package.name} {package.version}  ({', '.join(package.publish) or 'never published'})")
        lines += _file_lines(package, everything=everything)
    lines += ["", *remarks] if remarks else []
    lines.append("")
    rows = [_row(task) for task in waiting] if everything or len(waiting) <= FEW else _stage_rows(waiting)
    width = max((len(name) for _, name, _ in rows), default=0)
    lines += [f"{state:8}{name:{width}}  {why}" for state, name, why in rows]
    fresh = count - len(waiting)
    lines.append(f"{len(waiting)} of {count} tasks would run, {fresh} {'is' if fresh == 1 else 'are'} up to date")
    files = sum(len(package_artifacts(package)) > FEW for package in project.packages)
    if not everything and (files or len(rows) < len(waiting)):
        lines.append("each file and task: doit plan --all")
    return "\n".join(lines) + "\n"


def _file_lines(package: Package, *, everything: bool) -> Iterable[str]:
    files = package_artifacts(package)
    if everything or len(files) <= FEW:
        yield from (f"  {file.path}" for file in files)
        return
    by_target: dict[str, list[Artifact]] = {}
    for file in files:
        by_target.setdefault("" if file.kind == "sdist" else file.target, []).append(file)
    width = max(map(len, by_target))
    for target, group in by_target.items():
        if target:
            pythons = " ".join(dict.fromkeys(file.python for file in group))
            count = f"{len(group)} wheel{'s' if len(group) > 1 else ''}"
            yield f"  {target:{width}}  {count:>10}  {pythons}"
        else:
            yield from (f"  {file.path}" for file in group)


def _row(task: Forecast) -> tuple[str, str, str]:
    more = f"; and {len(task.why) - 3} more" if len(task.why) > 3 else ""
    return task.state, task.name, "; ".join(task.why[:3]) + more


def _stage_rows(tasks: Iterable[Forecast]) -> list[tuple[str, str, str]]:
    """A row for each stage, state and reason; a row of one task has its name."""
    groups: dict[tuple[str, str, str], list[Forecast]] = {}
    for task in tasks:
        state, name, why = _row(task)
        groups.setdefault((state, name.split(":")[0], _without_names(why)), []).append(task)
    rows = []
    for (state, stage, why), group in groups.items():
        rows.append(_row(group[0]) if len(group) == 1 else (state, f"{stage}: {len(group)} tasks", why))
    return rows


def _without_names(why: str) -> str:
    """The reason with tasks' names cut to their stage, so that the same reason of several targets is one."""
    return re.sub(r"(\S+?):\S*[^\s:;,]", r"\1", why)
