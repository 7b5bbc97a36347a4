"""Facts about compiled files, and what a target requires of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from msgspec import Struct

from cartwheel.model.wheels.architecture import BY_NAME, accepted_architectures
from cartwheel.model.wheels.python import ABI3, ABI3T
from cartwheel.model.wheels.target import FIRST_ON_ARM, Target, version_of_floor


class Binary(Struct, frozen=True, kw_only=True):
    """One compiled image; a universal Mach-O file holds one for each architecture."""

    path: str
    """The path inside the wheel."""
    format: str
    """`elf`, `macho` or `pe`."""
    architecture: str
    """The name in platform tags (`x86_64`, `aarch64`, `arm64`, `win_amd64`); the header's own name if no tag has it."""
    minimum_os: tuple[int, int] = (0, 0)
    """The oldest macOS that it runs on; `(0, 0)` if it states none."""
    needed: tuple[str, ...] = ()
    """The libraries it loads."""
    versions: tuple[tuple[str, str], ...] = ()
    """The ELF symbol versions that it requires, each with one symbol of that version: `("GLIBC_2.34", "dlopen")`."""
    imports: tuple[str, ...] = ()
    """The undefined symbols."""
    modules: tuple[str, ...] = ()
    """The Python modules that it exports, from its `PyInit_…` or `PyModExport_…` symbols."""

    signature: str = ""
    """Mach-O: the state of the code signature, `valid`, `missing` or `invalid`; empty for other formats."""

    @property
    def libc(self) -> tuple[int, int]:
        """The newest glibc version that it requires; `(0, 0)` if it requires no glibc."""
        return max((glibc_version(version) for version, _ in self.versions), default=(0, 0))


def glibc_version(version: str) -> tuple[int, int]:
    """A version: `(2, 17)` for `GLIBC_2.17`, `(0, 0)` for other symbol versions (`GCC_3.0`, `GLIBC_PRIVATE`)."""
    parts = version.removeprefix("GLIBC_").split(".")
    if not version.startswith("GLIBC_") or not all(p.isdigit() for p in parts) or len(parts) < 2:
        return (0, 0)
    return (int(parts[0]), int(parts[1]))


_FORMATS = {"linux": "elf", "android": "elf", "macos": "macho", "ios": "macho", "windows": "pe"}
"""The binary format of each system; wheels for other systems are not examined."""


def machine_problems(binaries: tuple[Binary, ...], target: Target) -> tuple[str, ...]:
    """Files of another format or architecture than the target's.  A universal file may hold further architectures."""
    if target.system not in _FORMATS:
        return ()
    held: dict[tuple[str, str], set[str]] = {}
    for binary in binaries:
        held.setdefault((binary.path, binary.format), set()).add(binary.architecture)
    form = _FORMATS[target.system]
    accepted = accepted_architectures(target.system, target.arch)
    enough = all if target.parts else any
    return tuple(
        f"{path} is {shortened_list(architectures)} ({kind}); {target.triple} is {shortened_list(accepted)} ({form})"
        for (path, kind), architectures in held.items()
        if kind != form or not enough(one in architectures for one in accepted)
    )


def signature_problems(binaries: Iterable[Binary]) -> tuple[str, ...]:
    """arm64 Mach-O images without a valid signature: macOS on Apple silicon ends a process that loads one."""
    return tuple(
        f"{binary.path}: the signature of its arm64 image is {binary.signature}, so macOS refuses to load it; "
        "sign it ad hoc after the last change: codesign --force --sign - FILE"
        for binary in binaries
        if binary.architecture == "arm64" and binary.signature in ("missing", "invalid")
    )


def floor_problems(binaries: tuple[Binary, ...], target: Target, floor: str) -> tuple[str, ...]:
    """Compiled files that require a newer system than the floor promises; one line each."""
    rule = _FLOORS.get((target.system, target.libc))
    return tuple(problem for binary in binaries for problem in rule(binary, target, floor)) if rule else ()


def _glibc_floor(binary: Binary, target: Target, floor: str) -> tuple[str, ...]:
    if musl := [n for n in binary.needed if n == "libc.so" or n.startswith(("libc.musl", "ld-musl"))]:
        return (f"{binary.path} is linked with musl ({shortened_list(musl)}), its target {target.triple} has glibc",)
    newest = version_of_floor(target, floor, where="floor")
    if newest == (0, 0):
        return ()
    above: dict[str, list[str]] = {}
    for version, symbol in binary.versions:
        if glibc_version(version) > newest or version == "GLIBC_PRIVATE":
            above.setdefault(version, []).append(symbol)
    if not above:
        return ()
    worst = max(above, key=glibc_version)
    symbols = shortened_list(symbol for symbol in above[worst] if symbol)
    reason = f" (symbol {symbols})" if symbols else ""
    promise = floor if "_" in floor else f"{floor} ({newest[0]}.{newest[1]})"
    return (f"{binary.path} needs {worst}{reason}, the floor is {promise}: build with zig or raise the floor",)


