"""Builds crates: maturin compiles each raw wheel in its own cargo directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cartwheel import toolchain
from cartwheel.backends.wheel_step import build_environment, chain_of, compiled_step, exactly_one, raw_wheel, variables
from cartwheel.filesystem import files
from cartwheel.inputs.sources import CompiledSources
from cartwheel.model.config.bindings import PYO3, UNIFFI, abi_of_features, stable_abi
from cartwheel.model.config.cargo_features import features as features_of
from cartwheel.model.config.default_python import minimum_python
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import CommandLog, Slots, Snapshot, Step, Work
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.container_image import CONTAINER
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.process import run
from cartwheel.process.environment import literal_values
from cartwheel.toolchain.tool_versions import rustc_tool

if TYPE_CHECKING:
    from cartwheel.toolchain.cargo_directories import CargoDirectory
    from cartwheel.toolchain.container_command import Container


def step(package: Package, wheel: Wheel) -> Step:
    """The build step of one wheel."""
    return compiled_step(
        package,
        wheel,
        tools=(rustc_tool(package.folder, literal_values(wheel.environment)), "maturin"),
        of_chain=lambda chain: (*chain.tools(wheel.target), *toolchain.image_tools(wheel, chain)),
        lacks=lambda snapshot: _lacks(package, wheel, snapshot),
        sources=CompiledSources(package=package, wheel=wheel),
        reserve=lambda slots, root: _reservation(package, wheel, slots, root),
        act=lambda work: _compile(package, wheel, work),
    )


def _compile(package: Package, wheel: Wheel, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.backends.build_lockfile import lockfile_root
    from cartwheel.backends.checkout import refuse_incomplete
    from cartwheel.backends.finished_wheel import with_own_bill
    from cartwheel.cargo.crate_count import CrateCount
    from cartwheel.toolchain.container_rust import cargo_container
    from cartwheel.toolchain.installed_rust import need_standard_library

    chain = chain_of(package, wheel)
    directory = _directory(package, wheel, chain, work.root).path
    messages = work.scratch / "cargo.json"
    env = _environment(package, wheel, chain, work, messages, directory)
    inside = cargo_container(package, wheel, work) if chain.name == CONTAINER else None
    if inside is None:
        for triple in wheel.target.triples:
            need_standard_library(triple, work.root / package.folder, env, work)
    sources = CompiledSources(package=package, wheel=wheel)
    refuse_incomplete(package, sources.dependencies(work.snapshot, None).listing, work.root)
    home = lockfile_root(package, sources, env, work)
    sources.distrust(directory, work)
    out = work.scratch / "out"
    if wheel.pgo and wheel.pgo.run:
        optimized = _optimized(package, wheel, chain, work, home)
        env = _environment(package, optimized, chain, work, messages, directory)
    work.log.measure(CrateCount(messages, len(sources.fetched_crates(work.snapshot))).words)
    log, maturin, python = work.log, run.program_command("maturin"), _interpreter(package, wheel)
    if inside is not None:
        log, maturin, python = _tools_in(inside, package, wheel, directory, work)
    try:
        log.run(
            (*maturin, *_arguments(package, wheel, chain, directory, out, python)), cwd=home / package.folder, env=env
        )
    except StepFailed as error:
        raise _with_reason(error, package, wheel) from None
    built = _final_wheel(out, wheel)
    workspace = (home / (package.manifests.workspace_path or package.manifest)).parent
    with_own_bill(built, package, wheel, env, work, sources.resolved_crates(work.snapshot), workspace)
    files.move_into_place(built, work.root / raw_wheel(wheel))
    return sources.learn(directory, messages, home, work)


def _optimized(package: Package, wheel: Wheel, chain: toolchain.Toolchain, work: Work, home: Path) -> Wheel:
    """The wheel with flags that use the profile of its target, which is trained now if it is missing."""
    from cartwheel.backends import pgo

    def build(instrumented: Wheel, directory: Path, out: Path) -> Path:
        env = _environment(package, instrumented, chain, work, work.scratch / "pgo.json", directory)
        arguments = _arguments(package, instrumented, chain, directory, out, _interpreter(package, instrumented))
        work.log.run((*run.program_command("maturin"), *arguments), cwd=home / package.folder, env=env)
        return _final_wheel(out, instrumented)

    listing = CompiledSources(package=package, wheel=wheel).dependencies(work.snapshot, None).listing
    sources = pgo.sources_digest(package, wheel, work, listing)
    return pgo.with_profile(package, wheel, work, sources, build)


def _interpreter(package: Package, wheel: Wheel) -> str:
    """The interpreter's name for maturin. The interpreter may be missing on this machine."""
    if wheel.python != pythons.ABI3:
        return pythons.maturin_interpreter(wheel.python)
    abi = stable_abi(package.manifests, wheel.features)
    if pythons.ABI3 not in abi.kinds or (abi.since and not abi.conditional):
        return ""
    return f"python{abi.conditional or minimum_python(package.manifests, abi)}"


