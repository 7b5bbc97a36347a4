"""Output and files of a run for its CI system: folded logs, annotations, a summary, values for later jobs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cartwheel.ci.annotation_places import Places
from cartwheel.ci.annotations import ERROR, WARNING, Annotation, annotations_in, plain_line
from cartwheel.ci.ci_systems import PLAIN, ci_system, random_word

MOST = 10
"""Annotations of a level that GitHub shows for one step of a job; it drops the rest."""
_CLOCK = 2.0
"""Seconds by which the coarsest file systems may date a file too early."""
LONGEST_LOG = 4_000_000
"""Characters of a step's log that are printed, from its end."""


class CiOutput:
    """The output of one run for its CI system."""

    def __init__(self, environ: Mapping[str, str], root: Path, folders: Iterable[str] = ()) -> None:
        self.system = ci_system(environ)
        self._environ = environ
        self._root = root
        self._places = Places(root, folders)
        self._shown: dict[Annotation, None] = {}
        self._began = time.time()

    @property
    def in_ci(self) -> bool:
        """Whether the run is a job of a known CI system."""
        return self.system is not PLAIN

    def place(self, path: str) -> str:
        """The project file that a path in a tool's output names, relative to the project; empty if it names none."""
        return self._places.place(path, str(self._root))

    @property
    def takes_results(self) -> bool:
        """Whether the system takes a summary, values or a report at the end."""
        here = self.system
        return bool(here.report or any(v and self._environ.get(v) for v in (here.summary, here.outputs)))

    def inert(self, text: str) -> str:
        """The text, escaped so that the system takes nothing in it for a command."""
        return self.system.inert(text)

    def success(self, title: str, log: Path, seconds: float) -> str:
        """The lines of a successful step: its title, its folded log, and its warnings as annotations."""
        text = self._log_text(log)
        line = self.system.group(title, _end_of(text), seconds) if text else self.inert(title)
        return _join((line, *self._marks(text, failed=False)))

    def failure(self, name: str, words: str, log: Path) -> str:
        """The lines of a failed step: its error, its folded log, and its errors as annotations."""
        text = self._log_text(log)
        title, _, rest = words.partition("\n")
        whole = Annotation(level=ERROR, title=name, message=f"{title}\n{rest}".strip())
        shown = f"FAIL  {name}\n" + "\n".join(f"      {line}" for line in words.splitlines())
        folded = self.system.group(f"log of {name}", _end_of(text), 0) if text else ""
        return _join(
            (self.inert(shown), folded, *self._marks(text, failed=True, first=(self._places.with_place(whole),)))
        )

    def refusal(self, words: str) -> str:
        """The annotation of a configuration error, at its line."""
        return self.system.mark(self._places.with_place(Annotation(level=ERROR, title="cartwheel", message=words)))

    def _log_text(self, log: Path) -> str:
        """A step's log; empty if the system shows none, or if the file is of an earlier run."""
        try:
            if self.system is PLAIN or log.stat().st_mtime < self._began - _CLOCK:
                return ""
            return log.read_bytes().decode(errors="replace").rstrip()
        except OSError:
            return ""

    def _marks(self, text: str, *, failed: bool, first: tuple[Annotation, ...] = ()) -> Iterator[str]:
        """A line for each new annotation, up to `MOST` of a level."""
        for annotation in (*first, *annotations_in(text, failed=failed, place=self._places.place)):
            if annotation not in self._shown:
                self._shown[annotation] = None
                if sum(other.level == annotation.level for other in self._shown) <= MOST:
                    yield self.system.mark(annotation)

    def add_page(self, page: str) -> str:
        """Append Markdown to the summary.  Returns a warning if that fails, else an empty text."""
        return self._warning(self._append(self.system.summary, page))

    def close(self, page: str, values: Mapping[str, str]) -> str:
        """Write the summary, the values and the report.  Returns warnings for what could not be written."""
        assignments = "".join(f"{name}{_assignment(value)}" for name, value in values.items())
        warnings = (
            self.add_page(page),
            self._warning(self._append(self.system.outputs, assignments)),
            self._warning(self._write_report()),
        )
        return _join(warnings)

    def _warning(self, why: str) -> str:
        return (self.system.mark(Annotation(level=WARNING, message=why)) or f"warning: {why}") if why else ""

    def _append(self, variable: str, text: str) -> str:
        """Append to the file that a variable names.  Returns why that failed, else an empty text."""
        path = self._environ.get(variable, "") if variable else ""
        if not path or not text:
            return ""
        try:
            with open(path, "a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
        except OSError as error:
            return f"{variable}: {path} cannot be written ({error.strerror}); what it should hold is lost"
        return ""

    def _write_report(self) -> str:
        if not self.system.report:
            return ""
        path = self._root / self.system.report
        rows = [_code_quality(annotation) for annotation in self._shown if annotation.path]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
        except OSError as error:
            return f"{self.system.report} cannot be written ({error.strerror})"
        return ""


def _join(lines: Iterable[str]) -> str:
    return "\n".join(line for line in lines if line)


def _end_of(text: str) -> str:
    if len(text) <= LONGEST_LOG:
        return text
    return f"… ({len(text) - LONGEST_LOG} characters before this are in the log's file)\n{text[-LONGEST_LOG:]}"


def _assignment(value: str) -> str:
    """The part after the name of an assignment in GITHUB_OUTPUT."""
    if "\n" not in value and "\r" not in value:
        return f"={value}\n"
    end = f"end-{random_word()}"
    return f"<<{end}\n{value}\n{end}\n"


def _code_quality(annotation: Annotation) -> dict[str, object]:
    """A row of GitLab's code quality report."""
    message = plain_line(annotation.message)
    words = f"{annotation.title}: {message}" if annotation.title else message
    row = (annotation.level, annotation.path, annotation.line, words)
    return {
        "description": words,
        "check_name": "cartwheel",
        "fingerprint": hashlib.sha256(json.dumps(row).encode()).hexdigest(),
        "severity": "critical" if annotation.level == ERROR else "minor",
        "location": {"path": annotation.path, "lines": {"begin": max(1, annotation.line)}},
    }
