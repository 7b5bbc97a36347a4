"""Places where a wheel's tests can run, in order of preference; each may provide an interpreter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.machine import emulation, interpreters
from cartwheel.machine.host import this_machine
from cartwheel.machine.interpreters import Interpreter, NoInterpreter
from cartwheel.machine.wine import ADVICE, VARIABLE, wine_interpreter
from cartwheel.machine.wine import is_configured as wine_configured
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.model.wheels.container_image import interpreter_folder
from cartwheel.model.wheels.python import PURE
from cartwheel.model.wheels.target import Target
from cartwheel.process import environment
from cartwheel.process.run import capture


class InterpreterRequest(Struct, frozen=True, kw_only=True):
    """A request for an interpreter to run the tests of a wheel."""

    package: Package
    wheel: Wheel
    python: str
    env: Mapping[str, str]
    work: Work | None
    """The `Work` of the check that runs the tests; `None` if no container may be started."""


Place = Callable[[InterpreterRequest], Interpreter | NoInterpreter | None]
"""Returns an interpreter, the reason that the place has none, or `None` if the place does not apply."""


def interpreter_for_tests(
    package: Package, wheel: Wheel, python: str, env: Mapping[str, str], work: Work | None = None
) -> Interpreter | NoInterpreter:
    """The first interpreter that can be started for the wheel, else the reason of the last place that applies."""
    request = InterpreterRequest(package=package, wheel=wheel, python=python, env=env, work=work)
    refusal: NoInterpreter | None = None
    for place in PLACES:
        answer = place(request)
        if isinstance(answer, Interpreter):
            return answer
        refusal = answer or refusal
    return refusal or NoInterpreter(why="this machine cannot run it", all=True)


def advice(target: Target, env: Mapping[str, str]) -> str:
    """How to make this machine run tests of the target; empty if no way is known."""
    host = this_machine()
    if target.system == "windows" and host.system == "linux" and not wine_configured(env):
        return f"to test under Wine, set {VARIABLE}3_13 to a python.exe for Windows; {ADVICE}"
    if target.libc == "musl" and host.libc == "gnu" and not emulation.sysroot(target, env):
        return f"to test here, set {emulation.variable(target)} to a folder with bin/python3.X linked with musl"
    return ""


def _own(request: InterpreterRequest) -> Interpreter | NoInterpreter | None:
    return interpreters.native_interpreter(request.wheel.target, request.wheel.floor, request.python, request.env)


def _emulator(request: InterpreterRequest) -> Interpreter | NoInterpreter | None:
    return emulation.emulated_interpreter(request.wheel.target, request.wheel.floor, request.python, request.env)


def _wine(request: InterpreterRequest) -> Interpreter | NoInterpreter | None:
    return wine_interpreter(request.wheel.target, request.python, request.env)


def _container(request: InterpreterRequest) -> Interpreter | NoInterpreter | None:
    """An interpreter in the wheel's build container, or in the target's image if only the libc differs."""
    wheel, work = request.wheel, request.work
    if work is None:
        return None
    from cartwheel.toolchain.container_command import Mount
    from cartwheel.toolchain.container_setup import builds_in_container, open_container

    if not builds_in_container(request.package, wheel) and not _brings_its_libc(request, work):
        return None

    try:
        container = open_container(request.package, wheel, work)
    except StepFailed as error:
        return NoInterpreter(why=str(error), all=True)
    path = _in_image(container.interpreters, request)
    if not path:
        return NoInterpreter(why=f"{interpreters.display_name(request.python)} is not in {container.shown}")
    if not container.engine:
        return Interpreter(path=path)
    inside = replace(
        container,
        mounts=(*container.mounts, *(Mount(source=folder) for folder in _uv_cache(request.env))),
        named=(*container.named, "PYTHONPATH"),
    )

    def through(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return inside.argv(argv, env, cwd=cwd, writable=(work.scratch,))

    return Interpreter(
        path=path, by=f"in {container.shown}", through=through, foreign=True, alone=True, env=container.client
    )


def _brings_its_libc(request: InterpreterRequest, work: Work) -> bool:
    """Whether this machine lacks only the wheel's libc, and an image with that libc may be used.

    A CI job may fetch the image; elsewhere it must be present.  False for a wheel that may be published untested.
    """
    wheel, host = request.wheel, this_machine()
    target = wheel.target
    if target.system != "linux" or target.machine != host.machine or target.libc == host.libc or wheel.untested:
        return False
    if environment.in_ci(work.snapshot.environ):
        return True
    from cartwheel.toolchain.container_setup import available_container

    try:
        return available_container(request.package, wheel, work) is not None
    except StepFailed:
        return False


def _in_image(held: Mapping[str, str], request: InterpreterRequest) -> str:
    if request.python != PURE:
        return held.get(interpreter_folder(request.python), "")
    return next((held[name] for name in sorted(held) if name.startswith("cp3")), "")


def _uv_cache(env: Mapping[str, str]) -> tuple[Path, ...]:
    """uv's cache folder; mounted, because uv queries an interpreter by a script in its cache."""
    own = {**env, **environment.family(os.environ, "uv")}
    folder = Path(capture((*interpreters.UV, "cache", "dir"), cwd=Path.cwd(), env=own).strip())
    folder.mkdir(parents=True, exist_ok=True)
    return (folder,)


PLACES: tuple[Place, ...] = (_own, _emulator, _wine, _container)
