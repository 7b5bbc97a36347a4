"""Checks, as soon as the configuration is read, that the indexes, files and profiles it names exist in the project."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.filesystem.manifest_files import table, toml
from cartwheel.filesystem.read_set import is_outside, relative_name
from cartwheel.model.config.bindings import module_name
from cartwheel.model.config.cargo_profiles import is_debug, profiles
from cartwheel.model.config.manifests import path_in, table_name
from cartwheel.model.destination import KNOWN
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Package, Project, Wheel, declared_inputs
from cartwheel.model.wheels.container_image import DOCKERFILE, image_of
from cartwheel.model.wheels.test_plan import requirements_file
from cartwheel.process.environment import home_folder


def refuse_missing(root: Path, project: Project, environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` for an index, a Dockerfile or a cargo profile that is not defined, and a file elsewhere."""
    for package in project.packages:
        _refuse_unknown_index(package, project, environ)
        _refuse_outside(root, package)
    for package in project.packages:
        known = {"", *_OF_CARGO, *profiles(package.manifests)}
        for wheel in package.wheels:
            if wheel.image.startswith(DOCKERFILE):
                _refuse_no_dockerfile(root, package, wheel)
        if special := [wheel for wheel in package.wheels if wheel.profile not in known]:
            _refuse_no_profile(root, package, special, environ)


def missing_inputs(root: Path, package: Package) -> Iterable[str]:
    """A message for each declared input, each requirements file and the readme, if missing: it is generated later, or
    misspelt."""
    readme = package.manifests.pyproject.get("project", {}).get("readme")
    name = readme.get("file") if isinstance(readme, dict) else readme
    if isinstance(name, str) and not (root / path_in(package.folder, name)).exists():
        yield f"{package.name}: [project] readme names {path_in(package.folder, name)}, which is missing"
    named = dict.fromkeys(name for wheel in (None, *package.wheels) for name in declared_inputs(package, wheel))
    paths = (path_in(package.folder, name) for name in named)
    yield from (f"{package.name}: the input {path} is missing" for path in paths if not (root / path).exists())
    tested = dict.fromkeys(line for wheel in package.wheels if not wheel.test.skip for line in wheel.test.requires)
    files = (path_in(package.folder, name) for line in tested if (name := requirements_file(line)))
    yield from (
        f"{package.name}: test.requires names {file}, which is missing" for file in files if not (root / file).exists()
    )


_DATA = ("data", "scripts", "headers", "purelib", "platlib")


def refused_folders(root: Path, package: Package) -> Iterable[str]:
    """A message for each folder of `[tool.maturin]` that maturin refuses or ignores as it is now; something that runs
    before the build may still make it (`ProjectLayout::determine` and `add_data` of maturin 1.16)."""
    if not package.manifest:
        return
    folder, settings, manifests = root / package.folder, package.manifests.maturin, package.manifests
    module = module_name(manifests.pyproject, manifests.cargo)
    data = str(settings.get("data") or f"{module}.data")
    if settings.get("data") and not (folder / data).is_dir():
        yield f"{package.name}: [tool.maturin] data names {path_in(package.folder, data)}, which is no folder"
    for path in sorted((folder / data).iterdir()) if (folder / data).is_dir() else ():
        if not (path.is_dir() and path.name in _DATA):
            yield (
                f"{package.name}: maturin refuses {path_in(package.folder, data)}/{path.name}; expected folders named "
                f"{', '.join(_DATA)}"
            )
    if source := settings.get("python-source"):
        top = folder / source / module.split(".")[0]
        if not top.is_dir():
            yield f"{package.name}: [tool.maturin] python-source needs the folder {relative_name(top, root)}"
        elif not Path(os.path.abspath(top)).is_relative_to(os.path.abspath(folder)):
            yield (
                f"{package.name}: maturin packs nothing of {relative_name(Path(os.path.abspath(top)), root)}, because "
                "python-source leads out of the folder of pyproject.toml; move pyproject.toml up, with manifest-path"
            )


