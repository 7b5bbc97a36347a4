"""GitHub workflows and GitLab pipelines as values: jobs multiplied by their matrices, with the steps of a release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.expressions import UNKNOWN, as_text, may_run, substitute, variables
from cartwheel.adoption.job_matrix import matrix_rows
from cartwheel.adoption.parsed_files import Texts, parsed_yaml

FOLDER = ".github/workflows/"
DESTINATIONS = frozenset(
    ("repository-url", "repository_url", "TWINE_REPOSITORY", "TWINE_REPOSITORY_URL", "UV_PUBLISH_URL",
     "UV_PUBLISH_INDEX", "MATURIN_REPOSITORY", "MATURIN_REPOSITORY_URL", "PDM_PUBLISH_REPO", "HATCH_INDEX_REPO",
     "FLIT_INDEX_URL")
)  # fmt: skip
"""Inputs and variables that name an index. One known only at run time is `${{ … }}`, since empty is PyPI."""


RUN_TIME_VALUE = "${{ … }}"
"""The text of an input that is known only at run time, where an empty one has a meaning."""


class JobStep(Struct, frozen=True, kw_only=True):
    """One step with all expressions filled in."""

    uses: str = ""
    """`owner/action`, without the version."""
    version: str = ""
    """The action's tag, branch or commit."""
    run: str = ""
    with_: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    """All variables that it sees: the workflow's, the job's, its own."""
    folder: str = "."
    name: str = ""


class JobRun(Struct, frozen=True, kw_only=True):
    """One job for one row of its matrix."""

    workflow: str
    """The path of the file."""
    job: str
    matrix: Mapping[str, Any] = {}
    runner: str = ""
    """The first label of `runs-on`."""
    labels: tuple[str, ...] = ()
    container: str = ""
    environment: str = ""
    permissions: Mapping[str, str] = {}
    needs: tuple[str, ...] = ()
    steps: tuple[JobStep, ...] = ()
    events: tuple[str, ...] = ()
    """The events that start it: `push` (of a tag), `release`, `workflow_dispatch`."""

    @property
    def system(self) -> str:
        """`linux`, `macos` or `windows`, by the runner's label."""
        text = " ".join((self.runner, *self.labels)).lower()
        if "macos" in text or "mac-" in text:
            return "macos"
        return "windows" if "windows" in text else "linux"

    @property
    def arch(self) -> str:
        """The architecture of the runner, as Rust names it."""
        text = " ".join((self.runner, *self.labels)).lower()
        if re.search(r"(?:^|[^a-z])(?:arm64|aarch64|arm)(?:$|[^a-z0-9])|-arm$", text):
            return "aarch64"
        if self.system == "macos" and not re.search(r"intel|x64|large|macos-1[0-3]", text):
            return "aarch64"
        return "x86_64"


class Workflow(Struct, frozen=True, kw_only=True):
    """One pipeline file."""

    path: str
    name: str
    forge: str
    triggers: Mapping[str, Any]
    """By event, `push`, `release`, with what narrows it."""
    jobs: tuple[JobRun, ...]
    faults: tuple[str, ...] = ()
    """The parts that cannot be read, in words."""

    @property
    def called_only(self) -> bool:
        """Whether only other workflows start it."""
        return bool(self.triggers) and set(self.triggers) <= {"workflow_call"}


_RUN: Mapping[str, Any] = {
    "event_name": "push",
    "ref": "refs/tags/v1.0.0",
    "ref_name": "v1.0.0",
    "ref_type": "tag",
    "event": {"release": UNKNOWN, "inputs": UNKNOWN, "action": "published"},
    "repository": UNKNOWN,
    "repository_owner": UNKNOWN,
    "actor": UNKNOWN,
}
"""The run that a pushed tag starts."""

_EVENTS: Mapping[str, Mapping[str, Any]] = {
    "push": _RUN,
    "release": {**_RUN, "event_name": "release"},
    "workflow_dispatch": {**_RUN, "event_name": "workflow_dispatch", "ref": UNKNOWN, "ref_type": UNKNOWN},
}
"""The runs that a workflow is read for, by what starts them."""


def workflows(texts: Texts) -> tuple[Workflow, ...]:
    """The repository's GitHub workflows and its GitLab pipeline; without one that uploads, the tasks that do."""
    from cartwheel.adoption.gitlab import gitlab_pipeline
    from cartwheel.adoption.hand_releases import hand_releases
    from cartwheel.adoption.publishers import publishers
    from cartwheel.adoption.uploads import FORGES_AND_CRATES

    parsed = [
        github_workflow(path, texts)
        for path in sorted(texts)
        if path.startswith(FOLDER) and path.count("/") == 2 and path.endswith((".yml", ".yaml"))
    ]
    if ".gitlab-ci.yml" in texts:
        parsed.append(gitlab_pipeline(".gitlab-ci.yml", texts))
    uploaded = any(row.index not in FORGES_AND_CRATES for row in publishers(parsed))
    return tuple(parsed) if uploaded else (*parsed, *hand_releases(texts))


def top_level_workflows(pipelines: Iterable[Workflow], texts: Texts) -> Iterable[Workflow]:
    """The workflows without those whose jobs count for a workflow that calls them."""
    rows = tuple(pipelines)
    callers = "\n".join(texts.get(row.path, "") for row in rows if not row.called_only)
    return (row for row in rows if not (row.called_only and f"./{row.path}" in callers))


