"""The container of a wheel, made ready: its image here, its interpreters known; Rust and maturin in it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.image import IN_IMAGE, Image, image_of, runs_in_place
from cartwheel.model.project import Package, Wheel
from cartwheel.model.python import PURE
from cartwheel.model.step import Look, Work
from cartwheel.model.target import Target
from cartwheel.toolchain import Toolchain, engines
from cartwheel.toolchain.container import Contained, Container, Mount
from cartwheel.world import environment, run
from cartwheel.world.host import this_machine

FOLDER = ".cartwheel/containers"
"""What containers keep from one run to the next: HOME, cargo's home where this machine has none, maturin."""

CONTAINER = "container"
"""The toolchain's name."""

CARGO_TEE = Path(__file__).with_name("cargo_tee.py")


def images(wheel: Wheel, chain: Toolchain) -> tuple[Image, ...]:
    """The image that a wheel is made in by this toolchain, or none.  Raises `ConfigError`."""
    return (image_of(wheel.target, wheel.floor, wheel.image),) if chain.name == CONTAINER else ()


def for_cargo(package: Package, wheel: Wheel, work: Work) -> Container:
    """The container that a crate is compiled in."""
    inside = with_rust(opened(package, wheel, work), wheel.target, package, work)
    if not inside.engine:
        return inside
    tee = shutil.copy(CARGO_TEE, work.scratch)
    wrapper = work.scratch / "cargo-inside"
    wrapper.write_text(f'#!/bin/sh\nexec "{inside.interpreter(PURE, "")}" -IE "{tee}" "$@"\n')
    wrapper.chmod(0o755)
    return replace(inside, environment={**inside.environment, "CARGO": str(wrapper), "CARTWHEEL_CARGO": "cargo"})


def belongs_to(directory: Path, inside: Container) -> None:
    """See that a cargo directory holds only what was compiled in this image; cargo does not see what it links with."""
    mark = directory / "image"
    known = mark.read_text("utf-8") if mark.is_file() else ""
    if directory.is_dir() and known != inside.image:
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(inside.image, encoding="utf-8")


def in_place(target: Target, floor: str, environ: Mapping[str, str]) -> bool:
    """Whether this machine is in an image of the target's kind already, as a job of a pipeline may be."""
    return runs_in_place(environ.get(IN_IMAGE) or environ.get("AUDITWHEEL_PLAT", ""), target, floor)


def opened(package: Package, wheel: Wheel, work: Work) -> Container:
    """The container of a wheel; its image is fetched or built where it is not here.

    Raises `StepFailed` where there is no engine, no image, or nothing that runs it.
    """
    look, root = work.look, work.root
    home = root / FOLDER / "home"
    home.mkdir(parents=True, exist_ok=True)
    if in_place(wheel.target, wheel.floor, look.environ):
        return _found(Container(shown="this image", root=root, home=home), _facts_here(root, look.environ))
    image = image_of(wheel.target, wheel.floor, wheel.image)
    engine = engines.found(look.environ, root)
    context = _context(image, root / package.folder, work) if image.dockerfile else None
    local = engines.present(engine, image, context, work)
    container = Container(
        engine=engine.command, image=local.id, shown=str(image), root=root, home=home, user=engine.user,
        mounts=tuple(Mount(source=path) for path in _repository_above(root)), named=tuple(wheel.environment),
    )  # fmt: skip
    key = f"what is in the image {local.id} for {engine.user or 'its user'}"
    return _found(container, look.remember(key, lambda: _facts(container, image, look)))


def _found(container: Container, facts: Mapping[str, str]) -> Container:
    return replace(
        container,
        interpreters={k.removeprefix("python "): v for k, v in facts.items() if k.startswith("python ")},
        programs={k.removeprefix("program "): v for k, v in facts.items() if k.startswith("program ") and v},
        rustup=facts.get("rustup", ""),
    )


