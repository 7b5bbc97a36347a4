"""Which jobs of a repository publish, where to, by which credentials, and what starts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.uploads import (
    FORGES_AND_CRATES,
    PYPIS,
    index_addresses,
    is_literal_address,
    uploads,
)
from cartwheel.adoption.workflows import JobRun, Workflow

TAG, RELEASE, BRANCH, HAND, SCHEDULE = "tag", "release", "branch", "by hand", "schedule"


class Publisher(Struct, frozen=True, kw_only=True):
    """One step that sends files to a destination."""

    workflow: str
    job: str
    step: str
    """The action or the command."""
    index: str
    """`pypi`, `testpypi`, `github`, `crates-io`, an address, or the name or text that is given for an index."""
    trusted: bool = False
    """By the job's identity; else with a token."""
    secret: str = ""
    """The name of the secret that holds the token, if it is written there."""
    environment: str = ""
    started_by: tuple[str, ...] = ()
    """Of the words above."""


def publishers(pipelines: Iterable[Workflow], addresses: Mapping[str, str] | None = None) -> tuple[Publisher, ...]:
    """Every step that publishes, each once; `addresses`: of indexes by name, as `index_addresses` returns them."""
    rows = (row for workflow in pipelines for job in workflow.jobs for row in _of_job(job, workflow, addresses or {}))
    return tuple(dict.fromkeys(rows))


def _of_job(job: JobRun, workflow: Workflow, addresses: Mapping[str, str]) -> Iterable[Publisher]:
    for step in job.steps:
        for upload in uploads(step, addresses):
            yield Publisher(
                workflow=workflow.path,
                job=job.job,
                step=upload.what,
                index=upload.index,
                trusted=job.permissions.get("id-token") == "write" and _by_identity(job, upload.index, upload.password),
                secret=upload.password,
                environment=job.environment,
                started_by=tuple(
                    what for what in started_by(workflow) if _EVENT.get(what, "") in job.events or not job.events
                ),
            )


def _by_identity(job: JobRun, index: str, password: str) -> bool:
    """Whether a job with an identity publishes with it; crates.io needs the action that exchanges it."""
    if index == "crates-io":
        return any(step.uses == "rust-lang/crates-io-auth-action" for step in job.steps)
    return not password and index in PYPIS


_EVENT = {TAG: "push", BRANCH: "push", RELEASE: "release", HAND: "workflow_dispatch", SCHEDULE: "push"}
"""The event of each trigger."""


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


def tag_patterns(pipelines: Iterable[Workflow]) -> tuple[str, ...]:
    """The patterns of tags that start the workflows which publish to an index."""
    rows: dict[str, None] = {}
    for workflow in pipelines:
        push = workflow.triggers.get("push")
        patterns = push.get("tags", ()) if isinstance(push, Mapping) else ()
        if any(row.index not in FORGES_AND_CRATES for row in publishers([workflow])):
            rows |= dict.fromkeys(map(str, patterns if isinstance(patterns, list) else [patterns]))
    return tuple(rows)


def started_by_tags(pipelines: Iterable[Workflow], tags: Iterable[str]) -> tuple[Workflow, ...]:
    """The workflows without those that only tags of other forms start."""
    forms = tuple(tags)
    return tuple(w for w in pipelines if TAG not in started_by(w) or any(starts_on_tag(w, form) for form in forms))


def starts_on_tag(workflow: Workflow, tag: str) -> bool:
    """Whether a pushed tag of that form (with `{version}`) starts the workflow."""
    if TAG not in started_by(workflow):
        return False
    push = workflow.triggers.get("push")
    patterns = push.get("tags") if isinstance(push, Mapping) else None
    if not patterns:
        return True
    name, taken = tag.replace("{version}", "1.0.0"), False
    for pattern in map(str, patterns if isinstance(patterns, list) else [patterns]):
        if _matches(name, pattern.removeprefix("!")):
            taken = not pattern.startswith("!")
    return taken


_WILDCARDS = {"**": ".*", "*": "[^/]*", "?": "?", "+": "+"}


def _matches(name: str, pattern: str) -> bool:
    """Whether GitHub's filter pattern matches: `?` and `+` repeat the character before them (GitHub's "Workflow
    syntax", filter pattern cheat sheet, November 2026)."""
    parts = re.findall(r"\\.|\*\*|\[[^\]]+\]|.", pattern, re.DOTALL)
    text = "".join(_WILDCARDS.get(p) or (p if len(p) > 1 else re.escape(p)) for p in parts)
    try:
        return re.fullmatch(text, name) is not None
    except re.error:
        return name == pattern


class Rival(Struct, frozen=True, kw_only=True):
    """A workflow that would publish to an index of the project on the trigger that starts its release."""

    path: str
    publisher: Publisher
    lines: tuple[int, int]
    """The lines of the job that publishes, from 1, both included; zeros if they are not found."""
    known: bool = True
    """Whether it is known where it publishes to."""

    def advice(self) -> str:
        """A line that names the job and what to remove."""
        place = f"lines {self.lines[0]}-{self.lines[1]}, " if self.lines[0] else ""
        index = self.publisher.index
        where = f"publishes to {index}" if self.known else f"may publish to an index of this project ({index})"
        return (
            f"{self.path}: job '{self.publisher.job}' {where} on the same trigger "
            f"({self.publisher.step}); take it out: {place}or the whole file"
        )


def rivals(
    pipelines: Iterable[Workflow], texts: Texts, *, tags: Iterable[str],
    indexes: Iterable[str], trigger: str = TAG,
) -> tuple[Rival, ...]:  # fmt: skip
    """The jobs of `pipelines` that a release would start as well, and that publish to the project's indexes or to one
    that is known only at run time.

    `tags`: forms of the project's tags; `indexes`: names and addresses where the project publishes.
    """
    indexes, tags = set(indexes), tuple(tags)
    addresses = index_addresses(texts)
    rows = []
    for workflow in pipelines:
        if workflow.called_only:
            continue
        same = RELEASE in started_by(workflow) if trigger == RELEASE else any(starts_on_tag(workflow, t) for t in tags)
        if not same:
            continue
        for row in publishers([workflow], addresses):
            same_index = bool({row.index, addresses.get(row.index, row.index), row.index.rstrip("/")} & indexes)
            known = row.index in (*PYPIS, *FORGES_AND_CRATES) or is_literal_address(addresses.get(row.index, row.index))
            upload = row.index != "github" and (same_index or (not known and bool(indexes - {"github", "crates-io"})))
            if upload and trigger in row.started_by:
                lines = job_lines(texts[workflow.path], row.job.partition(" / ")[0])
                rows.append(Rival(path=workflow.path, publisher=row, lines=lines, known=same_index))
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
