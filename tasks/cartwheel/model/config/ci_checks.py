"""Invalid values in `[tool.cartwheel.ci]` and in `runner` keys."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.model.config.release_settings import CiJob, CiSettings, CiStep, CiStepsOfJobs
from cartwheel.model.config.values import RunnerGroup, Secret, runner_labels
from cartwheel.model.errors import did_you_mean

OWN_JOBS = ("plan", "build", "sdist", "gather", "wheels", "reproduce")
"""Names of jobs that cartwheel writes, besides `publish-*`, `verify-*`, `build-*` and `image-*`."""

_KEYWORDS = ("cache", "default", "image", "include", "services", "spec", "stages", "types", "variables", "workflow")
"""Words that GitLab does not allow as names of jobs (CI/CD YAML syntax reference, November 2026)."""

_SCOPES = (
    "actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token",
    "issues", "models", "packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses",
)  # fmt: skip
"""The permissions of GitHub's jobs (workflow syntax, November 2026)."""

_CRON = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
"""The lowest and highest number of each field of a schedule."""

_ACTION = r"[\w.-]+/[\w.-]+(?:/[\w./-]+)?@[0-9a-f]{40}"


def ci_problems(ci: CiSettings, environments: Iterable[str]) -> Iterable[str]:
    """The problems of `ci`, each with its key; `environments`: those of the jobs that publish."""
    if not re.fullmatch(r"\.github/workflows/[\w.-]+\.ya?ml", ci.github.file):
        yield f"ci.github: file '{ci.github.file}'; expected .github/workflows/NAME.yml, where GitHub reads workflows"
    reusable = ci.github.reusable
    if reusable and (not re.fullmatch(r"\.github/workflows/[\w.-]+\.ya?ml", reusable) or reusable == ci.github.file):
        yield f"ci.github: reusable '{reusable}'; expected another file of .github/workflows"
    if not re.fullmatch(r"(?!/)(?!.*\.\./)[\w./-]+\.ya?ml", ci.gitlab.file):
        yield f"ci.gitlab: file '{ci.gitlab.file}'; expected a .yml file within the repository"
    for key, values in (("branches", ci.branches), ("paths", ci.paths), ("on-request", ci.on_request)):
        for value in values:
            yield from plain_name_problems(value, f"ci.{key}") if value else (f"ci.{key}: found an empty text",)
    for value in ci.branches:
        if re.search(r"[\s~^:\\]|\.\.", value):
            yield f"ci.branches: '{value}' is no branch; expected a name or a pattern, such as release-*"
    for value in ci.paths:
        if value.startswith("/") or ".." in value.split("/"):
            yield f"ci.paths: '{value}' matches nothing; expected a pattern from the repository's root, such as src/**"
    if ci.paths and all(value.startswith("!") for value in ci.paths):
        yield 'ci.paths: nothing but exclusions; expected a pattern to begin with, such as "**"'
    if ci.schedule and not _is_cron(ci.schedule):
        yield f"ci.schedule: '{ci.schedule}'; expected five fields, as cron has them: \"17 3 * * *\""
    if ci.nightly and not ci.schedule:
        yield f'ci.nightly: nothing is sent to {ci.nightly} without ci.schedule; add one, such as "17 3 * * *"'
    yield from runner_problems(ci.runner, "ci.runner", may_be_empty=True)
    for when in ("before", "after"):
        steps: CiStepsOfJobs = getattr(ci.steps, when)
        for role in steps.__struct_fields__:
            yield from _step_problems(getattr(steps, role), f"ci.steps.{when}.{role}")
    for name, job in ci.jobs.items():
        yield from _job_problems(name, job)
        yield from _identity_problems(job, f"ci.jobs.{name}", {text.lower() for text in environments})


