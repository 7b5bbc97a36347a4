"""The steps of a project as doit tasks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile
from doit.task import Task

from cartwheel.action import PerformStep
from cartwheel.cargo.package_manifests import read_package
from cartwheel.clean_action import CLEAN_CARGO, CleanAction
from cartwheel.command_line import patterns, settings_for_run, verbosity, words
from cartwheel.filesystem.manifest_files import read_root
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.filesystem.windows_files import delete_file
from cartwheel.inputs.missing_files import refuse_missing
from cartwheel.machine.host import this_machine
from cartwheel.model import project as model
from cartwheel.model.config import resolve
from cartwheel.model.config.manifests import Manifests, from_git
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.table import decode
from cartwheel.model.errors import CartwheelError, ConfigError, did_you_mean
from cartwheel.model.step import Step
from cartwheel.model.wheels.artifacts import OUTWARD
from cartwheel.release_checkout import FROM_COMMIT, ReleaseCheckout
from cartwheel.run_context import RunContext, UpToDate
from cartwheel.state import GROUPS, OURS
from cartwheel.toolchain.tool_versions import version_of

STAGES: Mapping[str, str] = {
    "clean": "Remove what the tasks made: outputs, records, scratch, stale compiled files (doit run clean)",
    "version-sync": "One version everywhere; named, it writes what differs, else it only checks",
    "build": "Compile every wheel; one target: build:TRIPLE",
    "repair": "Put every wheel into dist/: outside libraries in it, its floor verified",
    "check": "Examine every finished file, and test what this machine can run",
    "sdist": "Make the source distributions",
    "checklist": "What must be done before a tag: commands that pass, questions that a person answers",
    "tag": "Tag this version and push the tag with its branch",
    "publish": "Send the files to the indexes; one index: publish:NAME",
    "verify": "Install from the indexes what was published, and test it",
    "release": "Everything, in order: checks, tag, publish, verify",
}
"""The line of each stage in `doit list`.  The module of that name makes its steps."""

_EMPTY: Mapping[str, str] = {
    "checklist": "nothing is on the checklist (checklist in [tool.cartwheel])",
    **dict.fromkeys(("tag", "publish", "verify"), "no package is published (publish in [tool.cartwheel])"),
}
"""Why a stage has no step; printed if it is named."""


class Stage:
    """The tasks of one stage; `task_build = wheels.build` in dodo.py passes it to doit."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self._pipeline = pipeline
        self.name = name

    def create_doit_tasks(self) -> Iterator[Task]:  # short: doit tokenizes its source once for every stage
        return self._tasks()

    def _tasks(self) -> Iterator[Task]:
        try:
            yield from self._pipeline.tasks(self.name)
        except CartwheelError as error:
            raise InvalidDodoFile(str(error)) from None


