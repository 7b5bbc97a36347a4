"""A target: where a wheel runs, named by its Rust triple, and the platform tag of the wheel."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.wheels.architecture import BY_WINDOWS_TAG
from cartwheel.model.wheels.outside_facts import LEGACY_MANYLINUX, NEWEST_LIBC

ANY = "any"


class Target(Struct, frozen=True, kw_only=True):
    """One row of `TARGETS`: the facts of a triple that every stage reads."""

    triple: str
    system: str
    """`linux`, `macos`, `windows`, `ios`, `android`, `emscripten` or `any`."""
    libc: str = ""
    """`gnu` or `musl` on Linux, `gnu` or `msvc` on Windows, else empty."""
    arch: str = ""
    """The architecture in the wheel's platform tag."""
    floor: str = ""
    """The default floor, the oldest supported system: `manylinux2014`, `musllinux_1_2`, `11.0`."""
    machine: str = ""
    """`platform.machine()` on the target, in lower case."""
    parts: tuple[str, ...] = ()
    """The triples of a universal target, compiled separately and joined."""
    runner: str = ""
    """The GitHub runner that can run the target's tests; empty if GitHub has none."""

    @property
    def triples(self) -> tuple[str, ...]:
        """The triples to compile: `parts` for a universal target, else `triple`."""
        return self.parts or (self.triple,)


def _linux(triple: str, arch: str, floor: str, *, runner: str = "") -> Target:
    libc = "musl" if "musl" in triple else "gnu"
    return Target(triple=triple, system="linux", libc=libc, arch=arch, floor=floor, machine=arch, runner=runner)


def _windows(triple: str, arch: str, runner: str) -> Target:
    libc, machine = triple.rsplit("-", 1)[1], BY_WINDOWS_TAG[arch].windows_machine
    return Target(triple=triple, system="windows", libc=libc, arch=arch, machine=machine, runner=runner)


def _macos(triple: str, arch: str, floor: str, runner: str) -> Target:
    return Target(triple=triple, system="macos", arch=arch, floor=floor, machine=arch, runner=runner)


def _ios(triple: str, arch: str) -> Target:
    return Target(triple=triple, system="ios", arch=arch, floor="13.0")


def _android(triple: str, arch: str) -> Target:
    return Target(triple=triple, system="android", arch=arch, floor="24")


_UBUNTU, _UBUNTU_ARM, _MACOS_ARM, _MACOS_INTEL = "ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel"
_WINDOWS, _WINDOWS_ARM = "windows-2025", "windows-11-arm"
"""GitHub's runner labels (documentation of GitHub-hosted runners, August 2026)."""


