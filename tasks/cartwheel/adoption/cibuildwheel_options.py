"""cibuildwheel's options, from a step's variables and `[tool.cibuildwheel]`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.workflows import JobStep


def tables(folder: str, texts: Texts) -> Mapping[str, Any]:
    """The package's pyproject.toml, else the repository's; empty without a valid one."""
    for path in (f"{folder}/pyproject.toml" if folder != "." else "pyproject.toml", "pyproject.toml"):
        try:
            return tomllib.loads(texts[path])
        except (KeyError, tomllib.TOMLDecodeError):
            continue
    return {}


class Options:
    """cibuildwheel's options for one system: variables first, then the system's table, then the general one."""

    def __init__(self, step: JobStep, system: str, pyproject: Mapping[str, Any]) -> None:
        self._env = step.env
        self.system = system
        self.pyproject = pyproject
        self.table: Mapping[str, Any] = pyproject.get("tool", {}).get("cibuildwheel", {})

    def value(self, name: str) -> Any:
        """A list or text; None where nothing says it."""
        variable = "CIBW_" + name.upper().replace("-", "_")
        for key in (f"{variable}_{self.system.upper()}", variable):
            if self._env.get(key):
                return self._env[key]
        own = self.table.get(self.system, {})
        return own.get(name, self.table.get(name))

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
            words = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)", str(value or ""))
            pairs = {name: text.strip("\"'") for name, text in words}
        seen = self.words("environment-pass") if self.system == "linux" else tuple(self._env)
        inherited = {name: self._env[name] for name in seen if name in self._env}
        return {name: text for name, text in {**inherited, **pairs}.items() if "$" not in text}


def test_settings(pyproject: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """`command`, `requires`, `extras` and `groups` of `[tool.cibuildwheel]`'s tests, as words."""
    table = pyproject.get("tool", {}).get("cibuildwheel", {})
    settings = {}
    for key, name in (("test-command", "command"), ("test-requires", "requires"), ("test-extras", "extras"),
                      ("test-groups", "groups")):  # fmt: skip
        value = table.get(key)
        if value:
            settings[name] = tuple(value.split()) if isinstance(value, str) else tuple(map(str, value))
    return settings
