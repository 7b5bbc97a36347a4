"""Reasons against a release before a build: one table of rules for `ready`, `tag` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from cartwheel import gate
from cartwheel.destinations import offline_refusals
from cartwheel.destinations.protocol import NOTHING
from cartwheel.destinations.worker import Worker, finished
from cartwheel.model.destination import is_rehearsal
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import ledger, package_artifacts
from cartwheel.process import environment
from cartwheel.process.run import Interrupted

if TYPE_CHECKING:
    from cartwheel.last_release import ReleaseChange
    from cartwheel.repository.tag_rules import TagFacts


class ReleaseCandidate:
    """A package to release; the remote, the index and the forge are asked at the same time, each at most once."""

    def __init__(self, project: Project, package: Package, work: Work, *, keep: bool = True) -> None:
        """`keep`: cache the index's answer in the project."""
        self.project, self.package, self.work, self._keep = project, package, work, keep
        self._asked = Worker(self._last_release if self.needs_tag else lambda: None)
        self._secrets = Worker(self._missing_secrets)

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
        return finished(self._asked)

    def missing_secrets(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `ci.pipeline_secrets`; empty if no pipeline publishes."""
        return finished(self._secrets)

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


def refusals(candidate: ReleaseCandidate) -> tuple[str, ...]:
    """Every reason against the release that is known before a build, from `RULES`; empty: it may begin.

    Without a tag, only `RULES_WITHOUT_TAG` count.  Raises `Interrupted`.
    """
    lines: list[str] = []
    for rule in RULES if candidate.needs_tag else RULES_WITHOUT_TAG:
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
    if it.needs_tag or it.sent_to:
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


def _pipeline_secrets(it: ReleaseCandidate) -> Iterable[str]:
    """A job of the pipeline that the tag starts will have no credentials for its index."""
    if it.tagged:
        return ()
    refused, notes = it.missing_secrets()
    for line in notes:
        it.work.announce(line)
    return refused


def _destinations(it: ReleaseCandidate) -> Iterable[str]:
    """An index that is configured wrongly, whose rules refuse a planned file, or that has no credentials here."""
    offline_refusals.locate_destinations(it.project, it.package, it.work)
    if it.project.rehearsed or (not it.sent_to and (not it.needs_tag or it.tagged)):
        return ()
    return offline_refusals.known_refusals(it.project, it.package, it.work, sending=it.sent_to)


def _other_publishers(it: ReleaseCandidate) -> Iterable[str]:
    """The tag would start another workflow that publishes the same version."""
    from cartwheel.ci.other_publishers import other_publishers

    if it.tagged or it.project.rehearsed or it.project.started_by:
        return ()
    if lines := other_publishers(it.work.root, it.project):
        own = "or, where that workflow is to release, say [tool.cartwheel.ci] own = true"
        return (f"{it.package.tag_name} would be published twice:", *lines, own)
    return ()


def _targets(it: ReleaseCandidate) -> Iterable[str]:
    """A wheel is planned that no machine builds."""
    from cartwheel.toolchain import no_toolchain

    if it.tagged:
        return ()
    return filter(None, map(no_toolchain, dict.fromkeys(wheel.target for wheel in it.package.wheels)))


def _tests(it: ReleaseCandidate) -> Iterable[str]:
    if not it.tagged if it.needs_tag else it.sent_to:
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
        if it.sent_to and isinstance(error, Unreadable) and not error.may_pass:
            return str(error).splitlines()
        it.work.announce(unread_in_words(comparison_index(it.project, it.package), error))
        return ()
    return losses_in_words(change) if change else ()


def _lost_provenance(it: ReleaseCandidate) -> Iterable[str]:
    """The release proves less of its origin than the last one. `_lost_files` announces an unreadable index."""
    from cartwheel.destinations.pypi_reader import Unreadable
    from cartwheel.lost_provenance import provenance_losses

    if it.tagged:
        return ()
    try:
        change = it.change()
    except Unreadable:
        return ()
    last, environ = change.last if change else None, it.work.snapshot.environ
    return provenance_losses(it.project, it.package, last, it.work.root, environ, it.work.announce)


def _unpublished(it: ReleaseCandidate) -> Iterable[str]:
    """`verify` without `publish`, of a version that the index does not have; it would build all files first.

    An index that was just sent files from here may list them late, and a job that builds nothing loses nothing.
    """
    if it.sent_to or environment.builds_forbidden(it.work.snapshot.environ):
        return
    words = [word.split(":") for word in it.work.named]
    for name in it.package.publish:
        here = (it.work.root / ledger(it.package, name)).is_file()
        named = any(word == ["verify"] or word[:2] == ["verify", name] for word in words)
        if named and not here and _holds_nothing(it.project, it.package, name, it.work):
            by_ci = f"the pipeline of {it.package.tag_name} publishes it"
            todo = by_ci if it.project.made_by_ci else f"publish it first: doit publish:{name}"
            yield f"{name} has no file of {it.package.name} {it.package.version}; {todo}"


def _holds_nothing(project: Project, package: Package, name: str, work: Work) -> bool:
    """Whether an index holds no planned file of the package's version; False if it cannot be asked."""
    there = gate.destination(project, package, name, work)
    try:
        with there.alone():
            return there.status({artifact.file: "" for artifact in package_artifacts(package)}).state == NOTHING
    except Interrupted:
        raise
    except StepFailed:
        return False


Rule = Callable[[ReleaseCandidate], Iterable[str]]

RULES: tuple[Rule, ...] = (
    _change_in_progress, _version, _repository, _changelog, _pipeline, _pipeline_secrets, _destinations,
    _other_publishers, _targets, _tests, _lost_files, _lost_provenance,
)  # fmt: skip
"""Each gives its reasons, or raises `CartwheelError` with them."""

RULES_WITHOUT_TAG: tuple[Rule, ...] = (_version, _destinations, _tests, _unpublished)
"""Those of a run that only verifies, or sends to indexes for practice."""


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
