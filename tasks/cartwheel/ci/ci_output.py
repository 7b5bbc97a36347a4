"""Platforms: how a log folds, how a line of the sources is marked, and where a summary goes, on each CI system.

GitHub: documentation of workflow commands, and the runner's ActionCommand.cs.  GitLab: documentation of job logs and
of code quality reports.  All read November 2026.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.ci.annotations import ERROR, WARNING, Annotation, found_in, plain

MOST = 10
"""Annotations of a level that GitHub shows of one step of a job; what comes later it drops."""
_CLOCK = 2.0
"""Seconds by which a file may seem older than it is, on the coarsest file systems."""
LONGEST_LOG = 4_000_000
"""Characters of a step's log that are printed: its end, which says what went wrong."""


class CiSystem(Struct, frozen=True, kw_only=True):
    """One row of `PLATFORMS`."""

    variable: str
    """Set to `true` in every job there."""
    inert: Callable[[str], str]
    """The text so that nothing in it is taken for a command."""
    group: Callable[[str, str, float], str]
    """Title, text and seconds that it took as a part of the log that is folded."""
    mark: Callable[[Annotation], str]
    """The line that shows an annotation; empty where the log has no such thing."""
    summary: str = ""
    """The variable that names the file to which a page of Markdown is added."""
    outputs: str = ""
    """The variable that names the file to which values for later jobs are added."""
    report: str = ""
    """The file, relative to the project, that holds all annotations as the platform takes them."""


# GitHub --------------------------------------------------------------------------------------------------------------


def _drawn() -> str:
    """A word that nobody can have foreseen."""
    return os.urandom(16).hex()


