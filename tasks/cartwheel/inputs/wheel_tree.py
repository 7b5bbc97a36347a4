"""The files that maturin packs into a wheel besides compiled ones, and those that METADATA is made from.

The rules are maturin's (1.14's source, tested with 1.16): it walks the folder of pyproject.toml with the `ignore`
crate, including hidden files, and keeps what lies below the Python packages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.cargo.maturin_layout import crate_manifest
from cartwheel.cargo.workspace import package_value
from cartwheel.filesystem.manifest_files import table
from cartwheel.filesystem.read_set import relative_name
from cartwheel.filesystem.windows_files import is_junction
from cartwheel.inputs import globs
from cartwheel.inputs.pyproject_parts import wheel_patterns
from cartwheel.model.config.bindings import module_name

_COMPILED = (".so", ".pyd", ".dll", ".dylib", ".pdb", ".dwp")
_LICENSES = ("LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*")
"""The default of `license-files` (PEP 639, maturin 1.9)."""
_READMES = ("README.md", "README.txt", "README")
_BINDINGS = ("uniffi.toml", "cbindgen.toml")


def packed_files(
    folder: Path, root: Path, *, pyproject: Mapping[str, Any], cargo: Mapping[str, Any], git: bool | None = None
) -> tuple[str, ...]:
    """The files, besides compiled ones, that are packed into the wheel or used for its METADATA.

    `folder` holds pyproject.toml; `cargo` is the crate's manifest. `git` says whether `.gitignore` files apply. With
    None, they apply as in maturin: if the folder, a parent or a walked folder holds a `.git`, and only files from the
    folder downwards are read.
    """
    layout = _layout(folder, pyproject, cargo)
    excluded = globs.rules(_patterns(layout.settings.get("exclude")))
    sources = {*_python(layout, git), *_include_files(layout), *_data(layout)}
    packed = {path for path in sources if not _is_excluded(path, layout.folder, excluded)}
    fixed = {*_documents(layout), *_stubs(layout), *_settings(layout)}
    return tuple(sorted({relative_name(p, root) for p in packed | fixed if p.name != ".git" and p.is_file()}))


def walked_files(
    folder: Path, root: Path, *, pyproject: Mapping[str, Any], cargo: Mapping[str, Any]
) -> tuple[str, ...]:
    """Every path that maturin visits in the Python packages, including non-files and git's own files."""
    return tuple(relative_name(path, root) for path in _python(_layout(folder, pyproject, cargo), None))


def stale_extensions(
    folder: Path, root: Path, *, pyproject: Mapping[str, Any], cargo: Mapping[str, Any]
) -> tuple[str, ...]:
    """Compiled files of the package's extension module that an in-place build left in the Python sources."""
    layout = _layout(folder, pyproject, cargo)
    suffixes = "|".join(re.escape(suffix) for suffix in _COMPILED)
    ours = re.compile(rf"(?:lib)?{re.escape(layout.extension)}(?:\.[^/]+)?(?:{suffixes})")
    paths = {p for folder in layout.extension_folders for p in _files_in(folder) if ours.fullmatch(p.name)}
    return tuple(sorted(relative_name(path, root) for path in paths))


def _files_in(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_file()]
    except OSError:
        return []


class _Layout(Struct, frozen=True, kw_only=True):
    """The folders and settings from which maturin collects files."""

    folder: Path
    crate: Path
    pyproject: Mapping[str, Any]
    cargo: Mapping[str, Any]
    settings: Mapping[str, Any]
    pythons: tuple[Path, ...]
    module: str

    @property
    def extension(self) -> str:
        """The last part of the module's name."""
        return self.module.rpartition(".")[2]

    @property
    def extension_folders(self) -> tuple[Path, ...]:
        """The folders in which an in-place build puts the module."""
        parts = self.module.split(".")
        return tuple(python.joinpath(*(parts[:-1] or parts)) for python in self.pythons)

    @property
    def tops(self) -> tuple[Path, ...]:
        """The folders of the Python packages."""
        names = [self.module.split(".")[0], *_strings(self.settings.get("python-packages"))]
        paths = (Path(os.path.abspath(python / name)) for python in self.pythons for name in names)
        return tuple(dict.fromkeys(paths))


