"""The build matrix: which machine builds which wheels, and what it needs for that."""

from __future__ import annotations

from cartwheel.ci.jobs import LINUX, PYTHON, Build, slug
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.container_image import CONTAINER, image_of
from cartwheel.model.wheels.python import ABI3, PURE, oldest
from cartwheel.model.wheels.target import ANY, Target


def builds(project: Project) -> tuple[Build, ...]:
    """The builds of a project, in the order of the configuration."""
    groups: dict[tuple[str, str, str], list[tuple[Package, Wheel]]] = {}
    for package, wheel in project.wheels:
        groups.setdefault((wheel.target.triple, _runner(wheel), _image(wheel)), []).append((package, wheel))
    triples = [triple for triple, _, _ in groups]
    return tuple(
        _build(triple, runner, image, rows, alone=triples.count(triple) == 1)
        for (triple, runner, image), rows in groups.items()
    )


def _build(triple: str, runner: str, image: str, rows: list[tuple[Package, Wheel]], *, alone: bool) -> Build:
    runs = all(_runs(wheel) for _, wheel in rows)
    tested = (python for package, wheel in rows for python in _interpreters(package, wheel)) if runs else ()
    return Build(
        name=triple if alone else slug("-".join(part for part in (triple, runner, image) if part)),
        target=triple,
        runner=runner,
        image=image.partition(" ")[0],
        promise=image.partition(" ")[2],
        wheels=tuple(wheel.segments for _, wheel in rows),
        packages=tuple(dict.fromkeys(package.key for package, _ in rows)),
        pythons=(*(p for p in dict.fromkeys(tested) if p != PYTHON), PYTHON),
        rust=tuple(dict.fromkeys(t for package, wheel in rows for t in _rust(package, wheel))),
        system=tuple(dict.fromkeys(name for _, wheel in rows for name in _system(wheel))),
        runs=runs,
    )


def _image(wheel: Wheel) -> str:
    """The wheel's container image and the platform tag it guarantees, `IMAGE TAG`; empty without a container."""
    if wheel.toolchain != CONTAINER:
        return ""
    image = image_of(wheel.target, wheel.floor, wheel.image)
    return f"{image} {image.policy}_{image.arch}"


_FROM_LINUX = ("mingw", "xwin")
"""Toolchains that cross-compile from Linux, so the target's own runner is not needed."""

_SYSTEM = {
    ("mingw", "win_amd64"): ("gcc-mingw-w64-x86-64",),
    ("mingw", "win32"): ("gcc-mingw-w64-i686",),
}
_EMULATION = ("binfmt-support", "qemu-user-static")
"""Debian packages by toolchain and architecture, and for containers of a foreign architecture (Ubuntu 24.04)."""


def _runner(wheel: Wheel) -> str:
    """The configured runner, else a hosted one that can run the wheel, else `LINUX`."""
    return wheel.runner or (LINUX if wheel.toolchain in _FROM_LINUX else wheel.target.runner or LINUX)


def _runs(wheel: Wheel) -> bool:
    """Whether the wheel's runner can run it.

    A configured runner and a container are assumed to.  Hosted runners have interpreters of their own system and word
    size only; for musl the tests start a container.
    """
    if wheel.runner or wheel.target.triple == ANY or wheel.toolchain == CONTAINER:
        return True
    return _runner(wheel) == wheel.target.runner and wheel.target.arch != "win32"


def _system(wheel: Wheel) -> tuple[str, ...]:
    emulated = wheel.toolchain == CONTAINER and not (wheel.runner or wheel.target.runner)
    return _EMULATION if emulated else _SYSTEM.get((wheel.toolchain, wheel.target.arch), ())


def _rust(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The Rust targets to install; none in a container, whose image has Rust."""
    return wheel.target.triples if package.manifest and wheel.toolchain != CONTAINER else ()


def _interpreters(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that build and test a wheel on the runner; none for those that the container's image has."""
    if package.manifest or wheel.target.triple == ANY or wheel.toolchain == CONTAINER:
        return _test_pythons(package, wheel)
    building = (oldest(wheel.python, package.minimum_python),) if wheel.python != PURE else ()
    return tuple(dict.fromkeys((*building, *_test_pythons(package, wheel))))


def _test_pythons(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The interpreters that run a wheel's tests on the runner; none if they run in a container."""
    contained = wheel.toolchain == CONTAINER or wheel.target.libc == "musl"
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
    return tuple(oldest(wheel.python, package.minimum_python) for wheel in candidates[:1])


def _on_linux(target: Target) -> bool:
    """Whether the runner `LINUX` can run the target's binaries."""
    return target.triple == ANY or (target.runner == LINUX and target.libc == "gnu")


def _stable_for_default(package: Package, wheel: Wheel) -> bool:
    """Whether `PYTHON` takes an abi3 wheel built for an older minimum version."""
    minor = int(PYTHON.partition(".")[2])
    return wheel.python == ABI3 and int(package.minimum_python.partition(".")[2]) <= minor
