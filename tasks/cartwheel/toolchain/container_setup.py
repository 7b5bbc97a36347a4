"""Prepares a wheel's container: obtains the image and examines its contents."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from cartwheel.filesystem.repository_files import repository_root
from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine.host import this_machine
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Snapshot, Work
from cartwheel.model.wheels.container_image import CONTAINER, IN_IMAGE, Image, image_of, runs_in_place
from cartwheel.model.wheels.target import Target
from cartwheel.process import environment, run
from cartwheel.toolchain import container_engines, of_wheel
from cartwheel.toolchain.container_command import Container, Mount

FOLDER = ".cartwheel/containers"
"""The folder of files that containers keep between runs."""


def builds_in_container(package: Package, wheel: Wheel) -> bool:
    """Whether a wheel is built in a container on this machine."""
    try:
        return of_wheel(package, wheel, this_machine()).name == CONTAINER
    except ConfigError:
        return False


def available_container(package: Package, wheel: Wheel, work: Work) -> Container | None:
    """The container of a wheel; None if its image would first have to be pulled or built."""
    if not in_place(wheel.target, wheel.floor, work.snapshot.environ) and not container_engines.image_id(
        image_of(wheel.target, wheel.floor, wheel.image).reference, work.snapshot
    ):
        return None
    return open_container(package, wheel, work)


def claim_directory(directory: Path, inside: Container) -> None:
    """Delete a cargo directory that was filled in another image: cargo does not notice a change of the linked
    libraries."""
    mark = directory / "image"
    known = mark.read_text("utf-8") if mark.is_file() else ""
    if directory.is_dir() and known != inside.image:
        remove_tree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(inside.image, encoding="utf-8")


def in_place(target: Target, floor: str, environ: Mapping[str, str]) -> bool:
    """Whether this process already runs in an image for the target, as pipeline jobs may."""
    return runs_in_place(environ.get(IN_IMAGE) or environ.get("AUDITWHEEL_PLAT", ""), target, floor)


def open_container(package: Package, wheel: Wheel, work: Work) -> Container:
    """The container of a wheel; its image is pulled or built if missing.

    Raises `StepFailed` if the engine or the image is missing, or if the image cannot run here.
    """
    snapshot, root = work.snapshot, work.root
    home = root / FOLDER / "home"
    home.mkdir(parents=True, exist_ok=True)
    if in_place(wheel.target, wheel.floor, snapshot.environ):
        return _with_facts(Container(shown="this image", root=root, home=home), _facts_here(root, snapshot.environ))
    image = image_of(wheel.target, wheel.floor, wheel.image)
    engine = container_engines.find_engine(snapshot.environ, root)
    context = _context(image, root / package.folder, work) if image.dockerfile else None
    local = container_engines.ensure_image(engine, image, context, work)
    container = Container(
        engine=engine.command, image=local.id, shown=str(image), root=root, home=home, user=engine.user,
        client=environment.family(snapshot.environ, "engine"),
        mounts=_repository_above(root), named=tuple(wheel.environment),
    )  # fmt: skip
    key = f"what is in the image {local.id} for {engine.user or 'its user'}"
    return _with_facts(container, snapshot.remember(key, lambda: _facts(container, image, snapshot)))


def _with_facts(container: Container, facts: Mapping[str, str]) -> Container:
    return replace(
        container,
        interpreters={k.removeprefix("python "): v for k, v in facts.items() if k.startswith("python ")},
        programs={k.removeprefix("program "): v for k, v in facts.items() if k.startswith("program ") and v},
        rustup=facts.get("rustup", ""),
    )


def _context(image: Image, package: Path, work: Work) -> Path:
    """The build context for the engine: the Dockerfile's folder, or a folder that holds only the Dockerfile."""
    file = package / image.dockerfile
    if not file.is_file():
        raise StepFailed(f"image: {file.relative_to(work.root)} is missing; write it, or name an image")
    if image.context:
        return file.parent
    alone = work.scratch / "context"
    alone.mkdir()
    shutil.copy(file, alone)
    return alone


def _repository_above(root: Path) -> tuple[Mount, ...]:
    """The .git of an enclosing repository. maturin reads .gitignore only inside a repository."""
    top = repository_root(root)
    return () if top == root else (Mount(source=top / ".git"),)


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


def _facts(container: Container, image: Image, snapshot: Snapshot) -> Mapping[str, str]:
    command = (
        *container.engine, "run", "--rm", "--pull=never", "--log-driver=none", "--entrypoint=/bin/sh",
        *((f"--user={container.user}",) if container.user else ()), container.image, "-c", _PROBE,
    )  # fmt: skip
    try:
        return _parse(
            run.capture(command, cwd=snapshot.root, env=container_engines.engine_environment(snapshot.environ))
        )
    except StepFailed as error:
        raise _start_error(error, image) from None


@cache
def _facts_here_once(path: str, home: str, root: Path) -> Mapping[str, str]:
    return _parse(run.capture(("/bin/sh", "-c", _PROBE), cwd=root, env={"PATH": path, "HOME": home}))


def _facts_here(root: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    return _facts_here_once(environ.get("PATH", os.defpath), environ.get("HOME", str(Path.home())), root)


def _parse(output: str) -> dict[str, str]:
    rows = (line.partition("=") for line in output.splitlines() if "=" in line)
    return {name: value for name, _, value in rows}


def _start_error(error: StepFailed, image: Image) -> StepFailed:
    if "exec format error" in str(error).lower():
        why = (
            container_engines.emulation_problem(image.arch, this_machine().machine)
            if sys.platform.startswith("linux")
            else ""
        )
        return StepFailed(
            f"{image}: {why or f'programs for {image.arch} do not run here'}; {container_engines.EMULATE}"
        )
    last = str(error).strip().splitlines()[-1]
    return StepFailed(f"a container of {image} does not start: {last}")
