"""One version everywhere: where it is the truth, where else it must stand, and what differs.

The truth is the crate's version (its own or its workspace's), or `[project] version` where there is no crate.  What
moves with it: crates that inherit it, path dependencies pinned to it with `=`, requirements on those crates, the two
lock files' own entries, the static version in pyproject.toml and a literal `__version__`.  No other crate moves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.cargo.lockfile import locked_members
from cartwheel.cargo.package_manifests import read_package
from cartwheel.cargo.workspace import Crate, crates_of, needs, read_crate
from cartwheel.filesystem.edits import TextPlace, new_contents
from cartwheel.filesystem.manifest_files import read_toml
from cartwheel.filesystem.read_set import is_outside, relative_name, source_top
from cartwheel.model.config.manifests import Keys, Manifests, VersionSource, crate_version, from_git, inside, truth
from cartwheel.model.config.release_settings import VersionPattern
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440, same, semver, version_spans, written_as

if TYPE_CHECKING:
    import ast


class VersionSurvey(Struct, frozen=True, kw_only=True):
    """Where a package's version stands, and what was read to know that."""

    places: tuple[TextPlace, ...]
    """The truth first; none where the version comes from git and so stands nowhere."""
    read: tuple[str, ...]
    """Relative to the project; with files that are not there and whose appearance counts."""
    crates: tuple[str, ...] = ()
    """The names of the crates whose version this is."""

    @property
    def truth(self) -> TextPlace:
        """The place where the version is decided."""
        return self.places[0]


def survey(root: Path, folder: str, declared: Iterable[VersionPattern] = (), *, to: str = "") -> VersionSurvey:
    """Every place where the package's version stands, in a stable order; `declared`: the package's `versions`.

    What is expected there follows from the truth, or, where the version is about to change, from the version `to`.
    """
    manifests = read_package(root, folder)
    if from_git(manifests.pyproject):
        return VersionSurvey(places=(), read=manifests.paths)
    source = truth(manifests)
    version = to or source.text
    found = [TextPlace(path=source.path, what=source.what, found=source.text, expected=version, at=source.at)]
    read, crates = set(manifests.paths), set[str]()
    if manifests.cargo_path:
        found += _rust_places(root, manifests, source, semver(version), read, crates)
    found += _static_version(folder, manifests, source, version)
    found += _uv_lock(root, folder, manifests, version, read)
    found += _dunder_version(root, folder, manifests, version, read)
    for pattern in declared:
        found.append(_declared(root, folder, pattern, version))
        read.add(found[-1].path)
    return VersionSurvey(places=tuple(found), read=tuple(sorted(read)), crates=tuple(sorted(crates)))


def places(root: Path, folder: str, declared: Iterable[VersionPattern] = ()) -> tuple[TextPlace, ...]:
    """The places of `survey`."""
    return survey(root, folder, declared).places


def version_disagreements(found: Iterable[TextPlace]) -> tuple[str, ...]:
    """One line for each place where another version stands; nothing when all agree."""
    return tuple(
        f"{place.path}: {place.what} is '{place.found}', expected '{place.expected}'"
        for place in found
        if place.found != place.expected
    )


def write_versions(root: Path, found: Iterable[TextPlace]) -> tuple[str, ...]:
    """Put the version wherever it must stand and say what changed; all files or none."""
    from cartwheel.filesystem.files import replace_all

    wrong = tuple({(p.path, p.at, p.span): p for p in found if p.found != p.expected}.values())
    with replace_all(root, new_contents(root, wrong)):
        return tuple(f"{place.path}: {place.what} {place.found} → {place.expected}" for place in wrong)


# The crates of a workspace -------------------------------------------------------------------------------------------


def _rust_places(
    root: Path, manifests: Manifests, source: VersionSource, version: str, read: set[str], names: set[str]
) -> Iterator[TextPlace]:
    """`version`: SemVer; `names` is given those of the crates that have it."""
    base = root / manifests.cargo_path
    top = read_crate(root / (manifests.workspace_path or manifests.cargo_path), root)
    crates = crates_of(root, top, base)
    lock = locked_members(top)
    known = {top.path: top, **{crate.path: crate for crate in crates.values()}}
    read.update(path for path in (*known, relative_name(top.folder / "Cargo.lock", root)) if not os.path.isabs(path))
    home = crate_version(manifests)
    moving = _moving(crates, crates[Path(os.path.abspath(base.parent))], top, home, lock)
    names.update(crate.name for crate in moving.values())
    if home.at[0] == "workspace" and home.path != source.path:
        yield _toml_place(home.path, home.at, home.text, version)
    for crate in moving.values():
        if crate.version and crate.path != source.path:
            yield _toml_place(crate.path, ("package", "version"), crate.version, version)
    for crate in known.values():
        yield from _requirements(crate, moving, version)
    yield from _lock_places(root, top, lock, moving, version)


