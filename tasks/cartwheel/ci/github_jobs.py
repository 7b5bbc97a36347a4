"""GitHub's jobs, as values of a workflow file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.ci.action_pins import Pins
from cartwheel.ci.github_steps import (
    DOIT_TASKS,
    Step,
    commands,
    earlier_files,
    keep_report,
    own_steps,
    package_condition,
    pinned_step,
    report_step,
    reproduce_steps,
    save_files,
    setup_steps,
    success_condition,
    take,
    take_result,
    tokens,
    upload,
    with_words,
)  # fmt: skip
from cartwheel.ci.jobs import (
    BUILD,
    FORGE,
    GATHER,
    OWN,
    PLAN,
    PUBLISH,
    REPRODUCE,
    SDIST,
    VERIFY,
    Job,
    Pipeline,
    Runner,
    runner_value,
    slug,
)
from cartwheel.ci.placed_files import PREFIX
from cartwheel.ci.selection import NOWHERE
from cartwheel.ci.yaml_document import FoldedText, WithComment
from cartwheel.model.config.values import RunnerGroup, runner_labels

WHEELS = "wheels"
"""The job that calls the reusable workflow."""

BUILDING = (PLAN, BUILD, SDIST, GATHER)
"""The roles of jobs that a reusable workflow holds."""

OUTPUTS = ("any", "matrix", "packages", "sdists")
"""The outputs of the plan's job."""

_CHANGES = "needs.plan.outputs.packages == '[]'"
"""The run releases nothing."""


def _may_restore(pipeline: Pipeline) -> str:
    """Known before anything else is: a run that may publish takes nothing from a cache."""
    nightly = " && github.event_name != 'schedule'" if pipeline.nightly else ""
    return f"github.event_name != 'workflow_dispatch'{nightly} && !startsWith(github.ref, 'refs/tags/')"


_MAY_SAVE = "github.event_name == 'push' && !startsWith(github.ref, 'refs/tags/')"
"""Files that a pull request built are not cached."""


def calling_job(pipeline: Pipeline) -> dict[str, Any]:
    """The job that calls the reusable workflow."""
    to = {"with": {"to": f"${{{{ inputs.to || '{NOWHERE}' }}}}"}} if pipeline.choices else {}
    note = "zizmor: ignore[secrets-inherit] a called job gets its environment's secrets only so (actions/runner#1490)"
    secrets = {"secrets": WithComment("inherit", note)} if building_secrets(pipeline) else {}
    return {
        "name": "Wheels",
        "permissions": _permissions(pipeline.jobs_of_role(GATHER)[0]),
        "uses": WithComment(
            f"./{pipeline.ci.github.reusable}", "zizmor: ignore[self-repository] actionlint 1.7 does not know $/"
        ),
        **to,
        **secrets,
    }


def building_secrets(pipeline: Pipeline) -> tuple[str, ...]:
    """The secrets of the jobs that a reusable workflow holds."""
    secrets = (secret for job in pipeline.jobs if job.role in BUILDING for secret in job.secrets.values())
    return tuple(dict.fromkeys(secret for secret in secrets if secret != FORGE))


def _permissions(job: Job) -> dict[str, WithComment]:
    return {p.scope: WithComment(p.access, p.why) for p in job.permissions}


def _plan_job(pipeline: Pipeline, job: Job) -> str:
    """The job whose outputs are the plan, as this job sees it."""
    return WHEELS if pipeline.ci.github.reusable and job.role not in BUILDING else PLAN


def _needs(pipeline: Pipeline, job: Job) -> list[str]:
    if _plan_job(pipeline, job) == PLAN:
        return list(job.needs)
    return [WHEELS, *(name for name in job.needs if name not in BUILDING)]


