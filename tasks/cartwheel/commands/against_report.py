"""The comparison with a published release, as text, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from msgspec import to_builtins

from cartwheel.commands.against import FileSize, PackageReport
from cartwheel.last_release import QUOTA
from cartwheel.summary import size


def as_document(reports: Iterable[PackageReport]) -> str:
    """The JSON form, schema 1."""
    packages = [_document(row) for row in reports]
    return json.dumps({"schema": 1, "packages": packages}, indent=2, ensure_ascii=False) + "\n"


def _document(row: PackageReport) -> Mapping[str, object]:
    change, last = row.change, row.change.last
    return {
        "package": change.package,
        "version": change.version,
        "index": last.index if last else "",
        "against": last.version if last else "",
        "lost": [
            {"file": lost.file, "users": [str(cell) for cell in lost.cells], "reason": lost.reason}
            for lost in change.comparison.lost
        ],
        "gained": change.comparison.gained,
        "kept": change.comparison.kept,
        "floors": [to_builtins(floor) for floor in change.comparison.raised],
        "metadata": row.metadata,
        "sizes": [to_builtins(one) for one in row.sizes],
        "contents": row.contents,
        "project_size": row.project_size,
        "quota": QUOTA if last and last.public else 0,
        "notes": row.notes,
    }


def as_text(reports: Iterable[PackageReport]) -> str:
    """The text form."""
    return "\n".join(line for row in reports for line in (*_lines(row), "")).rstrip() + "\n"


def _lines(row: PackageReport) -> Iterable[str]:
    change = row.change
    yield _heading(row)
    for lost in change.comparison.lost:
        yield f"  lost    {lost.file}  {_users(lost.cells)}{f'  ({lost.reason})' if lost.reason else ''}".rstrip()
    for file in change.comparison.gained if change.last else ():
        yield f"  gained  {file}"
    for floor in change.comparison.raised:
        yield f"  floor   {floor.system}: {floor.old} → {floor.new}  ({', '.join(floor.interpreters)})"
    yield from (f"  metadata  {line}" for line in row.metadata)
    yield from (f"  size    {one.file}  {_growth(one)}" for one in row.sizes if one.new)
    yield from (f"  content {line}" for line in row.contents)
    yield from (f"  note: {note}" for note in (*row.notes, *_quota(row)))


def _heading(row: PackageReport) -> str:
    change, last = row.change, row.change.last
    if last is None:
        return f"{change.package} {change.version}: nothing to compare with"
    comparison = change.comparison
    return (
        f"{change.package} {change.version} against {last.version} on {last.index}: "
        f"{len(comparison.kept)} kept, {len(comparison.gained)} gained, {len(comparison.lost)} lost"
        f"{f' ({len(comparison.unexplained)} without a reason)' if comparison.unexplained else ''}"
    )


def _users(cells: Iterable[object]) -> str:
    rows = [str(cell) for cell in cells]
    return f"no wheel for {', '.join(rows[:4])}{f' and {len(rows) - 4} more' if len(rows) > 4 else ''}" if rows else ""


def _growth(one: FileSize) -> str:
    if not one.old:
        return f"{size(one.new)} (new)"
    return f"{size(one.old)} → {size(one.new)} ({(one.new - one.old) / one.old:+.0%})"


def _quota(row: PackageReport) -> Iterable[str]:
    last = row.change.last
    if row.project_size and last:
        share = f", {row.project_size / QUOTA:.0%} of its 10 GiB" if last.public else ""
        yield f"{last.index} then holds about {size(row.project_size)} of this project{share}"
        if last.public and row.project_size > QUOTA:
            yield "that is more than PyPI takes: ask for more, or delete old releases first"


def as_markdown(reports: Iterable[PackageReport]) -> str:
    """The Markdown form, for a pull request or a job summary."""
    lines: list[str] = []
    for row in reports:
        comparison = row.change.comparison
        lines += [f"### {_heading(row)}", ""]
        table = [
            *(("lost", f"`{one.file}`", one.reason or _users(one.cells)) for one in comparison.lost),
            *(("gained", f"`{file}`", "") for file in (comparison.gained if row.change.last else ())),
            *(
                ("floor", one.system, f"{one.old} → {one.new}: {', '.join(one.interpreters)}")
                for one in comparison.raised
            ),
            *(("metadata", "", line.replace("|", "\\|")) for line in row.metadata),
            *(("size", f"`{one.file}`", _growth(one)) for one in row.sizes if one.new),
            *(("content", "", line) for line in row.contents),
        ]
        lines += ["| change | what | why |", "|---|---|---|"] if table else []
        lines += [f"| {' | '.join(cells)} |" for cells in table]
        lines += ["", *(f"- {note}" for note in (*row.notes, *_quota(row))), ""]
    return "\n".join(lines).rstrip() + "\n"


def render(reports: tuple[PackageReport, ...], *, as_json: bool, markdown: bool) -> str:
    """The reports in the requested form."""
    return as_document(reports) if as_json else as_markdown(reports) if markdown else as_text(reports)
