"""The facts that a build reads from git: the commit, the output of `git describe`, the branch, edits, remotes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

COMMIT = "HEAD"
DESCRIPTION = "git describe"
"""The commit by its nearest tag, and whether a tracked file is edited."""
TAGS = "git tags"
BRANCH = "git branch"
STATUS = "git status"
"""The names of edited and untracked files, but for what cartwheel writes."""
DIFFERENCE = "git diff"
"""The content of the edits."""
REFS = "git refs"
"""All branches and tags."""
SETTINGS = "git config"
"""The remotes' addresses and the user's name."""
FACT = "git HEAD"
"""The name of the commit among the facts of a record."""
LOCAL = (DESCRIPTION, TAGS, BRANCH, STATUS, DIFFERENCE, REFS, SETTINGS)
"""The facts that differ between clones of one commit; compared only on the machine that made the record."""

_GIT = r'"git"|\.git\b|\b(?:git2|gix|vergen\w*|built|shadow_rs|git_version)::'
_DESCRIPTION = r"describe|dirty|\"status\"|\"diff|statuses|all_git|vergen::Config"
_LISTS_TAGS = r"(?:-(?:list|(?:no-)?(?:contains|merged)|points-at|sort|format|column)|[ln])"
_TAGS = rf"\"tag\"(?!(?:[\s,&\[]|\)\s*\.args?\()*\"(?!-{_LISTS_TAGS}))|refs/tags|tag_names|tag_foreach"
"""`git tag NAME` makes a tag and reads none."""
_REFS = r"show-ref|for-each-ref|name-rev|decorate|format[=:][^\"]*%[dD]|\.references\("
_STATUS = r"\"status\"|statuses|\.status\(\w|ls-files|untracked|dirty\(true\)|all_git|vergen::Config"
_DIFFERENCE = r"\"diff|\"stash\"|diff_tree|diff_index"
_SETTINGS = r"remote|\"config\"|\.config\(\)|\"user\.(?:name|email)"
_BRANCH = (
    r"branch|abbrev-ref|symbolic-ref|shorthand|head_name|head_ref|all_git|vergen::Config"
    r"|\b(?:read\w*|open|cat)\W[^)]*\.git/HEAD"
)

_CRATES = {
    **dict.fromkeys(
        ("vergen", "vergen-git2", "vergen-gix", "vergen-gitcl", "build-info-build", "build-data"), (COMMIT,)
    ),
    **dict.fromkeys(("git-version", "git-version-macro"), (COMMIT, DESCRIPTION)),
    **dict.fromkeys(("git-testament", "git-testament-derive", "shadow-rs"), (COMMIT, DESCRIPTION, BRANCH, STATUS)),
}
"""The facts that crates read for their users (documentation on docs.rs, November 2026).  vergen reads what the build
script names."""


def facts_in_sources(texts: Iterable[str]) -> tuple[str, ...]:
    """The facts that build scripts and procedural macros read, by their source texts."""
    about_git = "\n".join(text for text in texts if re.search(_GIT, text))
    rows = (
        (COMMIT, _GIT), (DESCRIPTION, _DESCRIPTION), (TAGS, _TAGS), (BRANCH, _BRANCH), (STATUS, _STATUS),
        (DIFFERENCE, _DIFFERENCE), (REFS, _REFS), (SETTINGS, _SETTINGS),
    )  # fmt: skip
    return tuple(name for name, pattern in rows if re.search(pattern, about_git))


def facts_in_commands(texts: Iterable[str]) -> tuple[str, ...]:
    """The facts that commands and scripts in any language read, by their texts."""
    return facts_in_sources(_questions(text) for text in texts)


_READING = (
    "archive|blame|branch|cat-file|cherry|config|describe|diff|diff-files|diff-index|diff-tree|for-each-ref|grep|"
    "hash-object|log|ls-files|ls-remote|ls-tree|merge-base|name-rev|notes|reflog|remote|rev-list|rev-parse|shortlog|show|"
    "show-branch|show-ref|stash|status|symbolic-ref|tag|whatchanged|worktree|write-tree"
)
"""The subcommands whose output may reach a build (git's manual, November 2026)."""
_PROGRAM = r"(?:(?<![\w.:+-])git(?:\.exe)?(?![\w./:+-])|\$\{?GIT_EXECUTABLE\b\}?)"
_ASKS = re.compile(
    rf"{_PROGRAM}[\s\"',\[(]+(?:-[\s\S]{{,120}}?[\s\"',])?(?:(?:{_READING})(?![\w-])|[$%{{])"
    r"|[\"']git(?:\.exe)?[\"']\s*(?:[)\]]|,\s*(?:\*|\[?[A-Za-z_]\w*[\s,.)\]]))|=\s*[\"']?git[\"']?\s*$",
    re.MULTILINE,
)
"""git with a subcommand that reads, or as a program whose words stand elsewhere: `which("git")`, `["git", *words]`."""
_LIBRARIES = re.compile(
    r"\b(?:import|from|require)[\s(\"']+git\b|\bgit\.Repo\b|\b(?:pygit2|dulwich|(?:simple|isomorphic)-git|git-rev-sync)\b"
)


def _questions(text: str) -> str:
    """The words of a script that may be for git, each in quotation marks; empty if it asks git nothing."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith(("#", "//")))
    code = "\n".join(lines)
    if _LIBRARIES.search(code):
        return f'"git" {code}'
    files = re.search(r"(?<![\w-])\.git\b", code) and re.search(r"\bHEAD\b|packed-refs|refs/", code)
    if not files and not _ASKS.search(code):
        return ""
    literals = (literal for _, literal in re.findall(r"""(["'])(?=([^"'\n]*)\1)""", code))
    asking = (line for line in code.splitlines() if re.search(r"\bgit\b|\bGIT\w*\b", line))
    within = re.findall(r"\bGIT_EXECUTABLE\b([^)]*)", code)
    rows = (re.findall(r"[\w./=:%@{}^~-]+|[|;)>]", row) for row in (*asking, *within, *literals))
    quoted = ((word if word in "|;)>" else f'"{word}"' for word in row) for row in rows)
    return "\n".join(('"git" )', *(" ".join((*row, ")")) for row in quoted)))


def watched_at(path: Path) -> tuple[str, ...]:
    """The facts that a watched path stands for; empty outside `.git`."""
    if ".git" not in path.parts:
        return ()
    within = path.parts[path.parts.index(".git") + 1 :]
    if not within:
        return (COMMIT, *LOCAL)
    if within in (("refs",), ("packed-refs",)) or "tags" in within:
        return (COMMIT, TAGS)
    return (COMMIT, DESCRIPTION) if within == ("index",) else (COMMIT,)


def read_by_crates(crates: Mapping[str, str], named: Collection[str]) -> tuple[str, ...]:
    """The facts that the crates of a resolution read; `named`: those that the project's own scripts read."""
    names = {name for crate in crates.keys() & _CRATES.keys() for name in _CRATES[crate]}
    if "git2" in crates.get("built", ""):
        names |= {COMMIT, DESCRIPTION, BRANCH} if named else {COMMIT}
    return tuple(sorted(names))


def head(root: Path) -> str:
    """The checked-out commit; empty if unknown."""
    from cartwheel.repository.scm_version import head_commit

    return head_commit(root)


def local_values(names: Collection[str], root: Path) -> Mapping[str, str]:
    """The current values of those `names` that are local to this clone."""
    return {name: _cached_answer(name, root) for name in LOCAL if name in names}


@cache
def _cached_answer(name: str, root: Path) -> str:
    return ask(name, root)


def ask(name: str, root: Path) -> str:
    """The current value of a name of `LOCAL`, or a digest of it; empty if git has none.  Never cached."""
    from cartwheel.model.errors import CartwheelError
    from cartwheel.process.environment import fingerprint
    from cartwheel.process.run import capture
    from cartwheel.repository.git_environment import reading_environment

    env = reading_environment(os.environ)
    try:
        answer = " ".join(
            capture(("git", "--no-optional-locks", *row), cwd=root, env=env).strip() for row in _QUESTIONS[name]
        )
        return fingerprint(answer) if name in _DIGESTS else answer
    except CartwheelError:
        return ""


_QUESTIONS = {
    DESCRIPTION: (
        ("describe", "--always", "--abbrev=40", "--dirty"), ("describe", "--always", "--abbrev=40", "--tags"),
    ),
    TAGS: (("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags"),),
    REFS: (("for-each-ref", "--format=%(refname) %(objectname) %(upstream)"),),
    BRANCH: (("symbolic-ref", "--quiet", "HEAD"),),
    STATUS: (("status", "--porcelain", "--", ":/", ":(exclude)dist", ":(exclude).cartwheel"),),
    DIFFERENCE: (("diff", "--no-ext-diff", "--no-textconv", "HEAD"),),
    SETTINGS: (("config", "--get-regexp", r"^(remote\..*\.url|user\.(name|email))$"),),
}  # fmt: skip
_DIGESTS = (STATUS, DIFFERENCE, REFS, SETTINGS)
"""Answers that are long, or that hold a secret: an address with a password."""


def forget_cached_state() -> None:
    """Clear the cache of this module."""
    _cached_answer.cache_clear()
