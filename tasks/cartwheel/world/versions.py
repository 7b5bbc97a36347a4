"""One version everywhere: where it is the truth, where else it must stand, and what differs.

The truth is the crate's version (its own or its workspace's), or `[project] version` where there is no crate.  What
moves with it: crates that inherit it, path dependencies pinned to it with `=`, requirements on those crates, the two
lock files' own entries, the static version in pyproject.toml and a literal `__version__`.  No other crate moves.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.manifests import Keys, Manifests, Truth, inside, truth
from cartwheel.model.version import pep440, same
from cartwheel.world.crates import Crate, crates_of, locked, needs, read_crate, relative
from cartwheel.world.manifests import read_package, read_toml


class Place(Struct, frozen=True, kw_only=True):
    """A place where the version stands, and what should stand there."""

    path: str
    """Relative to the project."""
    what: str
    """What a reader finds there, such as `[workspace.package] version`."""
    found: str
    expected: str
    at: Keys = ()
    """The keys that lead to it in a TOML file; empty for `__version__` in a Python file."""
    line: int = 0
    """The line of `__version__` in a Python file, from 1."""


def version_of(root: Path, folder: str) -> str:
    """The package's PEP 440 version; reads two or three files and nothing else."""
    return pep440(written_version(root, folder))


def written_version(root: Path, folder: str) -> str:
    """The package's version as its manifest writes it: SemVer in a Cargo.toml."""
    return truth(read_package(root, folder)).text


def places(root: Path, folder: str) -> tuple[Place, ...]:
    """Every place where the package's version stands, the truth first; paths in a stable order."""
    manifests = read_package(root, folder)
    source = truth(manifests)
    found = [Place(path=source.path, what=source.what, found=source.text, expected=source.text, at=source.at)]
    if manifests.cargo_path:
        found += _rust_places(root, manifests, source)
        found += _static_version(folder, manifests, source)
    found += _uv_lock(root, folder, manifests, source)
    found += _dunder_version(root, folder, manifests, source)
    return tuple(found)


def disagreements(found: Iterable[Place]) -> tuple[str, ...]:
    """One line for each place where another version stands; nothing when all agree."""
    return tuple(
        f"{place.path}: {place.what} is '{place.found}', expected '{place.expected}'"
        for place in found
        if place.found != place.expected
    )


def write(root: Path, folder: str) -> tuple[str, ...]:
    """Put the version wherever it must stand and say what changed; all files or none.

    Every edit is an exact replacement that is proven, by parsing, to have changed that one value and nothing else.
    """
    from cartwheel.world.files import write_atomically

    wrong = tuple(place for place in places(root, folder) if place.found != place.expected)
    before = {path: _bytes(root / path) for path in dict.fromkeys(place.path for place in wrong)}
    after = dict(before)
    for place in wrong:
        after[place.path] = _edited(after[place.path], place)
    try:
        for path, data in after.items():
            write_atomically((root / path).resolve(), data)
    except OSError as error:
        for path, data in before.items():
            _put_back(root / path, data)
        raise ConfigError(
            f"{error.filename}: cannot be written ({error.strerror}); every manifest is as it was"
        ) from None
    return tuple(f"{place.path}: {place.what} {place.found} → {place.expected}" for place in wrong)


# The crates of a workspace -------------------------------------------------------------------------------------------


def _rust_places(root: Path, manifests: Manifests, source: Truth) -> Iterator[Place]:
    base = root / manifests.cargo_path
    top = read_crate(root, root / manifests.workspace_path) if manifests.workspace_path else read_crate(root, base)
    crates = crates_of(root, top, base)
    lock = locked(root, top)
    moving = _moving(crates, crates[base.parent.resolve()], top, source, lock)
    for crate in moving.values():
        if crate.version and crate.path != source.path:
            yield _toml_place(crate.path, ("package", "version"), crate.version, source.text)
    for crate in {top.path: top, **{c.path: c for c in crates.values()}}.values():
        yield from _requirements(crate, moving, source.text)
    yield from _lock_places(root, top, lock, moving, source.text)


def _moving(
    crates: Mapping[Path, Crate], own: Crate, top: Crate, source: Truth, lock: Mapping[str, str]
) -> dict[Path, Crate]:
    """The package's crate and those that share its version: by inheritance, or by an exact pin from one that does.

    A pinned crate with a version of its own stays: it moves only from the version that the package has or, by
    Cargo.lock, had.
    """
    shared = {source.text, lock.get(own.name, source.text)}
    found = {own.folder: own}
    if source.at[0] == "workspace":
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


