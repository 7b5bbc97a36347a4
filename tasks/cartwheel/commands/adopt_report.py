"""The report of `doit adopt`: the table of files, what cannot be expressed, other publishers, the next commands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from msgspec import to_builtins

from cartwheel.commands.adopt import Adoption, PackageAdoption


def as_document(adoption: Adoption, *, written: bool) -> str:
    """The JSON form, schema 1."""
    document = {
        "schema": 1,
        "packages": [to_builtins(package) for package in adoption.packages],
        "skipped": [to_builtins(row) for row in adoption.skipped],
        "files": [{"path": edit.path, "diff": edit.diff()} for edit in adoption.edits],
        "written": written,
        "publishers": adoption.rivals,
        "notes": adoption.notes,
        "next": next_commands(adoption, written=written),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_text(adoption: Adoption, *, written: bool) -> str:
    """The text form, shown after the diff."""
    lines: list[str] = [] if adoption.root == Path.cwd() else [f"the project is {adoption.root}", ""]
    for package in adoption.packages:
        lines += [*_package(package), ""]
    for row in adoption.skipped:
        lines.append(f"{row.folder}: no package ({row.why})")
    lines += [""] if adoption.skipped else []
    lines += [*(f"note: {note}" for note in adoption.notes), ""] if adoption.notes else []
    if adoption.rivals:
        lines += ["published twice, once by the pipeline of doit ci and once by:"]
        lines += [*(f"  {line}" for line in adoption.rivals), ""]
    if adoption.again and not adoption.edits:
        unread = ["the index"] if any(row.unread for row in adoption.packages) else []
        unread += [] if adoption.workflows_compared else ["the workflows (the adoption is not committed)"]
        rest = f"; not compared: {' and '.join(unread)}" if unread else ""
        lines.append(f"nothing has changed since this project was adopted{rest}")
    elif adoption.edits and not written:
        lines.append("nothing is written; doit adopt --write writes it")
    lines += ["next:", *(f"  {command}" for command in next_commands(adoption, written=written))]
    return "\n".join(lines) + "\n"


def _package(package: PackageAdoption) -> Iterable[str]:
    states = [row.state for row in package.rows]
    if package.published:
        counts = f"{len(package.published)} files shipped, {len(package.planned)} planned"
        more = ", ".join(f"{states.count(s)} {w}" for s, w in _WORDS.items() if s in states)
        yield f"{package.name} against {package.source}: {counts}{', ' + more if more else ', nothing lost'}"
    else:
        follows = f" as {package.source} builds them" if package.source else ""
        index = f"not compared with an index ({package.unread})" if package.unread else "none of it is on an index yet"
        more = "".join(f"; {states.count(s)} {w}" for s, w in _WORDS.items() if s in states)
        yield f"{package.name}: {len(package.planned)} files planned{follows}; {index}{more}"
    width = max((len(row.what) for row in package.rows), default=0)
    for row in package.rows:
        yield f"  {row.state:9}{row.what:{width}}  {row.why}".rstrip()


_WORDS = {"lost": "lost", "replaced": "replaced", "gained": "gained", "floor": "with another floor"}


def next_commands(adoption: Adoption, *, written: bool) -> tuple[str, ...]:
    """The next three commands."""
    if not written and adoption.edits:
        return ("doit adopt --write", "doit plan", "doit rehearse")
    hidden = " ".join(adoption.ignored)
    paths = " ".join(edit.path for edit in adoption.edits if edit.path not in adoption.ignored)
    if not adoption.edits:
        return ("doit plan", "doit rehearse", f"doit ci {adoption.forge}")
    add = "git add --all" if adoption.new else f"git add {paths}"
    add = " && ".join(part for part in (add if paths else "", f"git add --force {hidden}" if hidden else "") if part)
    add = add if (adoption.root / ".git").exists() else f"git init && {add}"
    return (f'{add} && git commit -m "Release with cartwheel"', "doit rehearse", f"doit ci {adoption.forge}")