_ROWS = (
    Target(triple=ANY, system=ANY, runner=_UBUNTU),
    _linux("x86_64-unknown-linux-gnu", "x86_64", "manylinux2014", runner=_UBUNTU),
    _linux("i686-unknown-linux-gnu", "i686", "manylinux2014"),
    _linux("aarch64-unknown-linux-gnu", "aarch64", "manylinux2014", runner=_UBUNTU_ARM),
    _linux("armv7-unknown-linux-gnueabihf", "armv7l", "manylinux2014"),
    _linux("powerpc64le-unknown-linux-gnu", "ppc64le", "manylinux2014"),
    _linux("powerpc64-unknown-linux-gnu", "ppc64", "manylinux2014"),
    _linux("s390x-unknown-linux-gnu", "s390x", "manylinux2014"),
    _linux("riscv64gc-unknown-linux-gnu", "riscv64", "manylinux_2_31"),
    _linux("loongarch64-unknown-linux-gnu", "loongarch64", "manylinux_2_36"),
    _linux("x86_64-unknown-linux-musl", "x86_64", "musllinux_1_2", runner=_UBUNTU),
    _linux("i686-unknown-linux-musl", "i686", "musllinux_1_2"),
    _linux("aarch64-unknown-linux-musl", "aarch64", "musllinux_1_2", runner=_UBUNTU_ARM),
    _linux("armv7-unknown-linux-musleabihf", "armv7l", "musllinux_1_2"),
    _linux("powerpc64le-unknown-linux-musl", "ppc64le", "musllinux_1_2"),
    _linux("s390x-unknown-linux-musl", "s390x", "musllinux_1_2"),
    _linux("riscv64gc-unknown-linux-musl", "riscv64", "musllinux_1_2"),
    _linux("loongarch64-unknown-linux-musl", "loongarch64", "musllinux_1_2"),
    Target(
        triple="arm-unknown-linux-gnueabihf", system="linux", libc="gnu", arch="armv6l", floor="linux", machine="armv6l"
    ),
    _macos("x86_64-apple-darwin", "x86_64", "10.12", _MACOS_INTEL),
    _macos("aarch64-apple-darwin", "arm64", "11.0", _MACOS_ARM),
    Target(
        triple="universal2-apple-darwin", system="macos", arch="universal2", floor="10.12",
        parts=("x86_64-apple-darwin", "aarch64-apple-darwin"), runner=_MACOS_ARM,
    ),
    _windows("x86_64-pc-windows-msvc", "win_amd64", _WINDOWS),
    _windows("x86_64-pc-windows-gnu", "win_amd64", _WINDOWS),
    _windows("i686-pc-windows-msvc", "win32", _WINDOWS),
    _windows("i686-pc-windows-gnu", "win32", _WINDOWS),
    _windows("aarch64-pc-windows-msvc", "win_arm64", _WINDOWS_ARM),
    _ios("aarch64-apple-ios", "arm64_iphoneos"),
    _ios("aarch64-apple-ios-sim", "arm64_iphonesimulator"),
    _ios("x86_64-apple-ios", "x86_64_iphonesimulator"),
    _android("aarch64-linux-android", "arm64_v8a"),
    _android("armv7-linux-androideabi", "armeabi_v7a"),
    _android("x86_64-linux-android", "x86_64"),
    _android("i686-linux-android", "x86"),
    Target(triple="wasm32-unknown-emscripten", system="emscripten", arch="wasm32", floor="2025_0"),
)  # fmt: skip
"""Triples, platform tags and lowest floors from maturin's platform table; accepted tags from Warehouse.

Both read in November 2026.
"""

TARGETS = {row.triple: row for row in _ROWS}


def target_by_name(triple: str, *, where: str) -> Target:
    """The target of a triple; raises `ConfigError` naming `where`, the place in the configuration."""
    try:
        return TARGETS[triple]
    except KeyError:
        meant = _by_platform(triple)
        near = did_you_mean(triple, TARGETS, listed="Targets in docs/reference/tables.md")
        hint = f"; did you mean '{meant}'?" if meant else _of_architecture(triple) or near
        raise ConfigError(f"{where}: unknown target '{triple}'{hint}") from None


_KINDS = {"manylinux": "gnu", "linux": "gnu", "musllinux": "musl"}


def _by_platform(text: str) -> str:
    """The triple of a platform as cibuildwheel or a wheel tag names it; empty if unknown.

    Examples: `manylinux_x86_64`, `win32`, `macosx_arm64`.
    """
    match = re.fullmatch(
        r"(manylinux|musllinux|linux|macosx?|win(?:dows)?)(?:(?<=linux)\d+)?(?:_\d+)*[_-]?(\w*)", text.lower()
    )
    if not match:
        return ""
    system = {"win": "windows", "macosx": "macos"}.get(match[1], "linux" if match[1] in _KINDS else match[1])
    arch = match[2] or ("arm64" if system == "macos" else "x86_64")
    names = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "32": "i686", "x86": "i686"}
    cpu = names.get(arch, arch)
    rows = (
        row for row in TARGETS.values() if row.system == system and row.libc in ("", _KINDS.get(match[1], ""), "msvc")
    )
    return next((row.triple for row in rows if arch == row.arch or row.triple.partition("-")[0] == cpu), "")


