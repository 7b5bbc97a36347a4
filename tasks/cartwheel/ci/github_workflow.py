"""GitHub: the pipeline as a workflow file.

What the audit of such files asks for (zizmor, pedantic; November 2026) is met by construction: nothing is permitted but
what a job says with its reason, actions are pinned by commit, expressions reach the shell as variables only, no cache
is read by a release.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from cartwheel.ci.action_pins import Pins, newer, pins_in
from cartwheel.ci.github_steps import (
    DOIT_TASKS,
    FILES,
    Step,
    commands,
    merge,
    package_condition,
    pinned_step,
    setup_steps,
    tokens,
    upload,
    with_words,
)
from cartwheel.ci.jobs import BUILD, GATHER, PLAN, PUBLISH, SDIST, VERIFY, Build, Job, Pipeline
from cartwheel.ci.selection import NOWHERE, Selection
from cartwheel.ci.yaml_document import Commented, FoldedText, yaml_text
from cartwheel.model.versions.version import FIELDS

HEAD = (
    "Written by `doit ci github` from [tool.cartwheel]; change that and write it again.",
    "Only the pins of actions may be changed here: they are kept.",
)


def render(pipeline: Pipeline, present: str = "") -> str:
    """The workflow file; newer pins of the `present` one are kept."""
    pins = newer(pins_in(present))
    tree: dict[str, Any] = {
        "name": "release",
        "on": _events(pipeline),
        "permissions": {},
        "concurrency": {
            "group": "${{ github.workflow }}-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}",
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
        "defaults": {"run": {"shell": "bash"}},
        "env": {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"},
        "jobs": {job.name: _job(pipeline, job, pins) for job in pipeline.jobs},
    }
    text = yaml_text(tree, head=HEAD)
    return re.sub(r"\n(  [\w-]+:\n    name: )", r"\n\n\1", text).replace("jobs:\n\n", "jobs:\n")


# What starts it -------------------------------------------------------------------------------------------------------


def _events(pipeline: Pipeline) -> dict[str, Any]:
    tags = [_glob(form) for form in pipeline.tags]
    push: dict[str, Any] = {"branches": [pipeline.branch]}
    by_tag = pipeline.trigger == "tag" and bool(tags)
    if by_tag:
        push["tags"] = tags
    events: dict[str, Any] = {"push": push, "pull_request": None}
    if tags and not by_tag:
        events["release"] = {"types": ["published"]}
    where = {
        "description": "Where to publish; on a tag, but for an index to practise on",
        "type": "choice",
        "options": [NOWHERE, *pipeline.choices],
        "default": NOWHERE,
    }
    return {**events, "workflow_dispatch": {"inputs": {"to": where}} if pipeline.choices else None}


def _glob(form: str) -> str:
    """A tag's form as GitHub's filter patterns have it: a version begins with a digit."""
    field = next(f"{{{field}}}" for field in FIELDS if f"{{{field}}}" in form)
    before, _, after = (re.sub(r"([*?+!\[\]\\])", r"\\\1", part) for part in form.partition(field))
    return f"{before}[0-9]*{after}"


# The jobs -------------------------------------------------------------------------------------------------------------

_CHANGES = "needs.plan.outputs.packages == '[]'"
"""The run releases nothing."""

_MAY_RESTORE = "github.event_name != 'workflow_dispatch' && !startsWith(github.ref, 'refs/tags/')"
"""Known before anything else is: a run that may publish takes nothing from a cache."""

_MAY_SAVE = "github.event_name == 'push' && !startsWith(github.ref, 'refs/tags/')"
"""What a pull request made is kept for nobody."""


def _job(pipeline: Pipeline, job: Job, pins: Pins) -> dict[str, Any]:
    title, condition, steps = _KINDS[job.role](pipeline, job)
    made: dict[str, Any] = {"name": title or job.title}
    if job.needs:
        made["needs"] = list(job.needs)
    if condition:
        made["if"] = FoldedText(condition)
    if job.role == BUILD:
        made["strategy"] = {"fail-fast": False, "matrix": "${{ fromJSON(needs.plan.outputs.matrix) }}"}
    made["runs-on"] = "${{ matrix.runner }}" if job.role == BUILD else "ubuntu-24.04"
    made["timeout-minutes"] = job.minutes
    if job.environment:
        made["environment"] = {"name": job.environment}
    made["permissions"] = {p.scope: Commented(p.access, p.why) for p in job.permissions}
    if variables := {**({"CARTWHEEL_FROZEN": "1"} if job.files else {}), **job.variables, **_sccache(pipeline, job)}:
        made["env"] = variables
    if job.role == PLAN:
        made["outputs"] = {name: f"${{{{ steps.plan.outputs.{name} }}}}" for name in OUTPUTS}
        made["outputs"]["kept"] = "${{ steps.kept.outputs.cache-matched-key }}"
        made["outputs"]["key"] = "${{ steps.key.outputs.key }}"
    made["steps"] = [pinned_step(step, pins) for step in steps]
    return made


def _sccache(pipeline: Pipeline, job: Job) -> dict[str, str]:
    wanted = pipeline.sccache and job.role == BUILD
    return {"SCCACHE_DIR": "${{ github.workspace }}/.cartwheel/sccache"} if wanted else {}


Made = tuple[str, tuple[str, ...], list[Step]]
"""A title where it is not the job's own, the parts of its condition, and the steps."""


