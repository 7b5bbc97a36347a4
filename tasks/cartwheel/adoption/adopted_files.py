"""The text of what `doit adopt` writes: dodo.py, tables of the configuration with comments, lines of .gitignore."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.schema import EDITOR_SCHEMA

DODO = '''"""How this project is released. `doit list` shows the tasks, `doit plan` the files."""

from cartwheel import Pipeline

wheels = Pipeline.beside(__file__)

DOIT_CONFIG = wheels.doit_config
task_clean = wheels.clean
task_version_sync = wheels.version_sync
task_build = wheels.build
task_repair = wheels.repair
task_check = wheels.check
task_sdist = wheels.sdist
task_checklist = wheels.checklist
task_tag = wheels.tag
task_publish = wheels.publish
task_verify = wheels.verify
task_release = wheels.release
'''

IGNORED = (".cartwheel/", "dist/")


class FileEdit(Struct, frozen=True, kw_only=True):
    """The old and the new text of a file; `old` is empty for a new file."""

    path: str
    old: str
    new: str

    def diff(self) -> str:
        """The unified diff."""
        was = self.old.splitlines(keepends=True)
        name = f"a/{self.path}" if self.old else "/dev/null"
        lines = unified_diff(was, self.new.splitlines(keepends=True), name, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)


def dodo_edit(texts: Mapping[str, str]) -> FileEdit | None:
    """A new dodo.py; None if there is one."""
    return None if "dodo.py" in texts else FileEdit(path="dodo.py", old="", new=DODO)


def gitignore_edit(texts: Mapping[str, str]) -> FileEdit | None:
    """The lines that .gitignore lacks for what cartwheel makes; None if it lacks none."""
    old = texts.get(".gitignore", "")
    there = {line.strip().strip("/") for line in old.splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in there]
    if not missing:
        return None
    newline = "\r\n" if "\r\n" in old else "\n"
    head = old if not old or old.endswith("\n") else old + newline
    return FileEdit(path=".gitignore", old=old, new=head + "".join(f"{line}{newline}" for line in missing))


def table_edit(path: str, old: str, table: Mapping[str, Any], comments: Mapping[str, str]) -> FileEdit | None:
    """pyproject.toml with `[tool.cartwheel]` at its end and its schema for editors in the first line; None for an
    empty table.

    All existing text is kept.  Raises `ConfigError` if the tables cannot be added at the end.
    """
    if not table:
        return None
    newline = "\r\n" if "\r\n" in old else "\n"
    block = table_text(table, comments).replace("\n", newline)
    text = old.rstrip("\r\n\t ") + newline * 2 if old.strip() else ""
    new = with_schema_line(path, text + block)
    expected = _with_cartwheel(_parse(old, path), table)
    try:
        written = _parse(new, path)
    except ConfigError:
        raise ConfigError(
            f"{path}: found the inline table 'tool = {{…}}', which takes no section; write it as [tool.NAME] sections, "
            "and run it again: doit adopt"
        ) from None
    if written != expected:
        raise ConfigError(f"{path}: [tool.cartwheel] cannot be added at its end; add it by hand:\n{block}")
    return FileEdit(path=path, old=old, new=new)


def with_schema_line(path: str, text: str) -> str:
    """The text with the comment that names its schema, as Taplo and Tombi read it; unchanged if it has one.

    The schema is a file of the state folder, which every run writes if it is missing.
    """
    mark, body = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    if re.search(r"(?m)^#:\s*schema\b", body):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    return f"{mark}#:schema {'../' * path.count('/')}{EDITOR_SCHEMA}{newline}{newline}{body}"


def text_with_overrides(path: str, old: str, overrides: Iterable[Mapping[str, Any]]) -> str:
    """The file with further `[[tool.cartwheel.overrides]]` at its end."""
    newline = "\r\n" if "\r\n" in old else "\n"
    rows = "\n".join(_section("[[tool.cartwheel.overrides]]", row) for row in overrides).replace("\n", newline)
    return old.rstrip() + newline * 2 + rows if rows else old


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _with_cartwheel(document: dict[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    tool = document.get("tool", {})
    return {**document, "tool": {**tool, "cartwheel": {**tool.get("cartwheel", {}), **_plain(table)}}}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def table_text(table: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """`[tool.cartwheel]` as TOML; `comments` stand above the keys (`targets`) and tables (`index.pypi`)."""
    keys = {key: value for key, value in table.items() if not _has_header(key, value)}
    blocks = [_section("[tool.cartwheel]", keys, comments)]
    for key, value in table.items():
        if not _has_header(key, value):
            continue
        if isinstance(value, list):
            head = f"# {comments[key]}\n" if key in comments else ""
            blocks += [head * (not n) + _section(f"[[tool.cartwheel.{key}]]", row) for n, row in enumerate(value)]
        elif key == "index":
            for name, row in value.items():
                place = f"index.{name}"
                head = f"# {comments[place]}\n" if place in comments else ""
                blocks.append(head + _section(f"[tool.cartwheel.index.{_key(name)}]", row))
        else:
            head = f"# {comments[key]}\n" if key in comments else ""
            blocks += [
                f"{head if not n else ''}{text}" for n, text in enumerate(_sections(f"tool.cartwheel.{key}", value))
            ]
    return "\n".join(blocks)


def _sections(name: str, table: Mapping[str, Any]) -> Iterable[str]:
    """The table under its header, then those of its keys that are tables of steps."""
    below = {key: value for key, value in table.items() if name.endswith(".ci") and key == "steps"}
    if len(below) < len(table):
        yield _section(f"[{name}]", {key: value for key, value in table.items() if key not in below})
    for when, jobs in below.get("steps", {}).items():
        for job, steps in jobs.items():
            yield from (_section(f"[[{name}.steps.{when}.{job}]]", step) for step in steps)


def _has_header(key: str, value: Any) -> bool:
    tables = isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    return tables or (isinstance(value, Mapping) and key not in ("test", "changelog"))


def _section(header: str, table: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    lines = [header]
    for key, value in table.items():
        if comments and key in comments:
            lines.append(f"# {comments[key]}")
        lines.append(f"{_key(key)} = {toml_value(value, len(key) + 3)}")
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def toml_value(value: Any, indent: int = 0) -> str:
    """A value as TOML; a long list has a line for each of its rows."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        rows = [toml_value(row) for row in value]
        flat = f"[{', '.join(rows)}]"
        return flat if len(flat) + indent <= 100 else "[\n" + "".join(f"    {row},\n" for row in rows) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
