"""The version that a build backend reads from a file of the package, where `[project] version` is dynamic."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cartwheel.filesystem.manifest_files import table
from cartwheel.model.config.build_backend import backend_module
from cartwheel.model.config.manifests import VersionSource, has_scm_plugin, path_in
from cartwheel.model.python_constants import parsed, version_attribute
from cartwheel.model.wheels.wheel_name import normalised_name


def dynamic_version(root: Path, folder: str, pyproject: Mapping[str, Any]) -> VersionSource | None:
    """Where a package's backend finds the version, and its text; None if `[project] version` is static, or if only
    running the backend can tell.  `folder` is relative to the project's root."""
    project = table(pyproject, "project")
    if "version" in project or "version" not in (project.get("dynamic") or ()) or has_scm_plugin(pyproject):
        return None
    reader = _READERS.get(backend_module(pyproject))
    return reader(_Place(root, folder), project, table(pyproject, "tool")) if reader else None


_Stems = Callable[[str], Iterable[str]]
"""The paths, without an end, at which a dotted module may be."""


class _Place:
    """The package's files."""

    def __init__(self, root: Path, folder: str) -> None:
        self.root = root
        self.folder = folder

    def path(self, name: str) -> str:
        """A file of the package, relative to the project."""
        return Path(os.path.normpath(path_in(self.folder, name))).as_posix()

    def data(self, name: str) -> bytes | None:
        """The content of a file; None if it is missing."""
        try:
            return (self.root / self.path(name)).read_bytes()
        except OSError:
            return None

    def matched(self, name: str, pattern: str, group: str = "version") -> VersionSource | None:
        """The version by a group of the pattern's first match; line ends are `\\n`, as for the backends."""
        try:
            text = (self.data(name) or b"").decode()
            match = re.search(pattern, text.replace("\r\n", "\n"), re.MULTILINE)
        except (UnicodeDecodeError, re.error):
            return None  # the backend reports it
        if not match or not match.groupdict().get(group):
            return None
        removed = [end.start() - index for index, end in enumerate(re.finditer("\r\n", text))]
        start, stop = (len(match.string[:at].encode()) + sum(one < at for one in removed) for at in match.span(group))
        return self.source(name, "the version", match[group], (start, stop))

    def whole(self, name: str) -> VersionSource | None:
        """The version that is all that a file holds."""
        return self.matched(name, r"\A\s*(?P<version>\S+)\s*\Z")

    def attribute(self, module: str, attribute: str, stems: _Stems, depth: int = 0) -> VersionSource | None:
        """The version that a module binds to a name, or imports from another module of the package."""
        for name in (f"{stem}{end}" for stem in stems(module) for end in (".py", "/__init__.py")):
            data = self.data(name)
            if data is None:
                continue
            tree = parsed(data)
            if tree is None:
                return None
            if bound := version_attribute(tree, attribute):
                return self.source(name, attribute, bound[0], literal_span(data, bound[1]))
            package = module if name.endswith("/__init__.py") else module.rpartition(".")[0]
            for origin, original in _imported_from(tree, attribute, package) if depth < 3 else ():
                return self.attribute(origin, original, stems, depth + 1)
        return None

    def source(self, name: str, what: str, text: str, span: tuple[int, int]) -> VersionSource:
        """The version with its place."""
        return VersionSource(path=self.path(name), what=what, at=(), text=text, span=span)


def _imported_from(tree: ast.Module, name: str, package: str) -> Iterable[tuple[str, str]]:
    """The module, and the name in it, from which a module of `package` imports `name`."""
    for node in tree.body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if isinstance(node, ast.ImportFrom) and name == (alias.asname or alias.name):
                parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                yield ".".join((*parents, *filter(None, [node.module]))), alias.name


def literal_span(data: bytes, literal: ast.expr) -> tuple[int, int]:
    """The byte range of a string's text in its source; that of the expression for others.

    A literal with escapes gives a range with other text, which `filesystem.edits.new_contents` refuses.
    """
    lines = data.splitlines(keepends=True)  # splits bytes at \n, \r and \r\n only, like Python's parser
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    start, end = (
        sum(map(len, lines[: line - 1])) + column + (bom if line == 1 else 0)
        for line, column in (
            (literal.lineno, literal.col_offset), (literal.end_lineno or 0, literal.end_col_offset or 0),
        )
    )  # fmt: skip
    if not isinstance(literal, ast.Constant):
        return start, end
    text = str(literal.value).encode()
    offset = max(data[start:end].find(quote + text) + len(quote) for quote in (b'"', b"'"))
    return start + offset, start + offset + len(text)


