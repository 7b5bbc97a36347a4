"""One version everywhere: the place that decides it, the places that must agree, and the differences.

The deciding place is the crate's version (its manifest's or its workspace's), or `[project] version` without a crate.
These move with it: crates that inherit it, path dependencies pinned to it with `=`, requirements on those crates, the
package's entries in lockfiles, the static version in pyproject.toml and a literal `__version__`.  No other crate moves.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.cargo.package_manifests import read_package, with_setuptools_crate
from cartwheel.filesystem.dynamic_version import literal_span
from cartwheel.filesystem.edits import TextPlace, new_contents, toml_place
from cartwheel.filesystem.read_set import is_outside, relative_name, source_top
from cartwheel.model.config.manifests import (
    Manifests,
    VersionSource,
    crate_version,
    from_git,
    has_separate_crate_version,
    path_in,
    truth,
)
from cartwheel.model.config.release_settings import VersionPattern
from cartwheel.model.errors import ConfigError
from cartwheel.model.python_constants import parsed
from cartwheel.model.versions.version import pattern_value, pep440, semver, version_difference, version_spans
from cartwheel.model.wheels.wheel_name import canonical_name
from cartwheel.versions.python_locks import lock_places, locks_above, pinned_elsewhere
from cartwheel.versions.rust_places import rust_places
from cartwheel.versions.unmoved_files import unmoved_files


class VersionSurvey(Struct, frozen=True, kw_only=True):
    """The places of a package's version, and the files that were read to find them."""

    places: tuple[TextPlace, ...]
    """The deciding place first; empty if the version comes from git."""
    read: tuple[str, ...]
    """Relative to the project; includes missing files whose creation would matter."""
    crates: tuple[str, ...] = ()
    """The names of the crates with this version."""
    notes: tuple[str, ...] = ()
    """Lines about files that hold the version but are not changed."""

    @property
    def truth(self) -> TextPlace:
        """The place that decides the version."""
        return self.places[0]


def survey(
    root: Path, folder: str, declared: Iterable[VersionPattern] = (), *, to: str = "", tracked: tuple[str, ...] = ()
) -> VersionSurvey:
    """Every place of the package's version, in a stable order.

    `declared`: the package's config key `versions`.  `to`: the new version, if it is about to change; it is then
    expected in every place.  `tracked`: the repository's files, relative to the project, for places in other workspaces
    and lockfiles.
    """
    manifests = read_package(root, folder)
    if from_git(manifests.pyproject):
        return VersionSurvey(places=(), read=manifests.paths)
    source = truth(manifests)
    version = to or source.text
    name = str(manifests.pyproject.get("project", {}).get("name", ""))
    rows = [
        TextPlace(
            path=source.path, what=source.what, found=source.text, expected=version, at=source.at, span=source.span
        )
    ]
    read, crates = set(manifests.paths), tuple[str, ...]()
    if crated := _with_its_crate(root, manifests, source):
        rust = rust_places(root, crated, source, semver(version), tracked)
        rows, crates = [*rows, *rust.places], rust.crates
        read.update(rust.read)
    rows += _static_version(folder, manifests, source, version)
    locks = locks_above(root, folder, source_top(root))
    read.update(locks)
    rows += lock_places(root, folder, name, version, dict.fromkeys((*locks, *tracked)))
    written = {(row.path, row.span) for row in rows}
    dunder = _dunder_version(root, folder, manifests, version, read)
    rows += (row for row in dunder if (row.path, row.span) not in written)
    for pattern in declared:
        rows.append(_declared_place(root, folder, pattern, version))
        read.add(rows[-1].path)
    return VersionSurvey(
        places=tuple(rows),
        read=tuple(sorted(read)),
        crates=tuple(sorted(crates)),
        notes=_unmoved(root, folder, name, source.text, tracked, rows) if to else (),
    )


def _unmoved(
    root: Path, folder: str, name: str, version: str, tracked: tuple[str, ...], rows: Iterable[TextPlace]
) -> tuple[str, ...]:
    moved = {row.path for row in rows if row.span != (0, 0) or not row.path.endswith("pyproject.toml")}
    return (
        *pinned_elsewhere(root, folder, name, version, tracked),
        *unmoved_files(root, folder, version, tracked, moved),
    )


def _with_its_crate(root: Path, manifests: Manifests, source: VersionSource) -> Manifests | None:
    """The manifests of a package whose crate has its version: with maturin unless `version-from` says otherwise, with
    setuptools-rust if they agree; None for others."""
    if manifests.cargo_path:
        return None if has_separate_crate_version(manifests) else manifests
    crated = with_setuptools_crate(root, manifests)
    try:
        return crated if crated.cargo_path and crate_version(crated).text == semver(source.text) else None
    except ConfigError:  # a crate without a version
        return None


def places(root: Path, folder: str, declared: Iterable[VersionPattern] = ()) -> tuple[TextPlace, ...]:
    """The places of `survey`."""
    return survey(root, folder, declared).places


