"""Files that usually hold a package's version and are not moved: citations, documentation, packages for other tools."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from cartwheel.filesystem.manifest_files import toml_or_nothing
from cartwheel.model.versions.version import pep440, version_spans

_HOLDERS = (
    (
        r"CITATION\.cff|(?:meta|recipe|snapcraft|Chart)\.ya?ml",
        r"^ *(?:version|appVersion): *[\"']?{version}[\"']?[ \t]*$|\{% *set version *= *[\"']{version}[\"'] *%\}",
    ),
    (r"package\.json|codemeta\.json|\.zenodo\.json", r"(?:^ *|[{,] *)\"version\": *\"{version}\""),
    (r"\.release-please-manifest\.json", r"\"\.\": *\"{version}\""),
    (r"conf\.py", r"^(?:release|version) *= *[\"']{version}[\"']"),
    (r"_*(?:version|about|meta|init)_*\.py", r"^(?:__version__|VERSION|version)(?: *: *\w+)? *= *[\"']{version}[\"']"),
    (r"README\.(?:md|rst|txt)|index\.(?:md|rst)", r"badge/[\w%]+-v?{version}-\w+|(?:==|@v?|/v){version}(?![\w.])"),
    (
        r"Doxyfile|meson\.build|PKGBUILD|.+\.spec|(?:default|flake)\.nix|sonar-project\.properties",
        r"^(?:PROJECT_NUMBER *=|pkgver=|Version:|.*[vV]ersion *[=:]) *[\"']?{version}[\"']?",
    ),
    (r"VERSION(?:\.txt)?|version\.txt", r"^v?{version}$"),
    (
        r"pyproject\.toml|setup\.cfg|t?bump\.toml|\.bumpversion\.\w+|\.?cz\.\w+",
        r"^current(?:_version)? *= *[\"']?{version}[\"']?$"
        r"|^\[(?:tool\.)?commitizen\]\n(?:[^\[\n].*\n|\n)*?version *= *\"{version}\""
        r"|^ *\"?version\"?: *\"?{version}\"?",
    ),
)
"""Patterns of file names, and of text with `{version}` in it (forms as their tools document them, November 2026)."""


def unmoved_files(
    root: Path, folder: str, version: str, tracked: Iterable[str], moved: Collection[str]
) -> tuple[str, ...]:
    """A line that names the tracked files that hold the package's version and stay as they are; empty without any.

    `moved`: the files whose places of the version are all known.  Files of other projects in the repository are left
    out.
    """
    tracked, found = frozenset(tracked), []
    known = f"(?:{re.escape(version)}|{re.escape(pep440(version))})"
    for path in sorted(tracked - set(moved)):
        form = next((text for name, text in _HOLDERS if re.fullmatch(name, PurePosixPath(path).name)), "")
        if not form or _owner(root, path, tracked) not in ("", folder):
            continue
        try:
            content = (root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if match := re.search(form.replace("{version}", known), content, re.MULTILINE):
            found.append((path, content.count("\n", 0, match.start()) + 1, _pattern(match, known, content)))
    if not found:
        return ()
    places = ", ".join(f"{path}:{line}" for path, line, _ in found)
    path, _, pattern = found[0]
    return (
        f"{version} stays in {places}; to move a place too, name it: [tool.cartwheel] versions = "
        f"[{{ file = {json.dumps(path)}, pattern = {json.dumps(pattern)} }}]",
    )


def _owner(root: Path, path: str, tracked: Collection[str]) -> str:
    """The folder of the project that a file belongs to, `.` for the root; empty if it belongs to none."""
    for place in PurePosixPath(path).parents:
        manifest = (place / "pyproject.toml").as_posix()
        if manifest in tracked and "project" in toml_or_nothing(root / manifest):
            return place.as_posix()
    return ""


def _pattern(match: re.Match[str], known: str, content: str) -> str:
    """A pattern for `versions` that matches this place alone, where that is possible."""
    pattern = re.sub(known, "{version}", match[0].strip(), count=1)
    return pattern if len(version_spans(pattern, content)) == 1 else f"\n{pattern}"
