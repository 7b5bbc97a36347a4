"""Adds to a container what a crate needs: Rust if the image has none, cargo's downloads, and maturin."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.model.wheels.python import PURE
from cartwheel.model.wheels.target import Target
from cartwheel.process import environment, run
from cartwheel.toolchain import CARGO_TEE
from cartwheel.toolchain.container_command import Container, ContainerLog, Mount
from cartwheel.toolchain.container_setup import FOLDER, open_container


def cargo_container(package: Package, wheel: Wheel, work: Work) -> Container:
    """The container in which a crate is compiled."""
    inside = with_rust(open_container(package, wheel, work), wheel.target, package, work)
    if not inside.engine:
        return inside
    tee = shutil.copy(CARGO_TEE, work.scratch)
    wrapper = work.scratch / "cargo-inside"
    wrapper.write_text(f'#!/bin/sh\nexec "{inside.interpreter(PURE, "")}" -IE "{tee}" "$@"\n')
    wrapper.chmod(0o755)
    return replace(inside, environment={**inside.environment, "CARGO": str(wrapper), "CARTWHEEL_CARGO": "cargo"})


def with_rust(container: Container, target: Target, package: Package, work: Work) -> Container:
    """The container with Rust added: the image's Rust if installed, else the host's, mounted. Cargo's downloads and
    configuration on the host are mounted too."""
    from cartwheel.process.environment import cargo_home

    if not container.engine:
        return container
    home = cargo_home(work.snapshot.environ)
    own = container.programs.get("cargo", "")
    mounts = [*container.mounts, *_crates_outside(package, work)]
    variables = {**container.environment, "CARGO_HOME": str(home)}
    path = container.path
    if own:
        variables["RUSTUP_HOME"] = container.rustup
    else:
        sysroot = _sysroot_for(target, container, work.root / package.folder, work)
        mounts.append(Mount(source=sysroot))
        path = (str(sysroot / "bin"), *path)
    mounts += _cargo_home(home, work.root / FOLDER / "cargo", replaced=not Path(own).is_relative_to(home))
    return replace(container, mounts=tuple(mounts), environment=variables, path=path)


def _crates_outside(package: Package, work: Work) -> Iterable[Mount]:
    """Mounts for crates outside the project and for cargo configuration files above it."""
    from cartwheel.cargo.config_files import configuration
    from cartwheel.cargo.workspace import local_packages
    from cartwheel.process.environment import cargo_home

    root, home = work.root, cargo_home(work.snapshot.environ)
    paths = [p.folder for p in local_packages(root / package.manifest, root)]
    paths += configuration(root / package.folder, work.snapshot.environ).files
    outside = {path for path in paths if not path.is_relative_to(root) and not path.is_relative_to(home)}
    return [Mount(source=path) for path in sorted(outside)]


def _cargo_home(home: Path, ours: Path, *, replaced: bool) -> Iterable[Mount]:
    """Mounts for cargo's home: the host's downloads and configuration, never its credentials.

    `replaced`: the image stores nothing in that folder, so a folder of the project can take its place.
    """
    parts = [home / name for name in ("registry", "git") if (home / name).is_dir()]
    settings = [home / name for name in ("config.toml", "config") if (home / name).is_file()]
    for path in (*parts, *settings):  # engines create missing mount points, owned by root
        place = ours / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if path in parts else place.touch()
    if replaced:
        ours.mkdir(parents=True, exist_ok=True)
        yield Mount(source=ours, target=str(home), writable=True)
    yield from (Mount(source=path, writable=True) for path in parts)
    yield from (Mount(source=path) for path in settings)


def _sysroot_for(target: Target, container: Container, cwd: Path, work: Work) -> Path:
    """The host's Rust toolchain that runs in the container: the active version, for the container's triple. Installed
    with rustup if missing."""
    env = environment.tool_environment(work.snapshot.environ)
    try:
        sysroot = Path(run.capture(("rustc", "--print", "sysroot"), cwd=cwd, env=env).strip())
        version = dict(re.findall(r"^(\w+): (\S+)", run.capture(("rustc", "-vV"), cwd=cwd, env=env), re.MULTILINE))
    except CartwheelError:
        raise StepFailed(f"{container.shown} has no Rust, and this machine has none either; {_ADVICE}") from None
    if sysroot.parent.name != "toolchains":
        raise StepFailed(f"{container.shown} has no Rust, and this machine's ({sysroot}) is not rustup's; {_ADVICE}")
    if version["host"] == target.triple:
        return sysroot
    stable = re.fullmatch(r"\d+\.\d+\.\d+", version["release"])  # else a channel, such as nightly-2026-11-01
    channel = version["release"] if stable else sysroot.name.removesuffix(f"-{version['host']}")
    folder = sysroot.with_name(f"{channel}-{target.triple}")
    if not (folder / "bin" / "cargo").is_file():
        work.announce(f"adding the Rust toolchain {folder.name}, which runs in {container.shown}")
        command = ("rustup", "toolchain", "install", folder.name, "--profile=minimal", "--force-non-host")
        try:
            work.log.run((*command, "--no-self-update"), cwd=work.root, env=env)
        except run.Interrupted:
            raise
        except StepFailed as error:
            raise StepFailed(f"{container.shown} has no Rust, and {folder.name} could not be added: {error}") from None
    return folder


_ADVICE = "install Rust with rustup here, or name an image that has it"


# ---- maturin -----------------------------------------------------------------------------------------------------

_UV_PLATFORMS = frozenset({
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl",
})  # fmt: skip
"""Targets for which `uv pip install --python-platform` works (uv 0.13); other targets use the image's pip."""


def maturin_in(container: Container, target: Target, work: Work) -> tuple[str, ...]:
    """The command that starts maturin in the container. It has the host's version and is cached for later runs."""
    if not container.engine:
        return run.program_command("maturin")
    version = work.snapshot.tool("maturin")
    folder = work.root / FOLDER / "tools" / target.triple / f"maturin-{version}"
    program = folder / "bin" / "maturin"
    if not program.is_file():
        new = work.scratch / "maturin"
        new.mkdir()
        _install(f"maturin=={version}", new, container, target, work)
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_tree(folder, ignore_errors=True)
        try:
            new.rename(folder)
        except OSError:  # another step was faster
            if not program.is_file():
                raise
    return (str(program),)


def _install(requirement: str, into: Path, container: Container, target: Target, work: Work) -> None:
    environ = work.snapshot.environ
    env = {**environment.tool_environment(environ), **environment.family(environ, "uv", "pip")}
    common = ("install", "--target", str(into), "--only-binary", ":all:", "--no-deps", requirement)
    if target.triple in _UV_PLATFORMS:
        uv = (*run.module_command("uv"), "pip", *common, "--python-platform", target.triple, "--python", sys.executable)
        work.log.run(uv, cwd=work.root, env=env)
        return
    python = container.interpreter(PURE, "")
    ContainerLog(work.log, container, (into,)).run((python, "-m", "pip", *common), cwd=work.root, env=env)
