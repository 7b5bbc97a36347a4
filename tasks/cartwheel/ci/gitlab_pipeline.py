"""GitLab: the pipeline as `.gitlab-ci.yml`.

A pipeline's jobs stand fast before its first one runs, so a job whose files are up to date ends at once by itself: the
plan's job says in a file what each of the others has to do.  Keys as GitLab 18 documents them (CI/CD YAML syntax
reference, hosted runners; read November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.ci.gitlab_runners import APT, PLANNED, WORK, Runner, machine_of, runs, setup_scripts
from cartwheel.ci.jobs import BUILD, FORGE, GATHER, PLAN, PUBLISH, PYTHON, SDIST, VERIFY, Build, Job, Pipeline
from cartwheel.ci.selection import NOWHERE, Selection
from cartwheel.ci.yaml_document import Commented, TextLines, yaml_text
from cartwheel.destinations.trusted_publishing import identity_variable
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import FIELDS
from cartwheel.model.wheels.container_image import DOCKERFILE, IN_IMAGE

PATH = ".gitlab-ci.yml"

HEAD = ("Written by `doit ci gitlab` from [tool.cartwheel]; change that and write it again.",)

_HERE = PLANNED.rpartition("/")[0]
_FILES = ("dist/", ".cartwheel/checks/", ".cartwheel/records/", ".cartwheel/wheels/")
"""What a task leaves behind that counts elsewhere."""


def render(pipeline: Pipeline, present: str = "") -> str:
    """The pipeline's file.  Raises `ConfigError` where a job cannot run in its image."""
    machines = _machines(pipeline.builds)
    builders = tuple(machine.name for machine in machines)
    tree: dict[str, Any] = {
        "stages": [PLAN, BUILD, GATHER, "release"],
        "workflow": {"rules": _events(pipeline)},
        "default": {"image": _image(pipeline), "interruptible": True},
        "variables": _variables(pipeline),
        **{
            f".{name}": {"before_script": TextLines(script)}
            for name, script in setup_scripts(pipeline, machines).items()
        },
    }
    for job in pipeline.jobs:
        if job.role == BUILD:
            tree |= {machine.name: _build(pipeline, job, machine, rows) for machine, rows in machines.items()}
        else:
            tree[job.name] = _KINDS[job.role](pipeline, job, builders)
    return yaml_text(tree, head=HEAD)


def plan_outputs(selected: Selection) -> dict[str, str]:
    """What each job of one run has to do, by name, and the packages that it releases."""
    found = {"packages": f",{','.join(selected.packages)},"}
    for chosen in selected.builds:
        name, build = chosen.build.name, chosen.build
        words = {name: chosen.tasks, f"{name}.rust": build.rust}
        words[f"{name}.system"] = () if build.image else build.system
        words[f"{name}.pythons"] = _besides(build.pythons) if runs(build) else ()
        found |= {key: " ".join(parts) for key, parts in words.items() if parts}
    if selected.sdists:
        words = {SDIST: selected.sdists, f"{SDIST}.pythons": _besides(selected.sdist_pythons)}
        found |= {key: " ".join(parts) for key, parts in words.items() if parts}
    return found


def _besides(pythons: tuple[str, ...]) -> tuple[str, ...]:
    """Those that are not there already to run cartwheel."""
    return tuple(python for python in pythons if python != PYTHON)


def secret_place(job: Job, variable: str) -> str:
    """Where a person keeps a secret of a job.  A build's is of no environment: it does not deploy (`_build`)."""
    scope = "without an environment scope" if job.role == BUILD else f"of the environment {job.environment}"
    return f"the masked variable {variable}, {scope} (Settings > CI/CD > Variables)"


# What starts it -------------------------------------------------------------------------------------------------------


def _events(pipeline: Pipeline) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    if pipeline.choices:
        rules += [{"if": _tagged(pipeline.tags)}, {"if": '$CI_PIPELINE_SOURCE == "web"'}]
    return [*rules, {"if": f'$CI_COMMIT_BRANCH == "{pipeline.branch}"'}]


