"""Builds a wheel from a source distribution as an installer does: from the archive alone, outside the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from cartwheel.backends.pep517 import backend_environment
from cartwheel.backends.wheel_step import build_environment, variables
from cartwheel.filesystem.distribution import unpack_sdist
from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine.host import this_machine
from cartwheel.model.config.bindings import stable_abi
from cartwheel.model.config.build_backend import limited_settings
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Snapshot, Work
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.python import ABI3, PURE
from cartwheel.model.wheels.target import ANY, TARGETS, Target


class LocalBuild(Struct, frozen=True, kw_only=True):
    """The wheel that an installer on this machine builds from the source distribution."""

    target: Target
    python: str
    """`abi3`, `3.13`, `py3`, ..."""
    interpreter: str
    """The path of the backend's interpreter; empty if any interpreter works."""


@contextmanager
def wheel_from_sdist(package: Package, sdist: Path, build: LocalBuild, work: Work) -> Iterator[Path]:
    """The wheel that the source distribution builds. It is deleted when the context ends.

    The archive is unpacked in the user's cache folder. No cargo configuration, ignore file or workspace of the project
    applies there, so a file missing from the archive is noticed. Only the addresses of crate registries are passed on,
    as everyone who builds the archive must know them. Cargo's target directory is kept between runs.
    """
    from cartwheel.backends.frontend import uv_build
    from cartwheel.cargo.config_files import registry_variables

    place = _outside_the_project(work.root) / package.key
    remove_tree(place, ignore_errors=True)
    try:
        unpack_sdist(sdist, place)
        source = place / sdist.name.removesuffix(".tar.gz")
        env = build_environment(package, work) if package.manifest else backend_environment(package, work)
        env |= variables(variables_here(package), work)
        if package.manifest:
            env |= registry_variables(work.root / package.folder, env)
            env["CARGO_TARGET_DIR"] = str(work.root / ".cartwheel" / "cargo" / "sdist" / package.key)
        out = work.scratch / "out"
        uv_build("--wheel", source, out, env, work, python=build.interpreter, cwd=source)
        wheels = sorted(out.glob("*.whl"))
        if len(wheels) != 1:
            raise StepFailed(f"{sdist.name}: {len(wheels)} wheels were built from it, expected one")
        yield wheels[0]
    finally:
        remove_tree(place, ignore_errors=True)


def _outside_the_project(root: Path) -> Path:
    """The project's folder in the user's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("cartwheel") / "sdists" / hashlib.sha256(str(root).encode()).hexdigest()[:12]


def variables_here(package: Package) -> Mapping[str, str | Secret]:
    """The `environment` of the package's first wheel that runs on this machine; the package's if no wheel does."""
    host = this_machine()
    return next((wheel.environment for wheel in package.wheels if host.runs(wheel.target)), package.environment)


def planned_here(package: Package) -> Wheel | None:
    """The planned wheel to compare with a local build of the source distribution; None if no planned wheel runs
    here."""
    host = this_machine()
    return next((wheel for wheel in test_plan.from_sdist(package) if host.runs(wheel.target)), None)


def local_build(package: Package, snapshot: Snapshot) -> LocalBuild:
    """The target and Python of a local build: those of the first planned wheel with an interpreter on this machine."""
    from cartwheel.toolchain import build_interpreters

    host = this_machine()
    first = package.wheels[0].python if package.wheels else PURE
    for wheel in test_plan.from_sdist(package):
        target = TARGETS[host.triple] if package.manifest else wheel.target
        if _needs_options(package, wheel) and (oldest := _oldest_interpreter(package, snapshot)):
            return LocalBuild(target=target, python=oldest[0], interpreter=oldest[1])
        if package.manifest and wheel.python in (ABI3, PURE):
            return LocalBuild(target=target, python=wheel.python, interpreter="")
        path = host.runs(target) and build_interpreters.path(wheel.python, package.oldest_interpreter, snapshot)
        if path:
            return LocalBuild(target=target, python=wheel.python, interpreter=path if target.triple != ANY else "")
    return LocalBuild(target=TARGETS[host.triple if package.compiled else ANY], python=first, interpreter="")


def _needs_options(package: Package, wheel: Wheel) -> bool:
    """Whether only our build asks for the stable ABI: an installer's build has no features or config settings."""
    if wheel.python != ABI3:
        return False
    if package.manifest:
        return bool(wheel.features) and ABI3 not in stable_abi(package.manifests).kinds
    read = package.manifests
    return bool(limited_settings(read.pyproject, package.minimum_python, read.setup_limited))


def _oldest_interpreter(package: Package, snapshot: Snapshot) -> tuple[str, str] | None:
    """The oldest maintained Python that is installed and that the package allows, with its path; None if there is
    none."""
    from cartwheel.toolchain import build_interpreters

    allowed = package.manifests.requires_python
    versions = (v for v in pythons.SUPPORTED if pythons.allows_python(allowed, v))
    pairs = ((version, build_interpreters.path(version, "", snapshot)) for version in versions)
    return next((pair for pair in pairs if pair[1]), None)