class Pipeline:
    """A project's doit tasks.  dodo.py creates it with `Pipeline.beside(__file__)`."""

    def __init__(self, project: model.Project, root: Path, environ: Mapping[str, str], named: tuple[str, ...]) -> None:
        self.project = project
        self.root = root
        self._checkout: ReleaseCheckout | None = None
        snapshot = DiskSnapshot(root, environ, version_of)
        self.context = RunContext(snapshot, project, named=named)
        for name in STAGES:
            setattr(self, name.replace("-", "_"), Stage(self, name))

    def __getattr__(self, name: str) -> Stage:
        if name == "create_doit_tasks" or name.startswith("_"):  # doit looks for it in every value
            raise AttributeError(name)
        raise InvalidDodoFile(f"dodo.py: the pipeline has no stage '{name}'{did_you_mean(name, STAGES)}")

    @classmethod
    def beside(cls, dodo: str) -> Pipeline:
        """The pipeline of the project whose dodo.py this is.

        Raises doit's `InvalidDodoFile`, which doit prints as one line, if the configuration is wrong.
        """
        root = Path(dodo).resolve().parent
        try:
            project = read_project(root, settings_for_run(os.environ))
        except CartwheelError as error:
            _annotate(root, str(error))
            raise InvalidDodoFile(str(error)) from None
        return cls(project, root, os.environ, words(sys.argv[1:]))

    @property
    def doit_config(self) -> dict[str, Any]:
        """`DOIT_CONFIG`: our state, our reporter, threads, and default tasks that publish nothing."""
        from cartwheel.reporter import reporter_class

        return {
            "backend": "cartwheel",
            "dep_file": str(self.root / model.state_folder(debug=self.project.debug) / "records"),
            "check_file_uptodate": OrderOnly,
            "par_type": "thread",
            "reporter": reporter_class(self.context, patterns(sys.argv[1:]), verbosity(sys.argv[1:])),
            "default_tasks": self._defaults(),
            "minversion": "0.37.0",
            "verbosity": 2,
            "action_string_formatting": "new",
        }

    def _defaults(self) -> list[str]:
        """The checks of every target that this machine can run."""
        host = this_machine()
        targets = dict.fromkeys(w.target for _, w in self.project.wheels if host.runs(w.target))
        return ["version-sync", *(f"check:{target.triple}" for target in targets)]

    def tasks(self, stage: str) -> Iterator[Task]:
        """The stage's steps as tasks, with groups for the stage and for each target, index or package."""
        if stage == "clean":
            self._refuse_unknown(stage, (stage, CLEAN_CARGO))
            yield Task(stage, [CleanAction(self.context, stage)], doc=STAGES[stage])
            doc = "Remove cargo's directories alone: nothing that was made, only time"
            yield Task(CLEAN_CARGO, [CleanAction(self.context, CLEAN_CARGO)], subtask_of=stage, doc=doc)
            return
        self._refuse_debug(stage)
        steps = tuple(self.steps(stage))
        if stage in FROM_COMMIT:
            steps = self._from_commit(steps)
        groups: dict[str, list[str]] = {}
        for step in steps:
            parts = step.name.split(":")
            for depth in range(1, min(len(parts), 3)):
                groups.setdefault(":".join(parts[:depth]), [])
            parent = ":".join(parts[: min(len(parts) - 1, 2)])
            if parent:
                groups[parent].append(step.name)
            if len(parts) > 2 and ":".join(parts[:2]) not in groups[parts[0]]:
                groups[parts[0]].append(":".join(parts[:2]))
            yield self._task(step, parent)
        for name, members in groups.items():
            yield self._group(name, members, steps)
        self._refuse_unknown(stage, (stage, *groups, *(step.name for step in steps)))
        if stage == "version-sync":
            self.context.refuse_empty_selection(patterns(sys.argv[1:]))
        if not steps:
            yield Task(stage, None, doc=STAGES[stage], meta={"nothing": _EMPTY.get(stage, "")})

    def _refuse_debug(self, stage: str) -> None:
        if self.project.debug and stage in OUTWARD and any(w.split(":")[0] == stage for w in self.context.named):
            raise ConfigError(f"{stage}: debug wheels are never published; leave out the profile, or build them only")

    def _refuse_unknown(self, stage: str, names: tuple[str, ...]) -> None:
        """Refuse a named task of this stage that does not exist, for every command and reporter."""
        for word in self.context.named:
            if word.startswith(f"{stage}:") and not any(fnmatch(name, word) for name in names):
                if "*" in word:
                    raise ConfigError(f"'{word}' selects no task; see them with: doit list --all")
                near = [name for name in names if name.count(":") == word.count(":")] or names
                raise ConfigError(f"there is no task '{word}'{did_you_mean(word, near)}")

    def steps(self, stage: str) -> Iterable[Step]:
        """The stage's steps, from its module."""
        module = import_module(f"cartwheel.{stage.replace('-', '_')}")
        steps: Iterable[Step] = module.steps(self.project)
        return steps

    def _task(self, step: Step, parent: str) -> Task:
        OURS.add(step.name)
        judgement = UpToDate(step, self.context)
        return Task(
            step.name,
            [PerformStep(judgement)],
            file_dep=(*step.needs, *step.manifests),
            targets=step.makes,
            task_dep=(*step.after, *(step.follows if any(map(self._is_named, step.follows)) else ())),
            uptodate=[judgement],
            clean=[(self._clean, [(step,)])],
            subtask_of=parent or None,
            doc=STAGES.get(step.name) or step.doc,
            meta={"judgement": judgement},
        )

    def _from_commit(self, steps: Iterable[Step]) -> tuple[Step, ...]:
        """`steps`; if the working tree holds more than the commit, one run in a clean checkout of it instead."""
        if self._checkout is None:
            self._checkout = ReleaseCheckout.of_run(
                self.root, self.project, self.context.snapshot.environ, sys.argv[1:]
            )
        return tuple(map(self._checkout.instead_of, steps))

    def _is_named(self, name: str) -> bool:
        """Whether the command line names this publishing task, its group or its release."""
        package = name.rpartition(":")[2]
        return any(
            f"{name}:".startswith(f"{word}:") or word in ("release", f"release:{package}")
            for word in self.context.named
        )

    def _group(self, name: str, members: list[str], steps: tuple[Step, ...]) -> Task:
        below = tuple(step for step in steps if step.name.startswith(name + ":"))
        stage, _, rest = name.partition(":")
        GROUPS.add(name)
        return Task(
            name,
            None,
            task_dep=members,
            has_subtask=True,
            subtask_of=stage if rest else None,
            clean=[] if rest else [(self._clean, [below])],
            doc=f"{stage} all of {rest}"
            if rest
            else STAGES.get(stage, "Whether a tag may be made, before all is built"),
        )

    def _clean(self, steps: tuple[Step, ...], dryrun: bool) -> None:
        """Remove the outputs and records of these steps."""
        for step in steps:
            paths = [self.root / path for path in step.makes]
            paths.append(self.context.records.path(step.name))
            for path in paths:
                if path.is_file():
                    sys.stdout.write(
                        f"{step.name} - {'would remove' if dryrun else 'removing'} {self._in_root(path)}\n"
                    )
                    if not dryrun:
                        delete_file(path)

    def _in_root(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


class OrderOnly:
    """doit's file checker.  For steps, file dependencies only order tasks; the records decide what is stale."""

    CheckerError = OSError

    def exists(self, path: str) -> bool:
        """Whether a target exists."""
        return os.path.exists(path)

    def info(self, path: str) -> os.stat_result:
        """The file's status; raises `OSError` if it is missing."""
        return os.stat(path)

    def check_modified(self, path: str, stat: os.stat_result, state: object) -> bool:
        """Whether a file dependency of a user's own task changed, by size and time; for steps (`state` 1) never."""
        return state != 1 and [stat.st_mtime_ns, stat.st_size] != state

    def get_state(self, path: str, state: object) -> list[int]:
        """The stored state of a file dependency of a user's own task: time and size."""
        stat = os.stat(path)
        return [stat.st_mtime_ns, stat.st_size]


def read_project(root: Path, overrides: Mapping[str, str]) -> model.Project:
    """The project in `root`; raises `ConfigError`."""
    top = read_root(root)
    packages = tuple(read_package(root, f, top if f == "." else None) for f in resolve.folders(top))
    project = resolve.resolve_project(top, packages, overrides, **_git_tags(root, packages))
    refuse_missing(root, project, os.environ)
    stand_in = os.environ.get("CARTWHEEL_REHEARSAL")
    if not stand_in:
        return model.started_by(project, os.environ)
    try:
        rows = json.loads(stand_in).items()
    except (ValueError, AttributeError):
        raise ConfigError(model.NO_STAND_IN) from None
    return model.rehearsal_project(project, {kind: decode(IndexSettings, row, where="rehearsal") for kind, row in rows})


def _git_tags(root: Path, packages: Iterable[Manifests]) -> dict[str, Any]:
    """The tags of HEAD and the tag that started a pipeline's run, if some version comes from git."""
    if not any(from_git(manifests.pyproject) for manifests in packages):
        return {}
    from cartwheel.repository.scm_version import tags_on_head

    return {"tags": tags_on_head(root, os.environ), "started_by": model.starting_tag(os.environ)}


def _annotate(root: Path, words: str) -> None:
    """Annotate the line of the configuration that is wrong, on CI systems that can."""
    from cartwheel.ci.ci_output import CiOutput

    if mark := CiOutput(os.environ, root).refusal(words):
        sys.stderr.write(mark + "\n")
