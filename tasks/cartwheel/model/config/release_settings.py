"""The tables of `[tool.cartwheel]` about versions, indexes, releases and pipelines."""

# Annotations are not postponed: msgspec would compile each of them from text at the first decode.

import re
from typing import Literal

import msgspec

from cartwheel.model.config.table import Table
from cartwheel.model.config.values import RunnerGroup, Secret


class IndexSettings(Table, frozen=True, kw_only=True):
    """`index.NAME`: a destination that is not known by its name alone."""

    url: str = ""
    """Where files are uploaded.  For kind `github` the API of a GitHub server, for kind `crates` cargo's index.
    Default: what twine, `.pypirc` or cargo knows by that name.  Example: `"https://packages.example/legacy/"`"""
    simple: str = ""
    """Where the index is read (the simple API).  Default: derived from `url`.
    Example: `"https://packages.example/simple/"`"""
    rehearsal: bool | None = None
    """Kind `pypi`: an index for practice.  It needs no tag and takes development versions.
    Default: `true` for `testpypi`, else `false`."""
    auth: Literal["token", "trusted"] | None = None
    """Kinds `pypi` and `crates`: how uploads are authorised: with a `token` (from the environment, `.pypirc`, the
    keyring, or cargo's credentials), or by trusted publishing, which issues a short-lived token to the pipeline's job.
    Default: a token where there is one, else trusted publishing on `pypi` and `crates-io`."""
    environment: str = ""
    """The environment of the publishing job in CI; name the same one in the index's trusted publisher.
    Default: the index's name."""
    rules: dict[str, str] = {}
    """Rules of PyPI that this index does not have, each with the reason.  The key is a rule's name (`size`), or a name
    and one value (`platform-tag macosx_27_0_arm64`).  Default: every rule counts.
    Example: `{ size = "our limit is 300 MB" }`"""
    user: str = ""
    """Kind `pypi`: the user name that belongs to the password in `CARTWHEEL_INDEX_NAME_TOKEN`, for uploads and for
    reading a private index on the same host.  Default: `__token__`.  Example: `"ci-bot"`"""
    plain_http: bool = False
    """Allow an address without TLS on another machine: who sits in between reads the credentials and may change the
    files.  Default: `false`; this machine's own addresses need no permission."""
    attestations: bool | None = None
    """Sign each file with the job's identity when it is published, and verify the signatures after: attestations
    (PEP 740) for kind `pypi`, a Sigstore bundle beside each file for kind `github`.  Default: with trusted publishing
    on `pypi` and `testpypi`; on a release page in jobs of a public repository.  `false` needs a reason in
    `unattested`."""
    unattested: str = ""
    """Why releases carry no attestations.  Example: `"the job runs on a forge that has no identities"`"""
    publisher_changed: str = ""
    """Why another repository or pipeline publishes than for the last release; it lets such a release pass.
    Example: `"moved to the organisation in 2.0"`"""
    sigstore: str = ""
    """The trust configuration of a Sigstore of your own (JSON, as `sigstore --trust-config` takes it), relative to the
    project.  Default: the public one.  Example: `"ci/sigstore.json"`"""
    kind: str | None = None
    """What the destination is: an index like PyPI, release pages of GitHub, or a registry of crates.
    Default: `github` and `crates-io` are known by name; every other index is like PyPI."""
    repository: str = ""
    """Kind `github`: the repository.  Default: that of the remote's address.  Example: `"owner/name"`"""
    crates: tuple[str, ...] | None = None
    """Kind `crates`: exactly these crates are published.  Default: every crate of the workspace that may be published,
    except the extension itself.  Example: `["core-lib"]`"""


class CacheSettings(Table, frozen=True, kw_only=True):
    """`cache`: finished steps that the machines of a project share."""

    url: str = ""
    """Where the cache is: a repository of an OCI registry (`oci://HOST/NAME`) or a shared folder (`file:///FOLDER`).
    Default: no cache.  Example: `"oci://ghcr.io/owner/name-cache"`"""
    read: Literal["always", "pull", "never"] = "always"
    """Who looks there: every build before it compiles, `doit pull` alone, or nobody.  A release never does."""
    write: Literal["protected", "always", "never"] = "protected"
    """Who may `doit push`: in CI only protected branches, or every run, or nobody.  A person may unless `never`."""

    @property
    def by_pipelines(self) -> bool:
        """Whether generated pipelines use it instead of the forge's cache: a registry that builds read and CI fills."""
        return self.url.startswith("oci://") and self.read == "always" and self.write != "never"