def _requirements(crate: Crate, moving: Mapping[Path, Crate], version: str) -> Iterator[Place]:
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
) -> Iterator[Place]:
    path = top.folder / "Cargo.lock"
    names = {crate.name for crate in moving.values()}
    if not names & lock.keys():
        return
    shown = relative(path, root)
    for number, entry in enumerate(read_toml(path, shown)["package"]):
        if entry.get("name") in names and "source" not in entry:
            yield _toml_place(shown, ("package", number, "version"), str(entry["version"]), version, entry["name"])
        for place, text in enumerate(entry.get("dependencies", ())):
            name, _, rest = str(text).partition(" ")
            if rest and rest == lock.get(name) and name in names:  # written out where the lock has two of that name
                at = ("package", number, "dependencies", place)
                yield _toml_place(shown, at, str(text), f"{name} {version}", f"{entry['name']} on {name}")


def _uv_lock(root: Path, folder: str, manifests: Manifests, source: Truth) -> Iterator[Place]:
    name = _normal(str(manifests.pyproject.get("project", {}).get("name", "")))
    here = (root / folder).resolve()
    for above in dict.fromkeys((root / folder, root)):
        path = above / "uv.lock"
        if not path.is_file():
            continue
        shown = relative(path, root)
        for number, entry in enumerate(read_toml(path, shown).get("package", ())):
            local = [str(entry.get("source", {}).get(kind, "")) for kind in ("editable", "virtual", "directory")]
            ours = any(where and (above / where).resolve() == here for where in local)
            if ours and "version" in entry and _normal(str(entry.get("name"))) == name:
                at = ("package", number, "version")
                yield _toml_place(shown, at, str(entry["version"]), pep440(source.text), name)


# Python --------------------------------------------------------------------------------------------------------------


def _static_version(folder: str, manifests: Manifests, source: Truth) -> Iterator[Place]:
    found = manifests.pyproject.get("project", {}).get("version")
    if isinstance(found, str):
        path = inside(folder, "pyproject.toml")
        yield _toml_place(path, ("project", "version"), found, _kept(found, pep440(source.text)))


def _dunder_version(root: Path, folder: str, manifests: Manifests, source: Truth) -> Iterator[Place]:
    for path in _module_files(root / folder, manifests.pyproject):
        if path.is_file():
            literal = _literal_version(path)
            if literal:
                line, found = literal
                expected = _kept(found, pep440(source.text))
                shown = relative(path, root)
                yield Place(path=shown, what="__version__", found=found, expected=expected, line=line)
            return


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


def _literal_version(path: Path) -> tuple[int, str] | None:
    """Line and text of `__version__ = "…"` at a module's top level."""
    import ast

    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None  # the build or the tests say so, with the place
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
        )
        named = any(isinstance(target, ast.Name) and target.id == "__version__" for target in targets)
        value = node.value if named and isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.lineno, value.value
    return None


# Editing -------------------------------------------------------------------------------------------------------------


def _edited(data: bytes, place: Place) -> bytes:
    if not place.at:
        return _edited_python(data, place)
    text = data.decode()
    wanted = _with_value(tomllib.loads(text), place.at, place.expected)
    for start in _occurrences(text, place.found):
        candidate = text[:start] + place.expected + text[start + len(place.found) :]
        if _parsed(candidate) == wanted:
            return candidate.encode()
    raise _nothing_matched(place)


def _edited_python(data: bytes, place: Place) -> bytes:
    lines = data.splitlines(keepends=True)
    line = lines[place.line - 1]
    found = place.found.encode()
    if line.count(found) != 1:
        raise _nothing_matched(place)
    lines[place.line - 1] = line.replace(found, place.expected.encode())
    return b"".join(lines)


def _occurrences(text: str, part: str) -> Iterator[int]:
    """Where a value's text stands between quotes."""
    for match in re.finditer(rf"""(?<=["']){re.escape(part)}(?=["'])""", text):
        yield match.start()


def _with_value(document: dict[str, Any], keys: Keys, value: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    inner: Any = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _nothing_matched(place: Place) -> ConfigError:
    return ConfigError(
        f"{place.path}: {place.what} reads '{place.found}', but is not written out so; "
        f"change it by hand to '{place.expected}'"
    )


def _put_back(path: Path, data: bytes) -> None:
    from cartwheel.world.files import write_atomically

    try:
        if path.read_bytes() != data:
            write_atomically(path.resolve(), data)
    except OSError:
        pass


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


def _toml_place(path: str, at: Keys, found: str, expected: str, of: str = "") -> Place:
    what = ".".join(_key(key) for key in at if isinstance(key, str))
    return Place(path=path, what=f"{what} of {of}" if of else what, found=found, expected=expected, at=at)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f"'{key}'"


def _kept(found: str, expected: str) -> str:
    """A Python version written in another spelling of the same version may stay."""
    return found if not same(found, expected) else expected


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
