"""The build matrix: the machine that builds each wheel, and the tools that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.ci.jobs import LINUX, PYTHON, Build, Runner, slug
from cartwheel.machine.host import Host
from cartwheel.model.config.values import runner_text
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.container_image import CONTAINER, image_of
from cartwheel.model.wheels.python import ABI3, PURE, oldest
from cartwheel.model.wheels.target import ANY, TARGETS, Target
from cartwheel.toolchain import of_wheel


def builds(project: Project) -> tuple[Build, ...]:
    """The builds of a project, in the order of the configuration."""
    groups: dict[tuple[str, Runner, str], list[tuple[Package, Wheel]]] = {}
    for package, wheel in project.wheels:
        key = (wheel.target.triple, _runner(package, wheel), _image(package, wheel))
        groups.setdefault(key, []).append((package, wheel))
    triples = [triple for triple, _, _ in groups]
    return tuple(
        _build(triple, runner, image, rows, alone=triples.count(triple) == 1)
        for (triple, runner, image), rows in groups.items()
    )


def _build(triple: str, runner: Runner, image: str, rows: list[tuple[Package, Wheel]], *, alone: bool) -> Build:
    runs = all(_runs(package, wheel) for package, wheel in rows)
    needed = (python for package, wheel in rows for python in _interpreters(package, wheel)) if runs else ()
    pythons = tuple(dict.fromkeys(python for python in needed if python != PYTHON))
    foreign = TARGETS[triple].arch == "win32"
    return Build(
        name=triple if alone else slug("-".join(filter(None, (triple, runner_text(runner), image)))),
        target=triple,
        runner=runner,
        image=image.partition(" ")[0],
        promise=image.partition(" ")[2],
        wheels=tuple(wheel.segments for _, wheel in rows),
        packages=tuple(dict.fromkeys(package.key for package, _ in rows)),
        pythons=(PYTHON,) if foreign else (*pythons, PYTHON),
        fetched=_x86_interpreters((*pythons, PYTHON)) if foreign and runs else (),
        rust=tuple(dict.fromkeys(t for package, wheel in rows for t in _rust(package, wheel))),
        system=tuple(dict.fromkeys(name for package, wheel in rows for name in _system(package, wheel))),
        cross=any(wheel.toolchain in _FROM_LINUX for _, wheel in rows),
        runs=runs,
    )


def _x86_interpreters(pythons: Iterable[str]) -> tuple[str, ...]:
    """uv's names of 32-bit interpreters for Windows; PyPy has none."""
    names = (re.fullmatch(r"(3\.\d+)(t?)", python) for python in pythons)
    return tuple(f"cpython-{m[1]}{'+freethreaded' if m[2] else ''}-windows-x86-none" for m in names if m)


_HOSTS = {
    LINUX: Host(system="linux", machine="x86_64", libc="gnu", glibc=(2, 39)),
    "ubuntu-24.04-arm": Host(system="linux", machine="aarch64", libc="gnu", glibc=(2, 39)),
}
"""GitHub's Linux runners as machines: from these the default toolchain of a build is known before it starts (GitHub,
August 2026)."""


def _toolchain(package: Package, wheel: Wheel) -> str:
    """The declared toolchain, else the one that is chosen on a hosted Linux; empty if that is the runner's own."""
    if wheel.toolchain or wheel.target.triple == ANY:
        return wheel.toolchain
    label = wheel.runner or wheel.target.runner or LINUX
    host = _HOSTS.get(label) if isinstance(label, str) else None
    try:
        name = of_wheel(package, wheel, host).name if host else ""
    except ConfigError:  # the build says so, in its own words
        return ""
    return name if name in (CONTAINER, *_FROM_LINUX) else ""


def _image(package: Package, wheel: Wheel) -> str:
    """The wheel's container image and the platform tag it guarantees, `IMAGE TAG`; empty without a container."""
    if _toolchain(package, wheel) != CONTAINER:
        return ""
    image = image_of(wheel.target, wheel.floor, wheel.image)
    return f"{image} {image.policy}_{image.arch}"