def _context(image: Image, package: Path, work: Work) -> Path:
    """The folder that is sent to the engine: the Dockerfile's own, or one with nothing else in it."""
    file = package / image.dockerfile
    if not file.is_file():
        raise StepFailed(f"image: {file.relative_to(work.root)} is missing; write it, or name an image")
    if image.context:
        return file.parent
    alone = work.scratch / "context"
    alone.mkdir()
    shutil.copy(file, alone)
    return alone


def _repository_above(root: Path) -> Iterable[Path]:
    """Whether there is a repository decides whether maturin reads .gitignore."""
    if not (root / ".git").exists():
        yield from [parent / ".git" for parent in root.parents if (parent / ".git").exists()][:1]


# ---- what an image holds -----------------------------------------------------------------------------------------

_PROBE = """
echo "rustup=${RUSTUP_HOME:-$HOME/.rustup}"
for name in cargo auditwheel; do echo "program $name=$(command -v $name)"; done
for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14 3.15 3.16; do
    tag="cp$(echo $version | tr -d .)"
    found=$(command -v python$version) && echo "python $tag-$tag=$found"
    found=$(command -v python${version}t) && echo "python $tag-${tag}t=$found"
done
for found in /opt/python/*/bin/python; do
    [ -x "$found" ] && name="${found%/bin/python}" && echo "python ${name##*/}=$found"
done
true
"""


def _facts(container: Container, image: Image, look: Look) -> Mapping[str, str]:
    command = (
        *container.engine, "run", "--rm", "--pull=never", "--log-driver=none", "--entrypoint=/bin/sh",
        *((f"--user={container.user}",) if container.user else ()), container.image, "-c", _PROBE,
    )  # fmt: skip
    try:
        return _parsed(run.capture(command, cwd=look.root, env=environment.passed(look.environ)))
    except StepFailed as error:
        raise _explained(error, image) from None


@cache
def _facts_here_once(path: str, home: str, root: Path) -> Mapping[str, str]:
    return _parsed(run.capture(("/bin/sh", "-c", _PROBE), cwd=root, env={"PATH": path, "HOME": home}))


