"""Tags: judged from facts, then created and pushed with their branch in one atomic push."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.versions.version import version_in
from cartwheel.repository.git import NoAtomicPush, Repository

if TYPE_CHECKING:
    from packaging.version import Version

Say = Callable[[str], None]


class TagFacts(Struct, frozen=True, kw_only=True):
    """All facts that decide whether a commit may be tagged."""

    tag: str
    version: str
    """In PEP 440 form."""
    head: str
    branch: str
    """Empty on a detached HEAD."""
    release_branch: str
    """The branch on which releases are tagged; empty if any branch may be."""
    dirty: tuple[str, ...] = ()
    here: str = ""
    """The commit of the local tag; empty if there is no such tag."""
    there: str = ""
    """The commit of the remote's tag; empty if there is no such tag."""
    plain: bool = False
    """The local tag is not annotated."""
    remote: str = ""
    """The remote's name; empty if the repository has no remote."""
    url: str = ""
    """The remote's address, without credentials."""
    remote_branch: str = ""
    """The commit of `branch` on the remote; empty if the remote has no such branch."""
    ahead: int = 0
    """The number of commits of HEAD that the remote's branch lacks."""
    behind: int = 0
    """The number of commits of the remote's branch that HEAD lacks; -1 if the branch's commit is unknown locally."""
    last: tuple[str, str] = ("", "")
    """The highest version tagged on HEAD's ancestors, and its tag."""
    shallow: bool = False
    """The clone is shallow, so earlier tags may be missing."""
    pipeline: bool = False
    """This run verifies a tag and never creates one, as in a CI job on a detached HEAD."""

    @property
    def done(self) -> bool:
        """Whether the tag is on HEAD everywhere it must be."""
        wanted = self.here == self.head if self.pipeline or not self.remote else self.there == self.head
        return wanted and self.here in ("", self.head) and self.there in ("", self.head)


def tag_refusals(facts: TagFacts) -> tuple[str, ...]:
    """Every reason not to tag, from `RULES`; empty if the tag may be made or exists on HEAD."""
    return tuple(line for rule in RULES for line in rule(facts))


def refuse(found: TagFacts) -> None:
    """Raises `StepFailed` with all lines of `tag_refusals`."""
    refused = tag_refusals(found)
    if refused:
        raise StepFailed("\n".join((f"{found.tag}: not tagged:", *(f"  {line}" for line in refused))))


def facts(
    root: Path,
    *,
    tag: str,
    version: str,
    template: str,
    name: str = "",
    remote: str = "",
    ignored: tuple[str, ...] = (),
    branch: str = "",
    pipeline: bool = False,
    started: bool = False,
    checked_out: str = "",
) -> TagFacts:
    """The facts of the repository and its remote, which is queried once.

    `remote`: its name; empty for the only one.  `ignored`: patterns of tags that are not versions.  `branch`: the
    release branch; empty for any.  `pipeline`: this is a CI job.  The remote is not queried in a CI job on a detached
    HEAD, nor if a tag `started` the run.  `checked_out`: the branch that a detached checkout stands for.
    """
    with Repository(root) as repo:
        head, here, tags = repo.head(), repo.branch or checked_out, repo.tags()
        verify_only = started or (pipeline and not here)
        chosen = "" if verify_only else remote_of(repo, remote)
        refs = repo.remote_refs(chosen) if chosen else {}
        theirs = refs.get(f"refs/heads/{here}", "") if here else ""
        known = bool(theirs) and repo.has(theirs)
        return TagFacts(
            tag=tag,
            version=version,
            head=head,
            branch=here,
            release_branch=branch,
            dirty=repo.dirty(),
            here=tags.get(tag, ""),
            plain=tag in tags and not repo.annotated(tag),
            there=refs.get(f"refs/tags/{tag}", ""),
            remote=chosen,
            url=repo.url(chosen) if chosen else "",
            remote_branch=theirs,
            ahead=repo.between(theirs, head) if known else 0,
            behind=repo.between(head, theirs) if known else -1 if theirs else 0,
            shallow=repo.shallow,
            last=last_tag(repo, template, name, refs=refs, but=tag, ignored=ignored),
            pipeline=verify_only,
        )


def before_push(found: TagFacts, *, pipeline: str = "") -> tuple[str, ...]:
    """Lines to show before the tag is pushed: the remote, and a warning if the push will start no pipeline.

    `pipeline`: the forge whose job this is, if the tag is meant to start a pipeline; else empty.
    """
    if not found.remote:
        return ()
    address = f"{found.tag}: to be pushed to {found.remote} ({found.url}) with {found.branch}"
    return (address, *_starts_nothing(found, pipeline))


