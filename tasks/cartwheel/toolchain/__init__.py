"""Toolchains: the ways to compile a target, and the table from which one is chosen for a target and a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.machine.host import Host
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels.architecture import BY_WINDOWS_TAG
from cartwheel.model.wheels.container_image import CONTAINER, Image, image_of
from cartwheel.model.wheels.target import Target, builds_for, version_of_floor
from cartwheel.toolchain import xwin

CARGO_TEE = Path(__file__).with_name("cargo_tee.py")
"""The program that runs in place of cargo."""


class Toolchain(Struct, frozen=True, kw_only=True):
    """One way to compile."""

    name: str
    builds: Callable[[Target, Host], bool]
    """Whether it can build wheels for the target on the host, provided that its tools are installed."""
    arguments: tuple[str, ...] = ()
    """Command-line arguments for maturin."""
    tools: Callable[[Target], tuple[str, ...]] = lambda target: ()
    """The tools it needs besides Rust and maturin."""
    backends: Callable[[Target, Host], bool] = lambda target, host: False
    """Whether it can build for the target with a backend that cannot cross-compile."""
    environment: Callable[[Target], Mapping[str, str]] = lambda target: {}
    """Environment variables for maturin."""
    hosted: bool = False
    """Whether the host's compiler and linker build what runs during a build (build scripts, procedural macros). Such
    output is identical for all targets and is compiled once."""


def _native(target: Target, host: Host) -> bool:
    if target.system == "ios":
        return host.system == "macos"
    same_system = target.system == host.system and target.libc in ("", host.libc, "msvc", "gnu")
    return same_system and (target.system in ("macos", "windows") or (host.runs(target) and target.libc == host.libc))


def _by_itself(target: Target, host: Host) -> bool:
    """Whether interpreters for the target run on the host. Compilers on macOS build for both architectures."""
    return (target.system == host.system == "macos") or host.runs(target)


_ZIG_GLIBC = {"ppc64le": ((0, 17), (2, 34))}
"""By architecture: the first zig release that links Rust for it, and the oldest glibc (zig 0.13 to 0.17.1,
measured November 2026). Other architectures work with every release, from the oldest glibc that Rust supports."""


def _zig(target: Target, host: Host) -> bool:
    since = _ZIG_GLIBC.get(target.arch, ((), ()))[0] if target.libc == "gnu" else ()
    return builds_for("zig", target) and (not since or _zig_version() >= since)


def _zig_version() -> tuple[int, ...]:
    """The release of the installed package ziglang; the newest known release if zig comes from elsewhere."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return tuple(int(part) for part in version("ziglang").split(".")[:2])
    except (PackageNotFoundError, ValueError):
        return (0, 17)


def _zig_floor(target: Target, floor: str) -> tuple[int, ...]:
    """The oldest glibc that zig links against, if it is newer than the floor; empty if zig can keep the floor."""
    oldest = _ZIG_GLIBC.get(target.arch, ((), ()))[1] if target.libc == "gnu" else ()
    return oldest if oldest and version_of_floor(target, floor, where="floor") < oldest else ()


def _mingw(target: Target, host: Host) -> bool:
    return builds_for("mingw", target) and host.system != "windows"


def mingw_tools(target: Target) -> tuple[str, ...]:
    """The mingw-w64 compiler that links for the target."""
    return (f"{BY_WINDOWS_TAG[target.arch].mingw}-gcc",)


def _xwin(target: Target, host: Host) -> bool:
    return builds_for("xwin", target) and host.system != "windows"


def _container(target: Target, host: Host) -> bool:
    """False on Windows: a container mounts each folder under its host path, and a Windows path is invalid in Linux."""
    return builds_for(CONTAINER, target) and host.system != "windows"


TOOLCHAINS = {
    row.name: row
    for row in (
        Toolchain(name="native", builds=_native, backends=_by_itself, hosted=True),
        Toolchain(name="zig", builds=_zig, arguments=("--zig",), tools=lambda target: ("zig",), hosted=True),
        Toolchain(name="mingw", builds=_mingw, tools=mingw_tools, hosted=True),
        Toolchain(name="xwin", builds=_xwin, tools=lambda target: ("xwin",), environment=xwin.xwin_environment),
        Toolchain(name=CONTAINER, builds=_container, backends=_container),
    )
}
"""The toolchains by name, in order of preference."""


