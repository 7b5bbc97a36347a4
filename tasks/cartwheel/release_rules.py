"""Reasons against a release before a build: one table of rules for `ready`, `tag` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from cartwheel import gate
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.process import environment
from cartwheel.process.run import Interrupted

if TYPE_CHECKING:
    from cartwheel.last_release import ReleaseChange
    from cartwheel.repository.tag_rules import TagFacts


class ReleaseCandidate:
    """A package to release; the remote and the index are asked at the same time, each at most once."""

    def __init__(self, project: Project, package: Package, work: Work, *, keep: bool = True) -> None:
        """`keep`: cache the index's answer in the project."""
        from cartwheel.destinations.worker import Worker

        self.project, self.package, self.work, self._keep = project, package, work, keep
        self._asked = Worker(self._last_release)

    @cached_property
    def facts(self) -> TagFacts:
        """The facts of the repository and its remote. Raises `CartwheelError` if the remote cannot be asked."""
        return tag_facts(self.project, self.package, self.work)

    @property
    def tagged(self) -> bool:
        """Whether the tag is on HEAD already; also False if the remote cannot be asked."""
        try:
            return self.facts.done
        except CartwheelError:
            return False

    @property
    def sends(self) -> bool:
        """Whether this run sends the files, and not a pipeline that the tag starts."""
        words = {word.split(":")[0] for word in self.work.named}
        return bool(words & {"publish", "release"}) and not (self.project.made_by_ci or self.project.rehearsed)

    def change(self) -> ReleaseChange | None:
        """The planned release compared with the last one; None without one to compare with.

        Raises `StepFailed` if the index cannot be read.
        """
        from cartwheel.destinations.worker import finished

        return finished(self._asked)

    def _last_release(self) -> ReleaseChange | None:
        from cartwheel.last_release import change_before_release

        return change_before_release(self.project, self.package, self.work.root, keep=self._keep)


def refusals(candidate: ReleaseCandidate) -> tuple[str, ...]:
    """Every reason against the release that is known before a build, from `RULES`; empty: it may begin.

    Raises `Interrupted`.
    """
    lines: list[str] = []
    for rule in RULES:
        try:
            lines += rule(candidate)
        except Interrupted:
            raise
        except CartwheelError as error:
            lines += str(error).splitlines()
    return tuple(dict.fromkeys(lines))


def _change_in_progress(it: ReleaseCandidate) -> Iterable[str]:
    from cartwheel.repository import undo_note

    undo_note.refuse(it.work.root)
    return ()


def _version(it: ReleaseCandidate) -> Iterable[str]:
    gate.refuse_unversioned(it.project, it.package, it.work)
    return ()


def _repository(it: ReleaseCandidate) -> Iterable[str]:
    from cartwheel.repository.tags import refuse

    refuse(it.facts)
    return ()


def _changelog(it: ReleaseCandidate) -> Iterable[str]:
    if not it.tagged:
        refuse_without_notes(it.project, it.package, it.work)
    return ()


def _pipeline(it: ReleaseCandidate) -> Iterable[str]:
    """The committed pipeline, which the tag starts, is missing or differs from the configuration."""
    from cartwheel import __version__
    from cartwheel.ci.pipeline_files import refusals, unlocked_cartwheel

    if not it.project.made_by_ci:
        return ()
    for line in unlocked_cartwheel(it.work.root, it.project, version=__version__):
        it.work.announce(line)
    return refusals(it.work.root, it.project, version=__version__)


def _destinations(it: ReleaseCandidate) -> Iterable[str]:
    """An index that is configured wrongly, whose rules refuse a planned file, or that has no credentials here."""
    gate.locate_destinations(it.project, it.package, it.work)
    if it.tagged or it.project.rehearsed:
        return ()
    return gate.known_refusals(it.project, it.package, it.work, sending=it.sends)


def _other_publishers(it: ReleaseCandidate) -> Iterable[str]:
    """The tag would start another workflow that publishes the same version."""
    from cartwheel.ci.other_publishers import other_publishers

    if it.tagged or it.project.rehearsed or it.project.started_by:
        return ()
    if lines := other_publishers(it.work.root, it.project):
        own = "or, where that workflow is to release, say [tool.cartwheel.ci] own = true"
        return (f"{it.package.tag_name} would be published twice:", *lines, own)
    return ()


def _tests(it: ReleaseCandidate) -> Iterable[str]:
    if not it.tagged:
        gate.refuse_untested(it.project, it.package, it.work)
    return ()


def _lost_files(it: ReleaseCandidate) -> Iterable[str]:
    """The release loses a file of the last one without a reason.

    An index that does not answer is only announced; one that refuses to be read would refuse this run later too.
    """
    from cartwheel.destinations.pypi_reader import Unreadable
    from cartwheel.last_release import comparison_index, losses_in_words, unread_in_words

    if it.tagged:
        return ()
    try:
        change = it.change()
    except Interrupted:
        raise
    except StepFailed as error:
        if it.sends and isinstance(error, Unreadable) and not error.may_pass:
            return str(error).splitlines()
        it.work.announce(unread_in_words(comparison_index(it.project, it.package), error))
        return ()
    return losses_in_words(change) if change else ()


def _lost_provenance(it: ReleaseCandidate) -> Iterable[str]:
    """The release proves less of its origin than the last one. `_lost_files` announces an index that does not
    answer."""
    from cartwheel.destinations.pypi_reader import Unreadable
    from cartwheel.last_release import provenance_losses

    if it.tagged:
        return ()
    try:
        change = it.change()
        return provenance_losses(it.project, it.package, change.last if change else None, it.work.root)
    except Unreadable:
        return ()


RULES: tuple[Callable[[ReleaseCandidate], Iterable[str]], ...] = (
    _change_in_progress, _version, _repository, _changelog, _pipeline, _destinations, _other_publishers, _tests,
    _lost_files, _lost_provenance,
)  # fmt: skip
"""Each gives its reasons, or raises `CartwheelError` with them."""


# Shared with the tag ------------------------------------------------------------------------------------------------


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


def refuse_without_notes(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if the changelog lacks an entry for the version."""
    from cartwheel.versions.changelog_file import without_entry

    missing = without_entry(work.root, package, ignored=project.release.ignore_tags)
    if missing:
        raise StepFailed("\n".join((f"{package.tag_name}: not tagged:", *(f"  {line}" for line in missing))))