class ReleaseSettings(Table, frozen=True, kw_only=True):
    """`release`: how a release is made."""

    origin: Literal["here", "ci"] = msgspec.field(default="here", name="from")
    """Where the wheels of a release are built: on this machine, or by the pipeline that the tag starts.  `doit ci`
    writes `ci`."""
    branch: str = "main"
    """The branch that releases are tagged on."""
    remote: str = ""
    """The git remote that the branch and the tag are pushed to.  Default: the only remote; with several, one must be
    named.  Example: `"upstream"`"""
    ignore_tags: tuple[str, ...] = ()
    """Patterns of tags that are no versions of this project, such as those of an earlier scheme.
    Example: `["v20*", "v2-beta"]`"""
    reuse: Literal["never", "proven"] = "never"
    """What a release takes from the shared cache (`cache`): nothing, or only files that two different machines built
    with the same digests.  Whoever may write to the cache is trusted with `proven`."""


class CiStep(Table, frozen=True, kw_only=True):
    """A step of your own in a job of the pipeline: commands, or on GitHub an action."""

    name: str = ""
    """What the step is called in the log.  Default: its first command, or its action."""
    run: tuple[str, ...] = ()
    """Lines of the shell script that is run in the project's folder, on Windows by the shell that git brings; its
    variables end with the step.  Example: `["make docs"]`"""
    uses: str = ""
    """GitHub only: an action, pinned by its commit.  Example:
    `"arduino/setup-protoc@f4d5893b897028ff5739576ea0409746887fa536"`"""
    inputs: dict[str, str] = msgspec.field(default={}, name="with")
    """Inputs of the action."""
    environment: dict[str, str | Secret] = {}
    """Variables of the step.  Example: `{ DOCS_TOKEN = { secret = "DOCS_TOKEN" } }`"""


class CiStepsOfJobs(Table, frozen=True, kw_only=True):
    """`ci.steps.before` and `ci.steps.after`: steps for each kind of job, before or after cartwheel's own work."""

    plan: tuple[CiStep, ...] = ()
    """Steps of the job that plans a run."""
    build: tuple[CiStep, ...] = ()
    """Steps of every job that builds wheels."""
    sdist: tuple[CiStep, ...] = ()
    """Steps of the job that builds source distributions."""
    gather: tuple[CiStep, ...] = ()
    """Steps of the job that checks all files of a run together."""
    publish: tuple[CiStep, ...] = ()
    """Steps of every job that publishes.  They see that job's identity."""
    verify: tuple[CiStep, ...] = ()
    """Steps of every job that verifies an index."""


class CiSteps(Table, frozen=True, kw_only=True):
    """`ci.steps`: steps of your own in the pipeline's jobs."""

    before: CiStepsOfJobs = CiStepsOfJobs()
    """Steps that run before the job's work, when cartwheel is installed."""
    after: CiStepsOfJobs = CiStepsOfJobs()
    """Steps that run after the job's work."""


class CiJob(Table, frozen=True, kw_only=True):
    """`ci.jobs.NAME`: a job of your own in the pipeline."""

    needs: Literal["build", "publish", "verify"] = "build"
    """What it waits for: the builds of any run, or the publishing or verifying jobs of a release.  The files of the
    run lie in `dist/`."""
    steps: tuple[CiStep, ...]
    """Its steps, in order.  Example: `[{ run = ["make docs"] }]`"""
    runner: str | tuple[str, ...] | RunnerGroup = ""
    """The machine that runs it.  Default: `ci.runner`."""
    permissions: dict[str, Literal["read", "write", "none"]] = {}
    """GitHub only: permissions besides reading the sources.  Example: `{ pages = "write" }`"""
    identity: str = ""
    """Why the job has the permission `id-token = "write"`, which needs an `environment` that no index has: an index
    tells jobs of one workflow apart by it.  Example: `"deploys to GitHub Pages"`"""
    environment: str = ""
    """The forge's environment that holds its secrets."""
    minutes: int = 60
    """Minutes after which the job is stopped."""


class GithubFile(Table, frozen=True, kw_only=True):
    """`ci.github`: the workflow file of `doit ci github`."""

    file: str = ".github/workflows/release.yml"
    """The file, relative to the repository; GitHub reads workflows in `.github/workflows` only."""
    reusable: str = ""
    """A second file, in the same folder, that takes the jobs up to the finished files and can be called by workflows of
    your own (`workflow_call`).  The first file calls it and publishes: PyPI takes trusted publishing from the file
    that was started only.  Example: `".github/workflows/wheels.yml"`"""


class GitlabFile(Table, frozen=True, kw_only=True):
    """`ci.gitlab`: the pipeline file of `doit ci gitlab`."""

    file: str = ".gitlab-ci.yml"
    """The file, relative to the repository.  Another name than the default is for a `.gitlab-ci.yml` of your own that
    includes it.  Example: `".gitlab/wheels.yml"`"""


