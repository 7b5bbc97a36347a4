"""Two releases as sets of file names: which users lose their wheel, which gain one, which floors rise.

Pure: nothing here reads a file or an index.  Wheels are compared by whom they serve, not by name: an `abi3` wheel
replaces one wheel per interpreter, a `universal2` wheel two architectures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.platform_tags import is_sdist, is_wheel, platforms
from cartwheel.adoption.shipped_wheels import shipped_wheels
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.outside_facts import SUPPORTED
from cartwheel.model.wheels.python import minor
from cartwheel.model.wheels.wheel_name import WheelName

NEWEST_MINOR = minor(SUPPORTED[-1])
"""The newest released CPython 3: how far an `abi3` wheel is taken to reach."""

OLDEST_OF_PURE = 10
"""The oldest CPython 3 that a `py3-none` wheel is taken to serve when wheels for single versions replace it."""

ANY_OTHER = "any other interpreter"


class Cell(Struct, frozen=True, kw_only=True, order=True):
    """One kind of user: a system, an interpreter and a variant of the package."""

    system: str
    """`Platform.label`."""
    interpreter: str
    """`cp313`, `cp314t`, `pypy311_pp73`, or `any other interpreter`."""
    variant: str = ""
    """The letters of the build tag."""

    def __str__(self) -> str:
        system = "any system" if self.system == "any" else self.system
        return " ".join(part for part in (system, self.interpreter, self.variant) if part)


class LostFile(Struct, frozen=True, kw_only=True):
    """A file of the last release without a successor for some of its users."""

    file: str
    cells: tuple[Cell, ...]
    """The users without a wheel; empty for a source distribution."""
    reason: str = ""
    """Why the loss is intended; empty if nothing says so."""


class RaisedFloor(Struct, frozen=True, kw_only=True):
    """A system on which the new wheels need a newer version than the old ones did."""

    system: str
    interpreters: tuple[str, ...]
    old: str
    new: str


class Comparison(Struct, frozen=True, kw_only=True):
    """The changes for users from one release to the next."""

    kept: tuple[str, ...]
    """Files of the new release for users who had a wheel before."""
    lost: tuple[LostFile, ...]
    gained: tuple[str, ...]
    """Files of the new release for users who had no wheel; a new source distribution."""
    raised: tuple[RaisedFloor, ...]

    @property
    def unexplained(self) -> tuple[LostFile, ...]:
        """The losses for which nothing gives a reason."""
        return tuple(row for row in self.lost if not row.reason)


def compare(old: Iterable[str], new: Iterable[str]) -> Comparison:
    """The change from the files of the last release to those of the next, by name; versions are ignored."""
    old, new = tuple(old), tuple(new)
    served = _cells(new)
    before = _cells(old)
    lost = []
    for file in old:
        if is_wheel(file):
            cells = tuple(sorted(cell for cell in cells_of(file) if not _serves(served, cell)))
            lost += [LostFile(file=file, cells=cells)] if cells else []
        elif is_sdist(file) and not any(map(is_sdist, new)):
            lost.append(LostFile(file=file, cells=()))
    gained = tuple(
        file
        for file in new
        if (is_wheel(file) and any(not _serves(before, cell) for cell in cells_of(file)))
        or (is_sdist(file) and not any(map(is_sdist, old)))
    )
    return Comparison(
        kept=tuple(file for file in new if file not in gained),
        lost=tuple(lost),
        gained=gained,
        raised=_higher_floors(before, served),
    )


def _cells(files: Iterable[str]) -> Mapping[Cell, tuple[int, int]]:
    """Every kind of user whom the wheels serve, with the lowest floor."""
    cells: dict[Cell, tuple[int, int]] = {}
    for file in filter(is_wheel, files):
        for cell, floor in cells_of(file).items():
            cells[cell] = min(floor, cells.get(cell, floor))
    return cells


def _serves(served: Mapping[Cell, tuple[int, int]], cell: Cell) -> bool:
    """Whether some wheel serves these users: one for their system, or one for any."""
    return cell in served or replace(cell, system="any") in served


def _higher_floors(
    before: Mapping[Cell, tuple[int, int]], after: Mapping[Cell, tuple[int, int]]
) -> tuple[RaisedFloor, ...]:
    rows: dict[tuple[str, tuple[int, int], tuple[int, int]], list[str]] = {}
    for cell, floor in before.items():
        if (new := after.get(cell, floor)) > floor:
            rows.setdefault((cell.system, floor, new), []).append(cell.interpreter)
    return tuple(
        RaisedFloor(system=system, interpreters=tuple(pythons), old=_version(old), new=_version(new))
        for (system, old, new), pythons in rows.items()
    )


def _version(floor: tuple[int, int]) -> str:
    return f"{floor[0]}.{floor[1]}"


def cells_of(file: str) -> Mapping[Cell, tuple[int, int]]:
    """Whom a wheel serves, each with the floor of the system; empty for a name that is no wheel's."""
    try:
        name = WheelName.parse(file)
    except CartwheelError:
        return {}
    variant = name.build.lstrip("0123456789")
    cells: dict[Cell, tuple[int, int]] = {}
    for platform in (part for tag in name.platforms for part in platforms(tag)):
        for interpreter in _interpreters(name.pythons, name.abis):
            cell = Cell(system=platform.label, interpreter=interpreter, variant=variant)
            cells[cell] = min(platform.floor, cells.get(cell, platform.floor))
    return cells


