"""Container engines: which one is installed, whether it works, and which images it has."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct

from cartwheel.machine.host import this_machine
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.step import Snapshot, Work
from cartwheel.model.wheels.architecture import BY_NAME
from cartwheel.model.wheels.container_image import Image
from cartwheel.process import environment, run
from cartwheel.process.command_words import split_command

NAMED = "CARTWHEEL_ENGINE"
"""The variable that sets the engine's command: `podman`, `/opt/bin/docker`, `podman --runtime runc`."""

ENGINES = {
    "podman": "apt-get install podman, or your system's package of that name",
    "docker": "start its daemon (systemctl start docker), or let this user reach it (usermod -aG docker $USER)",
}
"""Engines in order of preference, each with advice if it is installed but does not work."""


class Engine(Struct, frozen=True, kw_only=True):
    """An engine that responds."""

    command: tuple[str, ...]
    user: str
    """`uid:gid` to run as, so that this user owns the output; empty if root in a container maps to this user."""


class LocalImage(Struct, frozen=True, kw_only=True):
    """An image in the engine's local storage."""

    id: str
    architecture: str


def find_engine(environ: Mapping[str, str], cwd: Path) -> Engine:
    """The configured engine, or the first that responds. Raises `StepFailed` with advice if none exists."""
    commands = candidates(environ)
    if not commands:
        named = environ.get(NAMED, "")
        wrong = "which is not on PATH" if _words(named) else "which is no command"
        raise StepFailed(
            f"{NAMED} names '{named}', {wrong}; correct it"
            if named
            else f"no container engine is here: neither {' nor '.join(ENGINES)} is on PATH; install one "
            f"(apt-get install podman), or name it in {NAMED}"
        )
    trouble: list[str] = []
    for command in commands:
        engine, why = _answer(command, tuple(sorted(engine_environment(environ).items())), cwd)
        if engine:
            return engine
        trouble.append(why)
    raise StepFailed("; ".join(trouble))


def engine_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for the engine's client, with its host, configuration and credentials."""
    return {**environment.tool_environment(environ), **environment.family(environ, "engine")}


