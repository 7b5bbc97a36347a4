"""Comparison of the planned wheel with a wheel that an installer builds from the source distribution, by file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.distribution import Distribution


class PackageSource(Struct, frozen=True, kw_only=True):
    """The package's source tree, where the reason for a difference is searched."""

    root: Path
    """The project's folder."""
    folder: str
    """The package's folder, relative to the project."""
    pyproject: Mapping[str, Any]
    ignored: Callable[[], Iterable[str]] = tuple
    """Lists the files in the package's folder that git ignores; called only if a file is missing."""


def file_differences(
    planned: Distribution, built: Iterable[str], sdist: Distribution, source: PackageSource
) -> tuple[str, ...]:
    """The files that only one of two wheels holds, each with the reason.

    One wheel is `planned`; the other is built from `sdist` and holds the files `built`.  Suffixes of extension modules,
    software bills of materials and grafted libraries are not compared.
    """
    ours = {_comparable(name): name for name in planned.files if not _PER_BUILD.search(name)}
    theirs = {_comparable(name): name for name in built if not _PER_BUILD.search(name)}
    missing = (f"{ours[key]} is in {planned.file}, and a wheel built from {sdist.file} lacks it: "
               f"{_missing_reason(ours[key], sdist, source)}" for key in sorted(ours.keys() - theirs))  # fmt: skip
    extra = (f"a wheel built from {sdist.file} holds {theirs[key]}, and {planned.file} lacks it: "
             f"{_extra_reason(theirs[key], source)}" for key in sorted(theirs.keys() - ours))  # fmt: skip
    return (*missing, *extra)


_PER_BUILD = re.compile(r"^[^/]+\.(?:libs|dylibs|scripts)/|^[^/]+/\.dylibs/|\.dist-info/sboms/|\.dist-info/RECORD\.")
"""Grafted libraries, programs moved by a repair, bills of materials (PEP 770) and signatures."""

_COMPILED = (".so", ".pyd", ".dylib")


def _comparable(name: str) -> str:
    """The name of a file in the two wheels: an extension module without the suffix for a Python version, a licence
    without the folder that newer backends put it in (PEP 639), as an older interpreter may get an older backend.
    """
    name = re.sub(r"(\.dist-info/)licenses/", r"\1", name)
    path = PurePosixPath(name)
    return f"{path.parent}/{path.name.split('.')[0]}{_COMPILED[0]}" if path.suffix in _COMPILED else name


def _missing_reason(path: str, sdist: Distribution, source: PackageSource) -> str:
    """The reason that a wheel from the source distribution lacks a file of the planned wheel."""
    inside = re.sub(r"^[^/]+\.data/[^/]+/", "", path)
    ends = re.sub(r"^[^/]+\.dist-info/(?:licenses/)?", "", inside)
    packed = next((name for name in sdist.files if f"/{name}".endswith(f"/{ends}")), "")
    if packed:
        return f"the sdist holds it as {packed}, where its build does not look"
    for row in source.pyproject.get("tool", {}).get("maturin", {}).get("include", ()):
        if isinstance(row, dict) and row.get("format") in ("wheel", ["wheel"]):
            pattern = str(row.get("path", ""))
            if PurePosixPath(ends).name == PurePosixPath(pattern).name or PurePosixPath(ends).match(pattern):
                return f'include gives {pattern} to the wheel alone; write format = ["sdist", "wheel"]'
    if any(f"/{name}".endswith(f"/{ends}") for name in source.ignored()):
        return "git ignores it, so the sdist does not hold it; name it in the backend's include for the sdist"
    return "the sdist does not hold it; name it in the backend's include for the sdist"


def _extra_reason(path: str, source: PackageSource) -> str:
    """The reason that the project's build leaves out a file that a build from the source distribution includes."""
    for name in reversed(PurePosixPath(path).parts[:-1]):
        for folder in (source.root / source.folder).rglob(name):
            if folder.is_symlink():
                shown = folder.relative_to(source.root).as_posix()
                return f"{shown} is a link, which a build from the project does not follow; replace it by its files"
    return "a build from the project leaves it out; exclude it from the sdist, or include it in the wheel"
