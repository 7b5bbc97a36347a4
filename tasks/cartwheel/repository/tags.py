"""Tags: judged from facts, then created and pushed with their branch in one atomic push."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.versions.version import version_in
from cartwheel.process.run import Interrupted
from cartwheel.repository.git import NoAtomicPush, Repository
from cartwheel.repository.tag_rules import TagFacts, tag_refusals

if TYPE_CHECKING:
    from packaging.version import Version

Say = Callable[[str], None]


def refuse(state: TagFacts) -> None:
    """Raises `StepFailed` with all lines of `tag_refusals`."""
    refused = tag_refusals(state)
    if refused:
        raise StepFailed("\n".join((f"{state.tag}: not tagged:", *(f"  {line}" for line in refused))))


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
            plain=tag in tags and not repo.is_annotated(tag),
            there=refs.get(f"refs/tags/{tag}", ""),
            remote=chosen,
            url=repo.url(chosen, push=True) if chosen else "",
            remote_branch=theirs,
            ahead=repo.count_between(theirs, head) if known else 0,
            behind=repo.count_between(head, theirs) if known else -1 if theirs else 0,
            shallow=repo.shallow,
            last=last_tag(repo, template, name, refs=refs, but=tag, ignored=ignored),
            pipeline=verify_only,
        )


def before_push(state: TagFacts, *, pipeline: str = "") -> tuple[str, ...]:
    """Lines to show before the tag is pushed: the remote, and a warning if the push will start no pipeline.

    `pipeline`: the forge whose job this is, if the tag is meant to start a pipeline; else empty.
    """
    if not state.remote:
        return ()
    address = f"{state.tag}: to be pushed to {state.remote} ({state.url}) with {state.branch}"
    return (address, *_starts_nothing(state, pipeline))


def _starts_nothing(state: TagFacts, pipeline: str) -> tuple[str, ...]:
    if not pipeline or not state.url.startswith("http"):  # with SSH, a key pushes, and that starts a pipeline
        return ()
    return (
        f"{state.tag}: pushed with the token of this {pipeline} job it starts no pipeline; push with a token of an "
        f"app or of a person, or start the pipeline by hand on {state.tag} ({_BY_HAND[pipeline]})",
    )


_BY_HAND = {"GitHub": "Actions, Run workflow", "GitLab": "Build, Pipelines, New pipeline"}
"""GitHub's documentation "Triggering a workflow from a workflow", GitLab's "CI/CD job token", November 2026."""


def make(root: Path, state: TagFacts, message: str, say: Say, *, pipeline: str = "") -> tuple[str, ...]:
    """Create the tag if it is missing, and push it; returns one line for each action.

    Does nothing if the tag is on HEAD everywhere it must be.  `pipeline`: see `before_push`.  Raises `StepFailed` with
    all lines of `tag_refusals`.
    """
    refuse(state)
    if state.done:
        say(f"{state.tag}: already on {state.head[:12]}")
        return ()
    done: list[str] = []
    with Repository(root) as repo:
        _refuse_changes(repo, state)
        if not state.here:
            repo.create_tag(state.tag, message, commit=state.head)
            done.append(f"{state.tag}: tagged {state.head[:12]}")
            say(done[-1])
        if repo.lacks_signature(state.tag):
            raise StepFailed(
                f"{state.tag}: is not signed, though git is set up to sign (tag.gpgSign), so it is not pushed; "
                f"fix the signing key, run `git tag -d {state.tag}` and start again"
            )
        if not state.remote:
            say(f"{state.tag}: stays on this machine: the repository has no remote")
            return tuple(done)
        for line in _starts_nothing(state, pipeline):
            say(line)
        try:
            _push(repo, state)
        except Interrupted:
            raise
        except StepFailed:
            several = len(repo.addresses(state.remote, push=True)) > 1  # then one of them was pushed to
            if several or not _is_there(repo, state):
                raise
            say(f"{state.tag}: is on {state.remote} already, on this very commit: another clone pushed it meanwhile")
            return tuple(done)
        done.append(f"{state.tag}: pushed to {state.remote} ({state.url}) with {state.branch}")
        say(done[-1])
    return tuple(done)


def _push(repo: Repository, state: TagFacts) -> None:
    """Push the tag with its branch; without atomic push, push the tag only, if the remote's branch is at its commit."""
    tag = f"refs/tags/{state.tag}"
    try:
        repo.push(state.remote, (f"{state.head}:refs/heads/{state.branch}", tag))
    except NoAtomicPush:
        if repo.remote_refs(state.remote).get(f"refs/heads/{state.branch}") != state.head:
            raise StepFailed(
                f"remote '{state.remote}' ({state.url}): nothing was pushed: {state.branch} changed there; start again"
            ) from None
        repo.push(state.remote, (tag,))


def _is_there(repo: Repository, state: TagFacts) -> bool:
    """Whether the remote has the tag on this commit despite a failed push.

    Another clone may have pushed it, or only the answer was lost.
    """
    try:
        return repo.remote_refs(state.remote).get(f"refs/tags/{state.tag}") == state.head
    except StepFailed:
        return False


def _refuse_changes(repo: Repository, state: TagFacts) -> None:
    """Raises `StepFailed` if the repository changed after `facts` read it."""
    if repo.head() != state.head or repo.dirty() or repo.tags().get(state.tag, "") != state.here:
        raise StepFailed(f"{state.tag}: the repository changed since it was looked at; start again")


def remote_of(repo: Repository, remote: str) -> str:
    """The named `remote`, or the only one if `remote` is empty; empty if the repository has no remote.

    Raises `ConfigError` if there are several to choose from, or `remote` does not exist.
    """
    names = repo.remotes()
    if remote and remote in names:
        return remote
    if not names:
        return ""
    if remote:
        raise ConfigError(
            f"[tool.cartwheel] release: there is no remote '{remote}'; this repository has {', '.join(names)}"
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
    """The highest version tagged on HEAD or its ancestors, and its tag; both empty without such a tag.

    `refs`: further tags, from a remote.  `but`: a tag to skip.  `ignored`: patterns of tags to skip.
    """
    here, merged = repo.tags(), repo.tags(merged=True)
    for ref, commit in (refs or {}).items():
        other = ref.removeprefix("refs/tags/")
        ours = ref != other and other not in here and version_in(template, other, name=name)
        if ours and repo.has(commit) and repo.count_between("HEAD", commit) == 0:
            merged[other] = commit
    counted = (o for o in merged if o != but and not any(fnmatchcase(o, pattern) for pattern in ignored))
    versions = [(version_in(template, other, name=name), other) for other in counted]
    return max(((v, t) for v, t in versions if v), key=lambda pair: _order(pair[0]), default=("", ""))


def _order(version: str) -> Version:
    from packaging.version import Version

    return Version(version)
