"""The tables of `[tool.cartwheel]` about versions, indexes, releases and pipelines."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from cartwheel.model.config.table import Table


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
    """Kind `pypi`: how uploads are authorised: with a `token` from the environment, `.pypirc` or the keyring, or by
    trusted publishing, which issues a short-lived token to the pipeline's job.
    Default: a token where there is one, else trusted publishing on `pypi`."""
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
    kind: str | None = None
    """What the destination is: an index like PyPI, release pages of GitHub, or a registry of crates.
    Default: `github` and `crates-io` are known by name; every other index is like PyPI."""
    repository: str = ""
    """Kind `github`: the repository.  Default: that of the remote's address.  Example: `"owner/name"`"""
    crates: tuple[str, ...] | None = None
    """Kind `crates`: exactly these crates are published.  Default: every crate of the workspace that may be published,
    except the extension itself.  Example: `["core-lib"]`"""


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


class CiSettings(Table, frozen=True, kw_only=True):
    """`ci`: the pipeline that `doit ci` writes."""

    trigger: Literal["tag", "release"] = "tag"
    """What starts a release: a pushed tag, or a published release page."""
    install: tuple[str, ...] = ()
    """Arguments of `pip install` that install cartwheel in a job.  Default: the version that wrote the pipeline, with
    zig.  Example: `["--editable", ".[zig]"]`"""
    own: bool = False
    """The repository releases with a pipeline of your own, so `doit tag` does not ask for one of `doit ci`."""


class VersionPattern(Table, frozen=True, kw_only=True):
    """An entry of `versions`: a further file that holds the version."""

    file: str
    """The file, relative to the package; it may lie above it, within the project.  Example: `"docs/conf.py"`"""
    pattern: str
    """The text around the version, with `{version}` (as the manifest writes it), `{pep440}` or `{semver}` in its place.
    It must match exactly once in the file.  Example: `'release = "{version}"'`"""


class ChangelogSettings(Table, frozen=True, kw_only=True):
    """`changelog`: where the release notes come from."""

    origin: Literal["file", "commits"] = msgspec.field(default="file", name="from")
    """The notes are the version's entry in a file, or the subjects of the commits since the last tag, grouped by their
    type (Conventional Commits)."""
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
