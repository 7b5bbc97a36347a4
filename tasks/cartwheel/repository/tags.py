"""Tags: judged from facts, then made and pushed with their branch in one atomic push."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.versions.version import version_in
from cartwheel.repository.git import Repository

if TYPE_CHECKING:
    from packaging.version import Version

Say = Callable[[str], None]


class TagFacts(Struct, frozen=True, kw_only=True):
    """All that decides whether a commit may be tagged."""

    tag: str
    version: str
    """PEP 440."""
    head: str
    branch: str
    """Empty on a detached HEAD."""
    release_branch: str
    """The branch that releases are tagged on; empty: any."""
    dirty: tuple[str, ...] = ()
    here: str = ""
    """The commit that the tag leads to here; empty: no such tag."""
    there: str = ""
    """The same on the remote."""
    plain: bool = False
    """The tag here has no message of its own."""
    remote: str = ""
    """Empty where the repository has none."""
    remote_branch: str = ""
    """The commit of that branch on the remote; empty: no such branch there."""
    ahead: int = 0
    """Commits here that the remote's branch lacks."""
    behind: int = 0
    """Commits that the remote's branch has and HEAD lacks; -1: some that are not even known here."""
    last: tuple[str, str] = ("", "")
    """The highest version tagged before HEAD and its tag."""
    shallow: bool = False
    """Whether history is cut off, so that earlier tags may be missing."""
    pipeline: bool = False
    """On a pipeline's machine a tag is verified, never made."""

    @property
    def done(self) -> bool:
        """The tag is wherever it should be, on this very commit."""
        wanted = self.here == self.head if self.pipeline or not self.remote else self.there == self.head
        return wanted and self.here in ("", self.head) and self.there in ("", self.head)


def tag_refusals(facts: TagFacts) -> tuple[str, ...]:
    """Every reason not to tag; none: it may be made, or is there already."""
    return tuple(line for rule in RULES for line in rule(facts))


def refuse(found: TagFacts) -> None:
    """Raises `StepFailed` with every reason of `judge` at once."""
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
    branch: str = "",
    pipeline: bool = False,
    started: bool = False,
) -> TagFacts:
    """Look at the repository and its remote (asked once).

    `remote`: its name; empty: `origin`, else the only one.  `branch`: where releases are tagged; empty: anywhere.
    `pipeline`: this is a pipeline's machine; on a detached HEAD, and wherever a tag `started` the run, the remote is
    not asked.
    """
    with Repository(root) as repo:
        head, here, tags = repo.head(), repo.branch, repo.tags()
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
            remote_branch=theirs,
            ahead=repo.between(theirs, head) if known else 0,
            behind=repo.between(head, theirs) if known else -1 if theirs else 0,
            shallow=repo.shallow,
            last=last_tag(repo, template, name, refs=refs, but=tag),
            pipeline=verify_only,
        )


def make(root: Path, found: TagFacts, message: str, say: Say) -> tuple[str, ...]:
    """Make what is missing of the tag, and push it; returns what was done.

    Raises `StepFailed` with every reason of `judge` at once.  Done already: nothing is done.
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
        try:
            repo.push_atomic(found.remote, (f"{found.head}:refs/heads/{found.branch}", f"refs/tags/{found.tag}"))
        except StepFailed:
            if not _is_there(repo, found):
                raise
            say(f"{found.tag}: is on {found.remote} already, on this very commit: another clone pushed it meanwhile")
            return tuple(done)
        done.append(f"{found.tag}: pushed to {found.remote} with {found.branch}")
        say(done[-1])
    return tuple(done)


def _is_there(repo: Repository, found: TagFacts) -> bool:
    """Whether the remote holds the tag on this commit although a push failed: another was faster, or only the answer
    was lost."""
    try:
        return repo.remote_refs(found.remote).get(f"refs/tags/{found.tag}") == found.head
    except StepFailed:
        return False


def _refuse_changes(repo: Repository, found: TagFacts) -> None:
    """What was judged must still be so when we act."""
    if repo.head() != found.head or repo.dirty() or repo.tags().get(found.tag, "") != found.here:
        raise StepFailed(f"{found.tag}: the repository changed since it was looked at; start again")


def remote_of(repo: Repository, wanted: str) -> str:
    """The remote of that name; empty: `origin`, or the only one.  Empty where the repository has none."""
    names = repo.remotes()
    if wanted and wanted in names:
        return wanted
    if not names:
        return ""
    if wanted:
        raise ConfigError(
            f"[tool.cartwheel] release: there is no remote '{wanted}'; this repository has {', '.join(names)}"
        )
    if "origin" in names or len(names) == 1:
        return "origin" if "origin" in names else names[0]
    raise ConfigError(f"[tool.cartwheel] release: which remote? this repository has {', '.join(names)}; name one")


def last_tag(
    repo: Repository, template: str, name: str, *, refs: Mapping[str, str] | None = None, but: str = ""
) -> tuple[str, str]:
    """The highest version tagged on HEAD or before it, and its tag; `refs`: what the remote has besides.

    Both are empty where there is none.  `but`: a tag that does not count.
    """
    here, found = repo.tags(), repo.tags(merged=True)
    for ref, commit in (refs or {}).items():
        other = ref.removeprefix("refs/tags/")
        ours = ref != other and other not in here and version_in(template, other, name=name)
        if ours and repo.has(commit) and repo.between("HEAD", commit) == 0:
            found[other] = commit
    versions = [(version_in(template, other, name=name), other) for other in found if other != but]
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
        return (f"version {facts.version} is lower than the last tag {tag}; release a higher one",)
    return ()


def _commits(count: int) -> str:
    return f"{count} commit{'s' if count != 1 else ''}"


RULES = (_clean, _on_its_commit, _annotated, _on_its_branch, _with_its_remote, _forward)
