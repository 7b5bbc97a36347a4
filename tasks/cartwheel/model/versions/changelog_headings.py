"""The headings of a changelog in Markdown or reStructuredText, and the versions that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440
from cartwheel.model.wheels.wheel_name import canonical_name

UNRELEASED = "unreleased"
CHANGELOG_NAMES = ("changelog", "changes", "history", "news", "release_notes", "releases", "change_log",
                   "release-notes", "releasenotes", "whatsnew", "whats_new", "whats-new")  # fmt: skip
"""Names of files without their suffixes, the most usual ones first."""
CHANGELOG_FOLDERS = ("", "docs/", "doc/", "docs/source/", "doc/source/", "docs/src/", "docs/docs/")
"""Where these files lie, relative to the package."""

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ADORNMENT = re.compile(r"([^\w\s])\1+[ \t]*")
_NO_PARAGRAPH = re.compile(r"[ \t]*([-*+>#|]|\d+[.)])(\s|$)| {4}|\t")
"""A line that begins a list, a quotation, a table or code; a `---` line below it does not make it a heading."""

_COMING = (
    r"(?:unreleased|unpublished|upcoming|pending|next|not(?: yet)? released|to be released)"
    r"(?: (?:changes|release|version))?|(?:in|under) development|development version|(?:work )?in progress"
    r"|head|main|master|trunk"
)
"""Titles of the part for the next release."""
_TITLE = re.compile(
    r"(?P<open>[*_~`]*(?:\\?\[)?[*_~`]*)(?P<v>[vV]?)"
    rf"(?P<title>[0-9](?:(?!__)[^\s\[\]()<>,:;*`\\])*|(?:{_COMING})(?![^\W_]))"
    r"(?P<close>[*_~`]*(?:\\?\])?[*_~`]*)(?P<link>\([^)\s]*\)|\[[^\]]*\])?(?P<rest>.*)",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"(?:<[^>]*>|:\w+:|[^\w\s\x00-\x7f])+[ \t]*")
"""An anchor or an emoji before a title."""
_LEAD = re.compile(
    r"(?P<lead>(?P<name>[^\W\d][\w.-]*?)(?:[ \t]+|@|/|-|:[ \t]*))(?=\[?[vV]?(?:\d|unreleased\b))", re.IGNORECASE
)


class Heading(Struct, frozen=True, kw_only=True):
    """A heading outside of code and comments."""

    start: int
    """The index of its first line, from 0."""
    end: int
    """The index of the first line after it."""
    level: int
    title: str
    marks: str
    """`##`; empty for a heading marked by punctuation lines."""
    under: str = ""
    """The character of the underline; empty for a heading with `marks`."""
    over: bool = False
    """Whether the same line is above the title too."""

    def like(self, title: str) -> tuple[str, ...]:
        """The lines of a heading with another title in the same style."""
        if self.marks:
            return (f"{self.marks} {title}",)
        line = self.under * max(len(title), 3)
        return (line, title, line) if self.over else (title, line)


class ChangelogEntry(Struct, frozen=True, kw_only=True):
    """The part of a changelog under a heading that names a version."""

    version: str
    """In PEP 440 form; `unreleased` for the next release."""
    heading: Heading
    end: int
    """The index of the first line after the entry."""
    lead: str
    """The text before the version, such as the project's name and a space."""
    open: str
    """The marks round the version, such as `[` for a link or `**`; `closing_marks` has those that end it."""
    v: str
    """`v` if the version is written with this prefix."""
    text: str
    """The version as written."""
    link: str
    """The link's target after the version, with its brackets; empty if missing."""
    rest: str
    """The text after the version, such as ` - 2026-11-21`."""


def entries(text: str, name: str = "", *, rst: bool = False) -> tuple[ChangelogEntry, ...]:
    """The entries of a changelog, in the file's order.

    `name` is the package's name, which may precede a version.  An entry ends at the next heading of its level or above.
    """
    lines = text.splitlines()
    heads = headings(lines, rst=rst)
    rows = []
    for place, head in enumerate(heads):
        parts = _parts(head.title, name)
        if parts:
            end = next((other.start for other in heads[place + 1 :] if other.level <= head.level), len(lines))
            rows.append(ChangelogEntry(heading=head, end=end, **parts))
    return tuple(row for row in rows if not _is_section(row, rows))


def closing_marks(marks: str) -> str:
    """The marks that end what `marks` begin."""
    return marks[::-1].replace("[\\", "\\]").replace("[", "]")


def headings(lines: list[str], *, rst: bool = False) -> tuple[Heading, ...]:
    """Every heading of a document, outside of code and comments."""
    return tuple(_rst_headings(lines) if rst else _markdown_headings(lines))


def version_of_title(title: str) -> str:
    """The PEP 440 version in a title, `unreleased`, or empty for any other text."""
    if not title[:1].isdigit():
        return UNRELEASED if re.fullmatch(_COMING, title.lower()) else ""
    try:
        return pep440(title)
    except ConfigError:
        return ""


