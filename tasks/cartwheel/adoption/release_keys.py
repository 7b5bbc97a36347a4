"""Where and how a project is released: `publish`, `index`, `release` and `ci` of the root's table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.publishers import BRANCH, HAND, RELEASE, TAG, Publisher


class GitFacts(Struct, frozen=True, kw_only=True):
    """Facts from git about the repository."""

    tags: tuple[str, ...] = ()
    branch: str = ""
    """The default branch of the remote, or the one that is checked out; empty if unknown."""
    remotes: Mapping[str, str] = {}
    """Addresses by name."""
    new: bool = False
    """Nothing is committed yet."""


def release_table(
    senders: Iterable[Publisher], git: GitFacts, *, crates: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """`publish`, `index` and `release` of the root's table, and their comments."""
    rows = [row for row in senders if crates or row.index != "crates-io"]
    released = [row for row in rows if {TAG, RELEASE, BRANCH} & set(row.started_by) or _only_by_hand(row, rows)]
    table: dict[str, Any] = {}
    comments: dict[str, str] = {}
    names = {row.index: _index_name(row.index) for row in rows}
    order = ("testpypi", "pypi", "github", "crates-io")
    listed = sorted({row.index for row in released}, key=lambda i: order.index(i) if i in order else -1)
    if "pypi" in listed and "testpypi" in listed:
        listed.remove("testpypi")  # an index to practise on is chosen for a run by hand
    if listed and [names[i] for i in listed] != ["pypi"]:
        table["publish"] = [names[index] for index in listed]
        comments["publish"] = "from " + ", ".join(dict.fromkeys(f"{r.workflow} ({r.job})" for r in released))
    index: dict[str, Any] = {}
    for row in rows:
        name, keys = names[row.index], {}
        if name not in ("pypi", "testpypi", "github", "crates-io"):
            keys["url"] = row.index
        if row.index in ("pypi", "testpypi", "crates-io") and not row.trusted and row.secret:
            keys["auth"] = "token"
        if row.environment and row.index in ("pypi", "testpypi") and row.environment != name:
            keys["environment"] = row.environment
        if keys and name not in index:
            index[name] = keys
            comments[f"index.{name}"] = f"from {row.workflow}, job {row.job}"
    if index:
        table["index"] = index
    release = {}
    if git.branch and git.branch != "main":
        release["branch"] = git.branch
    if git.remotes and "origin" not in git.remotes:
        release["remote"] = next(iter(git.remotes))
    pages = [row for row in released if row.index == "pypi" and RELEASE in row.started_by]
    if pages and all(TAG not in row.started_by for row in released if row.index == "pypi"):
        table["ci"] = {"trigger": "release"}
        comments["ci"] = f"as {pages[0].workflow}, which a release page starts"
        if "github" in table.get("publish", ()):  # the page is there before the pipeline
            table["publish"].remove("github")
    if release:
        table["release"] = release
        comments["release"] = "from git"
    return table, comments


def _only_by_hand(row: Publisher, rows: Iterable[Publisher]) -> bool:
    """Whether a person starts every publisher of this index, and it is no place to practise."""
    return row.index != "testpypi" and all(
        set(other.started_by) <= {HAND} for other in rows if other.index == row.index
    )


def _index_name(index: str) -> str:
    match = re.match(r"https?://([^/:]+)", index)
    return re.sub(r"[^A-Za-z0-9]+", "-", match[1]).strip("-") if match else index
