"""GitLab's jobs, as values of its file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.ci.gitlab_events import branch_rule, events, hidden_name, is_included, stage, tag_rule
from cartwheel.ci.gitlab_images import default_image, image_needs, image_row
from cartwheel.ci.gitlab_runners import Machine, tags_of
from cartwheel.ci.gitlab_scripts import (
    APT,
    IS_RELEASE,
    PLANNED,
    PUSH,
    REPORT,
    STATE,
    WORK,
    explain_missing_variable,
    own_steps,
    pack_commands,
    package_commands,
    reports,
    reproduce_script,
    unpack_commands,
)
from cartwheel.ci.jobs import (
    BUILD,
    FORGE,
    GATHER,
    OWN,
    PLAN,
    PUBLISH,
    REPRODUCE,
    RESULT_FOLDERS,
    SDIST,
    VERIFY,
    Build,
    Job,
    Pipeline,
)
from cartwheel.ci.placed_files import KEPT, PREFIX
from cartwheel.ci.selection import NOWHERE
from cartwheel.ci.yaml_document import TextLines, WithComment
from cartwheel.destinations.trusted_publishing import identity_variable
from cartwheel.model.wheels.artifacts import REPORT_PAGE, REPRODUCED

Row = dict[str, Any]
_KEPT = "$CI_COMMIT_TAG-$TO"
"""Part of every cache's key, so that a run which may publish finds nothing: no other run writes it."""

_KEEP_KEY = f"mv {STATE}/key.now {STATE}/key"


def _in_repository(pipeline: Pipeline, paths: Iterable[str]) -> list[str]:
    """Paths of the project, relative to the repository."""
    return [f"{pipeline.where.prefix}{path}" for path in paths]