def version_disagreements(rows: Iterable[TextPlace]) -> tuple[str, ...]:
    """One line for each place that holds another version; empty if all agree."""
    return tuple(
        f"{place.path}: {place.what} is '{place.found}', expected '{place.expected}'"
        for place in rows
        if place.found != place.expected
    )


def write_versions(root: Path, rows: Iterable[TextPlace]) -> tuple[str, ...]:
    """Write the expected version to every place that differs, in all files or none; returns one line per place."""
    from cartwheel.filesystem.files import replace_all

    wrong = tuple({(p.path, p.at, p.span): p for p in rows if p.found != p.expected}.values())
    with replace_all(root, new_contents(root, wrong)):
        return tuple(f"{place.path}: {place.what} {place.found} → {place.expected}" for place in wrong)


# Python files and declared patterns -----------------------------------------------------------------------------------


def _static_version(folder: str, manifests: Manifests, source: VersionSource, version: str) -> Iterator[TextPlace]:
    text = manifests.pyproject.get("project", {}).get("version")
    path = path_in(folder, "pyproject.toml")
    if isinstance(text, str) and source.path != path:
        yield toml_place(path, ("project", "version"), text, _spelling(text, pep440(version)))


def _dunder_version(root: Path, folder: str, manifests: Manifests, version: str, read: set[str]) -> Iterator[TextPlace]:
    for path in _module_files(root / folder, manifests.pyproject):
        shown = relative_name(path, root)
        if not is_outside(shown):
            read.add(shown)
        if path.is_file():
            literal = _literal_version(path)
            if literal:
                text_found, span = literal
                yield TextPlace(
                    path=shown,
                    what="__version__",
                    found=text_found,
                    expected=_spelling(text_found, pep440(version)),
                    span=span,
                )
            return


def _declared_place(root: Path, folder: str, declared: VersionPattern, version: str) -> TextPlace:
    """The only match of a declared pattern; raises `ConfigError` unless there is exactly one."""
    shown = relative_name((root / folder / declared.file).resolve(), root)
    where = f"{path_in(folder, 'pyproject.toml')} [tool.cartwheel] versions"
    if os.path.isabs(shown):
        raise ConfigError(f"{where}: '{declared.file}' lies outside the project; expected a file in it")
    try:
        text = (root / shown).read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{where}: '{declared.file}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: '{declared.file}' is not UTF-8 text") from None
    spans = version_spans(declared.pattern, text)
    if len(spans) != 1:
        lines = ", ".join(str(text.count("\n", 0, start) + 1) for start, _ in spans)
        raise ConfigError(
            f"{where}: the pattern {declared.pattern!r} matches "
            + (f"{len(spans)} times in {shown} (lines {lines}); " if spans else f"nothing in {shown}; ")
            + "expected exactly once"
        )
    ((start, end),) = spans
    span = len(text[:start].encode()), len(text[:end].encode())
    expected = pattern_value(declared.pattern, version)
    return TextPlace(
        path=shown, what=f"the version in {declared.pattern!r}", found=text[start:end], expected=expected, span=span
    )


def _module_files(here: Path, pyproject: Mapping[str, Any]) -> Iterator[Path]:
    """Candidate paths of the module's `__init__.py`: from the backend's settings first, then the usual folders."""
    tool = pyproject.get("tool", {})
    maturin = tool.get("maturin", {})
    name = str(maturin.get("module-name") or canonical_name(str(pyproject.get("project", {}).get("name", "")))).split(
        "."
    )[0]
    name = name.replace("-", "_")
    hatch = tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {}).get("packages", ())
    for folder in hatch:
        yield here / folder / "__init__.py"
    mapped = tool.get("setuptools", {}).get("package-dir", {}).get("", ".")
    for source in dict.fromkeys((maturin.get("python-source", mapped), "src", "python", ".")):
        yield here / source / name / "__init__.py"


def _literal_version(path: Path) -> tuple[str, tuple[int, int]] | None:
    """The text of a top-level `__version__ = "…"`, and the byte range between its quotes.

    None if the module binds the name more than once: the literal is then a fallback, such as `"unknown"`, for a version
    that is imported or looked up.
    """
    import ast

    data = path.read_bytes()
    tree = parsed(data)
    if tree is None:
        return None  # the build or the tests report it, with the place
    bound = [
        name
        for node in ast.walk(tree)
        for name in (
            [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            else [alias.asname or alias.name for alias in node.names] if isinstance(node, ast.ImportFrom)
            else []
        )
    ]  # fmt: skip
    if bound.count("__version__") != 1:
        return None
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
        )
        named = any(isinstance(target, ast.Name) and target.id == "__version__" for target in targets)
        value = node.value if named and isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value, literal_span(data, value)
    return None


def _spelling(text: str, expected: str) -> str:
    """Keep the text that was found if it is another spelling of the expected Python version."""
    return text if not version_difference(text, expected) else expected
