"""Shell commands of GitLab's jobs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from cartwheel.ci import gitlab_windows as windows
from cartwheel.ci.gitlab_runners import Machine
from cartwheel.ci.jobs import BUILD, PUBLISH, REPRODUCE, RESULT_FOLDERS, SDIST, VERIFY, Job, Pipeline
from cartwheel.ci.placed_files import PREFIX
from cartwheel.ci.publish_lock import from_sources
from cartwheel.model.config.release_settings import CiStep
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.artifacts import REPORT_PAGE, REPRODUCED

LOCK = ".gitlab/cartwheel-publish.txt"
"""The lock of jobs that may publish, relative to the repository."""

STATE = ".cartwheel/ci"
"""The folder of files that jobs hand on, relative to the project."""

PLANNED = f"{STATE}/plan.txt"
"""The plan: a line `JOB=TASK TASK` for each job with work, and lines for what those tasks need."""


_POSIX_RUST = (
    "if ! command -v cargo; then python -m pip install --quiet puccinialin; "
    'python -m puccinialin --location "$PWD/.cartwheel/rust" --info-json /dev/null; '
    'export CARGO_HOME="$PWD/.cartwheel/rust/cargo" RUSTUP_HOME="$PWD/.cartwheel/rust/rustup"; '
    'export PATH="$CARGO_HOME/bin:$PATH"; fi',
)

_POSIX_NEEDED = (
    f'TASKS=$(sed -n "s/^$BUILD=//p" {PLANNED})',
    'if [ -z "$TASKS" ]; then echo "$BUILD is up to date"; exit 0; fi',
)

APT = (
    f'SYSTEM=$(sed -n "s/^$BUILD[.]system=//p" {PLANNED})',
    'if [ -n "$SYSTEM" ]; then apt-get update --quiet; '
    "apt-get install --yes --quiet --no-install-recommends $SYSTEM; fi",
)

_POSIX_WORK = (
    f'RUST=$(sed -n "s/^$BUILD[.]rust=//p" {PLANNED})',
    'if [ -n "$RUST" ]; then rustup target add $RUST; fi',
    f'PYTHONS=$(sed -n "s/^$BUILD[.]pythons=//p" {PLANNED})',
    'for python in $PYTHONS; do uv python find --quiet "$python" || uv python install "$python"; done',
    "doit $TASKS",
)

_NEEDED = {"linux": _POSIX_NEEDED, "macos": _POSIX_NEEDED, "windows": windows.read_tasks(PLANNED)}
"""Reads the work of a job; a job without work ends here."""

_RUST = {"linux": _POSIX_RUST, "macos": _POSIX_RUST, "windows": windows.RUST}
"""Installs Rust for this job alone, on a machine or image without it."""

WORK = {"linux": _POSIX_WORK, "macos": _POSIX_WORK, "windows": windows.WORK}


IS_RELEASE = '[ -n "$CI_COMMIT_TAG" ] || [ "${TO:-nowhere}" != nowhere ]'
"""The condition, in a shell, that a run may publish."""

_CLEAN_CRATES = {
    "posix": (f"if {IS_RELEASE}; then rm -rf .cartwheel/sccache; fi",),
    "windows": windows.CLEAN_CRATES,
}
"""A release compiles everything itself: any branch could have filled the cache."""


def setup_scripts(pipeline: Pipeline, machines: Iterable[Machine]) -> Mapping[str, tuple[str, ...]]:
    """The commands before a job's own, by the name of the hidden job that holds them.

    For each system of builders one; `prepared` for jobs without an identity, `released` for jobs that hold an identity
    or a token.
    """
    systems = dict.fromkeys(("linux", *(machine.system for machine in machines)))
    cartwheel, building = (
        f"python -m pip install --quiet {shlex.join(words)}"
        for words in (pipeline.cartwheel, pipeline.install_arguments(pipeline.job(BUILD)))
    )
    folder = (f"cd {shlex.quote(pipeline.where.folder)}",) if pipeline.where.folder else ()
    scripts = {
        "prepared": (*folder, *_python("linux", pipeline.python), cartwheel, *_RUST["linux"], *_nightly(pipeline)),
        **{
            system: (
                *folder, *_NEEDED[system], *_python(system, pipeline.python), building, *_RUST[system],
                *_nightly(pipeline, system), *_without_cache(pipeline, system),
            )
            for system in systems
        },
    }  # fmt: skip
    if any(job.locked for job in pipeline.jobs):
        scripts["released"] = _release_setup(pipeline)
    return scripts


def _without_cache(pipeline: Pipeline, system: str) -> tuple[str, ...]:
    if not pipeline.sccache:
        return ()
    return _CLEAN_CRATES["windows" if system == "windows" else "posix"]


def _release_setup(pipeline: Pipeline) -> tuple[str, ...]:
    """A checkout of the commit elsewhere, the locked installation, and of what other jobs built the planned files.

    GitLab unpacks artifacts over the job's checkout. That checkout is therefore only read: its objects, which the
    commit's hash identifies, and the artifacts. A job's commands start in it, so `$PWD` names it on every executor and
    in gitlab-ci-local, which sets `$CI_PROJECT_DIR` to a container's path even when no container runs (4.62.0).
    """
    folder = f"/{pipeline.where.folder}" if pipeline.where.folder else ""
    isolated = "--no-build-isolation " if from_sources(pipeline.cartwheel) else ""
    return (
        f'CHECKOUT="$PWD"; BUILT="$PWD{folder}"',
        'ELSEWHERE=$(mktemp -d); MADE="$ELSEWHERE/made"; mkdir "$MADE"',
        'git clone --quiet --no-local --no-checkout "$CHECKOUT" "$ELSEWHERE/sources"',
        'cd "$ELSEWHERE/sources"',
        'git remote set-url origin "$CI_REPOSITORY_URL"',
        'git checkout --quiet --detach "$CI_COMMIT_SHA"',
        *(("git submodule update --init --recursive --quiet",) if pipeline.where.submodules else ()),
        f'LOCK="$PWD/{LOCK}"',
        *((f"cd {shlex.quote(pipeline.where.folder)}",) if folder else ()),
        *_python("linux", pipeline.python),
        'python -m pip install --quiet --no-deps --require-hashes --only-binary :all: --requirement "$LOCK"',
        f"python -m pip install --quiet --no-deps {isolated}{shlex.join(pipeline.cartwheel)}",
        *_nightly(pipeline),
        unpack_commands(f'"$BUILT"/{STATE}/{PREFIX}*.tar'),
        'doit ci place "$MADE"',
        "git diff --exit-code HEAD",
    )


def pack_commands(system: str) -> tuple[str, ...]:
    """Packs a build's results into one file, so that unpacking an artifact overwrites nothing."""
    if system == "windows":
        return windows.pack(RESULT_FOLDERS, f"{STATE}/{PREFIX}$env:BUILD.tar")
    return (f'tar --create --file "{STATE}/{PREFIX}$BUILD.tar" $(ls -d {" ".join(RESULT_FOLDERS)} 2> /dev/null)',)


