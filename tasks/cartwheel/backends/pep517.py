"""Builds packages without a crate with their own backend (PEP 517), from an isolated copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel import toolchain
from cartwheel.backends.wheel_step import (
    build_environment,
    chain_of,
    compiled_step,
    exactly_one,
    raw_wheel,
    step_of,
    variables,
)
from cartwheel.filesystem import files
from cartwheel.inputs.folder_sources import BackendSources, package_files
from cartwheel.model.config import build_backend
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel, before_setting
from cartwheel.model.step import Snapshot, Step, Work
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.container_image import CONTAINER
from cartwheel.model.wheels.target import ANY
from cartwheel.toolchain import Toolchain

if TYPE_CHECKING:
    from cartwheel.toolchain.requirements import ToolNeed


def step(package: Package, wheel: Wheel) -> Step:
    """The build step of one wheel, compiled or pure."""
    return _compile_step(package, wheel) if wheel.target.triple != ANY else _pure(package, wheel)


def _pure(package: Package, wheel: Wheel) -> Step:
    return step_of(
        package,
        wheel,
        doc=f"{package.name} for any Python 3 on any system",
        settings=before_setting(wheel.before),
        sources=BackendSources(package=package, wheel=wheel),
        act=lambda work: _build(package, wheel, work),
    )


def _compile_step(package: Package, wheel: Wheel) -> Step:
    return compiled_step(
        package,
        wheel,
        of_chain=lambda chain: _tools(package, wheel, chain),
        lacks=lambda snapshot: _lacks(package, wheel, snapshot),
        sources=BackendSources(package=package, wheel=wheel),
        act=lambda work: _build(package, wheel, work),
    )


def _tools(package: Package, wheel: Wheel, chain: Toolchain) -> tuple[str, ...]:
    from cartwheel.toolchain import build_interpreters

    return toolchain.image_tools(wheel, chain) or (
        build_interpreters.tool(wheel.python, package.oldest_interpreter),
        "cc",
        "c++",
    )


def _build(package: Package, wheel: Wheel, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.backends.frontend import uv_build
    from cartwheel.backends.path_free import backend_variables, rust_variables

    out = work.scratch / "out"
    env = _environment(package, wheel, work)
    source = isolated_source(package, work, wheel)
    rust = build_backend.compiles_rust(package.manifests.pyproject) and wheel.target.triple != ANY
    if rust and not wheel.debug:
        env |= rust_variables(wheel, chain_of(package, wheel), source, work.scratch / "source", env)
    if wheel.target.triple == ANY:
        uv_build("--wheel", source, out, env, work)
    elif chain_of(package, wheel).name == CONTAINER:
        env |= {} if wheel.debug else backend_variables(wheel, source, env, "")
        _build_inside(package, wheel, source, out, env, work)
    else:
        python = _interpreter(package, wheel, work.snapshot)
        env |= {} if wheel.debug else backend_variables(wheel, source, env, python)
        uv_build("--wheel", source, out, env, work, python=python, settings=_settings(package, wheel))
    try:
        built = exactly_one(out, wheel.raw)
    except StepFailed as error:
        raise _with_reason(error, package, wheel) from None
    if rust:
        _add_bill(built, package, wheel, source, env, work)
    files.move_into_place(built, work.root / raw_wheel(wheel))
    return {}


def _add_bill(built: Path, package: Package, wheel: Wheel, source: Path, env: Mapping[str, str], work: Work) -> None:
    """Add a bill of materials with the crates of the first lockfile in the package, which cargo has fetched by now."""
    from cartwheel.backends.finished_wheel import with_own_bill
    from cartwheel.cargo.resolution import resolved_crates

    locks = sorted(source.rglob("Cargo.lock"), key=lambda path: (len(path.parts), path))
    folder = locks[0].parent if locks else source
    try:
        triples = wheel.target.triples
        crates = resolved_crates(folder / "Cargo.toml", targets=triples, features=(), env=env, cwd=folder)
    except StepFailed:
        crates = {}
    with_own_bill(built, package, wheel, env, work, crates, folder)


def _build_inside(package: Package, wheel: Wheel, source: Path, out: Path, env: Mapping[str, str], work: Work) -> None:
    """Build in the wheel's container with its interpreter's pip."""
    from cartwheel.backends.frontend import pip_build
    from cartwheel.toolchain.container_command import ContainerLog
    from cartwheel.toolchain.container_setup import open_container

    inside = open_container(package, wheel, work)
    python = inside.interpreter(wheel.python, package.oldest_interpreter)
    log = ContainerLog(work.log, inside, (work.scratch,))
    pip_build(python, source, out, env, work, log, _settings(package, wheel))


def _settings(package: Package, wheel: Wheel) -> tuple[str, ...]:
    if wheel.python != pythons.ABI3:
        return ()
    read = package.manifests
    return build_backend.limited_settings(read.pyproject, package.minimum_python, read.setup_limited)


def isolated_source(package: Package, work: Work, wheel: Wheel | None = None) -> Path:
    """Create the isolated copy in the scratch folder; returns the package's folder in it."""
    from cartwheel.backends.checkout import refuse_incomplete
    from cartwheel.inputs.isolated_copy import copy_files

    paths = package_files(package, wheel, work.root)
    refuse_incomplete(package, paths, work.root)
    return copy_files(package.folder, paths, work.root, work.scratch / "source")


