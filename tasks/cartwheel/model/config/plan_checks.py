"""Refusals of tables that are valid by themselves but contradict each other, a manifest or an index."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from cartwheel.model.config.build_backend import BACKEND_TOOLCHAINS
from cartwheel.model.config.cargo_profiles import is_debug, profiles
from cartwheel.model.config.layers import chosen_by, pattern_matches
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Override, Settings, Variant
from cartwheel.model.destination import kind_row
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import ANY, platform_tag, platform_triple, pypi_accepts


def refuse_unmatched_selections(
    selecting: Iterable[Override | Variant], selected: Iterable[tuple[str, str]], where: str
) -> None:
    """Raises `ConfigError` for an override or a variant that selects nothing.

    `selected`: triple and interpreter of every wheel of the configuration, skipped ones included.
    """
    every = tuple(selected)
    known = dict.fromkeys(triple for triple, _ in every)
    for table in selecting:
        kind = "overrides" if isinstance(table, Override) else "variants"
        chosen = chosen_by(table.select)
        for pattern in chosen.target.split() or [""]:
            if not any(fnmatchcase(triple, pattern) for triple in known):
                hint = _translation_hint(pattern)
                raise ConfigError(f"{where} {kind}: '{pattern}' selects none of the targets {', '.join(known)}{hint}")
        there = dict.fromkeys(python for triple, python in every if pattern_matches(chosen.target, triple))
        for pattern in chosen.python.split() or [""] if table.python is None else ():
            if not any(fnmatchcase(python, pattern) for python in there):
                raise ConfigError(
                    f"{where} {kind}: python '{pattern}' selects none of the interpreters {', '.join(there)}"
                )


def _translation_hint(pattern: str) -> str:
    """The selection to write instead of a pattern of cibuildwheel, `cp313-*` or `*-win_amd64`; empty for others."""
    tag, _, platform = pattern.partition("-")
    python = pythons.translation(tag) if re.match(r"(cp|pp|gp)3\d", tag) else ""
    triple = platform_triple(pattern) if platform.strip("*") else ""
    parts = [f'{key} = "{value}"' for key, value in (("target", triple), ("python", python)) if value]
    return f"; here that is: select = {{ {', '.join(parts)} }}" if parts else ""


def refuse_excluded_python(name: str, requirement: str, where: str) -> None:
    """Raises `ConfigError` for an interpreter that `requires-python` (`requirement`) excludes."""
    version = pythons.version(name)
    if requirement and version and not pythons.allows_python(requirement, version):
        below = re.search(r">=?\s*3\.(\d+)", requirement)
        older = below and pythons.minor(version) < int(below[1])
        how = "older than" if older else "not what"
        raise ConfigError(f"{where} python: '{name}' is {how} requires-python ('{requirement}') allows")


def refuse_cargo_keys(own: Settings, once: Settings, where: str) -> None:
    """Raises `ConfigError` for a key for cargo in the table of a package without a crate."""
    for table in (own, *own.overrides, *own.variants, once):
        for key in ("features", "profile", "sccache", "cargo_directory"):
            if getattr(table, key, None) and (table is not once or key == "features"):
                name = key.replace("_", "-")
                raise ConfigError(f"{where} {name}: is for crates, and this package has none; remove it")
        if table.toolchain and table.toolchain not in BACKEND_TOOLCHAINS:
            raise ConfigError(
                f"{where} toolchain: '{table.toolchain}' compiles crates, and this package has none; "
                "expected 'native' or 'container'"
            )


def refuse_two_versions(manifests: Manifests, own: Settings, where: str) -> None:
    """Raises `ConfigError` if the version comes from git and a manifest has one too."""
    project = manifests.pyproject.get("project", {})
    if manifests.cargo_path:
        raise ConfigError(f"{where} version: 'scm', but maturin takes the version from Cargo.toml; remove it")
    if "version" in project:
        raise ConfigError(
            f"{where} version: 'scm', but [project] version says '{project['version']}'; remove one of the two"
        )
    if project and "version" not in project.get("dynamic", ()):
        raise ConfigError(f"{where} version: 'scm', but [project] dynamic does not name 'version'; add it")
    for key, value in (("versions", own.versions), ("version-from", own.version_from)):
        if value:
            raise ConfigError(f"{where} {key}: the version comes from git and stands in no file; remove it")


def refuse_not_abi3(name: str, minimum: str, where: str) -> None:
    """Raises `ConfigError` for a wheel of one version if the crate asks PyO3 for the stable ABI: it would be a wheel
    for all versions, under another name.  (Free-threaded interpreters, PyPy and GraalPy have no abi3: PyO3 0.29's
    guide, "Features".)"""
    version = re.fullmatch(r"3\.(\d+)", name)
    if version and int(version[1]) >= pythons.minor(minimum):
        raise ConfigError(
            f"{where} python: '{name}', but the crate's feature abi3 makes it a wheel for all from {minimum} on; "
            "write 'abi3', or make the feature optional"
        )


def refuse_published_debug(wheels: Iterable[Wheel], publish: tuple[str, ...], manifests: Manifests, where: str) -> None:
    """Raises `ConfigError` for debug wheels that would be published, unless this run alone asks for them."""
    for wheel in wheels:
        if publish and not wheel.debug and is_debug(wheel.profile, profiles(manifests)):
            raise ConfigError(
                f"{where} profile: '{wheel.profile}' makes debug wheels, which are never published; set it for a run "
                f"instead: doit build:{wheel.target.triple} profile={wheel.profile}"
            )


def refuse_unpublishable(
    wheels: Iterable[Wheel], publish: tuple[str, ...], tables: Mapping[str, IndexSettings], where: str
) -> None:
    """Raises `ConfigError` for a wheel with a platform tag that PyPI refuses, unless the index's `rules` waive that."""
    for name in (name for name in publish if kind_row(name, tables).wheel_rules):
        waived = tables[name].rules if name in tables else {}
        for wheel in wheels:
            for tag in platform_tag(wheel.target, wheel.floor).split("."):
                if not pypi_accepts(tag) and not {"platform-tag", f"platform-tag {tag}"} & waived.keys():
                    raise ConfigError(
                        f"{where} targets: {name} takes no wheel with the platform tag {tag} ({wheel.target.triple}); "
                        f"give it an override with skip, or say in index.{name} rules why it is taken there"
                    )


def refuse_unplanned(packages: tuple[Package, ...], once: Settings) -> None:
    """Raises `ConfigError` for targets of this run that no package has: nothing would be built."""
    planned = {wheel.target.triple for package in packages for wheel in package.wheels}
    if once.targets and not planned.union({ANY}).intersection(once.targets):
        raise ConfigError(f"targets for this run: no package has the target '{once.targets[0]}'; see: doit plan")


def refuse_duplicates(packages: tuple[Package, ...]) -> None:
    """Raises `ConfigError` for two packages of one name and for two wheels with the same file name."""
    seen: dict[str, Wheel] = {}
    names: set[str] = set()
    for package in packages:
        if package.key in names:
            raise ConfigError(f"two packages are named '{package.name}'; names on an index are unique")
        names.add(package.key)
        for wheel in package.wheels:
            if other := seen.get(wheel.file):
                both = f"{other.segments} and {wheel.segments}"
                advice = "give the variant a build-tag" if wheel.variant else "remove one of the targets"
                raise ConfigError(f"[tool.cartwheel]: {both} would both be {wheel.file}; {advice}")
            seen[wheel.file] = wheel