def unpack_commands(files: str) -> str:
    """Unpacks these tar files into folders of their names below `$MADE`."""
    return (
        f'for made in {files}; do if [ -f "$made" ]; then name=$(basename "$made" .tar); '
        'mkdir "$MADE/$name"; tar --extract --file "$made" --directory "$MADE/$name"; fi; done'
    )


def explain_missing_variable(job: Job) -> tuple[str, ...]:
    """Commands that explain why a protected variable is missing."""
    return tuple(
        f'if [ -z "${variable}" ] && [ "$CI_COMMIT_REF_PROTECTED" != true ]; then echo "{variable} is not set. '
        "$CI_COMMIT_REF_NAME is not protected, and protected variables exist for protected branches and tags only: "
        'protect it (Settings > Repository), or add the variable"; exit 1; fi'
        for variable in job.secrets
    )


PUSH = "doit push || echo 'the shared cache was not filled'"
"""Fills the shared cache. A cache that is down fails no run, and a merge request only reads."""

REPORT = "doit report --offline"
"""Writes the page of `doit report`, before anything is published."""


def reports(job: Job, *, locked: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The commands that write the report before and after a job's work.

    A release page gets the report; a job that verifies keeps it, in the job's own checkout.
    """
    before: tuple[str, ...] = (REPORT,) if job.role == PUBLISH and job.page else ()
    if before and REPRODUCE in job.needs:
        there = f'"$BUILT/{REPRODUCED}"'
        before += (f"if [ -f {there} ] && [ ! -L {there} ]; then cp {there} {REPRODUCED}; fi",)
    place = f' --output "$BUILT/{REPORT_PAGE}"' if locked else ""
    return before, (f"doit report{place}",) if job.role == VERIFY else ()


def own_steps(steps: Iterable[CiStep], key: str, *, system: str, folder: str) -> tuple[str, ...]:
    """The commands of steps of the user's.  As on GitHub each one has a shell, folder and variables to itself.

    `folder`: the project's, relative to the repository.  Raises `ConfigError` for an action of GitHub.
    """
    commands: list[str] = []
    for step in steps:
        if step.uses:
            raise ConfigError(f"{key}: '{step.uses.partition('@')[0]}' is an action of GitHub; on GitLab give 'run'")
        variables = (f"export {name}={_variable(value)}" for name, value in step.environment.items())
        lines = (*variables, *step.run)
        if system == "windows":
            commands += windows.shell_step(lines, folder, f"{STATE}/step.sh")
        else:
            commands.append("\n".join(("(", *lines, ")")))
    return tuple(commands)


def _variable(value: str | Secret) -> str:
    """The value of a variable as a word of a shell."""
    return f'"${value.secret}"' if isinstance(value, Secret) else shlex.quote(value)


def _nightly(pipeline: Pipeline, system: str = "linux") -> tuple[str, ...]:
    """Scheduled runs give the packages a development version."""
    if not pipeline.nightly:
        return ()
    if system == "windows":
        return windows.NIGHTLY
    return ('if [ "$CI_PIPELINE_SOURCE" = schedule ]; then doit ci nightly "$CI_PIPELINE_IID"; fi',)


def _python(system: str, version: str) -> tuple[str, ...]:
    """A virtual environment for this job, with this version of Python if the machine has or gets it."""
    if system == "windows":
        return windows.python(version)
    short = version.replace(".", "")
    versions = {
        "linux": (
            f"PYTHON=/opt/python/cp{short}-cp{short}/bin/python",  # in the images of the Python Packaging Authority
            'if [ ! -x "$PYTHON" ]; then PYTHON=python3; fi',
        ),
        "macos": (
            f"PYTHON=python{version}",
            f'if ! command -v "$PYTHON"; then brew install --quiet python@{version}; fi',
        ),
    }
    return (*versions[system], f'"$PYTHON" -m venv {windows.VENV}', f". {windows.VENV}/bin/activate")


def package_commands(job: Job, *, locked: bool) -> Iterable[str]:
    """Publish or verify each package of the run."""
    if len(job.packages) == 1:
        yield from (f"doit {task}" for _, task in job.commands())
        return
    if job.packages:
        where = f'"$BUILT/{PLANNED}"' if locked else PLANNED
        yield f"PACKAGES=$(sed -n 's/^packages=//p' {where})"
    for key, task in job.commands():
        yield f'case "$PACKAGES" in *,{key},*) doit {task} ;; esac'


def reproduce_script(pipeline: Pipeline, job: Job) -> tuple[str, tuple[str, ...]]:
    """The build whose tools the job needs, and its commands. Differences do not fail the pipeline: they are a result,
    which the release page shows."""
    build = next((build.name for build in pipeline.reproduced), SDIST)
    return build, (f"doit reproduce --index {job.index} > {REPRODUCED} 2>&1 || true", f"cat {REPRODUCED}")
