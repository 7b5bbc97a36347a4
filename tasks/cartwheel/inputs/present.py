"""What the configuration names outside its own tables must be there when it is read, not when the first build ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cartwheel.inputs.crates import table, toml
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.image import DOCKERFILE, image_of
from cartwheel.model.manifests import inside, is_debug, profiles, table_shown
from cartwheel.model.project import Package, Project, Wheel


def refuse_absent(root: Path, project: Project, environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` for a Dockerfile or a profile of cargo that is not there."""
    for package, wheel in project.wheels:
        where = table_shown(package.manifests)
        if wheel.image.startswith(DOCKERFILE):
            image = image_of(wheel.target, wheel.floor, wheel.image)
            _refuse_no_file(root, inside(package.folder, image.dockerfile), where)
        if wheel.profile not in ("", *_OF_CARGO, *profiles(package.manifests)):
            _refuse_no_profile(root, package, wheel, environ, where)


def told_of_inputs(root: Path, package: Package) -> tuple[str, ...]:
    """What is said of declared inputs that are not there: to be made later, or a slip of the pen."""
    commands = (before for wheel in package.wheels for before in wheel.before)
    named = dict.fromkeys((*package.inputs, *(name for before in commands for name in before.inputs)))
    paths = (inside(package.folder, name) for name in named)
    return tuple(f"{package.name}: the input {path} is not there" for path in paths if not (root / path).exists())


_OF_CARGO = ("release", "dev", "test", "bench")
"""The profiles that every crate has (the Cargo book, "Profiles", November 2026)."""


def _refuse_no_file(root: Path, path: str, where: str) -> None:
    if not (root / path).is_file():
        raise ConfigError(f"{where} image: there is no file {path}; write it, or name an image")


def _refuse_no_profile(root: Path, package: Package, wheel: Wheel, environ: Mapping[str, str], where: str) -> None:
    """By cargo's configuration files and variables too, which may declare one."""
    from cartwheel.inputs.configuration import configuration

    configured = _by_variables(wheel.profile, environ) | _by_variables(wheel.profile, wheel.environment)
    for file in configuration(root / package.folder, environ).files:
        rows = table(toml(file), "profile")
        configured = {name: table(rows, name) for name in rows} | configured
    declared = package.manifests.workspace_path or package.manifests.cargo_path
    if wheel.profile in configured:
        if is_debug(wheel.profile, {**profiles(package.manifests), **configured}):
            raise ConfigError(
                f"{where} profile: '{wheel.profile}' makes debug wheels, and is declared outside {declared}; declare "
                "it there, so that none is published"
            )
        return
    known = {*_OF_CARGO, *profiles(package.manifests), *configured}
    raise ConfigError(
        f"{where} profile: {declared} has no [profile.{wheel.profile}]{did_you_mean(wheel.profile, known)}"
    )


def _by_variables(profile: str, variables: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    prefix = f"CARGO_PROFILE_{profile.upper().replace('-', '_')}_"
    if not any(name.startswith(prefix) for name in variables):
        return {}
    return {profile: {"inherits": variables.get(f"{prefix}INHERITS", "")}}
