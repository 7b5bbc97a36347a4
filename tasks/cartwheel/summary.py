"""The closing table: the files of a release with size, digest and what their tests said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Project
from cartwheel.model.wheels.artifacts import Artifact, artifacts

_MAKING = ("repair", "check", "sdist", "publish", "verify", "release")


Row = tuple[str, str, str, str]
"""Path, size, digest, tests."""


def rows(root: Path, project: Project, asked: Iterable[str]) -> tuple[Row, ...]:
    """One for each file that the asked tasks are about and that is there."""
    words = [name.split(":") for name in asked]
    return tuple(_row(root, a) for a in artifacts(project) if (root / a.path).is_file() and _is_requested(a, words))


def summary_table(rows: Sequence[Row]) -> str:
    """The rows for a terminal; empty where there are none."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join((f"{row[0]:{widths[0]}}", f"{row[1]:>{widths[1]}}", f"{row[2]:{widths[2]}}", row[3])).rstrip()
        for row in rows
    )


def page(heading: str, rows: Iterable[Row], notes: Iterable[str]) -> str:
    """The rows as Markdown, with a heading and what else is to be said; nothing in it is taken for Markdown or HTML."""
    lines = [f"### {_literal(heading)}", ""]
    for number, row in enumerate(rows):
        if number == 0:
            lines += ["| file | size | SHA-256 | tests |", "|:--|--:|:--|:--|"]
        lines.append(f"| {' | '.join(map(_literal, row))} |")
    lines += ["", *(f"- {_literal(note)}" for note in notes), "", ""]
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _literal(text: str) -> str:
    """One line in which no character has a meaning for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~@])", lambda c: f"&#{ord(c[1])};", " ".join(text.split()))


def _is_requested(artifact: Artifact, words: Iterable[list[str]]) -> bool:
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


def _row(root: Path, artifact: Artifact) -> Row:
    path = root / artifact.path
    return (artifact.path, size(path.stat().st_size), sha256_of(path)[:12], tests_in_words(root / artifact.report))


def size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def tests_in_words(report: Path) -> str:
    """What the file's report says of its tests, in words."""
    from cartwheel.model.check_report import parse_report

    try:
        return parse_report(report.read_bytes()).tested
    except (OSError, CartwheelError):
        return "not checked"
