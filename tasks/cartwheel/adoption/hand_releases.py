"""Releases that a person starts: targets of a Makefile, recipes, sessions and scripts that upload files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cartwheel.adoption.called_scripts import expand_calls
from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.workflows import JobRun, JobStep, Workflow

_RULE = r"^([A-Za-z][\w.-]*)[^\n:=]*:(?!=)"
_TASKS: Mapping[str, tuple[str, str]] = {
    "GNUmakefile": ("make", _RULE),
    "makefile": ("make", _RULE),
    "Makefile": ("make", _RULE),
    "justfile": ("just", _RULE),
    "Justfile": ("just", _RULE),
    ".justfile": ("just", _RULE),
    "noxfile.py": ("nox -s", r"^def (\w+)\(session\b"),
    "tasks.py": ("invoke", r"^def (\w+)\(c(?:tx|ontext)?\b"),
    "tox.ini": ("tox -e", r"^\[testenv:([\w.-]+)\]"),
    "Taskfile.yml": ("task", r"^  ([\w-]+):"),
    "Taskfile.yaml": ("task", r"^  ([\w-]+):"),
}
"""The files of task runners in the root, how a task of each is called, and where its name is."""
_SCRIPT = re.compile(
    r"(?:(?:scripts?|tools?|bin|ci|dev|etc|contrib|maint|releas\w*)/)?"
    r"[\w-]*(?:release|publish|upload|deploy)[\w-]*(?:\.(?:sh|bash|py))?"
)
"""The path of a script whose name says that it releases."""
_NAMED = re.compile(r"--target\b|(?:many|musl)linux_?\d|pyo3/maturin|\bsdist\b")
"""Parts of a command line that name the target; without them a build is for the machine of the person who starts it."""
_UNKNOWN = re.compile(r"--target[= ][\"']?\$")


def hand_releases(texts: Texts) -> tuple[Workflow, ...]:
    """The files whose tasks or scripts upload packages, each task as a job that a person starts.

    Builds count only if they name their targets: which machine a person uses is unknown.
    """
    from cartwheel.adoption.uploads import FORGES_AND_CRATES, UNNAMED, index_addresses, uploads

    addresses, no_index = index_addresses(texts), (*FORGES_AND_CRATES, UNNAMED)
    rows: dict[str, list[JobRun]] = {}
    for path, name, command in _calls(texts):
        script = expand_calls(command, ".", texts, {})
        sent = uploads(JobStep(run=script), addresses)
        if script == command or all(row.index in no_index for row in sent):
            continue
        lines = script.splitlines()
        building = [row for row in lines if not list(uploads(JobStep(run=row), addresses))]
        sending = [row for row in lines if not _is_build(row)]
        steps = (JobStep(run="\n".join(_known_builds(building))), JobStep(run="\n".join(sending)))
        rows.setdefault(path, []).append(JobRun(workflow=path, job=name, steps=steps))
    return tuple(
        Workflow(path=path, name=path, forge="", triggers={"workflow_dispatch": {}}, jobs=tuple(jobs))
        for path, jobs in rows.items()
    )


def _calls(texts: Texts) -> Iterable[tuple[str, str, str]]:
    """The file, the name and the call of each task and script."""
    for path, (runner, pattern) in _TASKS.items():
        for name in dict.fromkeys(re.findall(pattern, texts.get(path, ""), re.MULTILINE)):
            yield path, name, f"{runner} {name.replace('_', '-') if runner == 'invoke' else name}"
    for path in sorted(texts):
        if texts[path].strip() and _SCRIPT.fullmatch(path):
            yield path, path.rpartition("/")[2], f"{'python' if path.endswith('.py') else 'bash'} {path}"


def _is_build(line: str) -> bool:
    from cartwheel.adoption.built_wheels import builds_wheels

    return builds_wheels(line) or bool(re.search(r"\b(?:docker|podman)\s+run\b|\bcibuildwheel\b", line))


def _known_builds(lines: Iterable[str]) -> Iterable[str]:
    """The lines; none if any build among them is for an unknown machine or target."""
    from cartwheel.adoption.shell_loops import unroll_loops

    rows = unroll_loops("\n".join(lines)).splitlines()
    known = all(_NAMED.search(row) and not _UNKNOWN.search(row) for row in rows if _is_build(row))
    return rows if known else ()