def _plan(pipeline: Pipeline, job: Job) -> Made:
    chosen = ' "--to=$TO"' if pipeline.choices else ""
    plan: Step = {"name": "Plan", "id": "plan"}
    if pipeline.choices:
        plan["env"] = {"TO": "${{ inputs.to }}"}
    steps = [
        *setup_steps(pipeline, job),
        {"name": "Compare this file with the configuration", "run": "doit ci --check"},
        {
            "name": "What earlier files were made with",
            "id": "key",
            "if": _MAY_RESTORE,
            "run": 'doit ci key >> "$GITHUB_OUTPUT"',
        },
        {
            "name": "Restore earlier files and their records",
            "id": "kept",
            "if": _MAY_RESTORE,
            "uses": "actions/cache/restore",
            "with": {
                "path": FILES,
                "key": "cartwheel-${{ steps.key.outputs.key }}-${{ github.run_id }}",
                "restore-keys": "cartwheel-${{ steps.key.outputs.key }}-",
            },
        },
        {**plan, "run": f'doit ci matrix{chosen} >> "$GITHUB_OUTPUT"'},
        upload("kept", when="steps.kept.outputs.cache-matched-key != ''"),
    ]
    return "", (), steps


def _build(pipeline: Pipeline, job: Job) -> Made:
    steps = setup_steps(pipeline, job, python="${{ matrix.pythons }}")
    if any(build.system for build in pipeline.builds):
        run = 'read -ra packages <<< "$PACKAGES"\nsudo apt-get update --quiet\n'
        run += 'sudo apt-get install --yes --quiet --no-install-recommends "${packages[@]}"\n'
        steps.append(with_words("Install what the toolchain needs", "PACKAGES", "matrix.system", run))
    if any(build.rust for build in pipeline.builds):
        run = 'read -ra targets <<< "$TARGETS"\nrustup target add "${targets[@]}"\n'
        steps.append(with_words("Add the target to Rust", "TARGETS", "matrix.rust", run))
    work = with_words("Build, repair, check", "TASKS", "matrix.tasks", DOIT_TASKS)
    del work["if"]
    work["env"] |= tokens(job)
    kept = "sccache-${{ matrix.name }}-"
    if pipeline.sccache:
        where = {"path": ".cartwheel/sccache", "key": f"{kept}${{{{ github.run_id }}}}"}
        steps += [
            {
                "name": "Restore compiled crates",
                "if": _CHANGES,
                "uses": "actions/cache/restore",
                "with": {**where, "restore-keys": kept},
            },
            work,
            {"name": "Keep compiled crates", "if": _MAY_SAVE, "uses": "actions/cache/save", "with": where},
        ]
    else:
        steps.append(work)
    steps.append(upload("built-${{ matrix.name }}"))
    return "Build ${{ matrix.name }}", ("needs.plan.outputs.any == 'true'",), steps