def _identity_problems(job: CiJob, key: str, publishing: set[str]) -> Iterable[str]:
    """A job with an identity may be mistaken by an index for the one that publishes."""
    granted = any(scope.lower() == "id-token" and access == "write" for scope, access in job.permissions.items())
    if granted and not job.identity.strip():
        yield (
            f"{key}: permissions id-token: an index may take this job for the one that publishes; put it into a "
            'workflow of its own, or say why here, such as identity = "deploys to GitHub Pages"'
        )
    elif granted and (not job.environment or job.environment.lower() in publishing):
        yield f"{key}: environment '{job.environment}'; expected one that no index has, for the job has an identity"
    elif job.identity and not granted:
        yield f'{key}: identity gives a reason for nothing; add permissions = {{ id-token = "write" }}, or remove it'


def _is_cron(schedule: str) -> bool:
    """Whether these are five fields, each with numbers in its range; names of months and days are taken as they are."""
    fields = schedule.split(" ")
    return len(fields) == len(_CRON) and all(
        re.fullmatch(r"[\w*/,-]+", field)
        and all(low <= int(number) <= high for number in re.findall(r"(?<![/\d])\d+", field))
        for field, (low, high) in zip(fields, _CRON, strict=True)
    )


def _job_problems(name: str, job: CiJob) -> Iterable[str]:
    key = f"ci.jobs.{name}"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        yield f"{key}: expected a name of lower-case letters, digits and '-'"
    if name in OWN_JOBS or name.startswith(("publish-", "verify-", "build-", "image-")):
        yield f"{key}: cartwheel has a job of this name; choose another"
    if name in _KEYWORDS:
        yield f"{key}: is a keyword of GitLab; choose another name"
    if job.minutes < 1:
        yield f"{key}: minutes {job.minutes}; expected a number above 0"
    for scope in job.permissions:
        if scope.lower() not in _SCOPES:
            yield f"{key}: permission '{scope}'{did_you_mean(scope, _SCOPES)}"
    if not job.steps:
        yield f"{key}: has no steps; expected one at least"
    yield from plain_name_problems(job.environment, f"{key}: environment")
    yield from runner_problems(job.runner, f"{key}: runner", may_be_empty=True)
    yield from _step_problems(job.steps, f"{key}: steps")


def _step_problems(steps: Iterable[CiStep], key: str) -> Iterable[str]:
    for step in steps:
        if bool(step.run) == bool(step.uses):
            yield f"{key}: a step has either 'run' or 'uses'"
        if step.uses and not re.fullmatch(_ACTION, step.uses):
            yield f"{key}: uses '{step.uses}'; expected OWNER/NAME@COMMIT with all 40 digits, for tags can be moved"
        if step.inputs and not step.uses:
            yield f"{key}: 'with' belongs to an action; found it beside 'run'"
        for text in step.run:
            if "${{" in text:
                yield f"{key}: run {text!r}: an expression in a script can run code of others; put it in 'environment'"
        for name, value in step.environment.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                yield f"{key}: environment '{name}'; expected the name of a variable"
            if isinstance(value, Secret) and not re.fullmatch(r"[A-Za-z_]\w*", value.secret):
                yield f"{key}: secret '{value.secret}'; expected the name of a secret"


def runner_problems(
    runner: str | tuple[str, ...] | RunnerGroup, key: str, *, may_be_empty: bool = False
) -> Iterable[str]:
    """The problems of a `runner` key."""
    texts = (*runner_labels(runner), *((runner.group,) if isinstance(runner, RunnerGroup) else ()))
    if not may_be_empty and (not texts or not all(text.strip() for text in texts)):
        yield f"{key}: found a blank; say something, or leave the key out"
    for text in texts:
        yield from plain_name_problems(text, key)


def plain_name_problems(text: str, key: str) -> Iterable[str]:
    """The problems of a name in a pipeline's file that a forge could read as something else."""
    if "${{" in text or (text and (text != text.strip() or not text.isprintable())):
        yield f"{key}: {text!r}; expected a plain name: no '${{{{', no control characters, no blanks around it"