def of_wheel(package: Package, wheel: Wheel, host: Host) -> Toolchain:
    """The toolchain that compiles a wheel on a host. Raises `ConfigError` if none exists."""
    rule = choose_toolchain if package.manifest else choose_backend_toolchain
    return rule(wheel.target, wheel.floor, wheel.toolchain, host)


def choose_toolchain(target: Target, floor: str, declared: str, host: Host) -> Toolchain:
    """The declared toolchain, or the first that builds the target on this host and keeps the floor.

    Raises `ConfigError` if none exists.
    """
    if declared:
        toolchain = TOOLCHAINS[declared]
        if not toolchain.builds(target, host):
            raise ConfigError(
                f"toolchain '{declared}' does not build {target.triple} on {host}; "
                f"expected {_able(target, host) or 'another machine'}"
            )
        if declared == "zig" and (oldest := _zig_floor(target, floor)):
            least = "_".join(map(str, oldest))
            raise ConfigError(
                f"toolchain 'zig' links {target.triple} from manylinux_{least} on; raise the floor to that"
            )
        return toolchain
    cannot = {"native": _too_new(target, floor, host), "zig": bool(_zig_floor(target, floor))}
    for toolchain in TOOLCHAINS.values():
        if toolchain.builds(target, host) and not cannot.get(toolchain.name):
            return toolchain
    if reason := no_toolchain(target):
        raise ConfigError(reason)
    raise ConfigError(f"{target.triple} cannot be built on {host}; build it on a machine of its own kind")


def choose_backend_toolchain(target: Target, floor: str, declared: str, host: Host) -> Toolchain:
    """The toolchain for a package without a crate, whose backend compiles only for the machine it runs on.

    Raises `ConfigError` if none compiles the target on this host.
    """
    able = [toolchain for toolchain in TOOLCHAINS.values() if toolchain.backends(target, host)]
    if declared:
        able = [toolchain for toolchain in able if toolchain.name == declared]
    elif _too_new(target, floor, host):
        able = [toolchain for toolchain in able if toolchain.name != "native"]
    if able:
        return able[0]
    by = f" with toolchain '{declared}'" if declared else ""
    advice = "build it on a machine of its own kind"
    if declared and _container(target, host):
        advice += f", or with toolchain '{CONTAINER}'"
    raise ConfigError(f"{target.triple} cannot be compiled by a package's own backend on {host}{by}; {advice}")


def no_toolchain(target: Target) -> str:
    """Why cartwheel builds a target's wheels on no machine, and what to do; empty for other targets."""
    other = _ELSEWHERE.get(target.system, "")
    return other and (
        f"{target.triple}: its wheels can be planned, but there is no toolchain for it here; {other} builds them: "
        f'leave them to it, with an override: select = "{target.triple}", skip = "built elsewhere"'
    )


_ELSEWHERE = {
    "android": "cibuildwheel's platform android (the NDK and CPython's own builds)",
    "emscripten": "cibuildwheel's platform pyodide (pyodide-build's Emscripten and Rust)",
}
"""By system, the tool with a toolchain that no package index has (tried 27 November 2026: pyodide-build downloads its
build environment and Emscripten from elsewhere)."""


def wheel_images(wheel: Wheel, chain: Toolchain) -> tuple[Image, ...]:
    """The container image that the toolchain builds a wheel in; empty for other toolchains. Raises `ConfigError`."""
    return (image_of(wheel.target, wheel.floor, wheel.image),) if chain.name == CONTAINER else ()


def image_tools(wheel: Wheel, chain: Toolchain) -> tuple[str, ...]:
    """The wheel's image as an entry of a step's tools, so that its version is recorded."""
    return tuple(f"image {image.reference}" for image in wheel_images(wheel, chain))


def _too_new(target: Target, floor: str, host: Host) -> bool:
    """Whether the host's glibc is newer than the floor. A native build then requires the newer glibc."""
    return (
        target.system == "linux"
        and target.libc == "gnu"
        and host.glibc > version_of_floor(target, floor, where="floor")
    )


def _able(target: Target, host: Host) -> str:
    return " or ".join(f"'{t.name}'" for t in TOOLCHAINS.values() if t.builds(target, host))
