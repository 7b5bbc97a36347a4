"""GitLab: the pipeline as `.gitlab-ci.yml`.

The jobs of a pipeline are fixed before its first one runs, so a job whose files are up to date ends itself at once: the
plan's job writes a file with the work of every other job.  Keys as GitLab 18 documents them (CI/CD YAML syntax
reference, hosted runners; read November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartwheel.ci.gitlab_events import STAGES, events, hidden_name, is_included
from cartwheel.ci.gitlab_images import default_image, image_jobs
from cartwheel.ci.gitlab_jobs import build_row, job_row
from cartwheel.ci.gitlab_runners import machines_of, runs
from cartwheel.ci.gitlab_scripts import setup_scripts
from cartwheel.ci.jobs import BUILD, PYTHON, SDIST, Job, Pipeline
from cartwheel.ci.selection import NOWHERE, Selection
from cartwheel.ci.yaml_document import TextLines, yaml_text
from cartwheel.model.config.release_settings import CiSettings

HEAD = ("Written by `doit ci gitlab` from [tool.cartwheel]; change that and write it again.",)

Row = dict[str, Any]


def path(ci: CiSettings) -> str:
    """The file of the pipeline, relative to the repository."""
    return ci.gitlab.file


def files(pipeline: Pipeline, present: Mapping[str, str]) -> Mapping[str, str]:
    """The file of the pipeline by its path.  Raises `ConfigError` if a job cannot run in its image."""
    return {pipeline.ci.gitlab.file: render(pipeline)}


def render(pipeline: Pipeline) -> str:
    """The pipeline's file.  Raises `ConfigError` if a job cannot run in its image."""
    machines = machines_of(pipeline.builds)
    builders = tuple(machine.name for machine in machines)
    scripts = setup_scripts(pipeline, machines)
    tree: dict[str, Any] = {"variables": _variables(pipeline)}
    if not is_included(pipeline):
        tree = {
            "stages": [*dict.fromkeys(STAGES.values())],
            "workflow": {"rules": events(pipeline)},
            "default": {"image": default_image(pipeline), "interruptible": True},
            **tree,
        }
    tree |= {hidden_name(pipeline, name): {"before_script": TextLines(script)} for name, script in scripts.items()}
    tree |= image_jobs(pipeline)
    for job in pipeline.jobs:
        if job.role == BUILD:
            tree |= {machine.name: build_row(pipeline, job, machine, rows) for machine, rows in machines.items()}
        else:
            tree[job.name] = job_row(pipeline, job, builders)
    return yaml_text(tree, head=HEAD)


def plan_outputs(selected: Selection) -> dict[str, str]:
    """The work of each job of one run, by name, and the packages that it releases."""
    values = {"packages": f",{','.join(selected.packages)},"}
    for chosen in selected.builds:
        name, build = chosen.build.name, chosen.build
        words = {name: chosen.tasks, f"{name}.rust": build.rust}
        words[f"{name}.system"] = () if build.image else build.system
        words[f"{name}.pythons"] = (*_besides(build.pythons), *build.fetched) if runs(build) else ()
        values |= {key: " ".join(parts) for key, parts in words.items() if parts}
    if selected.sdists:
        words = {SDIST: selected.sdists, f"{SDIST}.pythons": _besides(selected.sdist_pythons)}
        values |= {key: " ".join(parts) for key, parts in words.items() if parts}
    return values


def _besides(pythons: tuple[str, ...]) -> tuple[str, ...]:
    """The interpreters without the one that runs cartwheel."""
    return tuple(python for python in pythons if python != PYTHON)


def secret_place(job: Job, variable: str) -> str:
    """Where a person keeps a secret of a job.  A build job has no environment, since it does not deploy."""
    scope = "without an environment scope" if job.role == BUILD else f"of the environment {job.environment}"
    return f"the masked variable {variable}, {scope} (Settings > CI/CD > Variables)"


def _variables(pipeline: Pipeline) -> dict[str, Any]:
    common: dict[str, Any] = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    if pipeline.where.submodules:
        common["GIT_SUBMODULE_STRATEGY"] = "recursive"
    if pipeline.choices:
        common["TO"] = {
            "value": NOWHERE,
            "options": [NOWHERE, *pipeline.choices],
            "description": "Where to publish; on a tag, but for an index to practise on",
        }
    return common