def candidates(environ: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The commands of the installed engines; only the configured one if `CARTWHEEL_ENGINE` is set."""
    named = environ.get(NAMED, "")
    commands = (_words(named),) if named else tuple((name,) for name in ENGINES)
    return tuple(c for c in commands if c and shutil.which(c[0], path=environ.get("PATH")))


def _words(named: str) -> tuple[str, ...]:
    """The command split into words; empty if it cannot be parsed."""
    try:
        words = tuple(split_command(named))
    except ValueError:  # unclosed quote
        return ()
    return words if words and words[0] else ()


@cache
def _answer(command: tuple[str, ...], env: tuple[tuple[str, str], ...], cwd: Path) -> tuple[Engine | None, str]:
    """The engine, or why it does not work. Cached for the run: the query takes 50 ms or more."""
    name = Path(command[0]).name
    try:
        info = json.loads(run.capture((*command, "info", "--format", "{{json .}}"), cwd=cwd, env=dict(env)))
        if errors := info.get("ServerErrors"):
            raise StepFailed(str(errors[0]))
    except (CartwheelError, ValueError) as error:
        last = str(error).strip().splitlines()[-1]
        fix = ENGINES.get(name, f"name another in {NAMED}")
        if len(command) > 1:
            fix = f"correct its options in {NAMED}, or leave them out"
        return None, f"{name} is here and cannot run ({last}); {fix}"
    if "host" in info:  # podman under any name: its root is the host's root, or this user if rootless
        return Engine(command=command, user=""), ""
    rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or ())
    return Engine(command=command, user=_user(rootless)), ""


def _user(rootless: bool) -> str:
    """The `user` of a Docker engine. Root in a Docker container is root on the host, unless the daemon is rootless or
    runs in a virtual machine (Docker Desktop), which assigns all files to this user."""
    if rootless or not sys.platform.startswith("linux") or os.getuid() == 0:
        return ""
    return f"{os.getuid()}:{os.getgid()}"


def local_image(engine: tuple[str, ...], name: str, environ: Mapping[str, str], cwd: Path) -> LocalImage | None:
    """The image with that name; None if the engine does not have it."""
    command = (*engine, "image", "inspect", name)
    try:
        rows = json.loads(run.capture(command, cwd=cwd, env=engine_environment(environ)))
        return LocalImage(id=str(rows[0]["Id"]).removeprefix("sha256:"), architecture=str(rows[0]["Architecture"]))
    except (StepFailed, ValueError, LookupError, TypeError):
        return None


def image_id(name: str, snapshot: Snapshot) -> str:
    """The local id of an image; empty if the engine or the image is missing."""
    for command in candidates(snapshot.environ):
        if local := local_image(command, name, snapshot.environ, snapshot.root):
            return f"sha256:{local.id}"
    return ""


_fetching = threading.Lock()


def ensure_image(engine: Engine, image: Image, context: Path | None, work: Work) -> LocalImage:
    """The local image; pulled if missing, or built from `context` if it comes from a Dockerfile.

    Raises `StepFailed` if the image is unavailable or for another architecture.
    """
    with _fetching:  # several wheels may need the same image
        if context is not None:
            return _build(engine, image, context, work)
        local = local_image(engine.command, image.name, work.snapshot.environ, work.root)
        if local is None or not _is_for(local, image):
            work.announce(f"fetching the image {image.name}")
            _fetch(engine, image, work)
            local = local_image(engine.command, image.name, work.snapshot.environ, work.root)
    if local is None or not _is_for(local, image):
        there = f"is for {local.architecture}" if local else "is not on this machine"
        raise StepFailed(f"the image {image.name} {there}; expected one for {image.platform}")
    return local


def _is_for(local: LocalImage, image: Image) -> bool:
    return local.architecture == image.platform.split("/")[1]


def _fetch(engine: Engine, image: Image, work: Work) -> None:
    command = (*engine.command, "pull", f"--platform={image.platform}", image.name)
    _attempt(command, f"the image {image.name} is not on this machine, and cannot be fetched", work)


def _attempt(command: tuple[str, ...], trouble: str, work: Work) -> None:
    code, output = work.log.attempt(command, cwd=work.root, env=engine_environment(work.snapshot.environ))
    if code:
        last = next((line for line in reversed(output.strip().splitlines()) if line.strip()), f"exit code {code}")
        raise StepFailed(f"{trouble}: {last.strip()}")


def _build(engine: Engine, image: Image, context: Path, work: Work) -> LocalImage:
    """Build the image from its Dockerfile. The engine's cache makes unchanged builds fast."""
    file = context / Path(image.dockerfile).name
    id_file = work.scratch / "image-id"
    command = (
        *(*engine.command, "build", f"--platform={image.platform}", f"--file={file}", f"--iidfile={id_file}"),
        *(f"--build-arg=POLICY={image.policy}", f"--build-arg=ARCH={image.arch}", f"--tag={image.reference}"),
        str(context),
    )
    work.announce(f"building the image of {image.dockerfile}")
    _attempt(command, f"the image of {image.dockerfile} cannot be built", work)
    local = local_image(engine.command, id_file.read_text().strip(), work.snapshot.environ, work.root)
    if local is None:
        raise StepFailed(f"the image of {image.dockerfile} was built and is gone; run again")
    return local


# ---- other architectures -----------------------------------------------------------------------------------------

_BINFMT = Path("/proc/sys/fs/binfmt_misc")

EMULATE = "apt-get install qemu-user-static, or: podman run --privileged --rm docker.io/tonistiigi/binfmt --install all"


def emulation_problem(arch: str, machine: str, binfmt: Path = _BINFMT) -> str:
    """Why a Linux `machine` cannot run containers of `arch`; empty if it can."""
    row = BY_NAME.get(machine)
    if arch in (machine, *(row.native if row else ())):  # some 64-bit ARM CPUs cannot run 32-bit programs
        return ""
    name = f"qemu-{BY_NAME[arch].qemu or arch}"
    try:
        entry = (binfmt / name).read_text()
    except OSError:
        return f"programs for {arch} do not run on this {machine} machine: {name} is not registered (binfmt_misc)"
    lines = entry.splitlines()
    if "enabled" not in lines:
        return f"programs for {arch} do not run on this {machine} machine: {name} is switched off in {binfmt}"
    flags = next((line for line in lines if line.startswith("flags:")), "")
    if "F" not in flags:
        return f"{name} is registered without the flag F, so containers do not find it"
    return ""


def container_needs(arch: str, snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """The reasons why containers of an architecture cannot run here, as pairs of name and advice; uses no network."""
    problems: list[tuple[str, str]] = []
    try:
        find_engine(snapshot.environ, snapshot.root)
    except StepFailed as error:
        problems.append(("a container engine", str(error)))
    host = this_machine()
    if host.system == "linux" and (why := emulation_problem(arch, host.machine)):
        problems.append((f"qemu for {arch}", f"{why}; {EMULATE}"))
    return tuple(problems)