def comment_lines(lines: list[str]) -> frozenset[int]:
    """The indexes of Markdown lines that hold only a comment."""
    return frozenset(number for number, line, state in _markdown(lines) if state == "comment" and lines[number].strip())


def _is_section(entry: ChangelogEntry, others: list[ChangelogEntry]) -> bool:
    """Whether an entry for the next release is rather a section of a version's entry, such as "Main" or "Upcoming"."""
    if entry.version != UNRELEASED or entry.text.lower().startswith(UNRELEASED):
        return False
    return any(it.version != UNRELEASED and it.heading.start < entry.heading.start < it.end for it in others)


def _parts(title: str, name: str) -> dict[str, str]:
    decoration = _DECORATION.match(title)
    start = decoration.end() if decoration else 0
    lead = _LEAD.match(title, start)
    if lead and canonical_name(lead["name"]) in ("version", "release", canonical_name(name)):
        start = lead.end()
    match = _TITLE.fullmatch(title, start)
    version = version_of_title(match["title"].rstrip(".")) if match else ""
    if not match or not version:
        return {}
    marks, close, rest = match["open"], match["close"], match["rest"].rstrip()
    around = marks[: max(0, len(marks) - len(close))]  # it may enclose the whole title
    marks = marks.removeprefix(around)
    if closing_marks(marks) != close or closing_marks(around) not in rest:
        return {}
    plain = not ("[" in marks or match["v"] or "." in match["title"])
    if plain and rest.strip()[:1].isalnum():  # "3 fixes", "Next steps"
        return {}
    return {
        "version": version,
        "lead": title[:start] + around,
        "open": marks,
        "v": match["v"],
        "text": match["title"],
        "link": match["link"] or "",
        "rest": rest,
    }


# Markdown -------------------------------------------------------------------------------------------------------------


def _markdown(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """For each line: its index, the visible text, and `text`, `code` or `comment`."""
    fence, comment = "", False
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not line.strip(" `~") else fence
            yield number, line, "code"
        elif mark and not comment:
            fence = mark[1]
            yield number, line, "code"
        else:
            shown, comment = _without_comments(line, comment)
            yield number, shown, "text" if shown.strip() or (not line.strip() and not comment) else "comment"


def _without_comments(line: str, inside: bool) -> tuple[str, bool]:
    """The visible text of a line, and whether a comment continues after it."""
    shown = ""
    while line:
        before, mark, line = line.partition("-->" if inside else "<!--")
        shown += "" if inside else before
        inside = inside != bool(mark)
    return shown, inside


def _markdown_headings(lines: list[str]) -> Iterator[Heading]:
    above, blank = "", True
    """The previous line, if it is a paragraph's only line so far."""
    for number, line, state in _markdown(lines):
        atx = _ATX.fullmatch(line) if state == "text" else None
        under = re.fullmatch(r" {0,3}(=+|-+)[ \t]*", line) if state == "text" and above else None
        if atx:
            yield Heading(start=number, end=number + 1, level=len(atx[1]), title=atx[2] or "", marks=atx[1])
        elif under:
            level = 1 if under[1][0] == "=" else 2
            yield Heading(
                start=number - 1, end=number + 1, level=level, title=above.strip(), marks="", under=under[1][0]
            )
        text = state == "text" and bool(line.strip()) and not atx and not under
        above = line if text and blank and not _NO_PARAGRAPH.match(line) else ""
        blank = not text


# reStructuredText -----------------------------------------------------------------------------------------------------


def _rst_headings(lines: list[str]) -> Iterator[Heading]:
    """Titles are underlined and may be overlined; the order of first use of each style gives the levels."""
    forms: list[tuple[str, bool]] = []
    number = 0
    while number + 1 < len(lines):
        line, under = lines[number], lines[number + 1]
        over = number + 2 < len(lines) and _adorns(line, lines[number + 2]) and bool(under.strip())
        if over:
            form, title, size = (line[0], True), under.strip(), 3
        elif line.strip() and not line[:1].isspace() and not _ADORNMENT.fullmatch(line) and _underlines(under, line):
            form, title, size = (under[0], False), line.strip(), 2
        else:
            number += 1
            continue
        if form not in forms:
            forms.append(form)
        level = forms.index(form) + 1
        yield Heading(start=number, end=number + size, level=level, title=title, marks="", under=form[0], over=form[1])
        number += size


def _adorns(over: str, under: str) -> bool:
    return bool(_ADORNMENT.fullmatch(over)) and over.strip() == under.strip()


def _underlines(under: str, title: str) -> bool:
    """docutils accepts an underline shorter than the title if it has at least four characters."""
    length = len(under.strip())
    return bool(_ADORNMENT.fullmatch(under)) and length >= min(len(title.strip()), 4)