def _of_architecture(text: str) -> str:
    """The advice for an architecture where a triple is expected, such as cibuildwheel's `archs`; empty for others."""
    words = {"auto": "", "auto64": "", "native": "", "all": "", "universal2": "universal2"}
    names = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "x86": "i686", "i386": "i686"}
    cpu = words.get(text.lower(), names.get(text.lower(), text.lower()))
    if not cpu:
        return "; name each target, such as 'x86_64-unknown-linux-gnu', or leave the key out for the usual ones"
    triples = [triple for triple in TARGETS if triple.partition("-")[0] == cpu][:4]
    return f"; a target has a system too: {', '.join(triples)}" if triples else ""


def platform_triple(pattern: str) -> str:
    """The triple meant by a pattern of cibuildwheel, such as `*-manylinux_x86_64`; empty if unknown."""
    return _by_platform(re.sub(r"^[\w*]*-", "", pattern))


def version_of_floor(target: Target, floor: str, *, where: str) -> tuple[int, int]:
    """The libc or system version of a floor, `(2, 17)` for `manylinux2014`; `(0, 0)` if the target has no floor.

    Raises `ConfigError` if the floor is invalid for the target.
    """
    if target.floor == _NO_PROMISE and floor == _NO_PROMISE:
        return (0, 0)
    kind = _FLOOR_FORMS.get((target.system, target.libc), _FLOOR_FORMS.get((target.system, "")))
    if kind is None:
        if floor:
            raise ConfigError(f"{where}: '{floor}' for {target.triple}, which has none; use an override")
        return (0, 0)
    pattern, example = kind
    if floor in LEGACY_MANYLINUX and target.libc == "gnu":
        return LEGACY_MANYLINUX[floor]
    match = re.fullmatch(pattern, floor)
    if match is None:
        raise ConfigError(f"{where}: '{floor}' for {target.triple}; expected one like '{example}'")
    return (int(match[1]), int(match[2] or 0))


_NO_PROMISE = "linux"
"""The floor of a Linux target without a manylinux policy; its wheels are compatible only with the build system."""

_FLOOR_FORMS = {
    ("linux", "gnu"): (r"manylinux_(2)_(\d+)", "manylinux_2_28"),
    ("linux", "musl"): (r"musllinux_(1)_(\d+)", "musllinux_1_2"),
    ("macos", ""): (r"(\d+)\.(\d+)", "11.0"),
    ("ios", ""): (r"(\d+)\.(\d+)", "13.0"),
    ("android", ""): (r"(\d+)()", "24"),
    ("emscripten", ""): (r"(\d+)_(\d+)", "2025_0"),
}


def refuse_impossible(target: Target, floor: str, *, where: str) -> None:
    """Raises `ConfigError` for a floor that the target cannot have.

    Such a floor is older than Rust's standard library supports, newer than every policy, or a macOS version that PyPI
    refuses.
    """
    version = version_of_floor(target, floor, where=where)
    if version > (newest := NEWEST_LIBC.get(target.libc, version)):
        raise ConfigError(
            f"{where}: '{floor}' for {target.triple}: there is no such libc yet, or auditwheel has no policy for "
            f"it; expected {newest[0]}.{newest[1]} or older"
        )
    if version < version_of_floor(target, target.floor, where=where):
        raise ConfigError(
            f"{where}: '{floor}' for {target.triple} is older than Rust's standard library for it; "
            f"expected '{target.floor}' or newer"
        )
    if target.system == "macos" and version[0] >= 11 and version[1]:
        raise ConfigError(
            f"{where}: '{floor}' for {target.triple}: from macOS 11 on a wheel's tag names no minor version, and "
            f"indexes refuse one that does; write '{version[0]}.0'"
        )