def github_workflow(path: str, texts: Texts) -> Workflow:
    """One workflow file; `faults` receives a line for each part that is not understood."""
    name = path.rpartition("/")[2]
    try:
        document = parsed_yaml(texts[path])
    except ValueError as error:
        return Workflow(path=path, name=name, forge="github", triggers={}, jobs=(), faults=(f"not YAML: {error}",))
    if not isinstance(document, Mapping):
        return Workflow(path=path, name=name, forge="github", triggers={}, jobs=(), faults=("holds no workflow",))
    triggers = _triggers(document.get("on", document.get(True)))
    merged: dict[str, JobRun] = {}
    faults: list[str] = []
    for event in [event for event in _EVENTS if event in triggers] or ["push"]:
        jobs: list[JobRun] = []
        inputs: Any = UNKNOWN if event == "workflow_dispatch" else {}
        _add_jobs(document, path, texts, inputs, jobs, faults, depth=0, run=_EVENTS[event])
        for job in jobs:
            before = merged.get(repr(job), job)
            merged[repr(job)] = replace(before, events=(*before.events, event))
    return Workflow(
        path=path,
        name=str(document.get("name", name)),
        forge="github",
        triggers=triggers,
        jobs=tuple(merged.values()),
        faults=tuple(dict.fromkeys(faults)),
    )


def _triggers(on: Any) -> Mapping[str, Any]:
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {str(event): {} for event in on}
    return {str(event): filters or {} for event, filters in on.items()} if isinstance(on, Mapping) else {}


def _add_jobs(
    document: Mapping[str, Any], path: str, texts: Texts, inputs: Any, jobs: list[JobRun],
    faults: list[str], *, depth: int, run: Mapping[str, Any], caller: str = "",
) -> None:  # fmt: skip
    """`caller`: the job that called this workflow, as the forge shows it (`release / `)."""
    defaults = document.get("defaults") or {}
    for job, body in (document.get("jobs") or {}).items():
        if not isinstance(body, Mapping):
            continue
        for row in matrix_rows(body.get("strategy"), {"github": run, "inputs": inputs}, faults, f"{path}: {job}"):
            context = {"github": run, "inputs": inputs, "matrix": row, "env": {}}
            env = variables(document.get("env"), context)
            context["env"] = env = {**env, **variables(body.get("env"), {**context, "env": env})}
            if not may_run(body.get("if"), context):
                continue
            if "uses" in body:
                _add_reusable_jobs(body, job, path, texts, context, jobs, faults, depth)
                continue
            jobs.append(_job_run(body, f"{caller}{job}", path, texts, context, defaults, document))


def _add_reusable_jobs(
    body: Mapping[str, Any], job: str, path: str, texts: Texts, context: Mapping[str, Any], jobs: list[JobRun],
    faults: list[str], depth: int,
) -> None:  # fmt: skip
    """The jobs of a reusable workflow of the same repository."""
    called = str(body["uses"]).removeprefix("./")
    if called not in texts or depth > 3:
        faults.append(f"{job} calls {body['uses']}, which is not in this repository")
        return
    try:
        document = parsed_yaml(texts[called])
    except ValueError as error:
        faults.append(f"{called}: not YAML: {error}")
        return
    declared = (_triggers(document.get("on", document.get(True))).get("workflow_call") or {}).get("inputs") or {}
    inputs = {name: (row or {}).get("default") for name, row in declared.items()}
    inputs |= substitute(body.get("with") or {}, context)
    run = context["github"]
    _add_jobs(document, path, texts, inputs, jobs, faults, depth=depth + 1, run=run, caller=f"{job} / ")


def _job_run(
    body: Mapping[str, Any], job: str, path: str, texts: Texts, context: Mapping[str, Any],
    defaults: Mapping[str, Any], document: Mapping[str, Any],
) -> JobRun:  # fmt: skip
    from cartwheel.adoption.workflow_steps import job_steps

    runs_on = substitute(body.get("runs-on", ""), context)
    if isinstance(runs_on, Mapping):
        runs_on = runs_on.get("labels", "")
    labels = tuple(map(as_text, runs_on)) if isinstance(runs_on, list) else (as_text(runs_on),)
    container = substitute(body.get("container", ""), context)
    environment = substitute(body.get("environment", ""), context)
    permissions = body.get("permissions", document.get("permissions", {}))
    draft = JobRun(workflow=path, job=job, runner=labels[0] if labels else "", labels=labels)
    context = {**context, "runner": {"os": {"linux": "Linux", "macos": "macOS", "windows": "Windows"}[draft.system]}}
    folder = ((body.get("defaults") or defaults).get("run") or {}).get("working-directory", ".")
    return JobRun(
        workflow=path,
        job=job,
        matrix=context["matrix"],
        runner=draft.runner,
        labels=labels,
        container=as_text(container.get("image", "") if isinstance(container, Mapping) else container),
        environment=as_text(environment.get("name", "") if isinstance(environment, Mapping) else environment),
        permissions=dict.fromkeys(("id-token",), "write") if permissions == "write-all" else _texts(permissions),
        needs=tuple([needs] if isinstance(needs := body.get("needs") or [], str) else map(str, needs)),
        steps=tuple(job_steps(body.get("steps") or (), context, texts, str(substitute(folder, context)))),
    )


def _texts(table: Any) -> dict[str, str]:
    return {str(key): as_text(value) for key, value in table.items()} if isinstance(table, Mapping) else {}