def unseen_reads(root: Path, package: Package) -> tuple[str, ...]:
    """A message for each local procedural macro that opens files, if the package declares no inputs."""
    if not package.manifest or package.inputs:
        return ()
    from cartwheel.cargo.workspace import local_packages
    from cartwheel.inputs.embedded_files import opening_macros

    return tuple(
        f"{package.name}: the procedural macro {macro.name} opens files, and only those that sources name are seen; "
        'name others: inputs = ["…"] in [tool.cartwheel]'
        for macro in opening_macros(local_packages(root / package.manifest, root))
    )


def _refuse_unknown_index(package: Package, project: Project, environ: Mapping[str, str]) -> None:
    """An index must be known by name, or defined in a table or in the user's .pypirc, which twine reads."""
    unknown = [name for name in package.publish if name not in KNOWN and name not in project.indexes]
    if not unknown:
        return
    from configparser import Error, RawConfigParser

    pypirc = RawConfigParser()
    try:
        pypirc.read(home_folder(environ) / ".pypirc", encoding="utf-8")
    except (Error, UnicodeDecodeError):
        return  # twine reports the error
    for name in unknown:
        if not pypirc.has_section(name):
            known = {*KNOWN, *project.indexes, *pypirc.sections()} - {"distutils"}
            raise ConfigError(
                f"{table_name(package.manifests)} publish: unknown index '{name}'{did_you_mean(name, known)}\n"
                f'for one of your own add [tool.cartwheel.index.{name}] with url = "…" and simple = "…"'
            )


def _refuse_outside(root: Path, package: Package) -> None:
    """A changelog lies in the project; another file with the version may lie in its repository."""
    for key, file in (("changelog.file", package.changelog.file), *(("versions", it.file) for it in package.versions)):
        name = relative_name((root / package.folder / file).resolve(), root) if file else ""
        if os.path.isabs(name) or (key == "changelog.file" and is_outside(name)):
            where = f"{path_in(package.folder, 'pyproject.toml')} [tool.cartwheel] {key}"
            raise ConfigError(f"{where}: '{file}' lies outside the project; expected a file in it")


_OF_CARGO = ("release", "dev", "test", "bench")
"""Profiles that every crate has (the Cargo book, "Profiles", November 2026)."""


def _refuse_no_dockerfile(root: Path, package: Package, wheel: Wheel) -> None:
    path = path_in(package.folder, image_of(wheel.target, wheel.floor, wheel.image).dockerfile)
    if not (root / path).is_file():
        where = table_name(package.manifests)
        raise ConfigError(f"{where} image: there is no file {path}; write it, or name an image")


def _refuse_no_profile(root: Path, package: Package, wheels: Iterable[Wheel], environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` unless a manifest, a cargo configuration file or a variable defines the profile."""
    from cartwheel.cargo.config_files import configuration

    where = table_name(package.manifests)
    declared = package.manifests.workspace_path or package.manifests.cargo_path
    in_files: dict[str, Mapping[str, object]] = {}
    for file in configuration(root / package.folder, environ).files:
        rows = table(toml(file), "profile")
        in_files = {name: table(rows, name) for name in rows} | in_files
    for wheel in wheels:
        by_name = _by_variables(wheel.profile, environ) | _by_variables(wheel.profile, wheel.environment)
        configured = in_files | by_name
        if wheel.profile not in configured:
            known = {*_OF_CARGO, *profiles(package.manifests), *configured}
            raise ConfigError(
                f"{where} profile: {declared} has no [profile.{wheel.profile}]{did_you_mean(wheel.profile, known)}"
            )
        if is_debug(wheel.profile, {**profiles(package.manifests), **configured}):
            raise ConfigError(
                f"{where} profile: '{wheel.profile}' makes debug wheels, and is declared outside {declared}; declare "
                "it there, so that none is published"
            )


def _by_variables(profile: str, variables: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    prefix = f"CARGO_PROFILE_{profile.upper().replace('-', '_')}_"
    if not any(name.startswith(prefix) for name in variables):
        return {}
    return {profile: {"inherits": variables.get(f"{prefix}INHERITS", "")}}
