"""The crates of a workspace, from `cargo metadata`: which are published, and in which order."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError, did_you_mean


class Sibling(Struct, frozen=True, kw_only=True):
    """A path dependency of a crate on another."""

    name: str
    folder: str
    published: bool
    """Whether the dependency stays in the published manifest; a dev-dependency without a version does not."""


class Crate(Struct, frozen=True, kw_only=True):
    """A crate of the project."""

    name: str
    version: str
    folder: str
    """An absolute path with forward slashes."""
    registries: tuple[str, ...] | None
    """The registries that the manifest allows; None: all."""
    extension: bool
    """Whether it is an extension module that only Python imports."""
    siblings: tuple[Sibling, ...]
    lacks: tuple[str, ...] = ()
    """Fields that crates.io requires and the manifest lacks (the Cargo Book, "Publishing", November 2026)."""

    @property
    def file(self) -> str:
        """The name of the published file."""
        return f"{self.name}-{self.version}.crate"

    def goes_to(self, registry: str) -> bool:
        """Whether the manifest allows publishing to the registry."""
        return self.registries is None or registry in self.registries


def crates_from_metadata(metadata: Mapping[str, Any], extensions: Iterable[str]) -> tuple[Crate, ...]:
    """The crates in the output of `cargo metadata --no-deps`; `extensions` are the folders of extension crates."""
    imported = {_slashes(folder) for folder in extensions}
    return tuple(_crate(package, imported) for package in metadata["packages"])


def _crate(package: Mapping[str, Any], imported: set[str]) -> Crate:
    folder = posixpath.dirname(_slashes(package["manifest_path"]))
    publish = package.get("publish")
    return Crate(
        name=package["name"],
        version=package["version"],
        folder=folder,
        registries=None if publish is None else tuple(publish),
        extension=folder in imported or _is_extension(package["targets"]),
        siblings=tuple(
            Sibling(
                name=need["name"], folder=_slashes(need["path"]),
                published=need["kind"] != "dev" or need["req"] != "*",
            )
            for need in package["dependencies"] if need.get("path")
        ),
        lacks=tuple(_lacking(package)),
    )  # fmt: skip


def _lacking(package: Mapping[str, Any]) -> Iterable[str]:
    if not package.get("description"):
        yield "a description"
    if not package.get("license") and not package.get("license_file"):
        yield "a license or license-file"
    for need in package["dependencies"]:
        if need["req"] == "*" and need["kind"] != "dev":
            yield f"a version for the dependency {need['name']}"


def _is_extension(targets: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the crate only produces a library that other programs load, such as an extension."""
    kinds = {kind for target in targets for kind in target["crate_types"] if target["kind"] != ["custom-build"]}
    named = [kind for target in targets for kind in target["kind"]]
    return "cdylib" in kinds and not {"lib", "rlib", "bin", "proc-macro"} & set(named)


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def needed_folders(start: str, crates: Mapping[str, Crate]) -> frozenset[str]:
    """The folders of the crate in `start` and of all crates that it needs by path."""
    folders: set[str] = set()
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        if folder in crates and folder not in folders:
            folders.add(folder)
            waiting += [sibling.folder for sibling in crates[folder].siblings if sibling.published]
    return frozenset(folders)


def crates_to_publish(crates: Iterable[Crate], registry: str, names: tuple[str, ...] | None) -> tuple[Crate, ...]:
    """The crates to publish, each after those that it needs.

    `names`: exactly these; None: all crates that may go to the registry, without extensions. Raises `ConfigError`
    if none is left, if one may not go there, or if one needs a crate that may not go there.
    """
    known = {crate.name: crate for crate in crates}
    where = f"[tool.cartwheel.index.{registry}] crates"
    for name in names or ():
        if name not in known:
            raise ConfigError(f"{where}: there is no crate '{name}' here{did_you_mean(name, known)}")
        if not known[name].goes_to(registry):
            raise ConfigError(f"{where}: '{name}' is named, and its Cargo.toml says it is not published there")
    usual = (crate.name for crate in known.values() if crate.goes_to(registry) and not crate.extension)
    picked = {name: known[name] for name in (names if names is not None else usual)}
    if not picked:
        raise ConfigError(f"publish: {registry}: no crate would be sent ({_why_none(known)}); {_instead(where)}")
    _refuse_lacking(picked, known, registry)
    return _in_order(picked)


def _why_none(known: Mapping[str, Crate]) -> str:
    return "; ".join(f"{c.name} is {'the extension' if c.extension else 'not to be published'}" for c in known.values())


def _instead(where: str) -> str:
    return f'name what is meant ({where} = ["…"]), or take the index out of publish'


def _refuse_lacking(picked: Mapping[str, Crate], known: Mapping[str, Crate], registry: str) -> None:
    folders = {crate.folder: crate for crate in known.values()}
    for crate in picked.values():
        if crate.lacks and registry == "crates-io":
            raise ConfigError(f"publish: {registry}: the Cargo.toml of '{crate.name}' lacks {', '.join(crate.lacks)}")
        for sibling in crate.siblings:
            other = folders.get(sibling.folder)
            if sibling.published and other and other.name not in picked and not other.goes_to(registry):
                raise ConfigError(
                    f"publish: {registry}: crate '{crate.name}' needs '{other.name}', whose Cargo.toml says it is not "
                    "published there; publish both or neither"
                )


def _in_order(picked: Mapping[str, Crate]) -> tuple[Crate, ...]:
    from graphlib import CycleError, TopologicalSorter

    needs = {n: sorted(s.name for s in c.siblings if s.published and s.name in picked) for n, c in picked.items()}
    try:
        order = tuple(TopologicalSorter({name: needs[name] for name in sorted(needs)}).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ConfigError(
            f"crates need one another in a circle: {circle}; take the version off a dev-dependency"
        ) from None
    return tuple(picked[name] for name in order)