def _moving(
    crates: Mapping[Path, Crate], own: Crate, top: Crate, home: VersionSource, lock: Mapping[str, str]
) -> dict[Path, Crate]:
    """The package's crate and those that share its version: by inheritance, or by an exact pin from one that does.

    A pinned crate with a version of its own stays: it moves only from the version that the package has or, by
    Cargo.lock, had.
    """
    shared = {home.text, lock.get(own.name, home.text)}
    found = {own.folder: own}
    if home.at[0] == "workspace":
        found |= {folder: crate for folder, crate in crates.items() if crate.inherits}
    waiting = list(found.values())
    while waiting:
        crate = waiting.pop()
        for need in (*needs(crate), *(needs(top) if crate is own else ())):
            other = crates.get(need.folder)
            if other is None or other.folder in found or not other.version:
                continue
            if need.requirement.replace(" ", "").startswith("=") and other.version in shared:
                found[other.folder] = other
                waiting.append(other)
    return found


def _requirements(crate: Crate, moving: Mapping[Path, Crate], version: str) -> Iterator[TextPlace]:
    for need in needs(crate):
        if need.requirement and need.folder in moving:
            expected = _requirement(need.requirement, version)
            yield _toml_place(crate.path, (*need.keys, "version"), need.requirement, expected)


def _requirement(found: str, version: str) -> str:
    """The requirement with the version in it where it is a pin, or where it would not admit the version."""
    match = re.fullmatch(r"(\s*(=|\^|~|)\s*)([0-9][0-9A-Za-z.+-]*)\s*", found)
    if match is None or (match[2] != "=" and _admits(match[2], match[3], version)):
        return found
    return match[1] + version


def _admits(operator: str, bound: str, version: str) -> bool:
    """Whether `^1.2` or `~1.2` takes the version, by Cargo's rules."""
    from semver import Version

    numbers = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:-[^+]*)?)(?:\+.*)?", bound)
    wanted = Version.parse(version)
    if numbers is None:
        return True
    given = [int(part) for part in numbers.groups()[:3] if part is not None]
    low = Version.parse(".".join(str(part) for part in (*given, 0, 0)[:3]) + numbers[4])
    if wanted.prerelease and wanted.finalize_version() != low.finalize_version():
        return False
    if wanted.prerelease and not low.prerelease:
        return False
    fixed = min(len(given), 2) if operator == "~" else _fixed_by_caret(given)
    mine = (wanted.major, wanted.minor, wanted.patch)
    return wanted >= low and mine[:fixed] == (*given, 0, 0)[:fixed]


def _fixed_by_caret(given: list[int]) -> int:
    """How many leading numbers a caret requirement holds fast: up to the first that is not zero."""
    return next((place + 1 for place, part in enumerate(given) if part), len(given))


# Lock files ----------------------------------------------------------------------------------------------------------


def _lock_places(
    root: Path, top: Crate, lock: Mapping[str, str], moving: Mapping[Path, Crate], version: str
) -> Iterator[TextPlace]:
    path = top.folder / "Cargo.lock"
    names = {crate.name for crate in moving.values()}
    if not names & lock.keys():
        return
    shown = relative_name(path, root)
    for number, entry in enumerate(read_toml(path, shown)["package"]):
        if entry.get("name") in names and "source" not in entry:
            yield _toml_place(shown, ("package", number, "version"), str(entry["version"]), version, entry["name"])
        for place, text in enumerate(entry.get("dependencies", ())):
            name, _, rest = str(text).partition(" ")
            if rest and rest == lock.get(name) and name in names:  # written out where the lock has two of that name
                at = ("package", number, "dependencies", place)
                yield _toml_place(shown, at, str(text), f"{name} {version}", f"{entry['name']} on {name}")


def _uv_lock(root: Path, folder: str, manifests: Manifests, version: str, read: set[str]) -> Iterator[TextPlace]:
    """The package's entry in a uv.lock beside it or above; one whose version is dynamic has none there."""
    name = _normal(str(manifests.pyproject.get("project", {}).get("name", "")))
    here = (root / folder).resolve()
    for above in (here, *here.parents):
        if not above.is_relative_to(source_top(root)):
            return
        path = above / "uv.lock"
        shown = relative_name(path, root)
        read.add(shown)
        if not path.is_file():
            continue
        for number, entry in enumerate(read_toml(path, shown).get("package", ())):
            local = [str(entry.get("source", {}).get(kind, "")) for kind in ("editable", "virtual", "directory")]
            ours = any(where and (above / where).resolve() == here for where in local)
            if ours and "version" in entry and _normal(str(entry.get("name"))) == name:
                at = ("package", number, "version")
                yield _toml_place(shown, at, str(entry["version"]), pep440(version), name)