# What each backend reads ----------------------------------------------------------------------------------------------

_Tables = Mapping[str, Any]

_ASSIGNED = r"""(?i)^(__version__|VERSION)(?: ?\: ?str)? *= *(['"])v?(?P<{}>.+?)\2"""
"""The default of hatchling and scikit-build-core (`DEFAULT_PATTERN`, hatchling 1.27; scikit-build-core 0.11)."""


def _of_setuptools(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    settings = table(tool, "setuptools")
    named = table(table(settings, "dynamic"), "version")
    if isinstance(file := named.get("file"), str | list):
        files = [file] if isinstance(file, str) else file
        return place.whole(str(files[0])) if len(files) == 1 else None
    module, dot, attribute = str(named.get("attr", "")).rpartition(".")
    if not dot:
        return None
    folders = table(settings, "package-dir")
    where = table(table(settings, "packages"), "find").get("where")
    roots = [folders[""]] if "" in folders else where if isinstance(where, list) and where else [".", "src"]

    def stems(name: str) -> Iterable[str]:
        """By the nearest package with a folder of its own (`find_package_path` of setuptools)."""
        parts = name.split(".")
        for count in range(len(parts), 0, -1):
            if (own := folders.get(".".join(parts[:count]))) is not None:
                return ["/".join((str(own) or ".", *parts[count:]))]
        return ["/".join((str(root) or ".", *parts)) for root in roots]

    return place.attribute(module, attribute, stems)


def _of_hatchling(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    named = table(table(tool, "hatch"), "version")
    if named.get("source", "regex") != "regex" or not isinstance(named.get("path"), str):
        return None
    pattern = named.get("pattern")
    return place.matched(named["path"], pattern if isinstance(pattern, str) else _ASSIGNED.format("version"))


def _of_scikit_build(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    named = table(table(table(tool, "scikit-build"), "metadata"), "version")
    if named.get("provider") != "scikit_build_core.metadata.regex" or not isinstance(named.get("input"), str):
        return None
    if named.get("result", "{value}") != "{value}" or named.get("remove"):
        return None
    return place.matched(named["input"], str(named.get("regex") or _ASSIGNED.format("value")), "value")


def _of_pdm(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    named = table(table(tool, "pdm"), "version")
    if named.get("source") != "file" or not isinstance(named.get("path"), str):
        return None
    return place.matched(named["path"], r"""^__version__\s*(?::.+?)?=\s*(['"])(?P<version>.+?)\1""")


def _of_flit(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    named = table(table(tool, "flit"), "module").get("name") or normalised_name(str(project.get("name")))
    return place.attribute(
        str(named), "__version__", lambda module: (f"{root}/{module.replace('.', '/')}" for root in (".", "src"))
    )


def _of_meson(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    before = r"\A(?:\s|#.*+)*+project\s*\((?:[^()'#]|'[^'\n]*'|#.*+)*?\bversion\s*:\s*"
    if literal := place.matched("meson.build", rf"{before}'(?P<version>[^'\n]+)'"):
        return literal
    file = place.matched("meson.build", rf"{before}files\(\s*'(?P<version>[^'\n]+)'\s*\)")
    return place.whole(file.text) if file else None


def _of_poetry(place: _Place, project: _Tables, tool: _Tables) -> VersionSource | None:
    version = table(tool, "poetry").get("version")
    if not isinstance(version, str):
        return None
    at = ("tool", "poetry", "version")
    return VersionSource(path=place.path("pyproject.toml"), what="[tool.poetry] version", at=at, text=version)


_READERS = {
    "setuptools": _of_setuptools,
    "hatchling": _of_hatchling,
    "scikit_build_core": _of_scikit_build,
    "pdm": _of_pdm,
    "flit_core": _of_flit,
    "mesonpy": _of_meson,
    "poetry": _of_poetry,
}
"""By the first part of `build-backend` (the documentation of setuptools 80, hatchling 1.27, scikit-build-core 0.11,
pdm-backend 2.5, flit-core 3.12, meson-python 0.18 and poetry-core 2.2, November 2026)."""
