"""A changelog in the form of Keep a Changelog: what it says of a version, and how its "Unreleased" part gets one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440

UNRELEASED = "unreleased"

_HEADING = re.compile(
    r"(?P<head>##[ \t]+(?P<open>\[?)(?P<v>[vV]?)(?P<title>[^\s\[\]()]+)\]?(?:\([^)\s]*\))?)(?P<rest>.*)"
)
_ANY_HEADING = re.compile(r" {0,3}#{1,6}([ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINK = re.compile(r"^ {0,3}\[[^\]\n]+\]:[ \t]*\S+[ \t]*$")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TO_COME = re.compile(
    r"(\[)?(?<![^\W_])(?:unreleased|not released|yyyy-mm-dd|\d{4}-(?:mm|xx|\?\?)-(?:dd|xx|\?\?)|xxxx-xx-xx|"
    r"\?{4}-\?\?-\?\?|tbd|tba)(?![^\W_])(?(1)\])",
    re.IGNORECASE,
)
"""What people write where the date of a release will be."""


class ChangelogEntry(Struct, frozen=True, kw_only=True):
    """A part of a changelog: the lines under one heading of the second level."""

    version: str
    """PEP 440; `unreleased` for what is to come."""
    heading: int
    """The number of the heading's line, from 0."""
    end: int
    """The number of the first line that is no longer its own."""
    open: str
    """`[` where the version is a link."""
    v: str
    """`v` where the version is written with one."""
    rest: str
    """What follows the version, such as ` - 2026-11-21`."""


def notes_of(text: str, version: str) -> str:
    """The body of a version's entry, without blank lines around it; empty if there is none, or nothing but headings.

    `version` in either grammar; `unreleased` for what is to come.
    """
    wanted = _version(version)
    lines = text.splitlines()
    found = next((entry for entry in entries(text) if entry.version == wanted), None)
    body = _without_links(lines[found.heading + 1 : found.end]) if found and wanted else []
    return "\n".join(body).strip() if any(line.strip() and not _ANY_HEADING.match(line) for line in body) else ""


def entries(text: str) -> tuple[ChangelogEntry, ...]:
    """The parts of a changelog, from the top; headings that name no version end a part and begin none."""
    lines = text.splitlines()
    heads = _headings(lines)
    found = []
    for place, (number, match) in enumerate(heads):
        end = heads[place + 1][0] if place + 1 < len(heads) else len(lines)
        version = _version(match["title"]) if match else ""
        if match and version:
            found.append(
                ChangelogEntry(
                    version=version,
                    heading=number,
                    end=end,
                    open=match["open"],
                    v=match["v"],
                    rest=match["rest"].rstrip(),
                )  # fmt: skip
            )
    return tuple(found)


def changelog_for_release(text: str, version: str, *, date: str, tag: str = "") -> str:
    """The changelog with what is under "Unreleased" as the entry of `version`, below an empty "Unreleased" heading.

    The new heading has the form of the newest entry's: brackets, `v`, and a date (`YYYY-MM-DD`) where that one has one.
    A link at the end that compares the last tag with HEAD is carried on to `tag`.  Everything else, line endings
    included, stays as it is.  Raises `ConfigError` where there is no such heading, or the version is there already.
    """
    found = entries(text)
    if any(entry.version == _version(version) for entry in found):
        raise ConfigError(f"there is an entry for {version} already")
    coming = next((entry for entry in found if entry.version == UNRELEASED), None)
    if coming is None:
        raise ConfigError("there is no heading '## Unreleased'; write what is new under one")
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if "\r\n" in (lines[coming.heading] if coming.heading + 1 < len(lines) else text) else "\n"
    heading = _heading(found, coming, version, date)
    at = coming.heading + 1
    if not lines[coming.heading].endswith("\n"):
        lines[coming.heading] += newline
    lines[at:at] = [newline, heading + newline]
    return "".join(_with_link(lines, version, tag, newline))