def _facts_here(root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    return _facts_here_once(environ.get("PATH", os.defpath), environ.get("HOME", str(Path.home())), root)


def _parsed(said: str) -> dict[str, str]:
    rows = (line.partition("=") for line in said.splitlines() if "=" in line)
    return {name: value for name, _, value in rows}


def _explained(error: StepFailed, image: Image) -> StepFailed:
    if "exec format error" in str(error).lower():
        why = engines.not_emulated(image.arch, this_machine().machine) if sys.platform.startswith("linux") else ""
        return StepFailed(f"{image}: {why or f'programs for {image.arch} do not run here'}; {engines.EMULATE}")
    last = str(error).strip().splitlines()[-1]
    return StepFailed(f"a container of {image} does not start: {last}")


# ---- Rust --------------------------------------------------------------------------------------------------------


def with_rust(container: Container, target: Target, package: Package, work: Work) -> Container:
    """The same with Rust in it: the image's own, or this machine's, mounted; with cargo's downloads of this machine
    and what configures it here."""
    from cartwheel.inputs.configuration import cargo_home

    if not container.engine:
        return container
    home = cargo_home(work.look.environ)
    own = container.programs.get("cargo", "")
    mounts = [*container.mounts, *_crates_outside(package, work)]
    variables = {**container.environment, "CARGO_HOME": str(home)}
    path = container.path
    if own:
        variables["RUSTUP_HOME"] = container.rustup
    else:
        sysroot = _sysroot_for(target, container, work)
        mounts.append(Mount(source=sysroot))
        path = (str(sysroot / "bin"), *path)
    mounts += _cargo_home(home, work.root / FOLDER / "cargo", replaced=not Path(own).is_relative_to(home))
    return replace(container, mounts=tuple(mounts), environment=variables, path=path)


def _crates_outside(package: Package, work: Work) -> Iterable[Mount]:
    """Crates of other folders, and cargo's configuration above the project."""
    from cartwheel.inputs.configuration import cargo_home, configuration
    from cartwheel.inputs.crates import local_packages

    root, home = work.root, cargo_home(work.look.environ)
    paths = [p.folder for p in local_packages(root / package.manifest, root)]
    paths += configuration(root / package.folder, work.look.environ).files
    outside = {path for path in paths if not path.is_relative_to(root) and not path.is_relative_to(home)}
    return [Mount(source=path) for path in sorted(outside)]


def _cargo_home(home: Path, ours: Path, *, replaced: bool) -> Iterable[Mount]:
    """cargo's home in the container: what this machine has downloaded, its configuration, never its credentials.

    `replaced`: the image keeps nothing of its own there, so a folder of ours may take its place.
    """
    parts = [home / name for name in ("registry", "git") if (home / name).is_dir()]
    settings = [home / name for name in ("config.toml", "config") if (home / name).is_file()]
    for path in (*parts, *settings):  # an engine would make them, as root
        place = ours / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if path in parts else place.touch()
    if replaced:
        ours.mkdir(parents=True, exist_ok=True)
        yield Mount(source=ours, target=str(home), writable=True)
    yield from (Mount(source=path, writable=True) for path in parts)
    yield from (Mount(source=path) for path in settings)


def _sysroot_for(target: Target, container: Container, work: Work) -> Path:
    """This machine's Rust that runs in the container: the toolchain in use here, for the container's own kind."""
    env = environment.passed(work.look.environ)
    try:
        sysroot = Path(run.capture(("rustc", "--print", "sysroot"), cwd=work.root, env=env).strip())
        host = re.search(r"^host: (\S+)", run.capture(("rustc", "-vV"), cwd=work.root, env=env), re.MULTILINE)
    except CartwheelError:
        raise StepFailed(f"{container.shown} has no Rust, and this machine has none to lend it; {_LEND}") from None
    if sysroot.parent.name != "toolchains" or host is None:
        raise StepFailed(f"{container.shown} has no Rust, and this machine's ({sysroot}) is not rustup's; {_LEND}")
    wanted = sysroot.with_name(sysroot.name.removesuffix(host[1]) + target.triple)
    if not (wanted / "bin" / "cargo").is_file():
        work.announce(f"adding the Rust toolchain {wanted.name}, which runs in {container.shown}")
        command = ("rustup", "toolchain", "install", wanted.name, "--profile=minimal", "--force-non-host")
        try:
            work.log.run((*command, "--no-self-update"), cwd=work.root, env=env)
        except run.Interrupted:
            raise
        except StepFailed as error:
            raise StepFailed(f"{container.shown} has no Rust, and {wanted.name} could not be added: {error}") from None
    return wanted


_LEND = "install Rust with rustup here, or name an image that has it"


# ---- maturin -----------------------------------------------------------------------------------------------------

_UV_PLATFORMS = frozenset({
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl",
})  # fmt: skip
"""Targets that uv installs for from elsewhere (uv 0.13, `--python-platform`); others are left to the image's pip."""


def maturin_in(container: Container, target: Target, work: Work) -> tuple[str, ...]:
    """How maturin is started there: of the version that is here, kept for the next time."""
    if not container.engine:
        return run.own("maturin")
    version = work.look.tool("maturin")
    folder = work.root / FOLDER / "tools" / target.triple / f"maturin-{version}"
    program = folder / "bin" / "maturin"
    if not program.is_file():
        new = work.scratch / "maturin"
        new.mkdir()
        _install(f"maturin=={version}", new, container, target, work)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            new.rename(folder)
        except OSError:  # another step was quicker
            if not program.is_file():
                raise
    return (str(program),)


def _install(requirement: str, into: Path, container: Container, target: Target, work: Work) -> None:
    env = environment.passed(work.look.environ)
    common = ("install", "--target", str(into), "--only-binary", ":all:", "--no-deps", requirement)
    if target.triple in _UV_PLATFORMS:
        uv = (*run.of_ours("uv"), "pip", *common, "--python-platform", target.triple, "--python", sys.executable)
        work.log.run(uv, cwd=work.root, env=env)
        return
    python = container.interpreter(PURE, "")
    Contained(work.log, container, (into,)).run((python, "-m", "pip", *common), cwd=work.root, env=env)
