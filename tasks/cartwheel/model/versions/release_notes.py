"""The notes of a version in a changelog, and how "Unreleased" becomes the entry of a version."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.changelog_headings import (
    UNRELEASED,
    ChangelogEntry,
    closing_marks,
    comment_lines,
    entries,
    headings,
    version_of_title,
)
from cartwheel.model.versions.changelog_links import (
    link_after,
    next_links,
    unknown_link,
    with_links,
    without_definitions,
)

_DATES = (
    (r"\d{4}-\d{2}-\d{2}", "{0:%Y-%m-%d}"),
    (r"\d{4}/\d{2}/\d{2}", "{0:%Y/%m/%d}"),
    (r"\d{4}\.\d{2}\.\d{2}", "{0:%Y.%m.%d}"),
    (r"\d{2}\.\d{2}\.\d{4}", "{0:%d.%m.%Y}"),
    (r"[A-Z][a-z]{2} \d{1,2}, \d{4}", "{0:%b} {0.day}, {0.year}"),
    (r"[A-Z][a-z]{3,} \d{1,2}, \d{4}", "{0:%B} {0.day}, {0.year}"),
    (r"\d{1,2} [A-Z][a-z]{2} \d{4}", "{0.day} {0:%b} {0.year}"),
    (r"\d{1,2} [A-Z][a-z]{3,} \d{4}", "{0.day} {0:%B} {0.year}"),
)
"""The usual forms of a date in headings, as patterns, and how a date is written in each."""
_ANCHOR = re.compile(r"<a (?:id|name)=[^>]*>(?:</a>)?")
"""scriv writes the next heading's anchor above it."""
_TO_COME = re.compile(
    r"(?P<link>\[)?(?<![^\W_])(?P<words>unreleased|not(?: yet)? released|tb[ad]|"
    r"(?=[\d./-]*[mdyx?])(?:(?:\d{4}|[yx]{4}|\d\dxx|\?{4})([-./])(?:\d\d|[mx]{2}|\?\?)\3(?:\d\d|[dx]{2}|\?\?)|"
    r"(?:\d\d|[dx]{2}|\?\?)([-./])(?:\d\d|[mx]{2}|\?\?)\4(?:\d{4}|[yx]{4}|\?{4})))(?![^\W_])(?(link)\])",
    re.IGNORECASE,
)
"""Placeholders for a release's date."""
_TO_COME_ALONE = re.compile(
    r"[\W_]*?(?P<link>\[)?(?P<words>(?:to be|not yet) (?:released|announced|determined|published)|unpublished|upcoming|"
    r"(?:coming )?soon|pending|next(?: release)?|(?:in|under) development|(?:work )?in progress|wip|todo|\?+)"
    r"(?(link)\])[\W_]*",
    re.IGNORECASE,
)
"""Placeholders that are words of other titles too: nothing else may follow the version."""


def notes_of(text: str, version: str, name: str = "", *, rst: bool = False) -> str:
    """The body of a version's entry, without comments and surrounding blank lines.

    Empty if there is no entry, or if it holds only headings.  `version` is in either grammar, or `unreleased`.
    """
    key, parsed = _version(version), entries(text, name, rst=rst)
    if key == UNRELEASED:
        coming = coming_entry(text, name, rst=rst)
        return _notes(text, coming, rst=rst) if coming else ""
    section = next((entry for entry in parsed if entry.version == key), None)
    return _notes(text, section, rst=rst) if section and key else ""


def coming_entry(text: str, name: str = "", *, rst: bool = False) -> ChangelogEntry | None:
    """The entry for the next release: "Unreleased", or a version with a placeholder for its date; one with notes first.

    None if there is no such entry.
    """
    parsed = entries(text, name, rst=rst)
    pending = (entry for entry in parsed if entry.version != UNRELEASED and _is_pending(entry))
    coming = (*(entry for entry in parsed if entry.version == UNRELEASED), *pending)
    return next((entry for entry in coming if _notes(text, entry, rst=rst)), next(iter(coming), None))


def _is_pending(entry: ChangelogEntry) -> bool:
    return bool(_placeholder(entry.rest) or (re.search(r"\.dev\d+$", entry.version) and not entry.rest.strip()))


def _placeholder(rest: str) -> re.Match[str] | None:
    """A placeholder for a release's date in the text after a version."""
    return _TO_COME.search(rest) or _TO_COME_ALONE.fullmatch(rest)


