"""Publish: the files of each package to each of its indexes; what can refuse them does so before the first byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from cartwheel.checklist import tasks_before_tag
from cartwheel.filesystem.files import sha256_of
from cartwheel.gate import refuse_unless_meant, refuse_unversioned, unplanned_files, verified_digests
from cartwheel.model.destination import CRATES, GITHUB, is_rehearsal, kind_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import checks, ledger, package_artifacts, ready, reports
from cartwheel.process import environment


def steps(project: Project) -> Iterable[Step]:
    """One step for each package and index."""
    for package in project.packages:
        before: tuple[str, ...] = ()
        for name in package.publish:
            early, late = ((), ()) if _for_practice(project, name) else _tag_tasks(project, package)
            yield Step(
                name=f"publish:{name}:{package.key}",
                doc=f"{package.name} {package.version} to {name}",
                needs=(*reports(package), *(artifact.path for artifact in package_artifacts(package))),
                after=(*early, *checks(package), *late),
                follows=before,
                always=True,
                act=lambda work, package=package, name=name: _act(project, package, name, work),  # type: ignore[misc]
            )
            before = (f"publish:{name}:{package.key}",)


def _tag_tasks(project: Project, package: Package) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tasks of a package's tag that come before its files are built, and those that come after."""
    return (*ready(package), *tasks_before_tag(project, package)), (f"tag:{package.key}",)


def _act(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    refuse_unless_meant(project, work, "publish", "release")
    refuse_unversioned(project, package)
    if environment.builds_forbidden(work.snapshot.environ):
        _examine_again(package, work)
    other = elsewhere(project, name)
    return other.send(project, package, name, work) if other else _send(project, package, name, work)


def _examine_again(package: Package, work: Work) -> None:
    """Other machines made and checked the files; what of their checks runs nothing is done again where they are sent
    from.  (The set of them is checked here in any case.)  Raises `StepFailed`."""
    from cartwheel.check import refuse_invalid_wheel

    verified_digests(package, work.root)
    for wheel in package.wheels:
        refuse_invalid_wheel(package, wheel, work.root)
    work.announce(f"{len(package.wheels)} wheels examined again")


def elsewhere(project: Project, name: str) -> Any:
    """The module with `locate`, `refuse`, `send`, `verify` for an index that is not like PyPI; None for one that is."""
    module = _OTHER_KINDS.get(kind_of(name, project.indexes))
    return import_module(module) if module else None


_OTHER_KINDS = {GITHUB: "cartwheel.publish_github", CRATES: "cartwheel.publish_crates"}


def locate(project: Project, name: str, work: Work) -> None:
    """Raises `ConfigError` where nobody knows where the index is, or what its table says cannot be meant."""
    from cartwheel.destinations.pypi_index import resolve

    if other := elsewhere(project, name):
        other.locate(project, name, work)
    else:
        resolve(name, project.indexes)


def _for_practice(project: Project, name: str) -> bool:
    """Whether the index takes a release that is not tagged; a rehearsal's stand-in takes none."""
    if project.rehearsed:
        return False
    return is_rehearsal(name, project.indexes)


def refuse_what_the_index_would(project: Project, package: Package, name: str, work: Work) -> Mapping[str, str]:
    """All that can be known before anything is public: the index, what it holds, the set of files and its rules.

    Returns the SHA-256 of each file as its check recorded it.
    Raises `ConfigError` where nobody knows the index, and `StepFailed` with all that is wrong, whatever it is.
    """
    from cartwheel.checks.index_rules import findings, refusals_and_notes
    from cartwheel.destinations.delivery import look
    from cartwheel.destinations.pypi_index import resolve
    from cartwheel.destinations.twine_upload import lacking

    if other := elsewhere(project, name):
        other.refuse(project, package, name, work)
        return {}
    index = resolve(name, project.indexes)
    wrong: list[str] = []
    paths = [path for path in (work.root / artifact.path for artifact in package_artifacts(package)) if path.is_file()]
    expected: Mapping[str, str] = {}
    with _noted(wrong):
        expected = verified_digests(package, work.root)
    wrong += unplanned_files(project, package, work.root)
    refused, told = refusals_and_notes(
        findings(paths, besides=("private",) if project.rehearsed else (), rules=index.rules), index.rules
    )
    wrong += [str(finding) for finding in refused]
    for line in told:
        work.announce(f"{name}: {line}")
    if any(word.split(":")[0] in ("publish", "release") for word in work.named):  # a tag alone needs none
        wrong += filter(None, [lacking(index, work.snapshot.environ)])
    with _noted(wrong):
        there = expected or {path.name: sha256_of(path) for path in paths}
        wrong += look(index, package.name, package.version, there)[1]
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {name}:", *wrong)))
    return expected


@contextmanager
def _noted(wrong: list[str]) -> Iterator[None]:
    """What fails here is one of the things that are wrong, and hides no other."""
    try:
        yield
    except StepFailed as error:
        wrong += str(error).splitlines()


def _send(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.destinations.delivery import send
    from cartwheel.destinations.pypi_index import resolve

    expected = refuse_what_the_index_would(project, package, name, work)
    index = resolve(name, project.indexes)
    paths = [work.root / artifact.path for artifact in package_artifacts(package)]
    send(
        index, package.name, package.version, paths, expected=expected,
        ledger=work.root / ledger(package, name),
        environ=work.snapshot.environ, say=work.announce,
    )  # fmt: skip
    return {}
