"""Steps of GitHub's jobs, as values of a workflow file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.ci.action_pins import Pins
from cartwheel.ci.jobs import FORGE, PLAN, REPRODUCE, RESULT_FOLDERS, Job, Pipeline
from cartwheel.ci.placed_files import KEPT, PREFIX
from cartwheel.ci.publish_lock import from_sources
from cartwheel.ci.yaml_document import WithComment
from cartwheel.model.config.release_settings import CiStep
from cartwheel.model.config.values import Secret
from cartwheel.model.wheels.artifacts import REPORT_PAGE, REPRODUCED

Step = dict[str, Any]

LOCK = ".github/cartwheel-publish.txt"
"""The lock of jobs that may publish, relative to the repository."""

DOIT_TASKS = 'read -ra tasks <<< "$TASKS"\ndoit "${tasks[@]}"\n'
"""Runs the tasks of a variable, four at a time: compilers share the processors whatever the number."""


def result_folders(pipeline: Pipeline) -> str:
    """The folders of a task's results that other jobs need, one a line, relative to the repository."""
    return "".join(f"{pipeline.where.prefix}{path}\n" for path in RESULT_FOLDERS)


def setup_steps(pipeline: Pipeline, job: Job, *, python: str = "") -> list[Step]:
    """Check out, set interpreters up (one a line; default: the one that runs cartwheel), and install cartwheel."""
    checkout: dict[str, Any] = {"fetch-depth": 0} if job.history else {}
    checkout |= {"lfs": True} if pipeline.where.lfs else {}
    checkout |= {"submodules": "recursive"} if pipeline.where.submodules else {}
    steps: list[Step] = [
        {"uses": "actions/checkout", "with": {**checkout, "persist-credentials": False}},
        {"uses": "actions/setup-python", "with": {"python-version": python or pipeline.python}},
        _install(pipeline, job),
    ]
    if pipeline.nightly:
        steps.append(_nightly_version())
    return steps


def _install(pipeline: Pipeline, job: Job) -> Step:
    arguments = shlex.join(pipeline.install_arguments(job))
    if not job.locked:
        return {"name": "Install cartwheel", "run": f"python -m pip install {arguments}"}
    here = f'"$GITHUB_WORKSPACE/{LOCK}"' if pipeline.where.folder else LOCK
    isolated = "--no-build-isolation " if from_sources(pipeline.cartwheel) else ""
    return {
        "name": "Install cartwheel and what it publishes with, by their hashes",
        "run": f"python -m pip install --no-deps --require-hashes --only-binary :all: --requirement {here}\n"
        f"python -m pip install --no-deps {isolated}{arguments}\n",
    }


def _nightly_version() -> Step:
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "nightly"), ("EMAIL", "nightly@localhost"))
    }
    return {
        "name": "Give this run a development version",
        "if": "github.event_name == 'schedule'",
        "env": {"RUN": "${{ github.run_number }}", **who},
        "run": 'doit ci nightly "$RUN"',
    }


def with_words(name: str, variable: str, expression: str, run: str) -> Step:
    """A step that works on words of the plan, which reach the shell as a variable; skipped without words."""
    return {
        "name": name,
        "if": f"{expression} != ''",
        "env": {variable: f"${{{{ {expression} }}}}"},
        "run": run,
    }


def upload(pipeline: Pipeline, name: str, *, when: str = "") -> Step:
    """Upload the results of this job as an artifact; `name` is unique in a run."""
    step: Step = {"name": "Hand on the files and their records", "uses": "actions/upload-artifact"}
    if when:
        step["if"] = when
    step["with"] = {
        "name": name,
        "path": result_folders(pipeline),
        "if-no-files-found": "error",
        "include-hidden-files": True,
        "retention-days": 7,
    }
    return step


def earlier_files(pipeline: Pipeline, plan: Step, *, when: str) -> list[Step]:
    """The steps that plan a run with the files of earlier runs, which the forge's cache keeps. `when`: the condition
    under which it is read."""
    return [
        {
            "name": "What earlier files were made with",
            "id": "key",
            "if": when,
            "run": 'doit ci key >> "$GITHUB_OUTPUT"',
        },
        {
            "name": "Restore earlier files and their records",
            "id": "kept",
            "if": when,
            "uses": "actions/cache/restore",
            "with": {
                "path": result_folders(pipeline),
                "key": "cartwheel-${{ steps.key.outputs.key }}-${{ github.run_id }}",
                "restore-keys": "cartwheel-${{ steps.key.outputs.key }}-",
            },
        },
        plan,
        upload(pipeline, KEPT, when="steps.kept.outputs.cache-matched-key != ''"),
    ]


def save_files(pipeline: Pipeline, *, when: str) -> Step:
    """Put the files into the forge's cache under the condition `when`."""
    return {
        "name": "Keep the files for the next run",
        "if": when,
        "uses": "actions/cache/save",
        "with": {
            "path": result_folders(pipeline),
            "key": "cartwheel-${{ needs.plan.outputs.key }}-${{ github.run_id }}",
        },
    }


def report_step(*, offline: bool) -> Step:
    """Write the page of `doit report`; `offline`: before anything is published."""
    return {"name": "Report", "run": f"doit report{' --offline' if offline else ''}"}


def keep_report(pipeline: Pipeline, name: str) -> Step:
    """Upload the page of `doit report` as the artifact `name`."""
    return _keep(pipeline, "Keep the report", name, REPORT_PAGE)