def _with_date(rest: str, date: str) -> str:
    """The text after a version, with the date in the place of a placeholder."""
    match = _placeholder(rest)
    if not match:
        return rest
    start, end = (match.start("link"), match.end("words") + 1) if match["link"] else match.span("words")
    dash = "- " if match["link"] and not rest[:start].strip() else ""
    return f"{rest[:start]}{dash}{date}{rest[end:]}"


def _notes(text: str, section: ChangelogEntry, *, rst: bool) -> str:
    """The body of an entry; empty if it holds only headings."""
    lines = text.splitlines()
    comments: frozenset[int] = frozenset() if rst else comment_lines(lines)
    shown = (number for number in range(section.heading.end, section.end) if number not in comments)
    body = without_definitions([lines[number] for number in shown])
    while body and (not body[-1].strip() or _ANCHOR.fullmatch(body[-1].strip())):
        body.pop()
    titles = {number for head in headings(body, rst=rst) for number in range(head.start, head.end)}
    full = any(line.strip() and number not in titles for number, line in enumerate(body))
    return "\n".join(body).strip() if full else ""


def changelog_for_release(
    text: str, version: str, *, date: str, tag: str = "", name: str = "", rst: bool = False
) -> str:
    """The changelog with the "Unreleased" part as the entry of `version`, below an empty "Unreleased" heading.

    An undated entry of another version takes the place of a missing "Unreleased" part: it becomes that of `version`.

    The new heading has the style of the newest entry's, with a date (`YYYY-MM-DD`) if that heading has one.  A link
    that compares the last tag with the unreleased part is updated to `tag`.  All other text is kept, including line
    endings.  Raises `ConfigError` if there is no "Unreleased" heading, or already an entry for the version.
    """
    parsed = entries(text, name, rst=rst)
    if any(entry.version == _version(version) for entry in parsed):
        raise ConfigError(f"there is an entry for {version} already")
    coming = coming_entry(text, name, rst=rst)
    if coming is None:
        raise ConfigError("there is no heading '## Unreleased'; write what is new under one")
    if coming.version != UNRELEASED:
        return changelog_with_date(_with_version(text, coming, version), version, date=date, name=name, rst=rst)
    last = _newest(parsed, coming)
    lines = text.splitlines(keepends=True)
    end = coming.heading.end
    newline = "\r\n" if "\r\n" in (lines[end - 1] if end < len(lines) else text) else "\n"
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += newline
    old, own = coming.link, ""
    if coming.link.startswith("(") and tag:
        moved, own = next_links(coming.link.strip("()"), tag)
        number = next(n for n in range(coming.heading.start, end) if coming.link in lines[n])
        lines[number] = lines[number].replace(old, f"({moved})", 1) if moved else lines[number]
    title, label = _title(coming, last, version, date, tag, own)
    new = (last or coming).heading.like(title)
    lines[end:end] = [newline, *(f"{line}{newline}" for line in new)]
    return "".join(with_links(lines, coming, last, label, tag, newline))


def _with_version(text: str, entry: ChangelogEntry, version: str) -> str:
    """The text with `version` for the version of an entry, in its heading and the definition of its link."""
    lines = text.splitlines(keepends=True)
    definition = re.compile(rf" {{0,3}}\[{re.escape(entry.v + entry.text)}\]:")
    numbers = [number for number, line in enumerate(lines) if definition.match(line)]
    for number in (entry.heading.start + entry.heading.over, *numbers):
        lines[number] = lines[number].replace(entry.text, version)
    return "".join(lines)


def changelog_with_date(text: str, version: str, *, date: str, name: str = "", rst: bool = False) -> str:
    """The changelog with a date (`YYYY-MM-DD`) in the heading of `version`, if the date is missing there.

    It is missing if the heading has a placeholder, such as "unreleased", or ends after the version although the heading
    of the entry below goes on.  All other text is kept.
    """
    parsed = entries(text, name, rst=rst)
    own = next((entry for entry in parsed if entry.version == _version(version)), None)
    if own is None:
        return text
    below = next((e for e in parsed if e.heading.start > own.heading.start and e.version != UNRELEASED), None)
    rest = _with_date(own.rest, date)
    if not own.rest.strip():
        rest = _rest_like(below.rest, date) if below else ""
    if rest == own.rest:
        return text
    lines = text.splitlines(keepends=True)
    head = own.heading
    number = head.start + head.over
    bare = lines[number].rstrip()
    lines[number] = bare.removesuffix(own.rest) + rest + lines[number][len(bare) :]
    title = lines[number].strip()
    for under in () if head.marks else ((head.start, head.end - 1) if head.over else (head.end - 1,)):
        line = lines[under].strip()
        lines[under] = lines[under].replace(line, max(line, head.under * len(title), key=len), 1)
    return "".join(lines)