def _plan(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    nightly = f"schedule,*) TO={pipeline.nightly} ;; " if pipeline.nightly else ""
    by_tag = f'case "$CI_PIPELINE_SOURCE,$CI_COMMIT_TAG" in {nightly}web,* | *,) ;; *) TO= ;; esac'
    to = ' --to="$TO"' if pipeline.choices else ""
    folders = " ".join(RESULT_FOLDERS)
    matrix = (f"doit ci matrix --for gitlab{to} > {PLANNED}", f"cat {PLANNED}")
    planned = (by_tag, *matrix) if pipeline.choices else matrix
    steps = (
        f"doit ci key > {STATE}/key.now",
        f"if {IS_RELEASE} || ! cmp -s {STATE}/key {STATE}/key.now; then rm -rf {folders}; mkdir -p {folders}; fi",
        *planned,
        f"tar --create --file {STATE}/{KEPT}.tar {folders}",
    )
    script = ("doit ci --check", f"mkdir -p {STATE} {folders}", *(planned if pipeline.shared_cache else steps))
    own = () if pipeline.shared_cache else (f"{STATE}/key.now", f"{STATE}/{KEPT}.tar")
    return {
        **_first(pipeline, job, extends="prepared"),
        **({"environment": {"name": _environment(job), "action": "access"}} if job.environment else {}),
        **({} if pipeline.shared_cache else {"cache": {**_cache(pipeline), "policy": "pull"}}),
        "script": _script(pipeline, job, script),
        "artifacts": _artifacts(pipeline, PLANNED, *own),
    }


def _cache(pipeline: Pipeline) -> Row:
    return {"key": f"cartwheel-{_KEPT}", "paths": _in_repository(pipeline, (*RESULT_FOLDERS, f"{STATE}/key"))}


def _artifacts(pipeline: Pipeline, *paths: str) -> Row:
    return {"paths": _in_repository(pipeline, paths), "expire_in": "1 week"}


def _script(pipeline: Pipeline, job: Job, work: Iterable[str], *, system: str = "linux") -> TextLines:
    """A job's work between the user's own steps."""
    key = "[tool.cartwheel] ci.jobs" if job.role == OWN else "[tool.cartwheel] ci.steps"
    folder = pipeline.where.folder
    before, after = (
        own_steps(pipeline.steps(job, when), key, system=system, folder=folder) for when in ("before", "after")
    )
    return TextLines((*before, *work, *after))


def build_row(pipeline: Pipeline, job: Job, machine: Machine, rows: Iterable[Build]) -> Row:
    """The job that builds wheels on one kind of machine."""
    rows = tuple(rows)
    row = {**_first(pipeline, job, extends=machine.system), "needs": [*job.needs, *image_needs(rows)]}
    if machine.tags:
        row["tags"] = list(machine.tags)
    if machine.system != "linux":  # hosted Macs take an image for the name of a virtual machine, and fail
        row.pop("image", None)
        row |= {"inherit": {"default": False}, "interruptible": True}
    if any(build.image for build in rows):
        row["image"] = "$IMAGE"
        row["parallel"] = {"matrix": [image_row(pipeline, build) for build in rows]}
    else:
        row["parallel"] = {"matrix": [{"BUILD": [build.name for build in rows]}]}
    if pipeline.sccache:
        row["variables"] = {"SCCACHE_DIR": f"$CI_PROJECT_DIR/{pipeline.where.prefix}.cartwheel/sccache"}
        row["cache"] = {"key": f"sccache-$BUILD-{_KEPT}", "paths": _in_repository(pipeline, (".cartwheel/sccache/",))}
    needing = any(build.system and not build.image for build in rows)
    script = (*(APT if needing else ()), *WORK[machine.system], *pack_commands(machine.system))
    work = _script(pipeline, job, script, system=machine.system)
    return {**row, "script": work, "artifacts": _result_artifacts(pipeline)}


def _sdist(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    return {
        **_first(pipeline, job, extends="linux"),
        "needs": list(job.needs),
        "variables": {"BUILD": SDIST},
        "script": _script(pipeline, job, (*WORK["linux"], *pack_commands("linux"))),
        "artifacts": _result_artifacts(pipeline),
    }


def _reproduce(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    build, work = reproduce_script(pipeline, job)
    row = {**_first(pipeline, job, extends="linux"), "needs": list(job.needs), "rules": [{"if": tag_rule(job.tags)}]}
    row["variables"] = {"BUILD": build, "GIT_DEPTH": "0"}
    return {**row, "script": _script(pipeline, job, work), "artifacts": _artifacts(pipeline, REPRODUCED)}


_TAKE = (
    "MADE=$(mktemp -d)",
    unpack_commands(f"{STATE}/{KEPT}.tar {STATE}/{PREFIX}*.tar"),
    'doit ci place "$MADE"',
)
"""Takes what other jobs built, in a job that holds no identity."""


def _gather(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    tagged = (tag_rule(pipeline.tags),) if pipeline.tags else ()
    releases = (*tagged, f'$TO != "{NOWHERE}"') if pipeline.choices else ()
    shared = pipeline.shared_cache
    rules = [
        *({"if": release, "when": "never"} for release in releases),
        *({"if": branch_rule(name), "variables": {"KEEP": "push"}} for name in pipeline.branches if not shared),
        *([*events(pipeline)] if is_included(pipeline) else [{"when": "on_success"}]),
    ]
    cache = {**_cache(pipeline), "policy": WithComment("$KEEP", "what a merge request made is kept for nobody")}
    return {
        **_first(pipeline, job, extends="prepared"),
        "needs": [PLAN, *builders, SDIST],
        "rules": rules,
        "variables": {"CARTWHEEL_FROZEN": "1", **({} if shared else {"KEEP": "pull"})},
        **({} if shared else {"cache": cache}),
        "script": _script(pipeline, job, (*_TAKE, "doit check", REPORT, PUSH if shared else _KEEP_KEY)),
        "artifacts": _artifacts(pipeline, "dist/", REPORT_PAGE) | _reports(pipeline),
    }


def _deliver(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    """A job that publishes to an index or verifies it, or one of the user's own."""
    mine = f"publish-{job.name.partition('-')[2]}" if job.role == VERIFY else ""
    earlier = (name for name in job.needs if name not in (PLAN, BUILD, SDIST))
    optional = (name if name == mine else {"job": name, "optional": True} for name in earlier)
    needs: list[Any] = [PLAN, *builders, SDIST, *optional]
    locked = job.locked
    row = {**_first(pipeline, job, extends="released" if locked else "prepared"), "needs": needs}
    if rules := _rules(pipeline, job):
        row["rules"] = rules
    row["variables"] = {"CARTWHEEL_FROZEN": "1", **({"GIT_DEPTH": "0"} if job.history else {}), **job.variables}
    if job.role == PUBLISH:
        row["interruptible"] = False
        row["resource_group"] = WithComment("release", "one at a time")
    if job.environment:
        row["environment"] = {"name": _environment(job)}
    if job.identity:
        row["id_tokens"] = {identity_variable(name): {"aud": name} for name in job.audiences}
    before, after = reports(job, locked=locked)
    work = (
        *explain_missing_variable(job),
        *(() if locked else _TAKE),
        *before,
        *package_commands(job, locked=locked),
        *after,
    )
    if after:
        row["artifacts"] = _artifacts(pipeline, REPORT_PAGE)
    return {**row, "script": _script(pipeline, job, work)}


def _environment(job: Job) -> Any:
    secrets = [_secret(job, variable) for variable in job.secrets]
    return WithComment(job.environment, f"protect it; it holds {', '.join(secrets)}") if secrets else job.environment


def _secret(job: Job, variable: str) -> str:
    """The variable that a person sets on GitLab; GitLab gives no token of another forge."""
    return f"{variable} for {job.index}" if job.secrets[variable] == FORGE else variable


def _rules(pipeline: Pipeline, job: Job) -> list[dict[str, Any]]:
    """The rules of a job that is part of some runs only."""
    if job.role == OWN:
        if all(name in (PLAN, BUILD, SDIST) for name in job.needs):
            return events(pipeline) if is_included(pipeline) else []
        return [{"if": tag_rule(pipeline.tags)}]
    scheduled = [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}] if job.by_schedule else []
    return [*([{"if": tag_rule(job.tags)}] if job.by_tag else []), *scheduled, {"if": f'$TO == "{job.index}"'}]


_ROWS = {
    PLAN: _plan,
    SDIST: _sdist,
    GATHER: _gather,
    PUBLISH: _deliver,
    VERIFY: _deliver,
    REPRODUCE: _reproduce,
    OWN: _deliver,
}


def job_row(pipeline: Pipeline, job: Job, builders: tuple[str, ...]) -> Row:
    """A job that builds no wheel.  `builders`: the names of the jobs that do."""
    row: Row = _ROWS[job.role](pipeline, job, builders)
    return row


def _first(pipeline: Pipeline, job: Job, *, extends: str) -> Row:
    row: Row = {
        "stage": stage(pipeline, job.role),
        "extends": hidden_name(pipeline, extends),
        "timeout": f"{job.minutes} minutes",
    }
    if is_included(pipeline):
        row |= {"image": default_image(pipeline), "interruptible": True}
        row |= {"rules": events(pipeline)} if job.role in (PLAN, BUILD, SDIST) else {}
    key = f"ci.jobs.{job.name}.runner" if job.runner else "ci.runner"
    if job.role != BUILD and (tags := tags_of(job.runner or pipeline.runner, key)):
        row["tags"] = list(tags)
    return row


def _result_artifacts(pipeline: Pipeline) -> Row:
    paths = _in_repository(pipeline, (f"{STATE}/{PREFIX}*.tar",))
    return {"paths": paths, "expire_in": "1 week", "when": "always", **_reports(pipeline)}


def _reports(pipeline: Pipeline) -> Row:
    """Annotations, where `ci/ci_output.py` writes them."""
    (path,) = _in_repository(pipeline, (f"{STATE}/code-quality.json",))
    return {"reports": {"codequality": path}}