class CiSettings(Table, frozen=True, kw_only=True):
    """`ci`: the pipeline that `doit ci` writes."""

    trigger: Literal["tag", "release"] = "tag"
    """What starts a release: a pushed tag, or a published release page."""
    install: tuple[str, ...] = ()
    """Arguments of `pip install` that install cartwheel in a job.  Default: the version that wrote the pipeline, with
    zig.  Example: `["--editable", ".[zig]"]`"""
    reproduce: bool = False
    """A job builds each release again from its tag, on another machine, and compares the files with those of the first
    index; its result goes to the release page (`doit reproduce`)."""
    own: bool = False
    """The repository releases with a pipeline of your own, so `doit tag` does not ask for one of `doit ci`."""
    github: GithubFile = GithubFile()
    """The workflow file of GitHub.  Example: `{ file = ".github/workflows/wheels.yml" }`"""
    gitlab: GitlabFile = GitlabFile()
    """The pipeline file of GitLab.  Example: `{ file = ".gitlab/wheels.yml" }`"""
    branches: tuple[str, ...] = ()
    """Branches, by name or pattern, whose pushes are built and tested.  Default: `release.branch`.
    Example: `["main", "release/*"]`"""
    paths: tuple[str, ...] = ()
    """Only pushes and pull requests that change these paths start a run; tags always do.  Patterns of the forge,
    relative to the repository.  Default: every change.  Example: `["src/**", "pyproject.toml"]`"""
    runner: str | tuple[str, ...] | RunnerGroup = ""
    """The machine of jobs that build no wheel.  Default: the forge's Linux."""
    on_request: tuple[str, ...] = ()
    """Indexes of `publish` that a tag does not publish to: a person starts the run on the tag and chooses the index.
    Example: `["pypi"]`"""
    schedule: str = ""
    """When runs start besides, as cron writes it (UTC).  On GitLab schedules are set in its pages.
    Example: `"17 3 * * *"`"""
    nightly: str = ""
    """The index that scheduled runs publish development versions to (`1.2.4.dev57`); one with `rehearsal = true`.
    Example: `"nightly"`"""
    steps: CiSteps = CiSteps()
    """Steps of your own in the jobs of the pipeline.  Example:
    `{ before = { build = [{ run = ["sudo apt-get install --yes protobuf-compiler"] }] } }`"""
    jobs: dict[str, CiJob] = {}
    """Jobs of your own, by name.  Example: `{ docs = { steps = [{ run = ["make docs"] }] } }`"""


class VersionPattern(Table, frozen=True, kw_only=True):
    """An entry of `versions`: a further file that holds the version."""

    file: str
    """The file, relative to the package; it may lie above it, within the project.  Example: `"docs/conf.py"`"""
    pattern: str
    """The text around the version, with `{version}` (as the manifest writes it), `{pep440}` or `{semver}` in its place.
    It must match exactly once in the file.  Example: `'release = "{version}"'`"""


class ChangelogSettings(Table, frozen=True, kw_only=True):
    """`changelog`: where the release notes come from."""

    origin: Literal["file", "commits", "github"] = msgspec.field(default="file", name="from")
    """The notes are the version's entry in a file, or the subjects of the commits since the last tag, grouped by their
    type (Conventional Commits), or those that GitHub generates from merged pull requests for the release page; the
    tag's message then has none."""
    file: str = ""
    """The file, Markdown or reStructuredText, relative to the package; it may lie above it, within the project.
    Default: the first of `CHANGELOG`, `CHANGES`, `HISTORY` and `NEWS` with entries of versions, whatever its suffix.
    Example: `"docs/changes.md"`"""
    command: tuple[str, ...] = ()
    """The program that writes the version's entry when the version is set, such as towncrier or git-cliff.  It runs in
    the package's folder in a clone of the commit; `{version}`, `{pep440}`, `{tag}` and `{date}` are replaced.
    Example: `["towncrier", "build", "--yes", "--version", "{version}"]`"""
    required: Literal["always", "final", "never"] = "always"
    """Which versions need an entry: all, all but pre-releases, or none."""


class ChecklistItem(Table, frozen=True, kw_only=True):
    """An entry of `checklist`: a command that must pass or a question for a person."""

    run: tuple[str, ...] = ()
    """A command and its arguments, run in the package's folder; it must have passed on the commit that is tagged.
    Example: `["cargo", "deny", "check"]`"""
    manual: str = ""
    """A question that a person confirms once for each version.  Example: `"Are the docs up to date?"`"""
    name: str = ""
    """A short name for the task.  Default: taken from the command or the question."""

    @property
    def slug(self) -> str:
        """The last part of the task's name."""
        text = self.name or self.manual or " ".join(self.run)
        return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-") or "item"
