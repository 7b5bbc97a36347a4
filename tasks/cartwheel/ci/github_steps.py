"""Steps of GitHub's jobs, as they stand in a workflow file."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.ci.action_pins import Pins
from cartwheel.ci.jobs import FORGE, Job, Pipeline
from cartwheel.ci.yaml_document import Commented

Step = dict[str, Any]

FILES = "dist/\n.cartwheel/checks/\n.cartwheel/records/\n.cartwheel/wheels/\n"
"""What a task leaves behind that counts elsewhere."""

DOIT_TASKS = 'read -ra tasks <<< "$TASKS"\ndoit -n 4 "${tasks[@]}"\n'
"""Words of the plan's as tasks, four at a time: compilers share the processors whatever the number."""


def setup_steps(pipeline: Pipeline, job: Job, *, python: str = "") -> list[Step]:
    """The sources, interpreters (one a line; default: what cartwheel runs with) and cartwheel."""
    checkout = {"fetch-depth": 0, "persist-credentials": False} if job.history else {"persist-credentials": False}
    return [
        {"uses": "actions/checkout", "with": checkout},
        {"uses": "actions/setup-python", "with": {"python-version": python or pipeline.python}},
        {"name": "Install cartwheel", "run": f"python -m pip install {shlex.join(pipeline.install_arguments(job))}"},
    ]


def with_words(name: str, variable: str, expression: str, run: str) -> Step:
    """A step that works on words of the plan's, which reach the shell as a variable; none: it is left out."""
    return {
        "name": name,
        "if": f"{expression} != ''",
        "env": {variable: f"${{{{ {expression} }}}}"},
        "run": run,
    }


def upload(name: str, *, when: str = "") -> Step:
    """Hand on what this job made to later ones, under a name that is used once in a run."""
    step: Step = {"name": "Hand on the files and their records", "uses": "actions/upload-artifact"}
    if when:
        step["if"] = when
    step["with"] = {
        "name": name,
        "path": FILES,
        "if-no-files-found": "error",
        "include-hidden-files": True,
        "retention-days": 7,
    }
    return step


def merge() -> Step:
    """All that the jobs before made, over each other."""
    return {
        "name": "Take what was made",
        "uses": "actions/download-artifact",
        "with": {"pattern": "built-*", "merge-multiple": True},
    }


def tokens(job: Job) -> dict[str, str]:
    """The variables that hold the secrets of a job."""
    return {
        variable: "${{ github.token }}" if secret == FORGE else f"${{{{ secrets.{secret} }}}}"
        for variable, secret in job.secrets.items()
    }


def package_condition(key: str) -> str:
    """The condition that a package is part of what this run releases."""
    return f"contains(fromJSON(needs.plan.outputs.packages), '{key}')"


def commands(job: Job, verb: str, env: Mapping[str, str]) -> Iterable[Step]:
    """One step for each package, left out where it is not released by this run."""
    for key, task in job.commands():
        step: Step = {"name": f"{verb} {key}"}
        if len(job.packages) > 1:
            step["if"] = package_condition(key)
        if env:
            step["env"] = env
        yield {**step, "run": f"doit {task}"}


def pinned_step(step: Step, pins: Pins) -> Step:
    """The same with its action at the commit that is pinned."""
    if "uses" not in step:
        return step
    pin = pins["/".join(step["uses"].split("/")[:2])]
    return {
        key: Commented(f"{value}@{pin.commit}", pin.version) if key == "uses" else value for key, value in step.items()
    }
