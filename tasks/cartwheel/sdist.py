"""Sdist: the source distribution of each package, made by its own backend."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from cartwheel.build import build_environment, exactly_one, uv_build
from cartwheel.inputs.sources import TreeSources
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.world import files


def steps(project: Project) -> Iterable[Step]:
    """One step for each package."""
    for package in project.packages:
        yield Step(
            name=f"sdist:{package.key}",
            doc=f"the source distribution of {package.name}",
            makes=(f"{package.dist}/{package.sdist}",),
            after=("version-sync",),
            settings={"version": package.version},
            tools=("maturin",) if package.backend == "maturin" else (),
            sources=_sources(package),
            act=lambda work, package=package: _make(package, work),  # type: ignore[misc]
        )


def _sources(package: Package) -> TreeSources:
    """Everything below the package's folder may be packed, with all crates that it is built of."""
    return TreeSources(folders=(package.folder,), package=package)


def _make(package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    out = work.scratch / "out"
    env = build_environment(package, work)
    folder = work.root / package.folder
    if package.backend == "maturin":
        work.log.run((sys.executable, "-m", "maturin", "sdist", "--out", str(out)), cwd=folder, env=env)
    else:
        uv_build("--sdist", folder, out, env, work)
    files.move_into_place(exactly_one(out, package.sdist), work.root / package.dist / package.sdist)
    return {}