def escape(text: str) -> str:
    """The data of a workflow command (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """A property of a workflow command, whose values end at a comma."""
    return escape(text).replace(":", "%3A").replace(",", "%2C")


def _github_inert(text: str) -> str:
    """The runner takes `::` behind any white space at the beginning of a line, and `##[` anywhere, for a command."""
    if not any(re.match(r"\W*::", line) or "##[" in line for line in text.splitlines()):
        return text
    token = _drawn()  # not known to whoever wrote the text
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def _github_group(title: str, text: str, seconds: float) -> str:
    return f"::group::{escape(title)}\n{_github_inert(text)}\n::endgroup::"


def _github_mark(annotation: Annotation) -> str:
    place = {"file": annotation.path, "line": annotation.line, "col": annotation.column, "title": annotation.title}
    named = ",".join(f"{key}={escaped_property(str(value))}" for key, value in place.items() if value)
    return f"::{annotation.level}{' ' * bool(named)}{named}::{escape(annotation.message)}"


# GitLab --------------------------------------------------------------------------------------------------------------

_ERASE = "\x1b[0K"


def _gitlab_inert(text: str) -> str:
    """A mark of a section ends with a carriage return and the sequence that erases a line; without, it is text."""
    return text.replace(_ERASE, "")


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
"""A terminal, or a CI system that is not known: the logs stay in their files."""

PLATFORMS = (
    CiSystem(
        variable="GITHUB_ACTIONS", inert=_github_inert, group=_github_group, mark=_github_mark,
        summary="GITHUB_STEP_SUMMARY", outputs="GITHUB_OUTPUT",
    ),
    CiSystem(
        variable="GITLAB_CI", inert=_gitlab_inert, group=_gitlab_group, mark=lambda annotation: "",
        report=".cartwheel/ci/code-quality.json",
    ),
)  # fmt: skip


def platform_of(environ: Mapping[str, str]) -> CiSystem:
    """Where this job runs."""
    return next((p for p in PLATFORMS if environ.get(p.variable, "").lower() == "true"), PLAIN)


# What a run says -----------------------------------------------------------------------------------------------------


class CiOutput:
    """What one run says to its platform: logs that fold, annotations, and at the end a summary and values."""

    def __init__(self, environ: Mapping[str, str], root: Path, folders: Iterable[str] = ()) -> None:
        self.platform = platform_of(environ)
        self._environ = environ
        self._root = root
        self._folders = tuple(dict.fromkeys((".", *folders)))
        self._shown: dict[Annotation, None] = {}
        self._began = time.time()

    @property
    def hands_over(self) -> bool:
        """Whether the platform takes a summary, values or a report at the end."""
        here = self.platform
        return bool(here.report or any(v and self._environ.get(v) for v in (here.summary, here.outputs)))

    def inert(self, text: str) -> str:
        """The text so that the platform takes nothing in it for a command."""
        return self.platform.inert(text)

    def succeeded(self, title: str, log: Path, seconds: float) -> str:
        """The line of a step that ended well, with its log folded below it and its warnings at their lines."""
        text = self._text(log)
        line = self.platform.group(title, _end_of(text), seconds) if text else self.inert(title)
        return _joined((line, *self._marks(text, failed=False)))

    def failed(self, name: str, words: str, log: Path) -> str:
        """The same of a step that did not: its words stay in sight."""
        text = self._text(log)
        title, _, rest = words.partition("\n")
        whole = Annotation(level=ERROR, title=name, message=f"{title}\n{rest}".strip())
        said = f"FAIL  {name}\n" + "\n".join(f"      {line}" for line in words.splitlines())
        folded = self.platform.group(f"log of {name}", _end_of(text), 0) if text else ""
        return _joined((self.inert(said), folded, *self._marks(text, failed=True, first=(self._placed(whole),))))

    def refused(self, words: str) -> str:
        """The annotation for what is wrong with the configuration, at its line."""
        return self.platform.mark(self._placed(Annotation(level=ERROR, title="cartwheel", message=words)))

    def _text(self, log: Path) -> str:
        """A step's log, where it is shown at all and is of this run: a step may fail before it has one."""
        try:
            if self.platform is PLAIN or log.stat().st_mtime < self._began - _CLOCK:
                return ""
            return log.read_bytes().decode(errors="replace").rstrip()
        except OSError:
            return ""

    def _marks(self, text: str, *, failed: bool, first: tuple[Annotation, ...] = ()) -> Iterator[str]:
        """A line for each annotation that is new, as far as the platform shows them."""
        for annotation in (*first, *found_in(text, failed=failed, place=self._place)):
            if annotation not in self._shown:
                self._shown[annotation] = None
                if sum(other.level == annotation.level for other in self._shown) <= MOST:
                    yield self.platform.mark(annotation)

    def add_page(self, page: str) -> str:
        """Add Markdown to the summary; returns in a line why that was not possible, where it was not."""
        return self._told(self._added(self.platform.summary, page))

    def close(self, page: str, values: Mapping[str, str]) -> str:
        """Hand over the summary, the values and the report; returns what could not be written."""
        given = "".join(f"{name}{_assigned(value)}" for name, value in values.items())
        said = (
            self.add_page(page),
            self._told(self._added(self.platform.outputs, given)),
            self._told(self._reported()),
        )
        return _joined(said)

    def _told(self, why: str) -> str:
        return (self.platform.mark(Annotation(level=WARNING, message=why)) or f"warning: {why}") if why else ""

    def _added(self, variable: str, text: str) -> str:
        """Add to the file that a variable names; why that was not possible, where it was not."""
        path = self._environ.get(variable, "") if variable else ""
        if not path or not text:
            return ""
        try:
            with open(path, "a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
        except OSError as error:
            return f"{variable}: {path} cannot be written ({error.strerror}); what it should hold is lost"
        return ""

    def _reported(self) -> str:
        if not self.platform.report:
            return ""
        path = self._root / self.platform.report
        rows = [_quality(annotation) for annotation in self._shown if annotation.path]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
        except OSError as error:
            return f"{self.platform.report} cannot be written ({error.strerror})"
        return ""

    # Where something belongs --------------------------------------------------------------------------------------

    def _place(self, path: str, folder: str) -> str:
        """The path in the project that a tool means: from where it ran, else from a package, and where it is a copy
        of ours below `.cartwheel`, the file of which it is the copy."""
        named = Path(path)
        tails: list[Path] = [] if named.is_absolute() else [named]
        found = self._inside(Path(folder) / named)
        if found and found.parts[0] == ".cartwheel":
            tails += (Path(*found.parts[i:]) for i in range(1, len(found.parts)))
        elif found and (self._root / found).is_file():
            return found.as_posix()
        places = (self._inside(self._root / base / tail) for tail in tails for base in self._folders)
        return next((p.as_posix() for p in places if p and (self._root / p).is_file()), "")

    def _inside(self, path: Path) -> Path | None:
        """Relative to the project; None where it lies elsewhere."""
        try:
            return path.resolve().relative_to(self._root.resolve())
        except (ValueError, OSError, RuntimeError):
            return None

    def _placed(self, annotation: Annotation) -> Annotation:
        """One of our own errors at the file that it names first: `PATH: …` or `[PATH ][tool.cartwheel] KEY: …`."""
        first = annotation.message.partition("\n")[0]
        match = re.match(_OURS, first)
        path = (match["path"] or "pyproject.toml") if match else first.partition(": ")[0]
        try:
            known = bool(path) and (self._root / path).is_file() and self._inside(self._root / path) is not None
            text = (self._root / path).read_text("utf-8", "replace") if known and match else ""
        except (OSError, ValueError):  # no path at all, as what is long or holds a NUL
            return annotation
        line = _line_of(text, match["key"] or "") if match else 0
        return replace(annotation, path=path, line=line) if known else annotation


_OURS = r"(?:(?P<path>[^\[\]:]*pyproject\.toml) )?\[tool\.cartwheel\](?: (?P<key>[\w-]+))?"


def _line_of(text: str, key: str) -> int:
    """The line of a key in `[tool.cartwheel]`, of its table where it has one, or of that table itself; 0: none."""
    inside, header = False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if table := re.match(r"\s*\[+\s*tool\.cartwheel(?:\.([\w-]+))?[\].]", line):
            inside, header = True, header or number
            if key and table[1] == key:
                return number
        elif line.lstrip().startswith("["):
            inside = False
        elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
            return number
    return header


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)


def _end_of(text: str) -> str:
    if len(text) <= LONGEST_LOG:
        return text
    return f"… ({len(text) - LONGEST_LOG} characters before this are in the log's file)\n{text[-LONGEST_LOG:]}"


def _assigned(value: str) -> str:
    """What stands behind a name in GITHUB_OUTPUT."""
    if "\n" not in value and "\r" not in value:
        return f"={value}\n"
    end = f"end-{_drawn()}"
    return f"<<{end}\n{value}\n{end}\n"


def _quality(annotation: Annotation) -> dict[str, object]:
    """An annotation as GitLab's code quality report has it."""
    words = f"{annotation.title}: {plain(annotation.message)}" if annotation.title else plain(annotation.message)
    row = (annotation.level, annotation.path, annotation.line, words)
    return {
        "description": words,
        "check_name": "cartwheel",
        "fingerprint": hashlib.sha256(json.dumps(row).encode()).hexdigest(),
        "severity": "critical" if annotation.level == ERROR else "minor",
        "location": {"path": annotation.path, "lines": {"begin": max(1, annotation.line)}},
    }