def _tools_in(
    inside: Container, package: Package, wheel: Wheel, directory: Path, work: Work
) -> tuple[CommandLog, tuple[str, ...], str]:
    """For a build in a container: the log that runs commands there, maturin's command, and the interpreter (may be
    empty)."""
    from cartwheel.toolchain.container_command import ContainerLog
    from cartwheel.toolchain.container_rust import maturin_in
    from cartwheel.toolchain.container_setup import claim_directory

    claim_directory(directory, inside)
    maturin = maturin_in(inside, wheel.target, work)
    python = inside.interpreter(wheel.python, package.oldest_interpreter) if wheel.python != pythons.PURE else ""
    return ContainerLog(work.log, inside, (work.scratch, directory)), maturin, python


def lockfile_failure(error: StepFailed, package: Package) -> StepFailed | None:
    """The failure with a clearer message if cargo would have to change Cargo.lock; None for other failures."""
    if "because --locked was passed" not in str(error):
        return None
    return StepFailed(
        f"Cargo.lock does not fit the manifests of {package.name}; bring it up to date with "
        f"'cargo update --workspace', and commit it\n{error}"
    )


def _with_reason(error: StepFailed, package: Package, wheel: Wheel) -> StepFailed:
    if lock := lockfile_failure(error, package):
        return lock
    if "Failed to find a python interpreter" not in str(error):
        return error
    return StepFailed(
        f"Python {wheel.python} is not installed, and maturin does not know it; install it, or correct "
        f"[tool.cartwheel] python\n{error}"
    )


def _reservation(package: Package, wheel: Wheel, slots: Slots, root: Path) -> AbstractContextManager[None]:
    from cartwheel.inputs.tree_looks import crates_by_path

    directory = _directory(package, wheel, chain_of(package, wheel), root)
    alone = len(crates_by_path(root / package.manifest, root)) == 1
    return replace(directory, early=alone and len(wheel.target.triples) == 1).reserved(slots)


def _directory(package: Package, wheel: Wheel, chain: toolchain.Toolchain, root: Path) -> CargoDirectory:
    from cartwheel.toolchain.cargo_directories import SHARED, CargoDirectory

    own = f"{wheel.python}-{wheel.variant}" if wheel.variant else wheel.python
    python = SHARED if package.cargo_directory == "triple" else own
    name = "-".join((chain.name, *(image.key for image in toolchain.wheel_images(wheel, chain))))
    return CargoDirectory(root=root, target=wheel.target, package=wheel.package, python=python, toolchain=name)


def _arguments(
    package: Package, wheel: Wheel, chain: toolchain.Toolchain, directory: Path, out: Path, python: str
) -> tuple[str, ...]:
    """maturin's arguments. The target directory is passed as an argument: a variable would change sccache's keys."""
    features = features_of(package.manifests.pyproject, wheel.python, wheel.features).unconditional
    return (
        *("build", "--locked", "--profile", wheel.profile, "--auditwheel", "skip"),
        *("--target", wheel.target.triple, "--target-dir", str(directory), "--out", str(out)),
        *(("--compatibility", wheel.floor) if wheel.target.system == "linux" else ()),
        *(("--interpreter", python) if python else ()),
        *(("--features", ",".join(features)) if features else ()),
        *chain.arguments,
    )


