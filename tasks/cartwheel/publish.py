"""Publish: the files of each package to each of its indexes; what can refuse them does so before the first byte."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from cartwheel.model.destination import CRATES, GITHUB, kind_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.plan import checks, of_package, reports
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.proof import proven, refuse_unless_meant, strangers


def steps(project: Project) -> Iterable[Step]:
    """One step for each package and index."""
    for package in project.packages:
        before: tuple[str, ...] = ()
        for name in package.publish:
            yield Step(
                name=f"publish:{name}:{package.key}",
                doc=f"{package.name} {package.version} to {name}",
                needs=(*reports(package), *(artifact.path for artifact in of_package(package))),
                after=(*checks(package), *(() if _for_practice(project, name) else (f"tag:{package.key}",))),
                follows=before,
                always=True,
                act=lambda work, package=package, name=name: _act(project, package, name, work),  # type: ignore[misc]
            )
            before = (f"publish:{name}:{package.key}",)


def _act(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    refuse_unless_meant(project, work, "publish", "release")
    other = elsewhere(project, name)
    return other.send(project, package, name, work) if other else _send(project, package, name, work)


def elsewhere(project: Project, name: str) -> Any:
    """The module with `refuse`, `send` and `verify` for an index that is not like PyPI; None for one that is."""
    module = _OTHER_KINDS.get(kind_of(name, project.indexes))
    return import_module(module) if module else None


_OTHER_KINDS = {GITHUB: "cartwheel.publish_github", CRATES: "cartwheel.publish_crates"}


def _for_practice(project: Project, name: str) -> bool:
    """Whether the index takes a release that is not tagged; a rehearsal's stand-in takes none."""
    if project.rehearsed:
        return False
    settings = project.indexes.get(name)
    return settings.rehearsal if settings else name == "testpypi"


def refuse_what_the_index_would(project: Project, package: Package, name: str, work: Work) -> Mapping[str, str]:
    """All that can be known before anything is public: the index, what it holds, the set of files and its rules.

    Returns the SHA-256 of each file as its check recorded it.
    Raises `ConfigError` where nobody knows the index, and `StepFailed` with all that is wrong.
    """
    from cartwheel.index.delivery import look
    from cartwheel.index.rules import findings
    from cartwheel.index.warehouse import resolve

    if other := elsewhere(project, name):
        other.refuse(project, package, name, work)
        return {}
    index = resolve(name, project.indexes)
    expected = proven(package, work.root)
    paths = [work.root / artifact.path for artifact in of_package(package)]
    advice = "it is not part of this release; move it away (doit run clean removes what cartwheel made)"
    wrong = [f"{path}: {advice}" for path in strangers(project, package, work.root)]
    wrong += [str(finding) for finding in findings(paths, besides=("private",) if project.rehearsed else ())]
    wrong += look(index, package.name, package.version, expected)[1]
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {name}:", *wrong)))
    return expected


def _send(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.index.delivery import send
    from cartwheel.index.warehouse import resolve

    expected = refuse_what_the_index_would(project, package, name, work)
    index = resolve(name, project.indexes)
    paths = [work.root / artifact.path for artifact in of_package(package)]
    send(
        index, package.name, package.version, paths, expected=expected,
        ledger=work.root / ".cartwheel" / "ledgers" / name / f"{package.key}-{package.version}.json",
        environ=work.look.environ, say=work.announce,
    )  # fmt: skip
    return {}