def backend_environment(package: Package, work: Work) -> dict[str, str]:
    """The backend's environment, with the version if the backend takes it from git."""
    env = build_environment(package, work) | {"GIT_OPTIONAL_LOCKS": "0"}
    if package.from_git:
        env |= build_backend.version_variables(package.name, package.manifests.pyproject, package.version)
    return env


def _environment(package: Package, wheel: Wheel, work: Work) -> dict[str, str]:
    env = backend_environment(package, work) | variables(wheel.environment, work)
    if wheel.target.triple == ANY:
        return env
    row = build_backend.backend_of(package.manifests.pyproject)
    if wheel.debug:
        env |= {name: f"{env.get(name, '')} {value}".strip() for name, value in row.debug.items()}
    return env | dict(build_backend.compiler_environment(wheel.target, wheel.floor, wheel.flags, env))


def _interpreter(package: Package, wheel: Wheel, snapshot: Snapshot) -> str:
    """The path of the interpreter to compile for. Raises `StepFailed` if it is not installed."""
    from cartwheel.toolchain import build_interpreters

    interpreter = build_interpreters.path(wheel.python, package.oldest_interpreter, snapshot)
    if not interpreter:
        raise StepFailed(build_interpreters.missing_interpreter(wheel.python, package.oldest_interpreter))
    return interpreter


def missing_needs(package: Package, wheel: Wheel, chain: Toolchain, snapshot: Snapshot) -> tuple[ToolNeed, ...]:
    """The tools that a wheel needs and this machine lacks. Answers are cached."""
    from cartwheel.toolchain import build_interpreters, requirements

    if chain.name == CONTAINER:
        return tuple(requirements.engine(wheel.target, snapshot, wheel.floor))
    return build_interpreters.backend_needs(wheel.python, package.oldest_interpreter, snapshot)


def _lacks(package: Package, wheel: Wheel, snapshot: Snapshot) -> str:
    for need in missing_needs(package, wheel, chain_of(package, wheel), snapshot):
        return f"{need.name} is missing, and {package.name} is compiled with it; {need.fix}"
    return ""


def _with_reason(error: StepFailed, package: Package, wheel: Wheel) -> StepFailed:
    """The failure, with the likely reason if the backend named the wheel differently than planned."""
    named = str(error)
    if package.from_git and f"-{package.version}-" not in named.partition(", but ")[2]:
        why = "the backend did not take the version that it was told; see 'Versions from git' in docs/building.md"
    elif "none-any.whl" in named.partition(", but ")[2]:
        why = "nothing was compiled; name the target 'any', or see in the log why there is no extension"
    elif wheel.python == pythons.ABI3:
        why = f"the backend did not build for the limited API of {package.minimum_python} (py_limited_api)"
    else:
        return error
    return StepFailed(f"{error}; {why}")