def _interpreters(pythons: Iterable[str], abis: Iterable[str]) -> Iterable[str]:
    """The interpreters of a wheel's tags: one for `cp313-cp313`, all from 3.9 on for `cp39-abi3`."""
    for python in pythons:
        for abi in abis:
            since = re.fullmatch(r"cp3(\d+)", python)
            if abi in ("abi3", "abi3t") and since:
                free = "t" if abi == "abi3t" else ""
                yield from (f"cp3{minor}{free}" for minor in range(int(since[1]), NEWEST_MINOR + 1))
            elif python in ("py3", "py2"):
                yield from (f"cp3{minor}" for minor in range(OLDEST_OF_PURE, NEWEST_MINOR + 1))
                yield ANY_OTHER
            elif python.startswith("cp"):
                yield re.sub(r"(?<=^cp3[67])m$", "", abi)
            else:
                yield abi if abi != "none" else python


Identity = tuple[str, frozenset[str], frozenset[tuple[str, tuple[int, int]]]]


def identity(file: str) -> Identity:
    """The parts of a name that identify a file across releases: the build tag, the interpreters, and each platform
    with its lowest floor.  How tags are spelled or ordered does not count."""
    cells = cells_of(file)
    if not cells:
        return ("sdist" if is_sdist(file) else file, frozenset(), frozenset())
    name = WheelName.parse(file)
    lowest: dict[str, tuple[int, int]] = {}
    for cell, floor in cells.items():
        lowest[cell.system] = min(floor, lowest.get(cell.system, floor))
    return name.build, frozenset((*name.pythons, *name.abis)), frozenset(lowest.items())


def with_reasons(comparison: Comparison, reasons: Iterable[tuple[str, str]]) -> Comparison:
    """The comparison with a reason for every lost file that a pattern matches.

    `reasons`: patterns and reasons, the first match wins.  A pattern is compared with the file's name without `.whl`
    (`*-win32`) and with `TRIPLE` or `TRIPLE:PYTHON` as the plan writes them.
    """
    rows = tuple(reasons)
    lost = tuple(replace(row, reason=reason_of(row.file, rows)) for row in comparison.lost)
    return replace(comparison, lost=lost)


def reason_of(file: str, rows: tuple[tuple[str, str], ...]) -> str:
    """The reason of the first pattern that matches a file; empty without one."""
    names = (file.removesuffix(".whl").removesuffix(".tar.gz"), file, *plan_names(file))
    reasons = (reason for pattern, reason in rows if any(fnmatchcase(name, pattern) for name in names))
    return next(reasons, "")


def plan_names(file: str) -> tuple[str, ...]:
    """`TRIPLE` and `TRIPLE:PYTHON` of a wheel, as far as the tables know its tags."""
    rows = shipped_wheels(file)
    return tuple(dict.fromkeys(name for r in rows for name in (r.triple, f"{r.triple}:{r.python}")))
