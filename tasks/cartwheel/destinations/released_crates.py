"""The crates that a release sends to a registry, and the cargo that packs them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cartwheel.cargo.publish_order import Crate, crates_from_metadata, crates_to_publish, needed_folders
from cartwheel.destinations.cargo_publish import Cargo, registry_of
from cartwheel.destinations.protocol import Release
from cartwheel.model.config.build_backend import setuptools_rust_manifest
from cartwheel.model.config.manifests import path_in
from cartwheel.model.project import Package
from cartwheel.model.step import CommandLog


def cargo_for(release: Release, log: CommandLog) -> Cargo:
    """cargo in the workspace of a package, for the release's registry."""
    return Cargo(
        registry_of(release.index, release.project.indexes),
        release.root / workspace_of(release.package),
        log=log,
        environ=release.environ,
        target=release.root / ".cartwheel" / "crates" / release.package.key,
        home=release.root / ".cartwheel" / "local" / "cargo",
    )


def released_crates(release: Release, cargo: Cargo) -> tuple[Crate, ...]:
    """The crates that the package's release sends to this registry; raises `ConfigError` if it has none."""
    settings, root = release.settings, release.root
    crated = [p for p in release.project.packages if crate_manifest(p)]
    return crates_of(
        cargo,
        (root / crate_manifest(release.package)).parent,
        root=root,
        extensions=[(root / crate_manifest(p)).parent for p in crated if p.bindings != "bin"],
        names=settings.crates if settings else None,
        alone=sum(workspace_of(p) == workspace_of(release.package) for p in crated) == 1,
    )


def workspace_of(package: Package) -> str:
    """The manifest of the package's workspace, else its own; relative to the project's root."""
    return package.manifests.workspace_path or crate_manifest(package)


def crate_manifest(package: Package) -> str:
    """The manifest of the package's crate, compiled by maturin or setuptools-rust; empty without one."""
    named = package.manifest or setuptools_rust_manifest(package.manifests.pyproject)
    return named if package.manifest or not named else path_in(package.folder, named)


def crates_of(
    cargo: Cargo, own: Path, *, root: Path, extensions: Iterable[Path], names: tuple[str, ...] | None, alone: bool
) -> tuple[Crate, ...]:
    """The crates that a package's release sends, each after its dependencies.

    `own`: the folder of the package's crate. Includes all crates of its workspace and their path dependencies within
    the project. If other packages share the workspace (not `alone`), only the crates that this package needs. `names`:
    the names from the configuration, which select crates explicitly.
    """
    folders = tuple(_cargo_path(path) for path in extensions)
    known = {crate.folder: crate for crate in crates_from_metadata(cargo.metadata(), folders)}
    home, waiting = root.resolve(), list(known.values())
    while waiting:
        for sibling in waiting.pop().siblings:
            manifest = Path(sibling.folder, "Cargo.toml")
            if sibling.published and sibling.folder not in known and manifest.resolve().is_relative_to(home):
                more = crates_from_metadata(cargo.metadata(manifest), folders)
                siblings = [crate for crate in more if crate.folder == sibling.folder]
                known.update({crate.folder: crate for crate in siblings})
                waiting += siblings
    needed = known if alone or names is not None else needed_folders(_cargo_path(own), known)
    return crates_to_publish((crate for folder, crate in known.items() if folder in needed), cargo.registry.name, names)


def _cargo_path(folder: Path) -> str:
    return str(folder.resolve()).replace("\\", "/")
