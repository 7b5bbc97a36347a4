"""Which jobs of a repository publish, where to, by which credentials, and what starts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from cartwheel.adoption.workflows import JobRun, JobStep, Workflow

TAG, RELEASE, BRANCH, HAND, SCHEDULE = "tag", "release", "branch", "by hand", "schedule"


class Publisher(Struct, frozen=True, kw_only=True):
    """One step that sends files to a destination."""

    workflow: str
    job: str
    step: str
    """The action or the command."""
    index: str
    """`pypi`, `testpypi`, `github`, `crates-io`, or an address."""
    trusted: bool = False
    """By the job's identity; else with a token."""
    secret: str = ""
    """The name of the secret that holds the token, if it is written there."""
    environment: str = ""
    started_by: tuple[str, ...] = ()
    """Of the words above."""


def publishers(pipelines: Iterable[Workflow]) -> tuple[Publisher, ...]:
    """Every step that publishes, each once."""
    rows = (
        row
        for workflow in pipelines
        for job in workflow.jobs
        for step in job.steps
        for row in _of_step(step, job, workflow)
    )
    return tuple(dict.fromkeys(rows))


def _of_step(step: JobStep, job: JobRun, workflow: Workflow) -> Iterable[Publisher]:
    for index, what, password in _uploads(step):
        yield Publisher(
            workflow=workflow.path,
            job=job.job,
            step=what,
            index=index,
            trusted=job.permissions.get("id-token") == "write" and _by_identity(job, index, password),
            secret=password,
            environment=job.environment,
            started_by=tuple(
                what for what in started_by(workflow) if _EVENT.get(what, "") in job.events or not job.events
            ),
        )


def _by_identity(job: JobRun, index: str, password: str) -> bool:
    """Whether a job with an identity publishes with it; crates.io needs the action that exchanges it."""
    if index == "crates-io":
        return any(step.uses == "rust-lang/crates-io-auth-action" for step in job.steps)
    return not password and index in ("pypi", "testpypi")


_EVENT = {TAG: "push", BRANCH: "push", RELEASE: "release", HAND: "workflow_dispatch", SCHEDULE: "push"}
"""The event of each trigger."""


