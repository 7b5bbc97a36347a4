"""GitHub: the pipeline as workflow files.

The audit of such files (zizmor, pedantic and auditor; November 2026) finds nothing by construction: a job has only
permissions with a reason, actions are pinned by commit, expressions reach the shell as variables only, and a run that
may publish restores no cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.ci.action_pins import Pins, newest_pins, pins_in
from cartwheel.ci.github_jobs import BUILDING, WHEELS, building_secrets, calling_job, job_row
from cartwheel.ci.jobs import (
    Build,
    Job,
    Pipeline,
    runner_value,
)
from cartwheel.ci.selection import NOWHERE, Selection
from cartwheel.ci.yaml_document import yaml_text
from cartwheel.model.config.release_settings import CiSettings
from cartwheel.model.versions.version import around_version

HEAD = (
    "Written by `doit ci github` from [tool.cartwheel]; change that and write it again.",
    "Only the pins of actions may be changed here: they are kept.",
)


def path(ci: CiSettings) -> str:
    """The file of the pipeline, relative to the repository."""
    return ci.github.file


def files(pipeline: Pipeline, present: Mapping[str, str]) -> Mapping[str, str]:
    """The files of the pipeline by their paths; newer pins of the `present` texts are kept."""
    pins = newest_pins(*map(pins_in, present.values()))
    main, reusable = pipeline.ci.github.file, pipeline.ci.github.reusable
    if not reusable:
        return {main: _workflow(pipeline, pipeline.jobs, pins)}
    building = tuple(job for job in pipeline.jobs if job.role in BUILDING)
    others = tuple(job for job in pipeline.jobs if job.role not in BUILDING)
    return {main: _workflow(pipeline, others, pins), reusable: _reusable(pipeline, building, pins)}


def render(pipeline: Pipeline, present: str = "") -> str:
    """The main file; newer pins of the `present` one are kept."""
    return files(pipeline, {"": present})[pipeline.ci.github.file]


def _workflow(pipeline: Pipeline, jobs: Iterable[Job], pins: Pins) -> str:
    tree: dict[str, Any] = {
        "name": "release",
        "on": _events(pipeline),
        "permissions": {},
        "concurrency": {
            "group": "${{ github.workflow }}-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
    }
    calling = {WHEELS: calling_job(pipeline)} if pipeline.ci.github.reusable else {}
    return _text(pipeline, tree, {**calling, **{job.name: job_row(pipeline, job, pins) for job in jobs}})


def _reusable(pipeline: Pipeline, jobs: Iterable[Job], pins: Pins) -> str:
    to = {"description": "Where to publish", "type": "string", "default": NOWHERE}
    outputs = {name: {"value": f"${{{{ jobs.plan.outputs.{name} }}}}"} for name in ("packages", "kept")}
    call: dict[str, Any] = {"inputs": {"to": to}} if pipeline.choices else {}
    if secrets := building_secrets(pipeline):
        call["secrets"] = {name: {"required": False} for name in secrets}
    tree = {
        "name": "wheels",
        "on": {"workflow_call": {**call, "outputs": outputs}},
        "permissions": {},
    }
    return _text(pipeline, tree, {job.name: job_row(pipeline, job, pins) for job in jobs})


def _text(pipeline: Pipeline, tree: dict[str, Any], jobs: Mapping[str, Any]) -> str:
    folder = {"working-directory": pipeline.where.folder} if pipeline.where.folder else {}
    tree |= {
        "defaults": {"run": {"shell": "bash", **folder}},
        "env": {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"},
        "jobs": dict(jobs),
    }
    text = yaml_text(tree, head=HEAD)
    return re.sub(r"\n(  [\w-]+:\n    name: )", r"\n\n\1", text).replace("jobs:\n\n", "jobs:\n")


# What starts it -------------------------------------------------------------------------------------------------------


def _events(pipeline: Pipeline) -> dict[str, Any]:
    tags = [_glob(form) for form in pipeline.tags]
    push: dict[str, Any] = {"branches": list(pipeline.branches)}
    by_tag = pipeline.trigger == "tag" and bool(tags)
    if by_tag:
        push["tags"] = tags
    filtered = {"paths": list(pipeline.ci.paths)} if pipeline.ci.paths else {}
    events: dict[str, Any] = {"push": {**push, **filtered}, "pull_request": filtered or None}
    if tags and not by_tag:
        events["release"] = {"types": ["published"]}
    if pipeline.ci.schedule:
        events["schedule"] = [{"cron": pipeline.ci.schedule}]
    where = {
        "description": "Where to publish; on a tag, but for an index to practise on",
        "type": "choice",
        "options": [NOWHERE, *pipeline.choices],
        "default": NOWHERE,
    }
    return {**events, "workflow_dispatch": {"inputs": {"to": where}} if pipeline.choices else None}


def _glob(form: str) -> str:
    """A tag's form as GitHub's filter pattern: a version begins with a digit."""
    before, after = (re.sub(r"([*?+!\[\]\\])", r"\\\1", part) for part in around_version(form))
    return f"{before}[0-9]*{after}"


def secret_place(job: Job, variable: str) -> str:
    """Where a person keeps a secret of a job."""
    return f"the secret {variable}" + (f" in the environment {job.environment}" if job.environment else "")


# What the plan's job says ---------------------------------------------------------------------------------------------


def plan_outputs(selected: Selection) -> dict[str, str]:
    """The values of `OUTPUTS` for one run."""
    return {
        "any": "true" if selected.builds else "false",
        "matrix": json.dumps({"include": [_row(chosen.build, chosen.tasks) for chosen in selected.builds]}),
        "packages": json.dumps(selected.packages),
        "sdists": " ".join(selected.sdists),
    }


def _row(build: Build, tasks: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": build.name,
        "runner": runner_value(build.runner),
        "tasks": " ".join(tasks),
        "pythons": "\n".join(build.pythons),
        "fetched": " ".join(build.fetched),
        "rust": " ".join(build.rust),
        "system": " ".join(build.system),
    }
