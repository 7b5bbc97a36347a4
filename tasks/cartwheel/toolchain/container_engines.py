"""Container engines: which one is here, whether it can run, and the images that it has."""

from __future__ import annotations

import json
import os
import shlex
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

NAMED = "CARTWHEEL_ENGINE"
"""The variable that names the engine, as a command: `podman`, `/opt/bin/docker`, `podman --runtime runc`."""

ENGINES = {
    "podman": "apt-get install podman, or your system's package of that name",
    "docker": "start its daemon (systemctl start docker), or let this user reach it (usermod -aG docker $USER)",
}
"""Looked for in this order; what mends one that is here and cannot run."""


class Engine(Struct, frozen=True, kw_only=True):
    """An engine that answers."""

    command: tuple[str, ...]
    user: str
    """`uid:gid` to run as, so that what is written is ours; empty where root in a container is us outside."""


class LocalImage(Struct, frozen=True, kw_only=True):
    """An image that an engine has."""

    id: str
    architecture: str


def find_engine(environ: Mapping[str, str], cwd: Path) -> Engine:
    """The engine that is named, or the first that answers.  Raises `StepFailed` that says what mends it."""
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
    """What an engine's own client is given: its host, its configuration and its credentials too."""
    return {**environment.tool_environment(environ), **environment.family(environ, "engine")}


def candidates(environ: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The commands of the engines that are here; of the named one alone where one is named."""
    named = environ.get(NAMED, "")
    commands = (_words(named),) if named else tuple((name,) for name in ENGINES)
    return tuple(c for c in commands if c and shutil.which(c[0], path=environ.get("PATH")))


def _words(named: str) -> tuple[str, ...]:
    """A command as its words; none where it cannot be read as one."""
    try:
        words = tuple(shlex.split(named))
    except ValueError:  # a quote that is not closed
        return ()
    return words if words and words[0] else ()


@cache
def _answer(command: tuple[str, ...], env: tuple[tuple[str, str], ...], cwd: Path) -> tuple[Engine | None, str]:
    """Asked once a run: it takes 50 ms and more."""
    name = Path(command[0]).name
    try:
        said = json.loads(run.capture((*command, "info", "--format", "{{json .}}"), cwd=cwd, env=dict(env)))
        if errors := said.get("ServerErrors"):
            raise StepFailed(str(errors[0]))
    except (CartwheelError, ValueError) as error:
        last = str(error).strip().splitlines()[-1]
        mend = ENGINES.get(name, f"name another in {NAMED}")
        if len(command) > 1:
            mend = f"correct its options in {NAMED}, or leave them out"
        return None, f"{name} is here and cannot run ({last}); {mend}"
    if "host" in said:  # podman, under whatever name: its root is root, or us where it is rootless
        return Engine(command=command, user=""), ""
    rootless = any("rootless" in str(option) for option in said.get("SecurityOptions") or ())
    return Engine(command=command, user=_user(rootless)), ""


def _user(rootless: bool) -> str:
    """Docker's root is root outside too, but where its daemon is rootless, or in a machine of its own (Docker Desktop),
    which gives every file to us."""
    if rootless or not sys.platform.startswith("linux") or os.getuid() == 0:
        return ""
    return f"{os.getuid()}:{os.getgid()}"


def local_image(engine: tuple[str, ...], name: str, environ: Mapping[str, str], cwd: Path) -> LocalImage | None:
    """The image of that name, if the engine has it."""
    command = (*engine, "image", "inspect", name)
    try:
        said = json.loads(run.capture(command, cwd=cwd, env=engine_environment(environ)))
        return LocalImage(id=str(said[0]["Id"]).removeprefix("sha256:"), architecture=str(said[0]["Architecture"]))
    except (StepFailed, ValueError, LookupError, TypeError):
        return None


def image_id(name: str, snapshot: Snapshot) -> str:
    """What an image's name means now on this machine: its id, empty where the engine or the image is not here."""
    for command in candidates(snapshot.environ):
        if local := local_image(command, name, snapshot.environ, snapshot.root):
            return f"sha256:{local.id}"
    return ""


_fetching = threading.Lock()


def ensure_image(engine: Engine, image: Image, context: Path | None, work: Work) -> LocalImage:
    """The image on this machine, fetched, or built from `context` where it comes from a Dockerfile."""
    with _fetching:  # several wheels may want the same one
        if context is not None:
            return _built(engine, image, context, work)
        local = local_image(engine.command, image.name, work.snapshot.environ, work.root)
        if local is None or not _is_for(local, image):
            work.announce(f"fetching the image {image.name}")
            _fetch(engine, image, work)
            local = local_image(engine.command, image.name, work.snapshot.environ, work.root)
    if local is None or not _is_for(local, image):
        there = f"is for {local.architecture}" if local else "is not here"
        raise StepFailed(f"the image {image.name} {there}; expected one for {image.platform}")
    return local


def _is_for(local: LocalImage, image: Image) -> bool:
    return local.architecture == image.platform.split("/")[1]


def _fetch(engine: Engine, image: Image, work: Work) -> None:
    command = (*engine.command, "pull", f"--platform={image.platform}", image.name)
    _attempt(command, f"the image {image.name} is not here, and cannot be fetched", work)


def _attempt(command: tuple[str, ...], trouble: str, work: Work) -> None:
    code, said = work.log.attempt(command, cwd=work.root, env=engine_environment(work.snapshot.environ))
    if code:
        last = next((line for line in reversed(said.strip().splitlines()) if line.strip()), f"exit code {code}")
        raise StepFailed(f"{trouble}: {last.strip()}")


def _built(engine: Engine, image: Image, context: Path, work: Work) -> LocalImage:
    """From a Dockerfile.  The engine's own cache makes it quick where nothing changed."""
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
    """Why containers of an architecture cannot run on a Linux machine of another; empty where they can."""
    row = BY_NAME.get(machine)
    if arch in (machine, *(row.native if row else ())):  # not every 64-bit ARM runs 32-bit programs
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
    """What keeps containers of an architecture from running here, each with what mends it; uses no network."""
    problems: list[tuple[str, str]] = []
    try:
        find_engine(snapshot.environ, snapshot.root)
    except StepFailed as error:
        problems.append(("a container engine", str(error)))
    host = this_machine()
    if host.system == "linux" and (why := emulation_problem(arch, host.machine)):
        problems.append((f"qemu for {arch}", f"{why}; {EMULATE}"))
    return tuple(problems)