_FROM_LINUX = ("mingw", "xwin")
"""Toolchains that cross-compile from Linux, so the target's own runner is not needed."""

_SYSTEM = {
    ("mingw", "win_amd64"): ("gcc-mingw-w64-x86-64",),
    ("mingw", "win32"): ("gcc-mingw-w64-i686",),
}
"""Debian packages by toolchain and architecture (Ubuntu 24.04)."""
_32_BIT = {"x86_64": "i686"}
"""The 32-bit machine whose programs a machine also runs."""
_EMULATION = ("binfmt-support", "qemu-user-static")
"""Debian packages for containers of a foreign architecture (Ubuntu 24.04)."""


def _runner(package: Package, wheel: Wheel) -> Runner:
    """The configured runner, else a hosted one that can run the wheel, else `LINUX`."""
    cross = wheel.toolchain in _FROM_LINUX
    return wheel.runner or (LINUX if cross else wheel.target.runner or LINUX)


def _runs(package: Package, wheel: Wheel) -> bool:
    """Whether the wheel's runner can run it.

    A configured runner and a container are assumed to.  Hosted runners have interpreters of their own system; uv
    installs 32-bit ones on Windows, and for musl the tests start a container.
    """
    if wheel.runner or wheel.target.triple == ANY or _toolchain(package, wheel) == CONTAINER:
        return True
    return _runner(package, wheel) == wheel.target.runner


def _system(package: Package, wheel: Wheel) -> tuple[str, ...]:
    chain = _toolchain(package, wheel)
    host = _HOSTS.get(runner) if isinstance(runner := _runner(package, wheel), str) else None
    if chain == CONTAINER:
        return _EMULATION if host and wheel.target.machine not in (host.machine, _32_BIT.get(host.machine)) else ()
    return _SYSTEM.get((chain, wheel.target.arch), ())


def _rust(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The Rust targets to install; none in a container, whose image has Rust."""
    return wheel.target.triples if package.manifest and _toolchain(package, wheel) != CONTAINER else ()


def _interpreters(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that build and test a wheel on the runner; none for those that the container's image has."""
    if package.manifest or wheel.target.triple == ANY or _toolchain(package, wheel) == CONTAINER:
        return _test_pythons(package, wheel)
    building = (oldest(wheel.python, package.oldest_interpreter),) if wheel.python != PURE else ()
    return tuple(dict.fromkeys((*building, *_test_pythons(package, wheel))))


def _test_pythons(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that run a wheel's tests on the runner; none if they run in a container."""
    contained = _toolchain(package, wheel) == CONTAINER or wheel.target.libc == "musl"
    if wheel.test.skip or contained:
        return ()
    return tuple(python for python in test_plan.pythons(package, wheel) if python != PURE)


def sdist_pythons(project: Project) -> tuple[str, ...]:
    """The interpreters that build and test the source distributions, `PYTHON` last."""
    pythons = (python for package in project.packages for python in _sdist_python(package))
    return (*dict.fromkeys(python for python in pythons if python != PYTHON), PYTHON)


def _sdist_python(package: Package) -> tuple[str, ...]:
    """The interpreter that a package's source distribution needs besides `PYTHON`; empty if `PYTHON` is enough.

    `PYTHON` is enough if it takes one of the wheels that the source distribution can be built as.
    """
    wheels = test_plan.from_sdist(package)
    candidates = tuple(w for w in wheels if package.manifest or _on_linux(w.target)) or wheels
    if any(wheel.python in (PURE, PYTHON) or _stable_for_default(package, wheel) for wheel in candidates):
        return ()
    return tuple(oldest(wheel.python, package.oldest_interpreter) for wheel in candidates[:1])


def _on_linux(target: Target) -> bool:
    """Whether the runner `LINUX` can run the target's binaries."""
    return target.triple == ANY or (target.runner == LINUX and target.libc == "gnu")


def _stable_for_default(package: Package, wheel: Wheel) -> bool:
    """Whether `PYTHON` takes an abi3 wheel built for an older minimum version."""
    minor = int(PYTHON.partition(".")[2])
    return wheel.python == ABI3 and int(package.oldest_interpreter.partition(".")[2]) <= minor
