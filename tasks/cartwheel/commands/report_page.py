"""The page of `doit report` as HTML, made from values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from msgspec import Struct

from cartwheel.commands.status import ReleaseStatus
from cartwheel.model.check_report import HERE, CheckReport
from cartwheel.model.wheels.artifacts import Artifact, report_mark
from cartwheel.screen import duration
from cartwheel.summary import FileRow, change_in_words, size


class PlannedFile(Struct, frozen=True, kw_only=True):
    """One planned file, and what is known of it here."""

    artifact: Artifact
    floor: str
    variant: str
    untested: str
    """The configured reason that it may be published without tests."""
    row: FileRow | None
    """None if the file does not exist here."""
    check: CheckReport | None
    """None if it was not checked here."""
    tools: Mapping[str, str]
    crates: Mapping[str, str]


class PackageFacts(Struct, frozen=True, kw_only=True):
    """One package."""

    name: str
    version: str
    files: tuple[PlannedFile, ...]
    status: ReleaseStatus | None
    """None if no index was asked."""


class StepFacts(Struct, frozen=True, kw_only=True):
    """One step with the time of its last success, and the steps it waits for."""

    name: str
    seconds: float
    after: tuple[str, ...]


class ReleaseFacts(Struct, frozen=True, kw_only=True):
    """Everything that the page shows."""

    commit: str
    packages: tuple[PackageFacts, ...]
    steps: tuple[StepFacts, ...]
    """In the order of execution."""
    last_run: Mapping[str, float]


MISSING, UNTESTED, TESTED, UNCHECKED, BAD = "missing", "untested", "tested", "unchecked", "bad"

_MARKS = {MISSING: "-", UNTESTED: "○", TESTED: "✓", UNCHECKED: "?", BAD: "✗"}
_WORDS = {
    MISSING: "not built here",
    UNTESTED: "built, not tested",
    TESTED: "built and tested",
    UNCHECKED: "built, not checked",
    BAD: "problems",
}


def state_of(file: PlannedFile) -> str:
    """One of `missing`, `unchecked`, `bad`, `untested`, `tested`."""
    if file.row is None:
        return MISSING
    if file.check is None or file.check.sha256 != file.row.sha256:
        return UNCHECKED
    if file.check.problems:
        return BAD
    return UNTESTED if file.check.untested else TESTED


def html_page(facts: ReleaseFacts) -> str:
    """The whole page: no script, and nothing is loaded from elsewhere."""
    title = ", ".join(f"{package.name} {package.version}" for package in facts.packages)
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = "\n".join((
        f"<header><h1>{escape(title)}</h1>",
        f"<p>commit <code>{escape(facts.commit[:12])}</code></p>{_legend(facts)}</header>",
        *(_package(package) for package in facts.packages),
        _times(facts),
    ))  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{report_mark(escape(facts.commit))}\n'
        f"<title>{escape(title)}: release report</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _legend(facts: ReleaseFacts) -> str:
    states = [state_of(file) for package in facts.packages for file in package.files]
    counts = [f'<li class="{state}"><b>{_MARKS[state]} {states.count(state)}</b> {_WORDS[state]}</li>'
              for state in _MARKS if state in states]  # fmt: skip
    return f'<ul class="legend">{"".join(counts)}</ul>'


def _package(package: PackageFacts) -> str:
    name = escape(f"{package.name} {package.version}")
    parts = [f"<section><h2>{name}</h2>", _matrix(package.files), _files(package.files)]
    if package.status:
        parts.append(_indexes(package.status))
    return "\n".join((*parts, "</section>"))


def _matrix(files: tuple[PlannedFile, ...]) -> str:
    """Targets by interpreters."""
    wheels = [file for file in files if file.artifact.kind == "wheel"]
    pythons = list(dict.fromkeys(file.artifact.python for file in wheels))
    rows = []
    for target in dict.fromkeys(file.artifact.target for file in wheels):
        cells = "".join(_cell([f for f in wheels if (f.artifact.target, f.artifact.python) == (target, python)])
                        for python in pythons)  # fmt: skip
        rows.append(f'<tr><th scope="row">{escape(target)}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col">{escape(python)}</th>' for python in pythons)
    return _table("Systems and interpreters", f"<th>target</th>{heads}", rows, "matrix")


def _cell(files: list[PlannedFile]) -> str:
    marks = [
        f'<a href="#{_anchor(file)}" class="{state}" title="{escape(file.artifact.file)}: {_WORDS[state]}">'
        f"{_MARKS[state]}</a>"
        for file in files
        for state in (state_of(file),)
    ]
    return f"<td>{' '.join(marks)}</td>"


def _anchor(file: PlannedFile) -> str:
    return escape(f"file-{file.artifact.file}")


def _files(files: tuple[PlannedFile, ...]) -> str:
    rows = []
    for file in files:
        state, row = state_of(file), file.row
        sizes = f"{size(row.bytes)} <small>{escape(change_in_words(row.bytes, row.last_bytes))}</small>" if row else ""
        digest = _digest(row.sha256) if row else ""
        rows.append(
            f'<tr id="{_anchor(file)}"><td class="{state}" title="{_WORDS[state]}">{_MARKS[state]}</td>'
            f'<th scope="row"><code>{escape(file.artifact.file)}</code>{_problems(file)}</th>'
            f'<td class="number">{sizes}</td><td>{escape(file.floor)}</td><td>{_tests(file)}</td><td>{digest}</td>'
            f"<td>{_origin(file)}</td></tr>"
        )
    heads = "<th></th><th>file</th><th>size</th><th>floor</th><th>tests</th><th>SHA-256</th><th>made with</th>"
    return _table("Files", heads, rows, "files")


def _digest(sha256: str) -> str:
    return f"<details><summary><code>{sha256[:12]}</code></summary><code>{sha256}</code></details>"


def _problems(file: PlannedFile) -> str:
    problems = file.check.problems if file.check else ()
    return f'<ul class="bad">{"".join(f"<li>{escape(text)}</li>" for text in problems)}</ul>' if problems else ""


def _tests(file: PlannedFile) -> str:
    if file.check is None:
        return ""
    lines = []
    for run in file.check.runs:
        python = escape(run.python)
        if run.not_run:
            lines.append(f'<li class="untested">{python} not run: {escape(run.not_run)}</li>')
        else:
            where = "" if run.by == HERE else f", {escape(run.by)}"
            what = f"{run.count} passed" if run.count else escape(run.note)
            lines.append(f'<li class="tested">{python}: {what}{where}</li>')
    waived = f'<li class="untested">waived: {escape(file.untested)}</li>' if file.untested else ""
    return f"<ul>{''.join(lines)}{waived}</ul>"


def _origin(file: PlannedFile) -> str:
    if not file.tools:
        return ""
    lines = (*file.tools.items(), *file.crates.items())
    items = "".join(f"<li>{escape(name)} {escape(version)}</li>" for name, version in lines)
    return f"<details><summary>{len(lines)} tools and crates</summary><ul>{items}</ul></details>"


def _indexes(status: ReleaseStatus) -> str:
    files = tuple(dict.fromkeys(item.name for index in status.indexes for item in index.items))
    heads = "".join(
        f'<th scope="col">{escape(index.name)}<br><small>{escape(index.state)}</small></th>' for index in status.indexes
    )
    by_index = [{item.name: item.state for item in index.items} for index in status.indexes]
    rows = [
        f'<tr><th scope="row"><code>{escape(file)}</code></th>'
        + "".join(f"<td>{escape(states.get(file, ''))}</td>" for states in by_index)
        + "</tr>"
        for file in files
    ]
    details = "".join(
        f"<p>{escape(index.name)}: {escape(index.detail)}</p>" for index in status.indexes if index.detail
    )
    where = [place for place, commit in (("here", status.tag.here), ("on the remote", status.tag.there)) if commit]
    tag = f"<p>tag <code>{escape(status.tag.name)}</code>: {' and '.join(where) or 'nowhere'}</p>"
    return _table("Indexes", f"<th>file</th>{heads}", rows, "indexes") + tag + details


def _table(title: str, heads: str, rows: Iterable[str], kind: str) -> str:
    body = "\n".join(rows)
    return (
        f'<h3>{title}</h3>\n<div class="scroll"><table class="{kind}">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


# times ---------------------------------------------------------------------------------------------------------------


def starts(steps: Iterable[StepFacts]) -> dict[str, float]:
    """When each step would start, in seconds, if every step started as soon as those before it have ended."""
    ends: dict[str, float] = {}
    begun: dict[str, float] = {}
    for step in steps:
        begun[step.name] = max((ends[name] for name in step.after), default=0.0)
        ends[step.name] = begun[step.name] + step.seconds
    return begun


def critical_path(steps: tuple[StepFacts, ...]) -> tuple[str, ...]:
    """The longest chain of steps, in order: no number of processors makes the whole faster."""
    if not steps:
        return ()
    begun, by_name = starts(steps), {step.name: step for step in steps}
    step = max(steps, key=lambda step: begun[step.name] + step.seconds)
    path = [step.name]
    while step.after:
        step = max((by_name[name] for name in step.after), key=lambda step: begun[step.name] + step.seconds)
        path.append(step.name)
    return tuple(reversed(path))


def _times(facts: ReleaseFacts) -> str:
    if not facts.steps:
        return "<section><h2>Times</h2><p>Nothing was built here yet.</p></section>"
    begun, path = starts(facts.steps), critical_path(facts.steps)
    whole = max(begun[step.name] + step.seconds for step in facts.steps) or 1.0
    spent = sum(step.seconds for step in facts.steps)
    rows = "\n".join(_bar(step, begun[step.name], whole, step.name in path, facts.last_run) for step in facts.steps)
    ran = sum(step.name in facts.last_run for step in facts.steps)
    run = (
        f" The last run that did something ran {ran} of these {len(facts.steps)} steps; the others were up to date."
        if facts.last_run
        else ""
    )
    return (
        f"<section><h2>Times</h2><p>All steps together: {duration(spent)}. The longest chain of steps, the critical "
        f"path, takes {duration(whole)}; it is marked. Bars start as soon as the steps before have ended.{run}</p>\n"
        f'<ol class="times">\n{rows}\n</ol></section>'
    )


def _bar(step: StepFacts, begun: float, whole: float, critical: bool, last_run: Mapping[str, float]) -> str:
    left, width = 100 * begun / whole, max(0.2, 100 * step.seconds / whole)
    kinds = " ".join(kind for kind, applies in (("critical", critical), ("ran", step.name in last_run)) if applies)
    mark = " <small>critical path</small>" if critical else ""
    place = f"margin-left:{min(left, 99.8):.2f}%;width:{min(width, 100 - left):.2f}%"
    return (
        f'<li class="{kinds}"><span class="name">{escape(step.name)}{mark}</span>'
        f'<span class="number">{step.seconds:.1f} s</span>'
        f'<span class="track"><span class="bar" style="{place}"></span></span></li>'
    )