def _starts_nothing(found: TagFacts, pipeline: str) -> tuple[str, ...]:
    if not pipeline or not found.url.startswith("http"):  # with SSH, a key pushes, and that starts a pipeline
        return ()
    return (
        f"{found.tag}: pushed with the token of this {pipeline} job it starts no pipeline; push with a token of an "
        f"app or of a person, or start the pipeline by hand on {found.tag} ({_BY_HAND[pipeline]})",
    )


_BY_HAND = {"GitHub": "Actions, Run workflow", "GitLab": "Build, Pipelines, New pipeline"}
"""GitHub's documentation "Triggering a workflow from a workflow", GitLab's "CI/CD job token", November 2026."""


def make(root: Path, found: TagFacts, message: str, say: Say, *, pipeline: str = "") -> tuple[str, ...]:
    """Create the tag if it is missing, and push it; returns one line for each action.

    Does nothing if the tag is on HEAD everywhere it must be.  `pipeline`: see `before_push`.  Raises `StepFailed` with
    all lines of `tag_refusals`.
    """
    refuse(found)
    if found.done:
        say(f"{found.tag}: already on {found.head[:12]}")
        return ()
    done: list[str] = []
    with Repository(root) as repo:
        _refuse_changes(repo, found)
        if not found.here:
            repo.create_tag(found.tag, message, commit=found.head)
            done.append(f"{found.tag}: tagged {found.head[:12]}")
            say(done[-1])
        if repo.lacks_signature(found.tag):
            raise StepFailed(
                f"{found.tag}: is not signed, though git is set up to sign (tag.gpgSign), so it is not pushed; "
                f"mend the key, `git tag -d {found.tag}` and start again"
            )
        if not found.remote:
            say(f"{found.tag}: stays on this machine: the repository has no remote")
            return tuple(done)
        for line in _starts_nothing(found, pipeline):
            say(line)
        try:
            _push(repo, found)
        except StepFailed:
            if not _is_there(repo, found):
                raise
            say(f"{found.tag}: is on {found.remote} already, on this very commit: another clone pushed it meanwhile")
            return tuple(done)
        done.append(f"{found.tag}: pushed to {found.remote} ({found.url}) with {found.branch}")
        say(done[-1])
    return tuple(done)


def _push(repo: Repository, found: TagFacts) -> None:
    """Push the tag with its branch; without atomic push, push the tag only, if the remote's branch is at its commit."""
    tag = f"refs/tags/{found.tag}"
    try:
        repo.push(found.remote, (f"{found.head}:refs/heads/{found.branch}", tag))
    except NoAtomicPush:
        if repo.remote_refs(found.remote).get(f"refs/heads/{found.branch}") != found.head:
            raise StepFailed(
                f"remote '{found.remote}' ({found.url}): nothing was pushed: {found.branch} changed there; start again"
            ) from None
        repo.push(found.remote, (tag,))


def _is_there(repo: Repository, found: TagFacts) -> bool:
    """Whether the remote has the tag on this commit despite a failed push.

    Another clone may have pushed it, or only the answer was lost.
    """
    try:
        return repo.remote_refs(found.remote).get(f"refs/tags/{found.tag}") == found.head
    except StepFailed:
        return False


def _refuse_changes(repo: Repository, found: TagFacts) -> None:
    """Raises `StepFailed` if the repository changed after `facts` read it."""
    if repo.head() != found.head or repo.dirty() or repo.tags().get(found.tag, "") != found.here:
        raise StepFailed(f"{found.tag}: the repository changed since it was looked at; start again")


def remote_of(repo: Repository, wanted: str) -> str:
    """The remote `wanted`, or the only one if `wanted` is empty; empty if the repository has no remote.

    Raises `ConfigError` if there are several to choose from, or `wanted` does not exist.
    """
    names = repo.remotes()
    if wanted and wanted in names:
        return wanted
    if not names:
        return ""
    if wanted:
        raise ConfigError(
            f"[tool.cartwheel] release: there is no remote '{wanted}'; this repository has {', '.join(names)}"
        )
    if len(names) == 1:
        return names[0]
    shown = ", ".join(f"{name} ({repo.url(name)})" for name in names)
    raise ConfigError(
        f"[tool.cartwheel.release] remote: to which one are releases pushed? this repository has {shown}; "
        f'write for example remote = "{"origin" if "origin" in names else names[0]}"'
    )


