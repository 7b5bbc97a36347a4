"""The closing table: the files of a release with size, digest and what their tests said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.plan import Artifact, artifacts
from cartwheel.model.project import Project
from cartwheel.world.files import sha256_of

_MAKING = ("repair", "check", "sdist", "publish", "verify", "release")


def table(root: Path, project: Project, asked: Iterable[str]) -> str:
    """A line for each file that the asked tasks are about and that is there; empty when they are about none."""
    words = [name.split(":") for name in asked]
    if not any(word[0] in _MAKING for word in words):
        return ""
    rows = [_row(root, a) for a in artifacts(project) if (root / a.path).is_file() and _meant(a, words)]
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join((f"{row[0]:{widths[0]}}", f"{row[1]:>{widths[1]}}", f"{row[2]:{widths[2]}}", row[3])).rstrip()
        for row in rows
    )


def _meant(artifact: Artifact, words: Iterable[list[str]]) -> bool:
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


def _row(root: Path, artifact: Artifact) -> tuple[str, str, str, str]:
    path = root / artifact.path
    return (artifact.path, size(path.stat().st_size), sha256_of(path)[:12], tested(root / artifact.report))


def size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def tested(report: Path) -> str:
    """What the file's report says of its tests, in words."""
    from cartwheel.model.checked import parse_report

    try:
        return parse_report(report.read_bytes()).tested
    except (OSError, CartwheelError):
        return "not checked"
