"""Checklist: the configured tasks before a release: commands that must pass on the commit, and questions that a
person answers once per version, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.model.config.release_settings import ChecklistItem
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.record import Dependencies
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.process import environment


def steps(project: Project) -> Iterable[Step]:
    """One step for each entry of each package's checklist."""
    for package in project.packages:
        before: tuple[str, ...] = ()
        for item in package.checklist:
            yield _command(package, item) if item.run else _question(package, item, before)
            before = before if item.run else (*before, _name(package, item))  # questions keep their order


def tasks_before_tag(project: Project, package: Package) -> tuple[str, ...]:
    """The checklist tasks that come before a package's tag and before its files are built.

    A rehearsal skips the questions. If a tag started the run, all were done before the tag was made.
    """
    items = () if project.started_by else package.checklist
    return tuple(_name(package, item) for item in items if item.run or not project.rehearsed)


def _name(package: Package, item: ChecklistItem) -> str:
    return f"checklist:{package.key}:{item.slug}"


def _command(package: Package, item: ChecklistItem) -> Step:
    return Step(
        name=_name(package, item),
        doc=" ".join(item.run),
        settings={"command": " ".join(item.run)},
        sources=ThisCommit(),
        act=lambda work: _run(package, item, work),
    )


def _question(package: Package, item: ChecklistItem, before: tuple[str, ...]) -> Step:
    return Step(
        name=_name(package, item),
        doc=item.manual,
        after=before,
        settings={"version": package.version, "question": item.manual},
        sources=QuestionAnswers(),
        act=lambda work: _ask(package, item, work),
    )


class ThisCommit(Struct, frozen=True, kw_only=True):
    """The checked-out commit: a command that passed counts only for it, and never with uncommitted changes."""

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        from cartwheel.repository.head_state import state_of

        return Dependencies(
            facts={"the commit": state_of(snapshot.root, environment.tool_environment(snapshot.environ))}
        )


class QuestionAnswers(Struct, frozen=True, kw_only=True):
    """Who answered, and when; it depends only on the version."""

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """See `model.step.Sources`."""
        return Dependencies(learned=before.learned if before else {})


def _run(package: Package, item: ChecklistItem, work: Work) -> Mapping[str, tuple[str, ...]]:
    env = environment.tool_environment(work.snapshot.environ, package.environment_pass)
    argv = tuple(part.replace("{package}", package.folder) for part in item.run)
    work.log.run(argv, cwd=work.root / package.folder, env=env)
    return {}


def _ask(package: Package, item: ChecklistItem, work: Work) -> Mapping[str, tuple[str, ...]]:
    from datetime import UTC, datetime

    from cartwheel.process.prompt import confirm, has_terminal, who

    if not has_terminal():
        questions = [other for other in package.checklist if other.manual]
        left = questions[questions.index(item) :]
        raise StepFailed(
            "\n".join(
                (
                    f"a person answers this for {package.name} {package.version}, and there is no terminal here; "
                    f"on one, run: doit checklist:{package.key}",
                    *(f"- {other.manual}" for other in left),
                )
            )
        )
    if not confirm(f"{package.name} {package.version}: {item.manual}"):
        raise StepFailed(f"'{item.manual}' was not confirmed; do it, and answer with yes: doit checklist:{package.key}")
    return {"answered": (who(), datetime.now(UTC).isoformat(timespec="seconds"))}
