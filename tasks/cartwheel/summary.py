"""The table at the end of a run: each file with size, change, digest, time, origin and tests; and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.project import Project
from cartwheel.model.record import FROM_CACHE, PROVEN, Record
from cartwheel.model.wheels.artifacts import Artifact, artifacts

_MAKING = ("repair", "check", "sdist", "publish", "verify", "release")


class FileRow(Struct, frozen=True, kw_only=True):
    """One finished file."""

    artifact: Artifact
    bytes: int
    sha256: str
    tests: str
    """The result of its tests, in words."""
    seconds: float
    """The time of all steps that made and checked it, when they last ran."""
    origin: str
    """`from cache` if another machine built it (the shared cache had it), else `built` in this run, or `up to date`."""
    last_bytes: int
    """The size of the same file of the last release; 0 if unknown."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Path, size, change, digest, time, origin and tests, as shown."""
        seconds = f"{self.seconds:.1f} s" if self.seconds else ""
        change = change_in_words(self.bytes, self.last_bytes)
        return (self.artifact.path, size(self.bytes), change, self.sha256[:12], seconds, self.origin, self.tests)


HEADINGS = ("file", "size", "change", "SHA-256", "time", "", "tests")
_RIGHT = (1, 2, 4)
"""Columns of numbers."""


def file_rows(
    root: Path,
    project: Project,
    names: Iterable[str],
    records: Callable[[str], Record | None],
    ran: Collection[str],
) -> tuple[FileRow, ...]:
    """The existing files of the tasks `names`.

    `ran`: the tasks that ran now.
    """
    words = [name.split(":") for name in names]
    return tuple(
        file_row(root, artifact, records, ran)
        for artifact in artifacts(project)
        if (root / artifact.path).is_file() and _is_selected(artifact, words)
    )


def file_row(
    root: Path,
    artifact: Artifact,
    records: Callable[[str], Record | None],
    ran: Collection[str] = (),
) -> FileRow:
    """The row of one file that exists."""
    path = root / artifact.path
    steps = steps_of(artifact)
    return FileRow(
        artifact=artifact,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        tests=tests_in_words(root / artifact.report),
        seconds=sum(record.seconds for step in steps if (record := records(step))),
        origin=_origin(artifact.task, records, ran),
        last_bytes=_last_sizes(root, artifact.package, _version(artifact.file)).get(without_version(artifact.file), 0),
    )


def _origin(task: str, records: Callable[[str], Record | None], ran: Collection[str]) -> str:
    """Where the file of a task came from, see `FileRow.origin`."""
    record = records(task)
    if record and record.machine in (FROM_CACHE, PROVEN):
        return "from cache"
    return "built" if {task, task.replace("repair:", "build:", 1)} & {*ran} else "up to date"


def steps_of(artifact: Artifact) -> tuple[str, ...]:
    """The steps that make and check a file."""
    if artifact.kind == "sdist":
        return (artifact.task, f"check:{artifact.task}")
    segments = artifact.task.partition(":")[2]
    return tuple(f"{stage}:{segments}" for stage in ("build", "repair", "check"))


@cache
def _last_sizes(root: Path, package: str, version: str) -> Mapping[str, int]:
    """The sizes of the files of the newest release below `version`, by name without version.

    Known from the listings that `plan --against` and `release` keep; asks no index.
    """
    from packaging.version import InvalidVersion, Version

    sizes: dict[Version, dict[str, int]] = {}
    for path in sorted((root / ".cartwheel" / "indexes").glob(f"*/{package}.json")):
        try:
            for row in json.loads(path.read_bytes())["files"]:
                of_version = sizes.setdefault(Version(_version(row["file"])), {})
                of_version.update({without_version(row["file"]): row["size"]} if row["size"] else {})
        except (OSError, ValueError, KeyError, TypeError, InvalidVersion):
            continue
    older = [version_before for version_before in sizes if version_before < Version(version) and sizes[version_before]]
    return sizes[max(older)] if older else {}


def _version(file: str) -> str:
    """The version in a file's name, as it is written there."""
    return file.split("-")[1] if file.endswith(".whl") else file.removesuffix(".tar.gz").rpartition("-")[2]


def without_version(file: str) -> str:
    """A file's name without its version, the same for every release: `name-cp311-abi3-win_amd64.whl`."""
    if file.endswith(".whl"):
        name, _, *tags = file.split("-")
        return "-".join((name, *tags[-3:]))
    return f"{file.rpartition('-')[0]}.tar.gz"


