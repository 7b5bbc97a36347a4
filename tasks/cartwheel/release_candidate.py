"""The release of a package as a run would make it: its tag, its indexes, and what they and the remote answer."""

from __future__ import annotations

from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING

from cartwheel.destinations import offline_refusals
from cartwheel.destinations.worker import Worker, result_of
from cartwheel.model.destination import is_rehearsal
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.process import environment
from cartwheel.process.run import Interrupted

if TYPE_CHECKING:
    from cartwheel.last_release import ReleaseChange
    from cartwheel.repository.tag_rules import TagFacts


class Situation(Enum):
    """What a run has to do with the tag of the release."""

    NEW_TAG = auto()
    """It makes or needs the tag, which is not on HEAD, or the remote cannot be asked."""
    TAGGED = auto()
    """The tag is on HEAD already."""
    NO_TAG = auto()
    """It only verifies, or sends to indexes for practice."""


class ReleaseCandidate:
    """A package to release; the remote, the index and the forge are asked at the same time, each at most once."""

    def __init__(self, project: Project, package: Package, work: Work, *, keep: bool = True) -> None:
        """`keep`: cache the index's answer in the project."""
        self.project, self.package, self.work, self._keep = project, package, work, keep
        self._comparison = Worker(self._last_release if self.needs_tag else lambda: None)
        self._secrets = Worker(self._missing_secrets)

    @property
    def facts(self) -> TagFacts:
        """The facts of the repository and its remote. Raises `CartwheelError` if the remote cannot be asked."""
        if isinstance(self._facts, CartwheelError):
            raise self._facts
        return self._facts

    @cached_property
    def _facts(self) -> TagFacts | CartwheelError:
        try:
            return tag_facts(self.project, self.package, self.work)
        except Interrupted:
            raise
        except CartwheelError as error:
            return error

    @cached_property
    def situation(self) -> Situation:
        """Which rules count."""
        if not self.needs_tag:
            return Situation.NO_TAG
        done = not isinstance(self._facts, CartwheelError) and self._facts.done
        return Situation.TAGGED if done else Situation.NEW_TAG

    @property
    def sent_to(self) -> tuple[str, ...]:
        """The indexes that this run sends the files to, and not a pipeline that the tag starts."""
        return offline_refusals.receivers(self.project, self.package, self.work)

    @property
    def needs_tag(self) -> bool:
        """Whether the run makes or needs the tag: it does more than verify, or send to indexes for practice."""
        stages = {word.split(":")[0] for word in self.work.named}
        if self.project.rehearsed or stages & {"ready", "tag"} or not stages & {"publish", "release", "verify"}:
            return True
        if "release" in stages and self.project.made_by_ci:
            return True
        return any(not is_rehearsal(name, self.project.indexes) for name in self.sent_to)

    def change(self) -> ReleaseChange | None:
        """The planned release compared with the last one; None without one to compare with.

        Raises `StepFailed` if the index cannot be read.
        """
        return result_of(self._comparison)

    def missing_secrets(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `ci.pipeline_secrets`; empty if no pipeline publishes."""
        return result_of(self._secrets)

    def _missing_secrets(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        from cartwheel import __version__
        from cartwheel.ci.pipeline_secrets import missing_secrets

        if not (self.needs_tag and self.project.made_by_ci):
            return (), ()
        environ = self.work.snapshot.environ
        return missing_secrets(self.work.root, self.project, self.package, environ, version=__version__)

    def _last_release(self) -> ReleaseChange | None:
        from cartwheel.last_release import change_before_release

        return change_before_release(self.project, self.package, self.work.root, keep=self._keep)


def starts_pipeline(project: Project, work: Work) -> str:
    """The forge's job that this run is, if the tag should start a pipeline; empty if it is not a job or the tag
    starts none."""
    return environment.forge_job(work.snapshot.environ) if project.made_by_ci else ""


def tag_facts(project: Project, package: Package, work: Work) -> TagFacts:
    """The facts of the repository and its remote that decide about the package's tag."""
    from cartwheel.repository.tags import facts

    return facts(
        work.root,
        tag=package.tag_name,
        version=package.version,
        template=package.tag,
        name=package.name,
        remote=project.release.remote,
        ignored=project.release.ignore_tags,
        branch=project.release.branch,
        pipeline=environment.in_ci(work.snapshot.environ),
        started=bool(project.started_by),
        checked_out=environment.released_branch(work.snapshot.environ),
    )
