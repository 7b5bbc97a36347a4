"""xwin: cross-compiles MSVC Windows wheels with LLVM and Microsoft's libraries.

maturin includes cargo-xwin and uses it for MSVC targets if Microsoft's compiler is missing (its compile.rs). The
libraries come from Microsoft, under its licence. The user fetches them once with cargo-xwin; a build only reads them.
Variables and folders: cargo-xwin 0.23's options.rs and compiler/, read November 2026.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.machine.pip_advice import pip_install
from cartwheel.model.wheels.architecture import BY_WINDOWS_TAG
from cartwheel.model.wheels.target import Target
from cartwheel.process.environment import home_folder

_BY_DEFAULT = ("x86_64", "aarch64")
"""The architectures that cargo-xwin fetches by default."""


def xwin_environment(target: Target) -> Mapping[str, str]:
    """Variables for maturin: they request only the target's architecture, so that libraries already present are not
    fetched."""
    return {"XWIN_ARCH": BY_WINDOWS_TAG[target.arch].msvc}


def cache(environ: Mapping[str, str]) -> Path:
    """The cache folder of cargo-xwin."""
    if named := environ.get("XWIN_CACHE_DIR"):
        return Path(named)
    home = home_folder(environ)
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "cargo-xwin"
    named = environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else home / ".cache") / "cargo-xwin"


def _clang(environ: Mapping[str, str]) -> bool:
    """Whether cargo-xwin's alternative compiler clang is chosen. Its libraries cover all architectures and have another
    origin."""
    return environ.get("XWIN_CROSS_COMPILER", "clang-cl") == "clang"


def downloaded_architectures(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The architectures whose libraries are downloaded, as cargo-xwin names them."""
    if _clang(environ):
        return (
            tuple(row.msvc for row in BY_WINDOWS_TAG.values())
            if (cache(environ) / "windows-msvc-sysroot").is_dir()
            else ()
        )
    try:
        return tuple((cache(environ) / "xwin" / "DONE").read_text("utf-8").split())
    except (OSError, ValueError):
        return ()


_TELLING = ("xwin/crt/include/crtversion.h", "xwin/sdk/include/shared/sdkddkver.h")
"""Files that change with the version of the C runtime and of the SDK."""


def libraries_id(environ: Mapping[str, str]) -> str:
    """An identifier of the downloaded libraries; `""` if they are missing. Starts no program."""
    folder = cache(environ)
    if not downloaded_architectures(environ):
        return ""
    digest = hashlib.sha256()
    known = [path for path in (folder / name for name in _TELLING) if path.is_file()]
    for path in known:
        digest.update(path.read_bytes())
    if not known:
        mark = folder / ("windows-msvc-sysroot" if _clang(environ) else "xwin/DONE")
        digest.update(str(mark.stat().st_mtime_ns).encode())
    return digest.hexdigest()[:12]


def missing_libraries(target: Target, crates: Iterable[str], environ: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The missing tools, as pairs of name and the command that installs it."""
    path, crates = environ.get("PATH"), frozenset(crates)
    if BY_WINDOWS_TAG[target.arch].msvc not in downloaded_architectures(environ):
        yield "Microsoft's SDK", _fetch(target, environ)
    if not (shutil.which("lld-link", path=path) or shutil.which("rustup", path=path)):
        yield "lld-link", _LLVM
    compiles = crates.intersection(_C_COMPILERS) or _clang(environ)
    if compiles and not (shutil.which("clang-cl", path=path) or shutil.which("clang", path=path)):
        yield "clang", _LLVM
    if "cmake" in crates and not shutil.which("ninja", path=path):
        yield "ninja", pip_install("ninja")


_C_COMPILERS = ("cc", "cmake")
"""Crates through which build scripts start a C compiler."""

_LLVM = {"darwin": "brew install llvm"}.get(
    sys.platform, "apt-get install clang lld llvm, or your system's packages of these names"
)


def _fetch(target: Target, environ: Mapping[str, str]) -> str:
    """The command that downloads the target's libraries besides those already present; it names the licence."""
    what = "windows-msvc-sysroot" if _clang(environ) else "xwin"
    all_of_them = dict.fromkeys((*downloaded_architectures(environ), BY_WINDOWS_TAG[target.arch].msvc))
    setting = "" if set(all_of_them) <= set(_BY_DEFAULT) else f"XWIN_ARCH={','.join(all_of_them)} "
    ours = Path(sys.executable).with_name("cargo-xwin")
    known = ours if ours.is_file() else shutil.which("cargo-xwin", path=environ.get("PATH"))
    install = "" if known else f"{pip_install('cargo-xwin')} && "
    program = known or ours
    return f"{install}{setting}{program} xwin cache {what} (from Microsoft, under its licence)"