def _layout(folder: Path, pyproject: Mapping[str, Any], cargo: Mapping[str, Any]) -> _Layout:
    top = Path(os.path.abspath(folder))
    settings = table(table(pyproject, "tool"), "maturin")
    manifest = crate_manifest(top, pyproject)
    return _Layout(
        folder=top, crate=manifest.parent if manifest else top, pyproject=pyproject, cargo=cargo, settings=settings,
        pythons=_pythons(top, settings), module=module_name(pyproject, cargo),
    )  # fmt: skip


def _pythons(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, ...]:
    """The folder in `python-source`; without it, the package's folder and `src`, which some maturin versions detect."""
    source = settings.get("python-source")
    return (Path(os.path.abspath(folder / source)),) if isinstance(source, str) else (folder, folder / "src")


# ---- the Python packages -----------------------------------------------------------------------------------------


class _Level(Struct, frozen=True, kw_only=True):
    """The ignore files of one folder on the path downwards, and whether it is the root of a repository."""

    inside: str
    ignore: tuple[globs.IgnoreRule, ...]
    gitignore: tuple[globs.IgnoreRule, ...]
    repository: bool


def _python(layout: _Layout, git: bool | None) -> Iterator[Path]:
    tops = layout.tops
    for top in tops:
        if any(other != top and other in top.parents for other in tops):
            continue
        levels = _levels_to(layout.folder, top, git)
        if levels is not None:
            for path in _walk(top, levels, git):
                if not _is_left_over(path, layout.extension):
                    yield path


def _levels_to(folder: Path, top: Path, git: bool | None) -> tuple[_Level, ...] | None:
    """The rules from the folder down to a package; None if maturin's walk does not reach the package.

    maturin does not walk a package outside the folder. It gets no rules, so that all of it counts.
    """
    if not top.is_dir():
        return None
    if folder not in top.parents:
        return ()
    levels: tuple[_Level, ...] = (_level(folder, git, *folder.parents),)
    for parent in [*[p for p in reversed(top.parents) if folder in p.parents], top]:
        if parent.is_symlink() or _is_ignored(levels, os.fspath(parent), folder=True, git=git):
            return None
        if parent != top:
            levels += (_level(parent, git),)
    return levels


def _walk(folder: Path, above: tuple[_Level, ...], git: bool | None) -> Iterator[Path]:
    levels = (*above, _level(folder, git))
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False) and not is_junction(entry.stat(follow_symlinks=False))
        if _is_ignored(levels, entry.path, folder=is_folder, git=git):
            continue
        if is_folder:
            yield from _walk(Path(entry.path), levels, git)
        elif not entry.is_dir():
            yield Path(entry.path)


def _level(folder: Path, git: bool | None, *above: Path) -> _Level:
    repository = git is None and any((p / name).exists() for p in (folder, *above) for name in (".git", ".jj"))
    return _Level(
        inside=os.path.join(folder, ""),
        ignore=_rules(folder / ".ignore"),
        gitignore=() if git is False else _rules(folder / ".gitignore"),
        repository=repository,
    )