def _uploads(step: JobStep) -> Iterable[tuple[str, str, str]]:
    """For each upload of a step: the index, the action or command, and the variable of the password if known."""
    token = next((k for k in ("TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "MATURIN_PYPI_TOKEN", "UV_PUBLISH_PASSWORD")
                  if k in step.env), "")  # fmt: skip
    if step.uses == "pypa/gh-action-pypi-publish":
        address = step.with_.get("repository-url", "") or step.with_.get("repository_url", "")
        yield _index(address), step.uses, "password" if "password" in step.with_ else ""
    elif step.uses == "pyo3/maturin-action" and step.with_.get("command") in ("upload", "publish"):
        yield _index(step.with_.get("args", "") + step.env.get("MATURIN_REPOSITORY", "")), step.uses, token
    elif step.uses in _PAGES and any(step.with_.get(key) for key in ("files", "artifacts", "file")):
        yield "github", step.uses, ""
    for command, kind in _COMMANDS:
        for match in command.finditer(_commands(step.run)):
            index = _index(match[0] + _repository(step.env)) if kind == "pypi" else kind
            secret = token if kind == "pypi" else "CARGO_REGISTRY_TOKEN" if kind == "crates-io" else ""
            yield index, re.sub(r"\s+", " ", match[0]).strip()[:40].strip(), secret


_PAGES = ("softprops/action-gh-release", "ncipollo/release-action", "svenstaro/upload-release-action")
_COMMANDS = (
    (re.compile(r"\btwine\s+upload\b[^\n]*"), "pypi"),
    (re.compile(r"\buv\s+publish\b[^\n]*"), "pypi"),
    (re.compile(r"\bmaturin\s+(?:upload|publish)\b[^\n]*"), "pypi"),
    (re.compile(r"\b(?:poetry|flit|hatch)\s+publish\b[^\n]*"), "pypi"),
    (re.compile(r"\bcargo\s+publish\b[^\n]*"), "crates-io"),
    (re.compile(r"\bgh\s+release\s+(?:upload|create)\b[^\n]*"), "github"),
    (re.compile(r"\b(?:cargo\s+)?dist\s+host\b[^\n]*--steps=(?:upload|release)[^\n]*"), "github"),
)


def _commands(script: str) -> str:
    return "\n".join(
        line for line in script.replace("\\\n", " ").splitlines() if "--dry-run" not in line and line.strip()[:1] != "#"
    )


def _repository(env: Mapping[str, str]) -> str:
    return " ".join(env.get(name, "") for name in ("TWINE_REPOSITORY", "TWINE_REPOSITORY_URL", "UV_PUBLISH_URL"))


def _index(text: str) -> str:
    """The index that an address or a command line means."""
    if re.search(r"test[.-]?pypi", text):
        return "testpypi"
    address = re.search(r"https?://[^\s'\"]+", text)
    if address and not re.search(r"//(?:upload\.)?pypi\.", address[0]):
        return address[0]
    return "pypi"


def started_by(workflow: Workflow) -> tuple[str, ...]:
    """The events that start a workflow."""
    triggers = []
    push = workflow.triggers.get("push")
    if push is not None:
        narrowed = isinstance(push, Mapping) and ("branches" in push or "paths" in push)
        if not isinstance(push, Mapping) or "tags" in push or not narrowed:
            triggers.append(TAG)
        if not isinstance(push, Mapping) or "branches" in push or not push:
            triggers.append(BRANCH)
    triggers += [RELEASE] if "release" in workflow.triggers else []
    triggers += [HAND] if "workflow_dispatch" in workflow.triggers else []
    triggers += [SCHEDULE] if "schedule" in workflow.triggers else []
    return tuple(triggers)


def started_by_tags(pipelines: Iterable[Workflow], tags: Iterable[str]) -> tuple[Workflow, ...]:
    """The workflows without those that only tags of other forms start."""
    forms = tuple(tags)
    return tuple(w for w in pipelines if TAG not in started_by(w) or any(takes_tag(w, form) for form in forms))


def takes_tag(workflow: Workflow, tag: str) -> bool:
    """Whether a pushed tag of that form (with `{version}`) starts the workflow."""
    if TAG not in started_by(workflow):
        return False
    push = workflow.triggers.get("push")
    patterns = push.get("tags") if isinstance(push, Mapping) else None
    if not patterns:
        return True
    name = tag.replace("{version}", "1.0.0")
    return any(_matches(name, str(pattern)) for pattern in (patterns if isinstance(patterns, list) else [patterns]))


def _matches(name: str, pattern: str) -> bool:
    """GitHub's filter patterns, as far as tags use them: `*`, `**`, `?`, `[0-9]+`."""
    if "+" in pattern:
        text = re.escape(pattern).replace(r"\[", "[").replace(r"\]", "]").replace(r"\-", "-").replace(r"\+", "+")
        return re.fullmatch(text.replace(r"\*", ".*").replace(r"\?", "?"), name) is not None
    return fnmatchcase(name, pattern.replace("**", "*"))


class Rival(Struct, frozen=True, kw_only=True):
    """A workflow that would publish to an index of the project on the trigger that starts its release."""

    path: str
    publisher: Publisher
    lines: tuple[int, int]
    """The lines of the job that publishes, from 1, both included; zeros if they are not found."""

    def advice(self) -> str:
        """A line that names the job and what to remove."""
        place = f"lines {self.lines[0]}-{self.lines[1]}, " if self.lines[0] else ""
        return (
            f"{self.path}: job '{self.publisher.job}' publishes to {self.publisher.index} on the same trigger "
            f"({self.publisher.step}); take it out: {place}or the whole file"
        )


def rivals(
    pipelines: Iterable[Workflow], texts: Mapping[str, str], *, tags: Iterable[str],
    indexes: Iterable[str], trigger: str = TAG,
) -> tuple[Rival, ...]:  # fmt: skip
    """The jobs of `pipelines` that a release would start as well.

    `tags`: forms of the project's tags; `indexes`: where the project publishes.
    """
    indexes, tags = set(indexes), tuple(tags)
    rows = []
    for workflow in pipelines:
        if workflow.called_only:
            continue
        same = RELEASE in started_by(workflow) if trigger == RELEASE else any(takes_tag(workflow, t) for t in tags)
        if not same:
            continue
        for row in publishers([workflow]):
            if row.index in indexes and row.index != "github" and trigger in row.started_by:
                lines = job_lines(texts[workflow.path], row.job.partition(" / ")[0])
                rows.append(Rival(path=workflow.path, publisher=row, lines=lines))
    return tuple({(r.path, r.publisher.job, r.publisher.index): r for r in rows}.values())


def job_lines(text: str, job: str) -> tuple[int, int]:
    """The lines of a job in a workflow file, from 1, both included; `(0, 0)` if it has no block of lines."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.match(rf"(\s*)[\"']?{re.escape(job)}[\"']?:\s*(?:#.*)?$", line)
        if not match:
            continue
        last = number
        for later in range(number + 1, len(lines)):
            body = lines[later]
            if body.strip() and len(body) - len(body.lstrip()) <= len(match[1]) and not body.lstrip().startswith("#"):
                break
            last = later if body.strip() else last
        return number + 1, last + 1
    return 0, 0
