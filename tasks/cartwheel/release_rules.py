"""Reasons against a release before a build: one table of rules for `ready_tasks`, `tag` and `doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cartwheel import gate
from cartwheel.destinations import offline_refusals
from cartwheel.destinations.protocol import NOTHING
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import ledger_path, package_artifacts
from cartwheel.process import environment
from cartwheel.process.run import Interrupted
from cartwheel.release_candidate import ReleaseCandidate, Situation


def refusals(candidate: ReleaseCandidate) -> tuple[str, ...]:
    """Every reason against the release that is known before a build, from `RULES`; empty: it may begin.

    Raises `Interrupted`.
    """
    lines: list[str] = []
    for rule, situations in RULES:
        try:
            lines += rule(candidate) if candidate.situation in situations else ()
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
    refused, notes = it.missing_secrets()
    for line in notes:
        it.work.announce(line)
    return refused


def _destinations(it: ReleaseCandidate) -> Iterable[str]:
    """An index that is configured wrongly, whose rules refuse a planned file, or that has no credentials here."""
    offline_refusals.locate_destinations(it.project, it.package, it.work)
    if it.project.rehearsed or not (it.sent_to or it.situation is Situation.NEW_TAG):
        return ()
    return offline_refusals.known_refusals(it.project, it.package, it.work, sending=it.sent_to)


def _other_publishers(it: ReleaseCandidate) -> Iterable[str]:
    """The tag would start another workflow that publishes the same version."""
    from cartwheel.ci.other_publishers import other_publishers

    if it.project.rehearsed or it.project.started_by:
        return ()
    if lines := other_publishers(it.work.root, it.project):
        own = "or, where that workflow is to release, say [tool.cartwheel.ci] own = true"
        return (f"{it.package.tag_name} would be published twice:", *lines, own)
    return ()


def _targets(it: ReleaseCandidate) -> Iterable[str]:
    """A wheel is planned that no machine builds."""
    from cartwheel.toolchain import no_toolchain

    return filter(None, map(no_toolchain, dict.fromkeys(wheel.target for wheel in it.package.wheels)))


def _tests(it: ReleaseCandidate) -> Iterable[str]:
    if it.sent_to or it.situation is Situation.NEW_TAG:
        gate.refuse_untested(it.project, it.package, it.work)
    return ()


def _lost_files(it: ReleaseCandidate) -> Iterable[str]:
    """The release loses a file of the last one without a reason.

    An index that does not answer is only announced; one that refuses to be read would refuse this run later too.
    """
    from cartwheel.destinations.pypi_reader import Unreadable
    from cartwheel.last_release import comparison_index, losses_in_words, unread_in_words

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

    try:
        change = it.change()
    except Unreadable:
        return ()
    last, environ = change.last if change else None, it.work.snapshot.environ
    return provenance_losses(it.project, it.package, last, it.work.root, environ, it.work.announce, it.sent_to)


def _unpublished(it: ReleaseCandidate) -> Iterable[str]:
    """`verify` without `publish`, of a version that the index does not have; it would build all files first.

    An index that was just sent files from here may list them late, and a job that builds nothing loses nothing.
    """
    if it.sent_to or environment.builds_forbidden(it.work.snapshot.environ):
        return
    words = [word.split(":") for word in it.work.named]
    for name in it.package.publish:
        here = (it.work.root / ledger_path(it.package, name)).is_file()
        named = any(word == ["verify"] or word[:2] == ["verify", name] for word in words)
        if named and not here and _holds_nothing(it.project, it.package, name, it.work):
            by_ci = f"the pipeline of {it.package.tag_name} publishes it"
            todo = by_ci if it.project.made_by_ci else f"publish it first: doit publish:{name}"
            yield f"{name} has no file of {it.package.name} {it.package.version}; {todo}"


def _holds_nothing(project: Project, package: Package, name: str, work: Work) -> bool:
    """Whether an index holds no planned file of the package's version; False if it cannot be asked."""
    there = gate.destination(project, package, name, work)
    try:
        with there.session():
            return there.status({artifact.file: "" for artifact in package_artifacts(package)}).state == NOTHING
    except Interrupted:
        raise
    except StepFailed:
        return False


Rule = Callable[[ReleaseCandidate], Iterable[str]]
"""Gives its reasons, or raises `CartwheelError` with them."""

_EACH = frozenset(Situation)
_WITH_TAG = frozenset({Situation.NEW_TAG, Situation.TAGGED})
_NEW_TAG = frozenset({Situation.NEW_TAG})
_UNTAGGED = frozenset({Situation.NEW_TAG, Situation.NO_TAG})
_NO_TAG = frozenset({Situation.NO_TAG})

RULES: tuple[tuple[Rule, frozenset[Situation]], ...] = (
    (_change_in_progress, _WITH_TAG),
    (_version, _EACH),
    (_repository, _WITH_TAG),
    (_changelog, _NEW_TAG),
    (_pipeline, _WITH_TAG),
    (_pipeline_secrets, _NEW_TAG),
    (_destinations, _EACH),
    (_other_publishers, _NEW_TAG),
    (_targets, _NEW_TAG),
    (_tests, _UNTAGGED),
    (_lost_files, _NEW_TAG),
    (_lost_provenance, _NEW_TAG),
    (_unpublished, _NO_TAG),
)
"""Each rule, and the situations in which it counts."""


def refuse_without_notes(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if the changelog lacks an entry for the version."""
    from cartwheel.versions.changelog_file import without_entry

    missing = without_entry(work.root, package, ignored=project.release.ignore_tags)
    if missing:
        raise StepFailed("\n".join((f"{package.tag_name}: not tagged:", *(f"  {line}" for line in missing))))
