"""Requirements of a target on this machine: which are missing, and how to install them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.machine.host import this_machine
from cartwheel.machine.pip_advice import pip_install
from cartwheel.model.config.bindings import CFFI, PYO3, UNIFFI, pyo3_requirement
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Snapshot
from cartwheel.model.wheels.container_image import CONTAINER
from cartwheel.model.wheels.python import NEEDS_PYPY
from cartwheel.model.wheels.target import Target
from cartwheel.toolchain import Toolchain, mingw_tools, xwin
from cartwheel.toolchain.apple_sdk import developer_tools, frameworks, sdk
from cartwheel.toolchain.installed_rust import llvm_profdata

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_RUSTUP = "install Rust with rustup, see the Rust project's site"
_MINGW = {
    "linux": "apt-get install mingw-w64, or your system's package of that name",
    "macos": "brew install mingw-w64",
}


class ToolNeed(Struct, frozen=True, kw_only=True):
    """One tool that is missing."""

    name: str
    fix: str
    """The command or the sentence that fixes it."""


Crates = Callable[[], Iterable[str]]
"""Returns the names of the crates in the target's wheels; called only if the answer matters."""


def missing_needs(
    target: Target, chain: Toolchain, snapshot: Snapshot, floor: str = "", crates: Crates = tuple[str, ...]
) -> tuple[ToolNeed, ...]:
    """The missing tools; empty if the target can be built. Starts no program but a container engine, to test it."""
    return tuple(_missing_tools(target, chain, snapshot, floor, crates))


def crate_needs(package: Package, wheel: Wheel, chain: Toolchain, snapshot: Snapshot) -> Iterable[ToolNeed]:
    """The needs of the crate itself for a wheel on this machine, independent of the tools."""
    yield from import_library_needs(package, wheel, snapshot.root)
    yield from _training_needs(package, wheel, chain, snapshot)
    if chain.name != CONTAINER:
        yield from binding_needs(package, snapshot)
    yield from symbol_needs(package, wheel, snapshot)
    if wheel.python in NEEDS_PYPY and chain.name != CONTAINER:
        from cartwheel.machine.interpreters import interpreter_path

        host = this_machine()
        if not host.runs(wheel.target) or not interpreter_path(wheel.python, snapshot.environ):
            version = wheel.python.removeprefix("pypy").partition("-")[0]
            yield ToolNeed(
                name=f"PyPy 8 for Python {version}",
                fix=f"maturin builds for it with that PyPy alone; install it, or write 'pypy{version}' for PyPy 7.3",
            )


def binding_needs(package: Package, snapshot: Snapshot) -> Iterable[ToolNeed]:
    """The generators of bindings for cffi and UniFFI, which maturin runs after the compiler, if they are missing
    (`src/binding_generator` of maturin 1.16, November 2026)."""
    if package.bindings == CFFI and not find_spec("cffi"):
        yield ToolNeed(name="cffi", fix=f"maturin writes the bindings with it: {pip_install('cffi')}")
    if package.bindings != UNIFFI:
        return
    from cartwheel.cargo.binding_generator import GENERATOR, generator_in, generator_on_path

    if not generator_in(snapshot.root / package.manifest) and not generator_on_path(snapshot.environ):
        yield ToolNeed(
            name=GENERATOR,
            fix=f"maturin writes the bindings with it: {pip_install(GENERATOR)}, in the version of "
            f"the crate uniffi, or add a program of that name to the workspace",
        )


def symbol_needs(package: Package, wheel: Wheel, snapshot: Snapshot) -> Iterable[ToolNeed]:
    """UniFFI's metadata in the compiled library, if the profile strips it."""
    from cartwheel.cargo.binding_generator import strip_variable, stripping_profile

    if profile := stripping_profile(package, wheel, snapshot.root, snapshot.environ):
        yield ToolNeed(
            name="UniFFI's metadata",
            fix=f"uniffi-bindgen reads it from symbols that [profile.{profile}] strips; in [tool.cartwheel] write "
            f'environment = {{ {strip_variable(profile)} = "none" }}',
        )


def _training_needs(package: Package, wheel: Wheel, chain: Toolchain, snapshot: Snapshot) -> Iterable[ToolNeed]:
    """The needs of profile-guided optimization."""
    if not (wheel.pgo and wheel.pgo.run):
        return
    if chain.name == CONTAINER or not this_machine().runs(wheel.target):
        off = "or switch it off for this target in an override: pgo = { run = [] }"
        why = "in a container" if chain.name == CONTAINER else "for a target that does not run here"
        yield ToolNeed(name="a machine for pgo", fix=f"no wheel is trained {why}; build it on its own machine, {off}")
    elif not rust(snapshot) and not llvm_profdata(snapshot.root / package.folder, snapshot.environ):
        yield ToolNeed(name="llvm-tools", fix="pgo needs it: rustup component add llvm-tools")


def import_library_needs(package: Package, wheel: Wheel, root: Path) -> Iterable[ToolNeed]:
    """The PyO3 feature that a Windows wheel needs if built on another system."""
    crosses = wheel.target.system == "windows" and sys.platform != "win32"
    if crosses and (version := _old_pyo3(package, wheel, root)):
        yield ToolNeed(
            name="PyO3's feature generate-import-lib",
            fix=f"PyO3 {version} needs it to build for Windows on another system; in {package.manifest} write "
            'pyo3 = { …, features = ["generate-import-lib"] }, or use PyO3 0.29 or newer',
        )