def _tagged(forms: Iterable[str]) -> str:
    """A tag of one of these forms was pushed; who starts a run by hand on a tag says where to publish."""
    matches = " || ".join(f"$CI_COMMIT_TAG =~ {_pattern(form)}" for form in forms)
    return f'$CI_PIPELINE_SOURCE != "web" && ({matches})'


def _pattern(form: str) -> str:
    """A tag's form as a regular expression: a version begins with a digit."""
    field = next(f"{{{field}}}" for field in FIELDS if f"{{{field}}}" in form)
    before, _, after = (re.sub(r"([^A-Za-z0-9_-])", r"\\\1", part) for part in form.partition(field))
    return f"/^{before}\\d.*{after}$/"


def _variables(pipeline: Pipeline) -> dict[str, Any]:
    common: dict[str, Any] = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUTF8": "1"}
    if pipeline.choices:
        common["TO"] = {
            "value": NOWHERE,
            "options": [NOWHERE, *pipeline.choices],
            "description": "Where to publish; on a tag, but for an index to practise on",
        }
    return common


_KEPT = "$CI_COMMIT_TAG-$TO"
"""Part of every cache's key, so that a run which may publish finds nothing: no other run writes it."""


# The jobs -------------------------------------------------------------------------------------------------------------

Made = dict[str, Any]