def _rules(path: Path) -> tuple[globs.IgnoreRule, ...]:
    try:
        return globs.rules(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return ()


def _is_ignored(levels: tuple[_Level, ...], path: str, *, folder: bool, git: bool | None) -> bool:
    """Whether an entry is ignored. The nearest `.ignore` with a match decides, else the nearest `.gitignore` in the
    same repository."""
    nearest = levels[::-1]
    for level in nearest:
        verdict = _verdict(level.ignore, level, path, folder)
        if verdict is not None:
            return verdict
    if git is False or (git is None and not any(level.repository for level in levels)):
        return False
    for level in nearest:
        verdict = _verdict(level.gitignore, level, path, folder)
        if verdict is not None:
            return verdict
        if level.repository:
            break
    return False


def _verdict(rules: tuple[globs.IgnoreRule, ...], level: _Level, path: str, folder: bool) -> bool | None:
    if not rules:
        return None
    return globs.verdict(rules, path[len(level.inside) :].replace(os.sep, "/"), folder=folder)


def _is_left_over(path: Path, extension: str) -> bool:
    """Whether maturin considers a file the output of an in-place build and omits it."""
    bundles = [part.removesuffix(".dSYM") for part in path.parts if part.endswith(".dSYM")]
    name = bundles[0] if bundles else path.name
    return (bool(bundles) or name.endswith(_COMPILED)) and name.startswith((extension, f"lib{extension}"))


# ---- other files that are named ----------------------------------------------------------------------------------


def _include_files(layout: _Layout) -> Iterator[Path]:
    """The files that `include` names, regardless of ignore files. Rows from OUT_DIR are left out: the build script's
    inputs count instead."""
    for pattern in _patterns(layout.settings.get("include")):
        paths = list(globs.matching_files(layout.folder, pattern))
        yield from paths or (path for python in layout.pythons for path in globs.matching_files(python, pattern))


def _data(layout: _Layout) -> Iterator[Path]:
    name = layout.settings.get("data")
    folder = layout.folder / (name if isinstance(name, str) else f"{layout.module}.data")
    for parent, _, files in os.walk(folder, followlinks=True):
        yield from (Path(parent) / file for file in files)


def _is_excluded(path: Path, folder: Path, rules: tuple[globs.IgnoreRule, ...]) -> bool:
    """Whether `exclude` matches. maturin matches the file's path only, never a folder above it. Its deprecated match by
    the path in the wheel is not reproduced."""
    return path.is_relative_to(folder) and bool(globs.verdict(rules, path.relative_to(folder).as_posix(), folder=False))


def _documents(layout: _Layout) -> Iterator[Path]:
    """The readme and licence files named in pyproject.toml and Cargo.toml."""
    project = table(layout.pyproject, "project")
    readme, license_ = project.get("readme"), project.get("license")
    for value in ({"file": readme} if isinstance(readme, str) else readme, license_):
        if isinstance(value, dict) and isinstance(value.get("file"), str):
            yield layout.folder / value["file"]
    for key in ("license-file", *(["readme"] if not project or "readme" in project.get("dynamic", ()) else [])):
        value, place = package_value(layout.crate / "Cargo.toml", key)
        names = (value,) if isinstance(value, str) else _READMES if key == "readme" and value is not False else ()
        yield from (place / name for name in names)
    patterns = project.get("license-files", _LICENSES)
    for pattern in _strings(patterns if isinstance(patterns, list | tuple) else list(_LICENSES)):
        yield from globs.matching_files(layout.folder, pattern)


def _stubs(layout: _Layout) -> Iterator[Path]:
    """`<module>.pyi` beside pyproject.toml, which becomes the stub if the module has no Python package."""
    stub = layout.folder / f"{layout.extension}.pyi"
    if stub.is_file():
        yield stub


def _settings(layout: _Layout) -> Iterator[Path]:
    """Files that control what maturin generates."""
    for name in _strings(table(layout.settings, "sbom").get("include")):
        yield layout.folder / name
    yield from (layout.crate / name for name in _BINDINGS if (layout.crate / name).is_file())


def _patterns(rows: object) -> Iterator[str]:
    for row in wheel_patterns(rows):
        if isinstance(row, str):
            yield row
        elif isinstance(row, dict) and row.get("from", "source") != "out-dir" and isinstance(row.get("path"), str):
            yield row["path"]


def _strings(values: object) -> Iterable[str]:
    return [v for v in values if isinstance(v, str)] if isinstance(values, list | tuple) else []