def job_row(pipeline: Pipeline, job: Job, pins: Pins) -> dict[str, Any]:
    """A job as a value of the workflow file."""
    title, condition, setup, steps = _KINDS[job.role](pipeline, job)
    row: dict[str, Any] = {"name": title or job.title}
    if job.needs:
        row["needs"] = _needs(pipeline, job)
    if condition:
        row["if"] = FoldedText(condition)
    if job.role == BUILD:
        row["strategy"] = {"fail-fast": False, "matrix": "${{ fromJSON(needs.plan.outputs.matrix) }}"}
    row["runs-on"] = "${{ matrix.runner }}" if job.role == BUILD else _runs_on(job.runner or pipeline.runner)
    row["timeout-minutes"] = job.minutes
    if job.environment:
        row["environment"] = {"name": job.environment}
    row["permissions"] = _permissions(job)
    if variables := {**({"CARTWHEEL_FROZEN": "1"} if job.files else {}), **job.variables, **_sccache(pipeline, job)}:
        row["env"] = variables
    if job.role == PLAN:
        row["outputs"] = {name: f"${{{{ steps.plan.outputs.{name} }}}}" for name in OUTPUTS}
        if not pipeline.shared_cache:
            row["outputs"]["kept"] = "${{ steps.kept.outputs.cache-matched-key }}"
            row["outputs"]["key"] = "${{ steps.key.outputs.key }}"
    before, after = (own_steps(pipeline.steps(job, when)) for when in ("before", "after"))
    row["steps"] = [pinned_step(step, pins) for step in (*setup, *before, *steps, *after)]
    return row


def _runs_on(runner: Runner) -> Any:
    """The machine of a job; one of the user's own is meant, and `doit ci` warns of it."""
    ours = isinstance(runner, RunnerGroup) or "self-hosted" in runner_labels(runner)
    note = "zizmor: ignore[self-hosted-runner] as configured"
    return WithComment(runner_value(runner), note) if ours else runner_value(runner)


def _sccache(pipeline: Pipeline, job: Job) -> dict[str, str]:
    if not pipeline.sccache or job.role != BUILD:
        return {}
    return {"SCCACHE_DIR": f"${{{{ github.workspace }}}}/{pipeline.where.prefix}.cartwheel/sccache"}


Parts = tuple[str, tuple[str, ...], list[Step], list[Step]]
"""A title if it is not the job's own, the parts of its condition, the steps that prepare it, and those of its work."""


def _plan(pipeline: Pipeline, job: Job) -> Parts:
    plan: Step = {"name": "Plan", "id": "plan"}
    chosen = ' "--to=$TO"' if pipeline.choices else ""
    if pipeline.choices:
        nightly = f"github.event_name == 'schedule' && '{pipeline.nightly}' || " if pipeline.nightly else ""
        plan["env"] = {"TO": f"${{{{ {nightly}inputs.to }}}}"}
    if job.secrets:
        plan["env"] = {**plan.get("env", {}), **tokens(job)}
    compare: Step = {"name": "Compare this file with the configuration", "run": "doit ci --check"}
    plan["run"] = f'doit ci matrix{chosen} >> "$GITHUB_OUTPUT"'
    planned = [plan] if pipeline.shared_cache else earlier_files(pipeline, plan, when=_may_restore(pipeline))
    steps = [compare, *planned]
    return "", (), setup_steps(pipeline, job), steps


def _build(pipeline: Pipeline, job: Job) -> Parts:
    setup = setup_steps(pipeline, job, python="${{ matrix.pythons }}")
    if any(build.system for build in pipeline.builds):
        run = 'read -ra packages <<< "$PACKAGES"\nsudo apt-get update --quiet\n'
        run += 'sudo apt-get install --yes --quiet --no-install-recommends "${packages[@]}"\n'
        setup.append(with_words("Install what the toolchain needs", "PACKAGES", "matrix.system", run))
    if any(build.fetched for build in pipeline.builds):
        run = 'read -ra pythons <<< "$PYTHONS"\nuv python install "${pythons[@]}"\n'
        setup.append(with_words("Install interpreters of the target", "PYTHONS", "matrix.fetched", run))
    if any(build.rust for build in pipeline.builds):
        run = 'read -ra targets <<< "$TARGETS"\nrustup target add "${targets[@]}"\n'
        setup.append(with_words("Add the target to Rust", "TARGETS", "matrix.rust", run))
    work = with_words("Build, repair, check", "TASKS", "matrix.tasks", DOIT_TASKS)
    del work["if"]
    work["env"] |= tokens(job)
    steps = _with_sccache(pipeline, work) if pipeline.sccache else [work]
    return "Build ${{ matrix.name }}", ("needs.plan.outputs.any == 'true'",), setup, [
        *steps,
        upload(pipeline, f"{PREFIX}${{{{ matrix.name }}}}"),
    ]  # fmt: skip