def unmoved_link(text: str, name: str = "", *, rst: bool = False) -> str:
    """The unreleased part's link, if it names the last version in an unknown form; else empty."""
    parsed = entries(text, name, rst=rst)
    coming = next((entry for entry in parsed if entry.version == UNRELEASED), None)
    last = _newest(parsed, coming) if coming else None
    return unknown_link(text, coming, last) if coming and last else ""


def _newest(parsed: tuple[ChangelogEntry, ...], coming: ChangelogEntry) -> ChangelogEntry | None:
    """The entry whose style a new entry gets: the first below the unreleased part."""
    others = [entry for entry in parsed if entry.version != UNRELEASED]
    return next((entry for entry in others if entry.heading.start >= coming.end), next(iter(others), None))


def draft(subjects: Iterable[str]) -> str:
    """A draft of notes from the subject lines of commits: a list without duplicates and merges."""
    lines = dict.fromkeys(subject.strip() for subject in subjects if not subject.startswith("Merge "))
    return "\n".join(f"- {subject}" for subject in lines if subject)


_GROUPS = {"feat": "Features", "fix": "Fixes", "perf": "Performance", "docs": "Documentation"}
"""Types of Conventional Commits 1.0.0 that matter to readers, with their headings."""
_BREAKING, _OTHER = "Breaking changes", "Other changes"
_CONVENTIONAL = re.compile(r"(?P<type>[a-zA-Z]+)(?:\((?P<scope>[^)]*)\))?(?P<breaking>!?):[ \t]+(?P<what>\S.*)")


def notes_from_commits(commits: Iterable[str]) -> str:
    """Notes from commit messages, newest first: Conventional Commits grouped by type, all others in one list."""
    groups: dict[str, dict[str, None]] = {title: {} for title in (_BREAKING, *_GROUPS.values(), _OTHER)}
    for message in commits:
        subject, _, body = message.strip().partition("\n")
        match = _CONVENTIONAL.fullmatch(subject)
        if match:
            breaking = match["breaking"] or re.search(r"^BREAKING[ -]CHANGE:", body, re.MULTILINE)
            title = _BREAKING if breaking else _GROUPS.get(match["type"].lower(), _OTHER)
            groups[title][(f"**{match['scope']}:** " if match["scope"] else "") + match["what"]] = None
        elif subject:
            groups[_OTHER][subject] = None
    used = {title: lines for title, lines in groups.items() if lines}
    heads = [] if list(used) == [_OTHER] else used
    return "\n\n".join(
        (f"### {title}\n\n" if title in heads else "") + "\n".join(f"- {line}" for line in lines)
        for title, lines in used.items()
    )


def _title(
    coming: ChangelogEntry, last: ChangelogEntry | None, version: str, date: str, tag: str, link: str
) -> tuple[str, str]:
    """The title of a version's entry, and the version's label in it."""
    if last is None:
        inline = f"({link})" if link else ""
        around = re.findall(r"[*_~`]*$", coming.lead)[0]
        close = closing_marks(coming.open)
        return f"{coming.lead}{coming.open}{version}{close}{inline} - {date}{closing_marks(around)}", version
    if last.link.startswith("(") and not link and tag:
        link = link_after(last.link.strip("()"), version, tag, last=last.text)
    inline = f"({link})" if link and last.link else ""
    label = f"{last.v}{version}"
    close = closing_marks(last.open)
    return f"{last.lead}{last.open}{label}{close}{inline}{_rest_like(last.rest, date)}", label


def _rest_like(last: str, date: str) -> str:
    """The text after a version in a heading, in the style of another heading: a date, or nothing."""
    for pattern, form in _DATES:
        if match := re.search(rf"(?<![\w.]){pattern}(?!\w)", last):
            written = form.format(datetime.date.fromisoformat(date))
            before, after = last[: match.start()], last[match.end() :]
            if re.fullmatch(r"[\s()\[\],:*_~`\u2013\u2014-]*", before + after):
                return f"{before}{written}{after}"
            return f" - {written}"  # text beside the date belongs to that release only
    return ""


def _version(text: str) -> str:
    plain = text[1:] if text[:1] in ("v", "V") and text[1:2].isdigit() else text
    return version_of_title(plain)