def changelog_with_date(text: str, version: str, *, date: str) -> str:
    """The changelog with a date (`YYYY-MM-DD`) on the entry of `version` where that waits for one.

    It waits where it says "unreleased" or the like in the date's place, or says nothing there, unlike the entry below
    it.  Everything else stays as it is.
    """
    found = entries(text)
    own = next((entry for entry in found if entry.version == _version(version)), None)
    if own is None:
        return text
    below = next((entry for entry in found if entry.heading > own.heading and entry.version != UNRELEASED), None)
    rest = _TO_COME.sub(lambda match: f"- {date}" if match[1] else date, own.rest, count=1)
    if not own.rest.strip():
        rest = _rest_like(below.rest, date) if below else ""
    lines = text.splitlines(keepends=True)
    line = lines[own.heading]
    bare = line.rstrip()
    lines[own.heading] = line if rest == own.rest else bare.removesuffix(own.rest) + rest + line[len(bare) :]
    return "".join(lines)


def draft(subjects: Iterable[str]) -> str:
    """What could be written, from the first lines of commits: a list, each once, without merges."""
    kept = dict.fromkeys(subject.strip() for subject in subjects if not subject.startswith("Merge "))
    return "\n".join(f"- {subject}" for subject in kept if subject)


def _headings(lines: list[str]) -> list[tuple[int, re.Match[str] | None]]:
    """Every heading of the first and second level outside of code blocks, and how one of the second reads."""
    found: list[tuple[int, re.Match[str] | None]] = []
    fence = ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not line.strip(" `~") else fence
        elif mark:
            fence = mark[1]
        elif re.match(r"##?[ \t]", line):
            found.append((number, _HEADING.fullmatch(line)))
    return found


def _heading(found: tuple[ChangelogEntry, ...], coming: ChangelogEntry, version: str, date: str) -> str:
    last = next((entry for entry in found if entry.version != UNRELEASED), None)
    if last is None:
        close = "]" if coming.open else ""
        return f"## {coming.open}{version}{close} - {date}"
    rest = _rest_like(last.rest, date)
    return f"## {last.open}{last.v}{version}{']' if last.open else ''}{rest}"


def _rest_like(last: str, date: str) -> str:
    """What follows a version in a heading, in the form of another entry's: a date, or nothing."""
    found = _DATE.search(last)
    rest = f"{last[: found.start()]}{date}{last[found.end() :]}" if found else ""
    if found and not re.fullmatch(r"[\s()\u2013\u2014-]*", rest.replace(date, "")):
        return f" - {date}"  # more than a date stood there, which belongs to that release
    return rest


def _with_link(lines: list[str], version: str, tag: str, newline: str) -> Iterable[str]:
    """`[Unreleased]: …/compare/OLD...HEAD` becomes `…/TAG...HEAD`, with `[VERSION]: …/OLD...TAG` below it."""
    for line in lines:
        link = re.match(r"(\[unreleased\]:[ \t]*)(\S+/compare/)(\S+?)(\.{2,3})HEAD[ \t]*\r?\n?$", line, re.IGNORECASE)
        if not link or not tag:
            yield line
            continue
        end = "" if line == line.rstrip("\r\n") else newline
        space = re.sub(r"[^ \t]", "", link[1])
        yield f"{link[1]}{link[2]}{tag}{link[4]}HEAD{newline}"
        yield f"[{version}]:{space}{link[2]}{link[3]}{link[4]}{tag}{end}"


def _without_links(lines: list[str]) -> list[str]:
    """Without the link definitions that end a changelog; the last entry would have them all."""
    while lines and (not lines[-1].strip() or _LINK.match(lines[-1])):
        lines = lines[:-1]
    return lines


def _version(title: str) -> str:
    if title.lower() == UNRELEASED:
        return UNRELEASED
    text = title[1:] if title[:1] in "vV" and title[1:2].isdigit() else title
    try:
        return pep440(text) if text[:1].isdigit() else ""
    except ConfigError:
        return ""