def platform_tag(target: Target, floor: str) -> str:
    """The platform tags of the wheel's file name, joined by dots, sorted as the binary distribution format requires."""
    major, minor = version_of_floor(target, floor, where="floor")
    return _PLATFORMS.get((target.system, target.libc), _PLATFORMS.get((target.system, ""), _plain))(
        target, major, minor
    )


def _manylinux(target: Target, major: int, minor: int) -> str:
    if target.floor == _NO_PROMISE and not major:
        return f"linux_{target.arch}"
    modern = f"manylinux_{major}_{minor}_{target.arch}"
    legacy = [f"{name}_{target.arch}" for name, version in LEGACY_MANYLINUX.items() if version == (major, minor)]
    return ".".join(sorted([modern, *legacy]))


FIRST_ON_ARM = (11, 0)
"""The first macOS for Apple silicon."""


def _macosx(target: Target, major: int, minor: int) -> str:
    if not target.parts:
        return f"macosx_{major}_{minor}_{target.arch}"
    arm = "_".join(map(str, max(FIRST_ON_ARM, (major, minor))))
    both = (f"macosx_{major}_{minor}_universal2", f"macosx_{major}_{minor}_x86_64", f"macosx_{arm}_arm64")
    return ".".join(sorted(both))


def _plain(target: Target, major: int, minor: int) -> str:
    return target.arch if target.system == "windows" else ANY


_PLATFORMS: dict[tuple[str, str], Callable[[Target, int, int], str]] = {
    ("linux", "gnu"): _manylinux,
    ("linux", "musl"): lambda target, major, minor: f"musllinux_{major}_{minor}_{target.arch}",
    ("macos", ""): _macosx,
    ("ios", ""): lambda target, major, minor: f"ios_{major}_{minor}_{target.arch}",
    ("android", ""): lambda target, major, minor: f"android_{major}_{target.arch}",
    ("emscripten", ""): lambda target, major, minor: f"pyemscripten_{major}_{minor}_{target.arch}",
}


def builds_for(toolchain: str, target: Target) -> bool:
    """Whether a toolchain can build for a target on at least one kind of machine."""
    return toolchain not in _CROSS_TARGETS or (target.system, target.libc) in _CROSS_TARGETS[toolchain]


_LINUX = (("linux", "gnu"), ("linux", "musl"))
_CROSS_TARGETS = {
    "zig": (*_LINUX, ("macos", "")),
    "mingw": (("windows", "gnu"),),
    "xwin": (("windows", "msvc"),),
    "container": _LINUX,
}
"""Systems and libcs supported by each cross toolchain; any other toolchain builds for its own machine."""


def pypi_accepts(platform: str) -> bool:
    """Whether PyPI accepts wheels with this platform tag (`legacy.py` of Warehouse, 21 August 2026)."""
    return any(re.fullmatch(pattern, platform) for pattern in _ACCEPTED)


_ACCEPTED = (
    r"any|win32|win_amd64|win_arm64|win_ia64|linux_armv6l|linux_armv7l",
    r"manylinux(1|2010)_(x86_64|i686)",
    r"manylinux2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)",
    r"manylinux_[0-9]+_[0-9]+_(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64|ppc64)",
    r"musllinux_[0-9]+_[0-9]+_(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64)",
    r"macosx_10_[0-9]+_(x86_64|arm64|i386|ppc|ppc64|intel|fat|fat3|fat64|universal|universal2)",
    r"macosx_(11|12|13|14|15|26)_0_(x86_64|arm64|i386|ppc|ppc64|intel|fat|fat3|fat64|universal|universal2)",
    r"ios_[0-9]+_[0-9]+_(arm64|x86_64)_(iphoneos|iphonesimulator)",
    r"android_[0-9]+_(armeabi_v7a|arm64_v8a|x86|x86_64)",
    r"pyemscripten_[0-9]+_[0-9]+_wasm32",
)