def last_tag(
    repo: Repository,
    template: str,
    name: str,
    *,
    refs: Mapping[str, str] | None = None,
    but: str = "",
    ignored: tuple[str, ...] = (),
) -> tuple[str, str]:
    """The highest version tagged on HEAD or its ancestors, and its tag; both empty if there is none.

    `refs`: further tags, from a remote.  `but`: a tag to skip.  `ignored`: patterns of tags to skip.
    """
    here, found = repo.tags(), repo.tags(merged=True)
    for ref, commit in (refs or {}).items():
        other = ref.removeprefix("refs/tags/")
        ours = ref != other and other not in here and version_in(template, other, name=name)
        if ours and repo.has(commit) and repo.between("HEAD", commit) == 0:
            found[other] = commit
    counted = (o for o in found if o != but and not any(fnmatchcase(o, pattern) for pattern in ignored))
    versions = [(version_in(template, other, name=name), other) for other in counted]
    return max(((v, t) for v, t in versions if v), key=lambda pair: _order(pair[0]), default=("", ""))


def _order(version: str) -> Version:
    from packaging.version import Version

    return Version(version)


# The reasons, each with one signature --------------------------------------------------------------------------------


def _clean(facts: TagFacts) -> tuple[str, ...]:
    if not facts.dirty:
        return ()
    shown = ", ".join(facts.dirty[:10]) + (f" and {len(facts.dirty) - 10} more" if len(facts.dirty) > 10 else "")
    return (f"not committed: {shown}; commit, ignore or stash them",)


def _on_its_commit(facts: TagFacts) -> tuple[str, ...]:
    where = {"here": facts.here, f"on {facts.remote or 'the remote'}": facts.there}
    return tuple(
        f"{facts.tag} is {place} already, on {commit[:12]}, and HEAD is {facts.head[:12]}; a tag is never moved: "
        + (
            "check that commit out, or release the next version"
            if facts.there or not facts.remote or facts.pipeline
            else f"check that commit out, or, since it was never pushed, `git tag -d {facts.tag}` and start again"
        )
        for place, commit in where.items()
        if commit not in ("", facts.head)
    )


def _annotated(facts: TagFacts) -> tuple[str, ...]:
    if not facts.plain or facts.done or facts.here != facts.head:
        return ()
    return (f"{facts.tag} is here without a message; a release's is annotated: `git tag -d {facts.tag}`, start again",)


def _on_its_branch(facts: TagFacts) -> tuple[str, ...]:
    if facts.done:
        return ()
    if facts.pipeline:
        return (f"HEAD {facts.head[:12]} does not carry {facts.tag}; the pipeline verifies a tag and makes none",)
    if not facts.branch:
        return (f"HEAD is detached; check out {facts.release_branch or 'the branch that is released'}",)
    if facts.release_branch and facts.branch != facts.release_branch:
        return (f"on branch {facts.branch}, expected {facts.release_branch} ([tool.cartwheel] release branch)",)
    return ()


def _with_its_remote(facts: TagFacts) -> tuple[str, ...]:
    if facts.done or not facts.remote or not facts.branch:
        return ()
    theirs = f"{facts.remote}/{facts.branch}"
    if not facts.remote_branch:
        return (f"{facts.remote} has no branch {facts.branch}; `git push -u {facts.remote} {facts.branch}` first",)
    lines = []
    if facts.behind:
        count = "commits" if facts.behind < 0 else _commits(facts.behind)
        lines.append(f"{theirs} has {count} that {'is' if facts.behind == 1 else 'are'} not here; `git pull` first")
    if facts.ahead:
        lines.append(f"{theirs} lacks {_commits(facts.ahead)}; `git push {facts.remote} {facts.branch}` first")
    return tuple(lines)


def _forward(facts: TagFacts) -> tuple[str, ...]:
    version, tag = facts.last
    if facts.done or facts.pipeline:
        return ()
    if facts.shallow:
        return (
            "this clone is shallow, so what was tagged before cannot be known; `git fetch --unshallow --tags` first",
        )
    if not version:
        return ()
    from packaging.version import Version

    if Version(version) > Version(facts.version):
        return (f"version {facts.version} is lower than the last tag {tag}; release a higher one{not_a_version(tag)}",)
    return ()


def not_a_version(tag: str) -> str:
    """Advice for a refusal: how to ignore a tag that is not a version."""
    return f', or, if that tag is no version, leave it out: [tool.cartwheel.release] ignore-tags = ["{tag}"]'


def _commits(count: int) -> str:
    return f"{count} commit{'s' if count != 1 else ''}"


RULES = (_clean, _on_its_commit, _annotated, _on_its_branch, _with_its_remote, _forward)