def _keep(pipeline: Pipeline, title: str, name: str, file: str) -> Step:
    """Upload one file of the project, which must be there, as the artifact `name`."""
    files = {"path": f"{pipeline.where.prefix}{file}", "if-no-files-found": "error", "include-hidden-files": True}
    return {"name": title, "uses": "actions/upload-artifact", "with": {"name": name, **files}}


def take(*, kept: bool = False, plan: str = PLAN) -> list[Step]:
    """Download what earlier jobs built, outside the checkout, and move the planned files to their places.

    `kept`: the files of earlier runs as well.  `plan`: the job with the plan's outputs.
    """
    elsewhere = "${{ runner.temp }}/made"
    steps: list[Step] = []
    if kept:
        steps.append(
            {
                "name": "Take earlier files",
                "if": f"needs.{plan}.outputs.kept != ''",
                "uses": "actions/download-artifact",
                "with": {"name": KEPT, "path": f"{elsewhere}/{KEPT}"},
            }
        )
    return [
        *steps,
        {
            "name": "Take what other jobs built",
            "uses": "actions/download-artifact",
            "with": {"pattern": f"{PREFIX}*", "path": elsewhere},
        },
        {
            "name": "Move the planned files to their places; the sources are the commit's",
            "env": {"MADE": elsewhere},
            "run": 'doit ci place "$MADE"\ngit diff --exit-code HEAD\n',
        },
    ]


def own_steps(steps: Iterable[CiStep]) -> list[Step]:
    """Steps of the user's."""
    rows = []
    for step in steps:
        row: Step = {"name": step.name or (step.run[0] if step.run else step.uses.partition("@")[0])}
        if step.environment:
            row["env"] = {
                key: f"${{{{ secrets.{value.secret} }}}}" if isinstance(value, Secret) else value
                for key, value in step.environment.items()
            }
        row |= {"uses": WithComment(step.uses, "yours")} if step.uses else {}
        row |= {"with": dict(step.inputs)} if step.inputs else {}
        row |= {"run": "".join(f"{line}\n" for line in step.run)} if step.run else {}
        rows.append(row)
    return rows


def tokens(job: Job) -> dict[str, str]:
    """The variables that hold the secrets of a job."""
    return {
        variable: "${{ github.token }}" if secret == FORGE else f"${{{{ secrets.{secret} }}}}"
        for variable, secret in job.secrets.items()
    }


def package_condition(key: str, plan: str = PLAN) -> str:
    """The condition that this run releases a package."""
    return f"contains(fromJSON(needs.{plan}.outputs.packages), '{key}')"


def commands(job: Job, verb: str, env: Mapping[str, str], plan: str = PLAN) -> Iterable[Step]:
    """One step for each package, skipped if this run does not release it."""
    for key, task in job.commands():
        step: Step = {"name": f"{verb} {key}"}
        if len(job.packages) > 1:
            step["if"] = package_condition(key, plan)
        if env:
            step["env"] = env
        yield {**step, "run": f"doit {task}"}


def pinned_step(step: Step, pins: Pins) -> Step:
    """The step with its action at the pinned commit."""
    if "uses" not in step or isinstance(step["uses"], WithComment):
        return step
    pin = pins["/".join(step["uses"].split("/")[:2])]
    return {
        key: WithComment(f"{value}@{pin.commit}", pin.version) if key == "uses" else value
        for key, value in step.items()
    }


def reproduce_steps(pipeline: Pipeline, job: Job) -> tuple[list[Step], list[Step]]:
    """The steps that prepare a second builder, and those that compare what it builds with the index.

    Differences do not fail the run: they are a result, which the release page shows.
    """
    pythons = [python for build in pipeline.reproduced for python in build.pythons] or pipeline.sdist_pythons
    rust = [target for build in pipeline.reproduced for target in build.rust]
    setup = setup_steps(pipeline, job, python="\n".join(pythons))
    if rust:
        setup.append({"name": "Add the target to Rust", "run": f"rustup target add {' '.join(rust)}"})
    run = f'mkdir -p .cartwheel\ndoit reproduce --index {job.index} 2>&1 | tee {REPRODUCED} "$GITHUB_STEP_SUMMARY"\n'
    return setup, [
        {"name": "Build again and compare", "shell": "bash", "continue-on-error": True, "run": run},
        _keep(pipeline, "Keep the result", REPRODUCE, REPRODUCED),
    ]


def take_result(pipeline: Pipeline, job: Job) -> list[Step]:
    """Take what the job `REPRODUCE` found, and nothing else of what it made, for the release page."""
    if not (job.page and REPRODUCE in job.needs):
        return []
    elsewhere = f"${{{{ runner.temp }}}}/{REPRODUCE}"
    when = f"needs.{REPRODUCE}.result == 'success'"
    there = {"name": REPRODUCE, "path": elsewhere}
    name = REPRODUCED.rpartition("/")[2]
    return [
        {"name": "Take the second build's result", "if": when, "uses": "actions/download-artifact", "with": there},
        {
            "name": "Keep its one file",
            "if": when,
            "env": {"MADE": elsewhere},
            "run": f'mkdir -p .cartwheel\ntest ! -L "$MADE/{name}"\ncp "$MADE/{name}" {REPRODUCED}\n',
        },
    ]


def success_condition(name: str) -> str:
    """The expression that a job this one needs has succeeded."""
    return f"needs.{name}.result == 'success'"
