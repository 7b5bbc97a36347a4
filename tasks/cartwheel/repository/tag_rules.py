"""The reasons not to tag a commit, judged from facts."""

from __future__ import annotations

from msgspec import Struct


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
        at_head = self.here == self.head if self.pipeline or not self.remote else self.there == self.head
        return at_head and self.here in ("", self.head) and self.there in ("", self.head)


def tag_refusals(facts: TagFacts) -> tuple[str, ...]:
    """Every reason not to tag, from `RULES`; empty if the tag may be made or exists on HEAD."""
    return tuple(line for rule in RULES for line in rule(facts))


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


def _annotation(facts: TagFacts) -> tuple[str, ...]:
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


RULES = (_clean, _on_its_commit, _annotation, _on_its_branch, _with_its_remote, _forward)