def change_in_words(now: int, before: int) -> str:
    """The change of a size: `+1.2 %`, `=`; empty if it was unknown."""
    if not before:
        return ""
    percent = 100 * (now - before) / before
    return "=" if now == before else f"{percent:+.1f} %"


def summary_table(rows: Iterable[Sequence[str]], columns: int = 0) -> str:
    """The cells for a terminal, in columns; columns without a text are left out.  Empty if there are no rows.

    `columns`: the width of the terminal, 0 if unlimited.  In a table wider than that, the cells of a row are below its
    file, and the tests below them if the rest is too wide as well.
    """
    rows = tuple(tuple(row) for row in rows)
    if not rows:
        return ""
    whole = _in_columns(rows)
    if not columns or _width(whole) <= columns:
        return "\n".join(whole)
    cells = _in_columns(tuple(("", *row[1:]) for row in rows))
    below = tuple((f"    {line}",) for line in cells)
    if _width(cells) + 4 > columns:
        most = _in_columns(tuple(("", *row[1:-1], "") for row in rows))
        below = tuple(
            (f"    {line}", *((f"    {row[-1]}",) if row[-1] else ())) for line, row in zip(most, rows, strict=True)
        )
    return "\n".join(line for row, lines in zip(rows, below, strict=True) for line in (row[0], *lines))


def _in_columns(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = [column for column, width in enumerate(widths) if width]
    return tuple(
        "  ".join(
            f"{row[column]:>{widths[column]}}" if column in _RIGHT else f"{row[column]:{widths[column]}}"
            for column in shown
        ).rstrip()
        for row in rows
    )


def _width(lines: Iterable[str]) -> int:
    return max(map(len, lines))


def page(heading: str, rows: Iterable[Sequence[str]], notes: Iterable[str]) -> str:
    """The cells as Markdown, with a heading and notes; text in it is escaped."""
    lines = [f"### {_literal(heading)}", ""]
    for number, row in enumerate(rows):
        if number == 0:
            marks = ("--:" if column in _RIGHT else ":--" for column in range(len(HEADINGS)))
            lines += [f"| {' | '.join(HEADINGS)} |", f"|{'|'.join(marks)}|"]
        lines.append(f"| {' | '.join(map(_literal, row))} |")
    lines += ["", *(f"- {_literal(note)}" for note in notes), "", ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _literal(text: str) -> str:
    """One line in which no character has a meaning for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~@])", lambda c: f"&#{ord(c[1])};", " ".join(text.split()))


def _is_selected(artifact: Artifact, words: Iterable[list[str]]) -> bool:
    for stage, *rest in words:
        if stage not in _MAKING:
            continue
        if stage in ("publish", "verify", "release") or not rest:
            return True
        if stage == "sdist" or rest[0] == "sdist":
            if artifact.kind == "sdist" and artifact.package in rest:
                return True
        elif artifact.kind == "wheel" and artifact.target == rest[0]:
            return True
    return False


def slowest(seconds: Mapping[str, float], most: int = 3) -> str:
    """The slowest steps of a run in one line; empty for a run of fewer than four steps or ten seconds."""
    if len(seconds) <= most or sum(seconds.values()) < 10:
        return ""
    first = sorted(seconds.items(), key=lambda row: -row[1])[:most]
    return "slowest: " + ", ".join(f"{name} {spent:.1f} s" for name, spent in first)


def next_command(names: Iterable[str], project: Project) -> str:
    """The next command after a successful run; empty if nothing follows."""
    stages = {name.split(":")[0] for name in names}
    published = any(package.publish for package in project.packages)
    if "release" in stages:
        return "doit status"
    if stages & {"tag", "publish", "verify"}:
        return {"tag": "doit publish", "publish": "doit verify"}.get(next(iter(stages)), "") if len(stages) == 1 else ""
    if "check" in stages:
        return "doit rehearse" if published else ""
    if stages & {"build", "repair", "sdist"}:
        return "doit check" if stages != {"sdist"} else "doit check:sdist"
    return ""


def size(count: int) -> str:
    """A number of bytes as `1.23 MB` or `4.5 kB`."""
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def tests_in_words(report: Path) -> str:
    """The tests of a file's check report, in words."""
    from cartwheel.gate import check_report

    known = check_report(report)
    return known.tested if known else "not checked"