# Python and whatever else ---------------------------------------------------------------------------------------------


def _static_version(folder: str, manifests: Manifests, source: VersionSource, version: str) -> Iterator[TextPlace]:
    found = manifests.pyproject.get("project", {}).get("version")
    path = inside(folder, "pyproject.toml")
    if isinstance(found, str) and source.path != path:
        yield _toml_place(path, ("project", "version"), found, _kept(found, pep440(version)))


def _dunder_version(root: Path, folder: str, manifests: Manifests, version: str, read: set[str]) -> Iterator[TextPlace]:
    for path in _module_files(root / folder, manifests.pyproject):
        shown = relative_name(path, root)
        if not is_outside(shown):
            read.add(shown)
        if path.is_file():
            literal = _literal_version(path)
            if literal:
                found, span = literal
                yield TextPlace(
                    path=shown, what="__version__", found=found, expected=_kept(found, pep440(version)), span=span
                )
            return


def _declared(root: Path, folder: str, declared: VersionPattern, version: str) -> TextPlace:
    """The one place that a declared pattern matches; raises `ConfigError` where it matches nothing, or more."""
    shown = relative_name((root / folder / declared.file).resolve(), root)
    where = f"{inside(folder, 'pyproject.toml')} [tool.cartwheel] versions"
    if os.path.isabs(shown):
        raise ConfigError(f"{where}: '{declared.file}' lies outside the project; expected a file in it")
    try:
        text = (root / shown).read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{where}: '{declared.file}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: '{declared.file}' is not UTF-8 text") from None
    found = version_spans(declared.pattern, text)
    if len(found) != 1:
        lines = ", ".join(str(text.count("\n", 0, start) + 1) for start, _ in found)
        raise ConfigError(
            f"{where}: the pattern {declared.pattern!r} matches "
            + (f"{len(found)} times in {shown} (lines {lines}); " if found else f"nothing in {shown}; ")
            + "expected exactly once"
        )
    ((start, end),) = found
    span = len(text[:start].encode()), len(text[:end].encode())
    expected = written_as(declared.pattern, version)
    return TextPlace(
        path=shown, what=f"the version in {declared.pattern!r}", found=text[start:end], expected=expected, span=span
    )


def _module_files(here: Path, pyproject: Mapping[str, Any]) -> Iterator[Path]:
    """Where the module's `__init__.py` may lie: by the backend's own settings first, then by habit."""
    tool = pyproject.get("tool", {})
    maturin = tool.get("maturin", {})
    name = str(maturin.get("module-name") or _normal(str(pyproject.get("project", {}).get("name", "")))).split(".")[0]
    name = name.replace("-", "_")
    hatch = tool.get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {}).get("packages", ())
    for folder in hatch:
        yield here / folder / "__init__.py"
    for source in dict.fromkeys((maturin.get("python-source", "."), "src", "python", ".")):
        yield here / source / name / "__init__.py"


def _literal_version(path: Path) -> tuple[str, tuple[int, int]] | None:
    """The text of `__version__ = "…"` at a module's top level, and the bytes between its quotes."""
    import ast

    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return None  # the build or the tests say so, with the place
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
        )
        named = any(isinstance(target, ast.Name) and target.id == "__version__" for target in targets)
        value = node.value if named and isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value, _span(data, value)
    return None


def _span(data: bytes, literal: ast.Constant) -> tuple[int, int]:
    """The bytes of a string's text in its source; where it is written with escapes, those that are not its text."""
    lines = data.splitlines(keepends=True)  # for bytes at \n, \r and \r\n only, as Python's own parser does
    start = sum(map(len, lines[: literal.lineno - 1])) + literal.col_offset
    start += 3 if literal.lineno == 1 and data.startswith(b"\xef\xbb\xbf") else 0
    end = sum(map(len, lines[: (literal.end_lineno or 0) - 1])) + (literal.end_col_offset or 0)
    written = data[start:end]
    text = str(literal.value).encode()
    offset = max(written.find(quote + text) + len(quote) for quote in (b'"', b"'"))
    return start + offset, start + offset + len(text)


def _toml_place(path: str, at: Keys, found: str, expected: str, of: str = "") -> TextPlace:
    what = ".".join(_key(key) for key in at if isinstance(key, str))
    return TextPlace(path=path, what=f"{what} of {of}" if of else what, found=found, expected=expected, at=at)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f"'{key}'"


def _kept(found: str, expected: str) -> str:
    """A Python version written in another spelling of the same version may stay."""
    return found if not same(found, expected) else expected


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