def _sdist(pipeline: Pipeline, job: Job) -> Made:
    work = with_words("Make and check", "TASKS", "needs.plan.outputs.sdists", DOIT_TASKS)
    del work["if"]
    work["env"] |= tokens(job)
    steps = setup_steps(pipeline, job, python="\n".join(pipeline.sdist_pythons))
    return "", ("needs.plan.outputs.sdists != ''",), [*steps, work, upload("built-sdist")]


def _gather(pipeline: Pipeline, job: Job) -> Made:
    steps = [
        *setup_steps(pipeline, job),
        {
            "name": "Take earlier files",
            "if": "needs.plan.outputs.kept != ''",
            "uses": "actions/download-artifact",
            "with": {"name": "kept"},
        },
        merge(),
        {"name": "Count and check all files together", "run": "doit check"},
        {
            "name": "Keep the files for the next run",
            "if": _MAY_SAVE,
            "uses": "actions/cache/save",
            "with": {"path": FILES, "key": "cartwheel-${{ needs.plan.outputs.key }}-${{ github.run_id }}"},
        },
    ]
    return "", ("!cancelled() && !failure()", f"&& {_CHANGES}"), steps


def _publish(pipeline: Pipeline, job: Job) -> Made:
    started = (*_started(pipeline, job), f"inputs.to == '{job.index}'")
    condition = (
        "!cancelled() && !failure()",
        "&& needs.build.result == 'success' && needs.sdist.result == 'success'",
        f"&& {_any(started)}",
        f"&& {_any(package_condition(key) for key in job.packages)}",
    )
    return "", condition, [*setup_steps(pipeline, job), merge(), *commands(job, "Publish", tokens(job))]


def _verify(pipeline: Pipeline, job: Job) -> Made:
    condition = ("!cancelled() && !failure()", f"&& needs.{job.needs[-1]}.result == 'success'")
    return "", condition, [*setup_steps(pipeline, job), merge(), *commands(job, "Verify", tokens(job))]


def _started(pipeline: Pipeline, job: Job) -> tuple[str, ...]:
    """The event of a release, where this job is part of one."""
    if job.asked_only:
        return ()
    by = {"tag": "github.event_name == 'push' && github.ref_type == 'tag'", "release": "github.event_name == 'release'"}
    return (by[pipeline.trigger],)


def _any(conditions: Iterable[str]) -> str:
    joined = " || ".join(conditions)
    return f"({joined})" if " || " in joined else joined


_KINDS = {PLAN: _plan, BUILD: _build, SDIST: _sdist, GATHER: _gather, PUBLISH: _publish, VERIFY: _verify}


def secret_place(job: Job, variable: str) -> str:
    """Where a person keeps a secret of a job."""
    return f"the secret {variable}" + (f" in the environment {job.environment}" if job.environment else "")


# What the plan's job says ---------------------------------------------------------------------------------------------

OUTPUTS = ("any", "matrix", "packages", "sdists")


def plan_outputs(selected: Selection) -> dict[str, str]:
    """The values of `OUTPUTS` for one run."""
    return {
        "any": "true" if selected.builds else "false",
        "matrix": json.dumps({"include": [_row(chosen.build, chosen.tasks) for chosen in selected.builds]}),
        "packages": json.dumps(selected.packages),
        "sdists": " ".join(selected.sdists),
    }


def _row(build: Build, tasks: tuple[str, ...]) -> dict[str, str]:
    return {
        "name": build.name,
        "runner": build.runner,
        "tasks": " ".join(tasks),
        "pythons": "\n".join(build.pythons),
        "rust": " ".join(build.rust),
        "system": " ".join(build.system),
    }