def _plan(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Made:
    by_tag = ('case "$CI_PIPELINE_SOURCE,$CI_COMMIT_TAG" in web,* | *,) ;; *) TO= ;; esac',)
    to = ' --to="$TO"' if pipeline.choices else ""
    files = " ".join(_FILES)
    script = (
        "doit ci --check",
        f"mkdir -p {_HERE} {files}",
        f"doit ci key > {_HERE}/key.now",
        f"if ! cmp -s {_HERE}/key {_HERE}/key.now; then rm -rf {files}; mkdir -p {files}; fi",
        *(by_tag if pipeline.choices else ()),
        f"doit ci matrix --for gitlab{to} > {PLANNED}",
        f"cat {PLANNED}",
        f"tar --create --file {_HERE}/kept.tar {files}",
    )
    cache = {"key": f"cartwheel-{_KEPT}", "paths": [*_FILES, f"{_HERE}/key"], "policy": "pull"}
    paths = [PLANNED, f"{_HERE}/key.now", f"{_HERE}/kept.tar"]
    return {
        **_first(job, PLAN, extends=".prepared"),
        "cache": cache,
        "script": TextLines(script),
        "artifacts": {"paths": paths, "expire_in": "1 week"},
    }


def _build(pipeline: Pipeline, job: Job, machine: Runner, rows: Iterable[Build]) -> Made:
    rows = tuple(rows)
    made = {**_first(job, BUILD, extends=f".{machine.system}"), "needs": list(job.needs)}
    if machine.tags:
        made["tags"] = list(machine.tags)
    if any(build.image for build in rows):
        made["image"] = "$IMAGE"
        made["parallel"] = {"matrix": [_row_with_image(pipeline, build) for build in rows]}
    else:
        made["parallel"] = {"matrix": [{"BUILD": [build.name for build in rows]}]}
    if pipeline.sccache:
        made["variables"] = {"SCCACHE_DIR": "$CI_PROJECT_DIR/.cartwheel/sccache"}
        made["cache"] = {"key": f"sccache-$BUILD-{_KEPT}", "paths": [".cartwheel/sccache/"]}
    needing = any(build.system and not build.image for build in rows)
    script = (*(APT if needing else ()), *WORK[machine.system])
    return {**made, "script": TextLines(script), "artifacts": _handed_on()}


def _row_with_image(pipeline: Pipeline, build: Build) -> dict[str, str]:
    if build.image.startswith(DOCKERFILE):
        raise ConfigError(
            f"{PATH}: {build.name} is built in '{build.image}', and a job of GitLab runs in an image that is there; "
            "push it to a registry and name it in 'image'"
        )
    row = {"BUILD": build.name, "IMAGE": build.image or _image(pipeline)}
    return {**row, IN_IMAGE: build.promise} if build.promise else row


def _sdist(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Made:
    return {
        **_first(job, BUILD, extends=".linux"),
        "needs": list(job.needs),
        "variables": {"BUILD": SDIST},
        "script": TextLines(WORK["linux"]),
        "artifacts": _handed_on(),
    }


def _gather(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Made:
    script = (
        f"tar --extract --skip-old-files --file {_HERE}/kept.tar",
        "doit check",
        f"mv {_HERE}/key.now {_HERE}/key",
    )
    releases = (_tagged(pipeline.tags), f'$TO != "{NOWHERE}"') if pipeline.choices else ()
    rules = [
        *({"if": release, "when": "never"} for release in releases),
        {"if": f'$CI_COMMIT_BRANCH == "{pipeline.branch}"', "variables": {"KEEP": "push"}},
        {"when": "on_success"},
    ]
    cache = {
        "key": f"cartwheel-{_KEPT}",
        "paths": [*_FILES, f"{_HERE}/key"],
        "policy": Commented("$KEEP", "what a merge request made is kept for nobody"),
    }
    return {
        **_first(job, GATHER, extends=".prepared"),
        "needs": [PLAN, *builders, SDIST],
        "rules": rules,
        "variables": {"CARTWHEEL_FROZEN": "1", "KEEP": "pull"},
        "cache": cache,
        "script": TextLines(script),
        "artifacts": {"paths": ["dist/"], "expire_in": "1 week", **_reports()},
    }


def _deliver(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Made:
    """A job that publishes, or looks at what one published."""
    earlier = [name for name in job.needs if name not in (PLAN, BUILD, SDIST)]
    mine = f"publish-{job.name.partition('-')[2]}"
    needs: list[Any] = [PLAN, *builders, SDIST]
    needs += [name if name == mine else {"job": name, "optional": True} for name in earlier]
    made = {**_first(job, "release", extends=".prepared"), "needs": needs}
    made["rules"] = _started(job)
    made["variables"] = {"CARTWHEEL_FROZEN": "1", **({"GIT_DEPTH": "0"} if job.history else {}), **job.variables}
    if job.role == PUBLISH:
        made["interruptible"] = False
        made["resource_group"] = Commented("release", "one at a time")
    if job.environment:
        made["environment"] = {"name": _environment(job)}
    if job.identity:
        made["id_tokens"] = {identity_variable(job.index): {"aud": job.index}}
    return {**made, "script": TextLines(tuple(_commands(job)))}


def _environment(job: Job) -> Any:
    secrets = [_secret(job, variable) for variable in job.secrets]
    return Commented(job.environment, f"protect it; it holds {', '.join(secrets)}") if secrets else job.environment


def _secret(job: Job, variable: str) -> str:
    """The variable that a person sets on GitLab; the token of another forge is none that it gives."""
    return f"{variable} for {job.index}" if job.secrets[variable] == FORGE else variable


def _started(job: Job) -> list[dict[str, Any]]:
    chosen = {"if": f'$TO == "{job.index}"'}
    return [chosen] if job.asked_only else [{"if": _tagged(job.tags)}, chosen]


def _commands(job: Job) -> Iterable[str]:
    if len(job.packages) == 1:
        yield from (f"doit {task}" for _, task in job.commands())
        return
    yield f"PACKAGES=$(sed -n 's/^packages=//p' {PLANNED})"
    for key, task in job.commands():
        yield f'case "$PACKAGES" in *,{key},*) doit {task} ;; esac'


_KINDS = {PLAN: _plan, SDIST: _sdist, GATHER: _gather, PUBLISH: _deliver, VERIFY: _deliver}


def _first(job: Job, stage: str, *, extends: str) -> Made:
    return {"stage": stage, "extends": extends, "timeout": f"{job.minutes} minutes"}


def _handed_on() -> Made:
    return {"paths": list(_FILES), "expire_in": "1 week", "when": "always", **_reports()}


def _reports() -> Made:
    """Annotations, where `ci/ci_output.py` writes them."""
    return {"reports": {"codequality": f"{_HERE}/code-quality.json"}}


def _machines(builds: Iterable[Build]) -> Mapping[Runner, list[Build]]:
    found: dict[Runner, list[Build]] = {}
    for build in builds:
        found.setdefault(machine_of(build), []).append(build)
    return found


def _image(pipeline: Pipeline) -> str:
    return f"python:{pipeline.python}"