def _old_pyo3(package: Package, wheel: Wheel, root: Path) -> str:
    """The version of PyO3 if it cannot generate an import library with these features; empty if it can, or if PyO3 is
    missing (`has_windows_import_lib_support` of maturin 1.16)."""
    from cartwheel.cargo.workspace import lock_path, lock_rows

    required, features = pyo3_requirement(package.manifests, wheel.features)
    if package.bindings != PYO3 or {"generate-import-lib", "generate-abi3-import-lib"} & features:
        return ""
    lock = lock_path(root / package.manifest)
    locked = [str(row.get("version")) for row in (lock_rows(lock) if lock else ()) if row.get("name") == "pyo3"]
    version = locked[0] if len(locked) == 1 else required
    match = re.match(r"[=^~]?\s*(\d+)(?:\.(\d+))?", version)
    return version if match and match[2] and (int(match[1]), int(match[2])) < (0, 29) else ""


def other_maturin(package: Package, installed: str) -> tuple[str, ...]:
    """A line if `[build-system] requires` does not allow the installed maturin, which builds the wheels."""
    rows = package.manifests.pyproject.get("build-system", {}).get("requires", ()) if package.manifest else ()
    named = [str(row) for row in rows if re.match(r"\s*maturin\s*[\[<>=!~(;@]", str(row), re.IGNORECASE)]
    if not (named and installed):
        return ()
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        asked = [one for one in map(Requirement, named) if not (one.marker and not one.marker.evaluate())]
    except InvalidRequirement:
        return ()  # the build of the source distribution reports it
    refused = (one for one in asked if not one.specifier.contains(installed, prereleases=True))
    return tuple(
        f"{package.name}: [build-system] requires '{one}' for those who install the source distribution, but maturin "
        f"{installed} is here and builds the wheels; change the requirement"
        + (f", or install the other: {pip_install(wanted)}" if _works_here(one.specifier) else "")
        for one in refused
        for wanted in [f"'{one.name}{one.specifier}'"]
    )


def _works_here(specifier: SpecifierSet) -> bool:
    """Whether a version of maturin that cartwheel itself requires meets a specifier."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    own = [row.specifier for row in map(Requirement, requires("cartwheel") or ()) if row.name == "maturin"]
    bounds = {row.version.removesuffix(".*") for one in (specifier, *own) for row in one if row.operator != "==="}
    versions = (version for bound in bounds for version in (bound, f"{bound}.1"))
    return any(all(one.contains(v, prereleases=True) for one in (specifier, *own)) for v in versions)


def rust(snapshot: Snapshot) -> tuple[ToolNeed, ...]:
    """The missing programs of Rust itself."""
    path = snapshot.environ.get("PATH")
    return tuple(ToolNeed(name=name, fix=_RUSTUP) for name in ("rustc", "cargo") if not shutil.which(name, path=path))


def _missing_tools(
    target: Target, chain: Toolchain, snapshot: Snapshot, floor: str, crates: Crates
) -> Iterable[ToolNeed]:
    if chain.name != CONTAINER:  # an image may contain Rust; the build reports one that does not
        yield from rust(snapshot)
    if not snapshot.tool("maturin"):
        yield ToolNeed(name="maturin", fix=pip_install("maturin"))
    if row := _OF_TOOLCHAINS.get(chain.name):
        yield from row(target, snapshot, floor, crates)


def _linker(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    """The linker that rustc starts. On Windows, rustc finds Microsoft's linker or says what to install."""
    path = snapshot.environ.get("PATH")
    if sys.platform == "darwin" and not developer_tools(snapshot.environ):
        yield ToolNeed(name="Xcode's command line tools", fix="xcode-select --install")
    elif sys.platform == "linux" and not shutil.which("cc", path=path):
        yield ToolNeed(name="cc", fix="apt-get install gcc libc6-dev, or your system's C compiler")


def _zig(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    if not snapshot.tool("zig"):
        yield ToolNeed(name="zig", fix=pip_install("'ziglang<0.18'"))
    if target.system == "macos" and sys.platform != "darwin" and (why := sdk(snapshot.environ)):
        if linking := frameworks(crates()):
            yield ToolNeed(
                name="the SDK of macOS",
                fix=f"{', '.join(linking)} link frameworks of macOS, and {why}; set it to a copy of a Mac's SDK ("
                "xcrun --show-sdk-path says where one is), or build it on a Mac",
            )


def _mingw(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    system = "macos" if sys.platform == "darwin" else "linux"
    for tool in mingw_tools(target):
        if not shutil.which(tool, path=snapshot.environ.get("PATH")):
            yield ToolNeed(name=tool, fix=_MINGW[system])


def _xwin(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    return (ToolNeed(name=name, fix=fix) for name, fix in xwin.missing_libraries(target, crates(), snapshot.environ))


def _engine(target: Target, snapshot: Snapshot, floor: str, crates: Crates) -> Iterable[ToolNeed]:
    return engine(target, snapshot, floor)


def engine(target: Target, snapshot: Snapshot, floor: str) -> tuple[ToolNeed, ...]:
    """A container engine that responds, and qemu for a foreign architecture; empty if this process runs in the right
    image."""
    from cartwheel.toolchain import container_engines, container_setup

    if container_setup.in_place(target, floor or target.floor, snapshot.environ):
        return ()
    return tuple(ToolNeed(name=name, fix=fix) for name, fix in container_engines.container_needs(target.arch, snapshot))


_OF_TOOLCHAINS: Mapping[str, Callable[[Target, Snapshot, str, Crates], Iterable[ToolNeed]]] = {
    "native": _linker,
    "zig": _zig,
    "mingw": _mingw,
    "xwin": _xwin,
    CONTAINER: _engine,
}
"""The needs of each toolchain besides Rust and maturin."""
