"""How each CI system folds a log, marks a line of the sources and takes results: one row per system.

GitHub: documentation of workflow commands, and the runner's ActionCommand.cs.  GitLab: documentation of job logs and
of code quality reports.  All read November 2026.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from cartwheel.ci.annotations import Annotation


class CiSystem(Struct, frozen=True, kw_only=True):
    """One row of `CI_SYSTEMS`."""

    variable: str
    """Set to `true` in every job of the system."""
    inert: Callable[[str], str]
    """Escapes a text so that the system takes nothing in it for a command."""
    group: Callable[[str, str, float], str]
    """Title, text and duration in seconds as a folded part of the log."""
    mark: Callable[[Annotation], str]
    """The log line that shows an annotation; empty if the system has none."""
    summary: str = ""
    """The variable that names the file to which a Markdown page is appended."""
    outputs: str = ""
    """The variable that names the file to which values for later jobs are appended."""
    report: str = ""
    """The file, relative to the project, that receives all annotations in the system's format."""


# GitHub --------------------------------------------------------------------------------------------------------------


def random_word() -> str:
    """An unpredictable word."""
    return os.urandom(16).hex()


def escape(text: str) -> str:
    """The data of a workflow command, escaped (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """A property of a workflow command, escaped: unescaped values end at a comma."""
    return escape(text).replace(":", "%3A").replace(",", "%2C")


def _github_inert(text: str) -> str:
    """The runner takes `::` after white space at the start of a line, and `##[` anywhere, for a command."""
    if not any(re.match(r"\W*::", line) or "##[" in line for line in text.splitlines()):
        return text
    token = random_word()
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def _github_group(title: str, text: str, seconds: float) -> str:
    return f"::group::{escape(title)}\n{_github_inert(text)}\n::endgroup::"


def _github_mark(annotation: Annotation) -> str:
    place = {"file": annotation.path, "line": annotation.line, "col": annotation.column, "title": annotation.title}
    properties = ",".join(f"{key}={escape_property(str(value))}" for key, value in place.items() if value)
    return f"::{annotation.level}{' ' * bool(properties)}{properties}::{escape(annotation.message)}"


# GitLab --------------------------------------------------------------------------------------------------------------

_ERASE = "\x1b[0K"


def _gitlab_inert(text: str) -> str:
    """Without the erase sequence that ends every section mark.  Removing one may join its neighbours to another."""
    while _ERASE in text:
        text = text.replace(_ERASE, "")
    return text


def _gitlab_group(title: str, text: str, seconds: float) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", title).strip("_")
    end = int(time.time())
    start, shown = int(end - seconds), _gitlab_inert(title)
    return (
        f"{_ERASE}section_start:{start}:{name}[collapsed=true]\r{_ERASE}{shown}\n{_gitlab_inert(text)}\n"
        f"{_ERASE}section_end:{end}:{name}\r{_ERASE}"
    )


# The table -----------------------------------------------------------------------------------------------------------

PLAIN = CiSystem(
    variable="", inert=lambda text: text, group=lambda title, text, seconds: title, mark=lambda annotation: ""
)
"""A terminal or an unknown CI system: logs stay in their files."""

CI_SYSTEMS = (
    CiSystem(
        variable="GITHUB_ACTIONS", inert=_github_inert, group=_github_group, mark=_github_mark,
        summary="GITHUB_STEP_SUMMARY", outputs="GITHUB_OUTPUT",
    ),
    CiSystem(
        variable="GITLAB_CI", inert=_gitlab_inert, group=_gitlab_group, mark=lambda annotation: "",
        report=".cartwheel/ci/code-quality.json",
    ),
)  # fmt: skip


def ci_system(environ: Mapping[str, str]) -> CiSystem:
    """The CI system that this process runs on."""
    return next((s for s in CI_SYSTEMS if environ.get(s.variable, "").lower() == "true"), PLAIN)
