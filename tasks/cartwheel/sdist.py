"""Sdist: the source distribution of each package, made by its own backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.backends.build_lockfile import lockfile_root
from cartwheel.backends.maturin import lockfile_failure
from cartwheel.backends.pep517 import backend_environment, isolated_source
from cartwheel.backends.wheel_step import commands_before, exactly_one, variables
from cartwheel.filesystem import files
from cartwheel.filesystem.read_set import refuse_special_files
from cartwheel.inputs.folder_sources import TreeSources
from cartwheel.inputs.isolated_copy import NOTE
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, before_setting
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.process import environment, run


def steps(project: Project) -> Iterable[Step]:
    """One step for each package."""
    for package in project.packages:
        yield Step(
            name=f"sdist:{package.key}",
            doc=f"the source distribution of {package.name}",
            makes=(f"{package.dist}/{package.sdist}",),
            manifests=package.manifests.paths,
            after=("version-sync",),
            settings={"version": package.version, **before_setting(package.before)},
            tools=("maturin",) if package.backend == "maturin" else (),
            lacks=lambda snapshot, package=package: _lacks(package, snapshot),  # type: ignore[misc]
            sources=_sources(package),
            ships=True,
            prepare=commands_before(package, package.before, package.environment),
            act=lambda work, package=package: _make(package, work),  # type: ignore[misc]
        )


def _sources(package: Package) -> TreeSources:
    """Everything below the package's folder may be packed, with all crates that it is built of."""
    return TreeSources(folders=(package.folder,), package=package, environment=package.environment)


def _make(package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.backends.checkout import refuse_incomplete
    from cartwheel.backends.frontend import uv_build
    from cartwheel.backends.normalised_sdist import normalise
    from cartwheel.inputs.lockless_copy import refresh_listed_copy

    listing = _sources(package).dependencies(work.snapshot, None).listing
    refuse_incomplete(package, listing, work.root)
    out = work.scratch / "out"
    env = backend_environment(package, work) | variables(package.environment, work)
    if package.backend == "maturin":
        refuse_special_files(listing, work.root)
        home = lockfile_root(package, _sources(package), env, work)
        if home != work.root:
            home = refresh_listed_copy(package.manifest, work.root, (*listing, *package.manifests.paths), home)
        _keep_tree_unchanged(package, home, env, work)
        work.log.run((*run.program_command("maturin"), "sdist", "--out", str(out)), cwd=home / package.folder, env=env)
    else:
        source = isolated_source(package, work)
        uv_build("--sdist", source, out, env, work)
        added = () if (source / NOTE).is_file() else (NOTE,)  # hatchling packs the nearest one
        normalise(exactly_one(out, package.sdist), int(env["SOURCE_DATE_EPOCH"]), added)
    files.move_into_place(exactly_one(out, package.sdist), work.root / package.dist / package.sdist)
    return {}


def _lacks(package: Package, snapshot: Snapshot) -> str:
    from cartwheel.toolchain.requirements import rust

    if missing := environment.missing_secrets(package.environment, snapshot.environ):
        return missing
    for need in rust(snapshot) if package.manifest else ():
        return f"{need.name} is missing, and the source distribution of {package.name} needs it; {need.fix}"
    return ""


def _keep_tree_unchanged(package: Package, home: Path, env: dict[str, str], work: Work) -> None:
    """`maturin sdist` knows no `--locked`, so cargo is asked first whether it would rewrite Cargo.lock; and cargo's
    target directory, which it makes even to list files, goes into the scratch folder."""
    env["CARGO_TARGET_DIR"] = str(work.scratch / "target")
    manifest = str(home / package.manifest)
    try:
        work.log.run(("cargo", "tree", "--locked", "--depth", "0", "--manifest-path", manifest), cwd=work.root, env=env)
    except StepFailed as error:
        raise lockfile_failure(error, package) or error from None