def _musl_floor(binary: Binary, target: Target, _: str) -> tuple[str, ...]:
    """Only a requirement of glibc can be detected, because musl has no symbol versions."""
    glibc = [n for n in binary.needed if n in _GLIBC_LIBRARIES or n.startswith("ld-linux")]
    glibc += sorted({version for version, _ in binary.versions if version.startswith("GLIBC_")})
    if not glibc:
        return ()
    return (f"{binary.path} needs glibc ({shortened_list(glibc)}), its target {target.triple} has musl",)


_GLIBC_LIBRARIES = {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"}


def _macos_floor(binary: Binary, target: Target, floor: str) -> tuple[str, ...]:
    """Only the target's architecture counts; a universal file may hold others."""
    ours = binary.architecture in accepted_architectures(target.system, target.arch)
    oldest = version_of_floor(target, floor, where="floor")
    if target.parts and binary.architecture == "arm64":
        oldest = max(oldest, FIRST_ON_ARM)
    if not ours or binary.minimum_os <= oldest:
        return ()
    minimum = ".".join(map(str, binary.minimum_os))
    advice = f"build with MACOSX_DEPLOYMENT_TARGET={floor} or raise the floor"
    return (f"{binary.path} needs macOS {minimum}, the floor is {floor}: {advice}",)


_FLOORS: dict[tuple[str, str], Callable[[Binary, Target, str], tuple[str, ...]]] = {
    ("linux", "gnu"): _glibc_floor,
    ("linux", "musl"): _musl_floor,
    ("macos", ""): _macos_floor,
}


def module_problems(binaries: tuple[Binary, ...], target: Target, python: str, abi: str) -> tuple[str, ...]:
    """Extension modules whose file name the wheel's Python does not import (PEP 3149); `abi` is the wheel's ABI tag."""
    if python == "py3" or target.system not in _FORMATS:
        return ()
    pattern, example = _suffix(target, abi)
    modules = {binary.path: binary for binary in binaries if binary.modules}
    if not modules:
        return (f"no extension module in it (nothing exports PyInit_…); it is for {python}",)
    wrong = [p for p in modules if not re.fullmatch(rf"[^.]+{pattern}", PurePosixPath(p).name)]
    renamed = [p for p, b in modules.items() if PurePosixPath(p).name.split(".")[0] not in b.modules]
    return (
        *(
            f"{path} is not imported by {python} on this target; expected a name that ends in {example}"
            for path in wrong
        ),
        *(
            f"{path} exports PyInit_{modules[path].modules[0]}: it cannot be imported by its file's name"
            for path in renamed
        ),
    )


def _suffix(target: Target, abi: str) -> tuple[str, str]:
    """The pattern of an extension module's suffix, and an example of it."""
    if abi == "abi3.abi3t":
        return (r"\.pyd", ".pyd") if target.system == "windows" else (r"\.abi3t(?:-[\w-]+)?\.so", ".abi3t.so")
    if target.system == "windows":
        versioned = f".{abi.replace('_', '-')}-{target.arch}.pyd"
        return (r"\.pyd", ".pyd") if abi == "abi3" else (rf"(?:{re.escape(versioned)}|\.pyd)", versioned)
    if abi.startswith("abi3"):
        return (rf"\.{abi}\.so", f".{abi}.so")
    tag = abi.replace("_", "-") if abi.startswith(("pypy", "graalpy")) else abi.replace("cp", "cpython-")
    if target.system in ("ios", "android"):
        return (r"\.[^.]+\.so", f".{tag}-{target.system}.so")
    if target.system == "macos":
        return (rf"\.{tag}-darwin\.so", f".{tag}-darwin.so")
    arch = BY_NAME[target.arch].extension or target.arch
    if abi.startswith("graalpy"):
        return (rf"\.{tag}-{arch}-linux\.so", f".{tag}-{arch}-linux.so")
    libc = "gnu" if target.libc == "gnu" else "(?:musl|gnu)"  # CPython before 3.11 wrote gnu on musl too
    return (rf"\.{tag}-{arch}-linux-{libc}(?:eabihf)?\.so", f".{tag}-{arch}-linux-{target.libc}.so")


def dll_problems(binaries: tuple[Binary, ...], target: Target, python: str, abi: str) -> tuple[str, ...]:
    """Windows extension modules that load a wrong Python DLL; right is python3.dll for abi3, else the version's DLL."""
    if target.system != "windows" or python == "py3":
        return ()
    version = abi.removeprefix("cp")
    allowed = {"python3.dll", "python3t.dll"} | ({f"python{version}.dll"} if python not in (ABI3, ABI3T) else set())
    problems = []
    for binary in (b for b in binaries if b.modules):
        loaded = {name.lower() for name in binary.needed if re.fullmatch(r"(?i)(lib)?(python|pypy)\d.*\.dll", name)}
        if loaded - allowed and not python.startswith(("pypy", "graalpy")):
            wrong = shortened_list(loaded - allowed)
            problems.append(f"{binary.path} loads {wrong}; for {python} expected {shortened_list(allowed)}")
    return tuple(problems)


def shortened_list(words: Iterable[object]) -> str:
    """At most five items in sorted order, then `and N more`."""
    every = sorted(str(word) for word in words)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
