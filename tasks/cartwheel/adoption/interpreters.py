"""The interpreters that a workflow's job puts on PATH, for builds that name none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cartwheel.adoption.platform_names import python_name
from cartwheel.adoption.workflows import JobStep

_VERSION = re.compile(r"(?:(pypy|graalpy)-?)?v?(3\.\d{1,2})(t?)(?:-dev|(?:\.\d+)?(?:-?(?:rc|a|b|alpha|beta)\.?\d+)?(t?)"
                      r"|\.x|-v?[\d.]+)?")  # fmt: skip

_ENVIRONMENT = re.compile(
    r"(\S+)\s+-m\s+(?:venv|virtualenv)\b|(?:uv\s+venv|virtualenv)\s[^\n;&|]*?(?:--python|-p)[ =](\S+)"
)
"""Makes a virtual environment: its `python` is the interpreter named here."""


def set_up_pythons(steps: Iterable[JobStep], *, uv: bool = False) -> tuple[str, ...]:
    """The interpreter that `python` means after these steps, as the configuration names it; empty if it is known
    only at run time.

    `actions/setup-python` puts each version that it installs before the others on PATH: the last one counts (its
    documentation, `advanced-usage.md`, November 2026). `uv`: for a build by uv, which takes its own interpreter first.
    """
    own = chosen = ""
    for step in steps:
        words = step.with_.get("python-version", "")
        if step.uses == "actions/setup-python":
            chosen = _version(_versions(words)[-1:], step.with_)
        elif step.uses == "astral-sh/setup-uv" and words:
            own = _version([words], step.with_)
        elif paths := re.findall(
            r"/opt/python/([\w.-]+)/bin[^\n]*(?:GITHUB_PATH|\$PATH)|PATH=\S*/opt/python/([\w.-]+)/bin", step.run
        ):
            chosen = python_name(paths[-1][0] or paths[-1][1])
        elif environment := _ENVIRONMENT.search(step.run):
            name = python_name((environment[1] or environment[2]).strip("\"'"))
            own = name if environment[0].startswith("uv") else own
            chosen = name or chosen
        elif match := re.search(r"\buv\s+python\s+(?:install|pin)\s+([^\n;&|]+)", step.run):
            named = [word for word in match[1].split() if not word.startswith("-")]
            own = _version(named if len(named) == 1 else [], {})
    name = (own or chosen) if uv else chosen
    return (name,) if name else ()


def _versions(text: str) -> list[str]:
    """The versions of `python-version`: one, one in each line, or a list."""
    return [word.strip(" \t\"'") for word in re.split(r"[\n,\[\]]", text) if word.strip(" \t\"'")]


def _version(words: list[str], inputs: Mapping[str, str]) -> str:
    match = _VERSION.fullmatch(words[0]) if words else None
    if not match or int(match[2].partition(".")[2]) < 6:
        return ""
    free = match[3] or match[4] or ("t" if inputs.get("freethreaded", "").lower() == "true" else "")
    return f"{match[1] or ''}{match[2]}{free or ''}"


def named_python(command: str, env: Mapping[str, str]) -> str:
    """The interpreter that a build command names: by its path, by its name, or with `--python`; empty for none."""
    option = re.search(r"(?:--python|\s-p)[ =]([^\s\"']+)", command)
    if option and "uv" in command:
        return python_name(option[1]) or _version([option[1]], {})
    if "uv build" in command and env.get("UV_PYTHON"):
        return python_name(env["UV_PYTHON"]) or _version([env["UV_PYTHON"]], {})
    first = command.split()[0].strip("\"'")
    launcher = re.match(r"\S*\bpy(?:\.exe)?\s+-(3\.\d+)\b", command)
    path = re.search(r"/opt/python/([^/\s]+)/", first)
    return launcher[1] if launcher else python_name(path[1] if path else first)
