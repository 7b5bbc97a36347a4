"""`doit plan`: shows every artifact by name, what would run and why; changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from doit.control import TaskControl
from doit.exceptions import InvalidCommand
from msgspec import Struct
from msgspec.structs import asdict

from cartwheel.backends.build_lockfile import lockfile_warning
from cartwheel.commands.options import AS_JSON, WordsAndOptions, flag, text_option
from cartwheel.commands.plan_text import plan_as_text
from cartwheel.inputs.lockless_copy import lacks_lockfile
from cartwheel.inputs.missing_files import missing_inputs, refused_folders, unseen_reads
from cartwheel.model.errors import CartwheelError, did_you_mean
from cartwheel.model.project import Project
from cartwheel.model.wheels.artifacts import artifacts
from cartwheel.run_context import RunContext, UpToDate
from cartwheel.toolchain.requirements import import_library_needs, other_maturin

RUN, FRESH, BLOCKED = "run", "up-to-date", "blocked"


class TaskForecast(Struct, frozen=True, kw_only=True):
    """The forecast for one task."""

    name: str
    state: str
    why: tuple[str, ...]
    after: tuple[str, ...]
    """The tasks that run before it."""


class Plan(WordsAndOptions):
    """The command, as doit's plugin `plan`."""

    name = "plan"
    doc_purpose = "show every file of the release, what would run and why"
    doc_usage = "[TASK ...] | --against [INDEX[:VERSION]]"
    doc_description = (
        "Changes nothing.  Without a task: everything that a release needs.  --against compares the planned files with "
        "those of a release on an index: files lost and gained, floors, metadata, sizes; the newest on the first index "
        "where none is named.  Exits with 1 where a file is lost without a reason."
    )
    cmd_options = (
        AS_JSON,
        flag("all", "a line for each file and task, however many there are") | {"name": "everything"},
        text_option("against", "compare with the release INDEX[:VERSION]"),
        flag("markdown", "with --against: print Markdown"),
        flag("sizes", "with --against: compare built files, their sizes and what they hold"),
        flag("offline", "with --against: use the index's last answer, without a request"),
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes; a bare `--against` means the newest release on the first index."""
        following = [*in_args, "-"][1:]
        bare = (arg == "--against" and after.startswith("-") for arg, after in zip(in_args, following, strict=True))
        return super().parse_execute(
            ["--against=first" if is_bare else arg for arg, is_bare in zip(in_args, bare, strict=True)]
        )

    def _execute(
        self,
        as_json: bool,
        everything: bool,
        against: str,
        markdown: bool,
        sizes: bool,
        offline: bool,
        pos_args: list[str],
    ) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        if against:
            from cartwheel.commands.against import compare_now
            from cartwheel.commands.against_report import render

            if pos_args:
                raise InvalidCommand(f"plan: --against compares whole releases; found '{pos_args[0]}'")
            comparison = compare_now(context.project, context.root, against, sizes=sizes, offline=offline)
            self.outstream.write(render(comparison, as_json=as_json, markdown=markdown))
            return 1 if any(row.change.comparison.unexplained for row in comparison) else 0
        if markdown or sizes or offline:
            raise InvalidCommand("plan: --markdown, --sizes and --offline belong to --against")
        outlooks = outlook(closure(self.task_list, pos_args))
        write = self.outstream.write
        remarks = notes(context.project, context.root, context.snapshot.tool("maturin"))
        if as_json:
            write(as_document(context.project, outlooks, remarks))
            return 0
        waiting = tuple(row for row in outlooks if row.state != FRESH)
        write(plan_as_text(context.project, waiting, len(outlooks), remarks, everything=everything))
        return 0


def context_of(tasks: Iterable[Any]) -> RunContext:
    """The context of the pipeline that made these tasks; raises `InvalidCommand` if no task is cartwheel's."""
    for task in tasks:
        judgement = (task.meta or {}).get("judgement")
        if isinstance(judgement, UpToDate):
            return judgement.context
    raise InvalidCommand("dodo.py hands no cartwheel stage to doit; expected lines such as: task_build = wheels.build")


def closure(tasks: list[Any], selected: list[str]) -> tuple[Any, ...]:
    """The requested tasks, by name or pattern, with all their dependencies, in execution order."""
    names = [task.name for task in tasks]
    for pattern in selected:
        if not any(fnmatch(name, pattern) for name in names):
            stages = {name.partition(":")[0] for name in names}
            near = did_you_mean(pattern, stages) if pattern.isalpha() else "; see them with: doit list --all"
            raise InvalidCommand(f"'{pattern}' selects no task{near}")
    control = TaskControl(tasks)
    control.process(selected or [name for name in names if name.partition(":")[0] != "clean"])
    ordered: dict[str, Any] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        task = control.tasks[name]
        for earlier in (*task.task_dep, *task.setup_tasks):
            visit(earlier)
        ordered[name] = task

    for name in control.selected_tasks:
        visit(name)
    return tuple(ordered.values())


def outlook(tasks: Iterable[Any], *, elsewhere: bool = False) -> tuple[TaskForecast, ...]:
    """The tasks that would run, in order. A step after one that runs is assumed to run too, so this is an upper bound.

    `elsewhere`: other machines will run it, so variables that are not set here do not matter.
    """
    forecasts: dict[str, TaskForecast] = {}
    members: dict[str, tuple[str, ...]] = {}
    maker: dict[str, str] = {}
    for task in tasks:
        after = tuple(dict.fromkeys(leaf for name in task.task_dep for leaf in members.get(name, (name,))))
        if not task.actions:
            members[task.name] = after
            continue
        forecasts[task.name] = _one(
            task, tuple(name for name in after if name in forecasts), forecasts, maker, elsewhere
        )
        maker.update(dict.fromkeys(task.targets, task.name))
    return tuple(forecasts.values())


def _one(
    task: Any, after: tuple[str, ...], forecasts: Mapping[str, TaskForecast], maker: Mapping[str, str], elsewhere: bool
) -> TaskForecast:
    judgement = (task.meta or {}).get("judgement")
    if not isinstance(judgement, UpToDate):
        return TaskForecast(name=task.name, state=RUN, why=("a task of the project's own",), after=after)
    step = judgement.step
    giving = tuple(forecasts[name] for name in dict.fromkeys(maker[path] for path in step.needs if path in maker))
    try:
        own = judgement.reasons()
    except CartwheelError as error:
        return TaskForecast(name=task.name, state=BLOCKED, why=(str(error),), after=after)
    if stopped := [f.name for f in giving if f.state == BLOCKED]:
        more = f" and {len(stopped) - 1} more" if stopped[1:] else ""
        why = f"needs {stopped[0]}{more}, which cannot be done here"
        return TaskForecast(name=task.name, state=BLOCKED, why=(why,), after=after)
    unset = step.unset(judgement.context.snapshot) if step.unset and not elsewhere else ""
    if own and (stop := step.blocked or unset):
        return TaskForecast(name=task.name, state=BLOCKED, why=(stop, *own), after=after)
    if own:
        return TaskForecast(name=task.name, state=RUN, why=own, after=after)
    coming = tuple(f"{f.name} runs, and what it makes may change" for f in giving if f.state == RUN)
    return TaskForecast(name=task.name, state=RUN if coming else FRESH, why=coming, after=after)


def notes(project: Project, root: Path, maturin: str = "") -> tuple[str, ...]:
    """Assumptions of the plan that the configuration does not state; `maturin`: the version installed here."""
    without_lock = (
        lockfile_warning(package, root) for package in project.packages if lacks_lockfile(package.manifest, root)
    )
    of_files = ((*missing_inputs(root, one), *refused_folders(root, one)) for one in project.packages)
    inputs = (line for lines in of_files for line in lines)
    reads = (line for package in project.packages for line in unseen_reads(root, package))
    left = (f"{package.name}: {line}" for package in project.packages for line in package.left_out)
    old = {need: wheel for package, wheel in project.wheels for need in import_library_needs(package, wheel, root)}
    lacking = (f"{need.name} is missing, and {wheel.target.triple} needs it; {need.fix}" for need, wheel in old.items())
    other = (line for package in project.packages for line in other_maturin(package, maturin))
    return (*without_lock, *left, *other, *lacking, *inputs, *reads)


def as_document(project: Project, outlooks: Iterable[TaskForecast], remarks: tuple[str, ...]) -> str:
    """The JSON form, schema 1."""
    keys = ("file", "kind", "package", "target", "python", "task")
    return (
        json.dumps(
            {
                "schema": 1,
                "packages": [
                    {"name": package.name, "version": package.version, "folder": package.folder}
                    for package in project.packages
                ],
                "artifacts": [{key: asdict(a)[key] for key in keys} for a in artifacts(project)],
                "tasks": [asdict(outlook) for outlook in outlooks],
                **({"notes": remarks} if remarks else {}),
            },
            indent=2,
        )
        + "\n"
    )
