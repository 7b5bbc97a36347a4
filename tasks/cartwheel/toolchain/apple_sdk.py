"""Crates that link Apple frameworks, recognised by name, and whether the SDK and the tools for them are present."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

_LINKS_APPLE = (
    "cocoa", "cocoa-foundation", "core-foundation-sys", "core-graphics", "core-graphics-types", "core-text",
    "coreaudio-sys", "coremidi-sys", "fsevent-sys", "io-kit-sys", "metal", "objc", "objc-sys", "objc2", "objc2-*",
    "security-framework-sys", "system-configuration-sys",
)  # fmt: skip
_NOT_APPLE = ("objc2-encode", "objc2-exception-helper", "objc2-proc-macros")
"""Crates that link macOS frameworks or libobjc in every macOS build, and crates that match a pattern but link neither.
Found by searching the sources for `link(… kind = "framework")` and `rustc-link-lib=framework`, November 2026."""


def frameworks(crates: Iterable[str]) -> tuple[str, ...]:
    """The crates among `crates` that link macOS frameworks. A key of the resolution may carry a version after the
    name."""
    names = dict.fromkeys(crate.split(" ")[0] for crate in crates)
    return tuple(
        name for name in names if name not in _NOT_APPLE and any(fnmatchcase(name, row) for row in _LINKS_APPLE)
    )


def sdk(environ: Mapping[str, str]) -> str:
    """Why the macOS SDK in SDKROOT is unusable or unset; `""` if it is usable."""
    named = environ.get("SDKROOT", "")
    if not named:
        return "SDKROOT is not set"
    if not Path(named, "System", "Library", "Frameworks").is_dir():
        return f"SDKROOT is {named}, which has no System/Library/Frameworks"
    return ""


_TOOLS = ("/Library/Developer/CommandLineTools/usr/bin", "/Applications/Xcode.app/Contents/Developer/usr/bin")


def developer_tools(environ: Mapping[str, str]) -> bool:
    """Whether a Mac has its linker. /usr/bin/cc exists even without it, and then only asks the user to install it."""
    named = environ.get("DEVELOPER_DIR", "")
    return any(Path(folder).is_dir() for folder in (*((f"{named}/usr/bin",) if named else ()), *_TOOLS))
