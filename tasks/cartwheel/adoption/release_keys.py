"""Where and how a project is released: `publish`, `index`, `release` and `ci` of the root's table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.publishers import BRANCH, HAND, RELEASE, TAG, Publisher, job_lines
from cartwheel.adoption.uploads import FORGES_AND_CRATES, PYPIS, is_literal_address


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
    senders: Iterable[Publisher], git: GitFacts, *, crates: bool, addresses: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """`publish`, `index`, `release` and `ci` of the root's table, and their comments.

    `addresses`: of indexes by name. An index without a known address is not written, and PyPI never takes its place.
    """
    known = addresses or {}
    rows = [row for row in senders if crates or row.index != "crates-io"]
    released = [row for row in rows if {TAG, RELEASE, BRANCH} & set(row.started_by) or _only_by_hand(row, rows)]
    table: dict[str, Any] = {}
    comments: dict[str, str] = {}
    names = {row.index: _index_name(row.index) for row in rows}
    order = ("testpypi", "pypi", "github", "crates-io")
    listed = sorted(
        {row.index for row in released if is_resolved(row.index, known)},
        key=lambda i: order.index(i) if i in order else -1,
    )
    if "pypi" in listed and "testpypi" in listed:
        listed.remove("testpypi")  # an index to practise on is chosen for a run by hand
    lost = [row for row in released if not is_resolved(row.index, known)]
    if (listed or lost) and [names[i] for i in listed] != ["pypi"]:
        table["publish"] = [names[index] for index in listed]
        comments["publish"] = "from " + ", ".join(dict.fromkeys(f"{r.workflow} ({r.job})" for r in released))
    if lost and "publish" in table:
        comments["publish"] += "; no address is known of " + ", ".join(dict.fromkeys(row.index for row in lost))
    index: dict[str, Any] = {}
    for row in rows:
        name, keys = names[row.index], {}
        if not is_resolved(row.index, known):
            continue
        if name not in (*PYPIS, *FORGES_AND_CRATES):
            keys["url"] = known.get(row.index, row.index)
        if row.index in (*PYPIS, "crates-io") and not row.trusted and row.secret:
            keys["auth"] = "token"
        if row.environment and row.index in PYPIS and row.environment != name:
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
    counted = _deciding(released)
    if counted and all(RELEASE in row.started_by and TAG not in row.started_by for row in counted):
        table["ci"] = {"trigger": "release"}
        comments["ci"] = f"as {counted[0].workflow}, which a release page starts"
        if "github" in table.get("publish", ()):  # the page is there before the pipeline
            table["publish"].remove("github")
    if release:
        table["release"] = release
        comments["release"] = "from git"
    return table, comments


def is_resolved(index: str, addresses: Mapping[str, str]) -> bool:
    """Whether it is known where a publisher's index is."""
    return index in (*PYPIS, *FORGES_AND_CRATES) or is_literal_address(addresses.get(index, index))


def unresolved_indexes(
    senders: Iterable[Publisher], texts: Mapping[str, str], addresses: Mapping[str, str]
) -> Iterable[str]:
    """One line for each publisher whose index has no known address: where it is, and what to write."""
    for row in senders:
        if is_resolved(row.index, addresses):
            continue
        name = row.index if re.fullmatch(r"[A-Za-z][\w-]*", row.index) else "internal"
        yield (
            f"{_place(row, texts)}: job '{row.job}' publishes to {row.index} ({row.step}), whose address is not in "
            f'this repository, so nothing is published there; write publish = ["{name}"] and '
            f'[tool.cartwheel.index.{name}] url = "https://…"'
        )


def _place(row: Publisher, texts: Mapping[str, str]) -> str:
    """The file and the line of the publisher's command, else of its job."""
    text = texts.get(row.workflow, "")
    first, last = job_lines(text, row.job.partition(" / ")[0])
    command = r"\s+".join(map(re.escape, row.step.split()[:2]))
    for number, line in enumerate(text.splitlines()[first - 1 if first else 0 : last or None], first or 1):
        if re.search(command, line, re.IGNORECASE):
            return f"{row.workflow}:{number}"
    return f"{row.workflow}:{first}" if first else row.workflow


def _deciding(released: Iterable[Publisher]) -> list[Publisher]:
    """The publishers whose trigger is the release's: those to PyPI, else to other indexes, else to crates.io."""
    rows = [row for row in released if row.index != "github"]
    for group in (
        [row for row in rows if row.index == "pypi"],
        [row for row in rows if row.index not in (*PYPIS, "crates-io")],
        [row for row in rows if row.index == "testpypi"],
    ):
        if group:
            return group
    return rows


def _only_by_hand(row: Publisher, rows: Iterable[Publisher]) -> bool:
    """Whether a person starts every publisher of this index, and it is no place to practise beside another index."""
    rows = tuple(rows)
    practice = row.index == "testpypi" and any(other.index not in ("testpypi", "github") for other in rows)
    return not practice and all(set(other.started_by) <= {HAND} for other in rows if other.index == row.index)


def _index_name(index: str) -> str:
    match = re.match(r"https?://([^/:]+)", index)
    return re.sub(r"[^A-Za-z0-9]+", "-", match[1]).strip("-") if match else index
