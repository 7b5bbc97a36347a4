"""cibuildwheel's options, from a step's variables and `[tool.cibuildwheel]`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from cartwheel.adoption.command_lines import folder_up
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.adoption.shell_loops import braces
from cartwheel.adoption.workflows import JobStep


def tables(folder: str, texts: Texts, configured: str = "") -> Mapping[str, Any]:
    """The package's pyproject.toml, else the repository's; empty without a valid one.

    `configured`: a separate file with the options (`config-file`), which replaces `[tool.cibuildwheel]`.
    """
    place = f"{folder}/" if folder != "." else ""
    names = (f"{place}pyproject.toml", "pyproject.toml")
    document = next((parsed for parsed in (parsed_toml(texts, name) for name in names) if parsed), {})
    if not configured:
        return document
    name = configured.replace("{package}/", place).replace("{project}/", "").removeprefix("./")
    options = parsed_toml(texts, name).get("tool", {}).get("cibuildwheel", {})
    return {**document, "tool": {**document.get("tool", {}), "cibuildwheel": options}}


class Options:
    """cibuildwheel's options for one system, with `identifier` for one wheel: variables first, then `overrides`, the
    system's table and the general one."""

    def __init__(self, step: JobStep, system: str, pyproject: Mapping[str, Any], identifier: str = "") -> None:
        self._step = step
        self._env = step.env
        self.system = system
        self.pyproject = pyproject
        self.table: Mapping[str, Any] = pyproject.get("tool", {}).get("cibuildwheel", {})
        rows = self.table.get("overrides", ()) if identifier else ()
        self._overrides = tuple(row for row in rows if matches(identifier, words_of(row.get("select", ()))))

    def of_wheel(self, identifier: str) -> Options:
        """The options for one build identifier."""
        return Options(self._step, self.system, self.pyproject, identifier)

    def value(self, name: str) -> Any:
        """A list or a text; None if the option is not set."""
        variable = "CIBW_" + name.upper().replace("-", "_")
        for key in (f"{variable}_{self.system.upper()}", variable):
            if self._env.get(key):
                return self._env[key]
        value = self.table.get(self.system, {}).get(name, self.table.get(name))
        for row in self._overrides:
            if name in row:
                value = _inherit(value, row[name], row.get("inherit", {}).get(name, "none"))
        return value

    def words(self, name: str) -> list[str]:
        """A list of words, which blanks separate; architectures commas too."""
        value = self.value(name)
        if isinstance(value, str):
            return (value.replace(",", " ") if name == "archs" else value).split()
        return [str(row) for row in value or ()]

    def text(self, name: str) -> str:
        """A command; several are joined by `&&`."""
        value = self.value(name)
        return " && ".join(map(str, value)) if isinstance(value, list) else str(value or "")

    def environment(self) -> Mapping[str, str]:
        """The variables of the build; those made of other variables are left out. Containers inherit only what
        `environment-pass` names."""
        value = self.value("environment")
        if isinstance(value, Mapping):
            pairs = {str(name): str(text) for name, text in value.items()}
        else:
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
            words = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)", text)
            pairs = {name: text.strip("\"'") for name, text in words}
        seen = self.words("environment-pass") if self.system == "linux" else tuple(self._env)
        inherited = {name: self._env[name] for name in seen if name in self._env}
        return {name: text for name, text in {**inherited, **pairs}.items() if "$" not in text}


def _inherit(below: Any, value: Any, rule: str) -> Any:
    """An option of an override on top of what it overrides (cibuildwheel's documentation, `inherit`, November 2026)."""
    if rule not in ("append", "prepend") or not below:
        return value
    if isinstance(below, Mapping) and isinstance(value, Mapping):
        return {**below, **value} if rule == "append" else {**value, **below}
    rows = [part for row in (below, value) for part in _rows(row)]
    return rows if rule == "append" else [*_rows(value), *_rows(below)]


def _rows(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f'{name}="{text}"' for name, text in value.items()]
    return [str(row) for row in value] if isinstance(value, list) else [str(value)]


def words_of(value: Any) -> list[str]:
    """Patterns of build identifiers, as a list or as text, with their braces resolved."""
    words = value.split() if isinstance(value, str) else map(str, value)
    return [pattern for word in words for pattern in braces(word)]


def matches(identifier: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns selects the build identifier."""
    return any(fnmatchcase(identifier, pattern) for pattern in patterns)


_NOT_TAKEN = ("repair-wheel-command", "config-settings", "before-test", "test-sources", "test-environment")


def options_not_taken_over(pyproject: Mapping[str, Any]) -> Iterable[str]:
    """A line for each table of `[tool.cibuildwheel]` with options that no key of the proposed table has."""
    table = pyproject.get("tool", {}).get("cibuildwheel", {})
    places: list[tuple[str, Any]] = [("", table)]
    places += [(f".{name}", table[name]) for name in ("linux", "macos", "windows") if name in table]
    for row in table.get("overrides", ()):
        places.append((f".overrides of '{' '.join(words_of(row.get('select', ())))}'", row))
    for where, options in places:
        if ignored := [name for name in _NOT_TAKEN if options.get(name)]:
            yield f"[tool.cibuildwheel]{where}: {', '.join(ignored)} not taken over"


def test_settings(pyproject: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """`command`, `requires`, `extras` and `groups` of `[tool.cibuildwheel]`'s tests, as words."""
    table = pyproject.get("tool", {}).get("cibuildwheel", {})
    settings = {}
    for key, name in (("test-command", "command"), ("test-requires", "requires"), ("test-extras", "extras"),
                      ("test-groups", "groups")):  # fmt: skip
        value = table.get(key)
        if key == "test-command":
            value = [] if needs_shell(command_text(value)) else shell_words(command_text(value))
        if value:
            settings[name] = tuple(value.split()) if isinstance(value, str) else tuple(map(str, value))
    return settings


def command_text(value: Any) -> str:
    """A command of an option as one line of a shell; several are joined by `&&`."""
    return " && ".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()


def shell_words(command: str) -> list[str]:
    """The words of a command; none if no shell can read it."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def needs_shell(command: str) -> bool:
    """Whether a command has operators of a shell, or is several."""
    return bool(set(command.strip()) & set("&|;><$`\n"))


def own_placeholders(word: str, folder: str) -> str:
    """cibuildwheel's `{project}` (the repository) and `{package}` as ours, which is the package."""
    return word.replace("{project}", f"{{package}}/{folder_up(folder)}".rstrip("/"))
