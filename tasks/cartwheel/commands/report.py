"""`doit report`: one HTML page about the release: matrix, files, tests, times, and what is on which index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from doit.exceptions import InvalidCommand

from cartwheel.commands.options import WordsAndOptions, flag
from cartwheel.commands.plan import closure, context_of
from cartwheel.commands.report_page import PackageFacts, PlannedFile, ReleaseFacts, StepFacts, html_page
from cartwheel.gate import check_report
from cartwheel.model.project import Package
from cartwheel.model.wheels.artifacts import REPORT_PAGE, Artifact, package_artifacts
from cartwheel.process import run
from cartwheel.run_context import LAST_RUN, RunContext, UpToDate


class Report(WordsAndOptions):
    """The command, as doit's plugin `report`."""

    name = "report"
    doc_purpose = "write one HTML page: matrix, files, tests, times, what is on which index"
    doc_usage = ""
    doc_description = (
        "The page needs no network and no other file. It is made from the records of what was built and checked here, "
        "or by the pipeline whose files were brought here. --offline leaves out what the indexes hold. A release page "
        "gets the report that was written of its commit; pipelines write it first, and keep one of every run."
    )
    cmd_options = (
        {"name": "output", "short": "o", "long": "output", "type": str, "default": REPORT_PAGE,
         "help": f"the file to write (default: {REPORT_PAGE})"},
        flag("offline", "ask neither the remote nor the indexes"),
    )  # fmt: skip

    def _execute(self, output: str, offline: bool, pos_args: list[str]) -> int:
        if pos_args:
            raise InvalidCommand(f"report: takes no word; found '{pos_args[0]}'; see: doit help report")
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        run.stop_on_signals()
        facts = release_facts(context, closure(self.task_list, []), offline=offline)
        path = context.root / output
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(html_page(facts), encoding="utf-8", newline="\n")
        except OSError as error:
            raise InvalidCommand(f"report: {path} cannot be written: {error.strerror}") from None
        self.outstream.write(f"{path}\n")
        return 0


def release_facts(context: RunContext, tasks: Iterable[Any], *, offline: bool) -> ReleaseFacts:
    """Everything that the page shows."""
    from cartwheel.repository.git import Repository

    with Repository(context.root) as repository:
        commit = repository.head()
    packages = tuple(_package(context, package, offline=offline) for package in context.project.packages)
    return ReleaseFacts(
        commit=commit, packages=packages, steps=_steps(context, tuple(tasks)), last_run=_last_run(context)
    )


def _package(context: RunContext, package: Package, *, offline: bool) -> PackageFacts:
    files = tuple(_file(context, package, artifact) for artifact in package_artifacts(package))
    status = None
    if not offline:
        from cartwheel.commands.status import release_status

        status = release_status(context.project, package, context)
    return PackageFacts(name=package.name, version=package.version, files=files, status=status)


def _file(context: RunContext, package: Package, artifact: Artifact) -> PlannedFile:
    from cartwheel.summary import file_row

    wheel = next((wheel for wheel in package.wheels if wheel.file == artifact.file), None)
    exists = (context.root / artifact.path).is_file()
    build = context.records.load(artifact.task.replace("repair:", "build:", 1))
    return PlannedFile(
        artifact=artifact,
        floor=wheel.floor if wheel else "",
        variant=wheel.variant if wheel else "",
        untested=wheel.untested if wheel else "",
        row=file_row(context.root, artifact, context.records.load) if exists else None,
        check=check_report(context.root / artifact.report) if exists else None,
        tools=dict(build.tools) if build else {},
        crates={name: version for name, version in build.seen.facts.items() if name.startswith("crate ")}
        if build
        else {},
    )


def _steps(context: RunContext, tasks: tuple[Any, ...]) -> tuple[StepFacts, ...]:
    """The steps that have a record, in order, each with the steps that it waits for."""
    members: dict[str, tuple[str, ...]] = {}
    steps: dict[str, StepFacts] = {}
    for task in tasks:
        after = tuple(dict.fromkeys(leaf for name in task.task_dep for leaf in members.get(name, (name,))))
        members[task.name] = (task.name,) if task.actions else after
        if not isinstance((task.meta or {}).get("judgement"), UpToDate):
            continue
        if record := context.records.load(task.name):
            before = tuple(name for name in after if name in steps)
            steps[task.name] = StepFacts(name=task.name, seconds=record.seconds, after=before)
    return tuple(steps.values())


def _last_run(context: RunContext) -> Mapping[str, float]:
    """The steps that ran in the last run that did something, with their seconds; empty if unknown."""
    try:
        ran = json.loads((context.root / LAST_RUN).read_bytes())["ran"]
        return {str(name): float(seconds) for name, seconds in ran.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