def _environment(
    package: Package, wheel: Wheel, chain: toolchain.Toolchain, work: Work, messages: Path, directory: Path
) -> dict[str, str]:
    from cartwheel.backends.path_free import cargo_remaps
    from cartwheel.cargo.config_files import separates_intermediate_files
    from cartwheel.toolchain import sccache
    from cartwheel.toolchain.compiler_flags import flags_environment
    from cartwheel.toolchain.installed_rust import target_cfg

    env = build_environment(package, work) | dict(chain.environment(wheel.target)) | variables(wheel.environment, work)
    folder = work.root / package.folder
    triples = wheel.target.triples
    if "CARGO_BUILD_JOBS" not in env:
        env |= work.slots
    if package.sccache:
        env |= sccache.sccache_environment(env, work)
    else:
        env |= sccache.user_wrapper_environment(env, work)
    shared = sccache.compiles_through(env)
    remapped, more = ((), {}) if wheel.debug else cargo_remaps(wheel, chain, folder, env, work.root, sccache=shared)
    env |= flags_environment(
        wheel.flags, triples, folder, env, lambda triple: target_cfg(triple, folder, env), remapped
    )
    env |= more
    env.pop("CARGO_TARGET_DIR", None)
    if package.bindings == UNIFFI:  # maturin compiles a generator in the workspace without --target-dir
        env["CARGO_TARGET_DIR"] = str(directory)
    if separates_intermediate_files(folder, env):  # only then: the variable changes sccache's keys
        env["CARGO_BUILD_BUILD_DIR"] = str(directory)
    env["CARTWHEEL_CARGO"] = env.get("CARGO") or "cargo"
    env["CARTWHEEL_CARGO_MESSAGES"] = str(messages)
    env |= {_PYTHON: sys.executable, _TEE: str(toolchain.CARGO_TEE)}
    env["CARGO"] = str(_wrapper(work.scratch))
    if wheel.target.system == "macos":
        env["MACOSX_DEPLOYMENT_TARGET"] = wheel.floor
    return env


_PYTHON, _TEE = "CARTWHEEL_PYTHON", "CARTWHEEL_TEE"


def _wrapper(scratch: Path) -> Path:
    """Write a program for $CARGO, which maturin starts: it runs cargo and saves its JSON messages."""
    import shlex

    words = (sys.executable, "-ISE", str(toolchain.CARGO_TEE))
    if os.name == "nt":
        # cmd.exe reads a batch file in the console's code page, so paths come from variables, which are Unicode.
        path, text = scratch / "cargo.bat", f'@"%{_PYTHON}%" -ISE "%{_TEE}%" %*\r\n'
    else:
        path, text = scratch / "cargo", f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
    path.write_text(text, newline="")
    path.chmod(0o755)
    return path


def _final_wheel(out: Path, wheel: Wheel) -> Path:
    """The only wheel that maturin made, with the variant's build tag added."""
    planned = WheelName.parse(wheel.file)
    try:
        built = exactly_one(out, str(replace(planned, build="")))
    except StepFailed as error:
        from cartwheel.backends.other_abi import advice

        if not (hint := advice(str(error), wheel)):
            raise
        raise StepFailed(f"{error}: {hint}") from None
    if not planned.build:
        return built
    from cartwheel.toolchain.repairers import retag

    retag(built, out / wheel.file, planned)
    return out / wheel.file


def _lacks(package: Package, wheel: Wheel, snapshot: Snapshot) -> str:
    from cartwheel.backends.other_abi import other_abi
    from cartwheel.toolchain.requirements import crate_needs, missing_needs

    chain = chain_of(package, wheel)
    sources = CompiledSources(package=package, wheel=wheel)
    tools = missing_needs(wheel.target, chain, snapshot, wheel.floor, lambda: sources.crates(snapshot))
    for need in (*tools, *crate_needs(package, wheel, chain, snapshot)):
        return f"{need.name} is missing, and {wheel.target.triple} needs it; {need.fix}"
    resolved = sources.pyo3_features(snapshot) if package.bindings == PYO3 and wheel.python != pythons.PURE else None
    return "" if resolved is None else other_abi(package, wheel, abi_of_features(resolved))