def _with_sccache(pipeline: Pipeline, work: Step) -> list[Step]:
    """The work between restoring and saving compiled crates; a release does neither."""
    prefix = "sccache-${{ matrix.name }}-"
    where = {"path": f"{pipeline.where.prefix}.cartwheel/sccache", "key": f"{prefix}${{{{ github.run_id }}}}"}
    return [
        {
            "name": "Restore compiled crates",
            "if": _CHANGES,
            "uses": "actions/cache/restore",
            "with": {**where, "restore-keys": prefix},
        },
        work,
        {"name": "Keep compiled crates", "if": _MAY_SAVE, "uses": "actions/cache/save", "with": where},
    ]


def _sdist(pipeline: Pipeline, job: Job) -> Parts:
    work = with_words("Make and check", "TASKS", "needs.plan.outputs.sdists", DOIT_TASKS)
    del work["if"]
    work["env"] |= tokens(job)
    setup = setup_steps(pipeline, job, python="\n".join(pipeline.sdist_pythons))
    return "", ("needs.plan.outputs.sdists != ''",), setup, [work, upload(pipeline, f"{PREFIX}{SDIST}")]


def _push(job: Job) -> Step:
    """Fill the shared cache. A cache that is down fails no run."""
    step: Step = {"name": "Fill the shared cache", "if": _MAY_SAVE, "continue-on-error": True, "run": "doit push"}
    return {**step, "env": tokens(job)} if job.secrets else step


def _gather(pipeline: Pipeline, job: Job) -> Parts:
    steps: list[Step] = [
        {"name": "Count and check all files together", "run": "doit check"},
        report_step(offline=True),
        keep_report(pipeline, "report"),
        _push(job) if pipeline.shared_cache else save_files(pipeline, when=_MAY_SAVE),
    ]
    setup = [*setup_steps(pipeline, job), *take(kept=not pipeline.shared_cache)]
    return "", (_NOT_STOPPED, f"&& {_CHANGES}"), setup, steps


_NOT_STOPPED = "!cancelled() && !failure()"


def _publish(pipeline: Pipeline, job: Job) -> Parts:
    plan = _plan_job(pipeline, job)
    built = (WHEELS,) if plan == WHEELS else (BUILD, SDIST)
    started = (*_triggers(pipeline, job), f"inputs.to == '{job.index}'")
    condition = (
        _NOT_STOPPED,
        f"&& {' && '.join(success_condition(name) for name in built)}",
        f"&& {_any(started)}",
        f"&& {_any(package_condition(key, plan) for key in job.packages)}",
    )
    setup = [*setup_steps(pipeline, job), *take(plan=plan)]
    report = [report_step(offline=True)] if job.page else []
    report = [*report, *take_result(pipeline, job)]
    return "", condition, setup, [*report, *commands(job, "Publish", tokens(job), plan)]


def _verify(pipeline: Pipeline, job: Job) -> Parts:
    plan = _plan_job(pipeline, job)
    condition = (_NOT_STOPPED, f"&& {success_condition(job.needs[-1])}")
    setup = [*setup_steps(pipeline, job), *take(plan=plan)]
    report = (report_step(offline=False), keep_report(pipeline, f"report-{slug(job.index)}"))
    return "", condition, setup, [*commands(job, "Verify", tokens(job), plan), *report]


def _reproduce(pipeline: Pipeline, job: Job) -> Parts:
    return "", (_NOT_STOPPED, f"&& {success_condition(job.needs[-1])}"), *reproduce_steps(pipeline, job)


def _own(pipeline: Pipeline, job: Job) -> Parts:
    plan = _plan_job(pipeline, job)
    before = [name for name in job.needs if name not in BUILDING]
    condition = (_NOT_STOPPED, *((f"&& {_any(map(success_condition, before))}",) if before else ()))
    return "", condition, [*setup_steps(pipeline, job), *take(kept=not before, plan=plan)], []


def _triggers(pipeline: Pipeline, job: Job) -> tuple[str, ...]:
    """The events that start this job."""
    by = {"tag": "github.event_name == 'push' && github.ref_type == 'tag'", "release": "github.event_name == 'release'"}
    scheduled = ("github.event_name == 'schedule'",) if job.by_schedule else ()
    return (*((by[pipeline.trigger],) if job.by_tag else ()), *scheduled)


def _any(conditions: Iterable[str]) -> str:
    joined = " || ".join(conditions)
    return f"({joined})" if " || " in joined else joined


_KINDS = {
    PLAN: _plan, BUILD: _build, SDIST: _sdist, GATHER: _gather, PUBLISH: _publish, VERIFY: _verify, OWN: _own,
    REPRODUCE: _reproduce,
}  # fmt: skip
