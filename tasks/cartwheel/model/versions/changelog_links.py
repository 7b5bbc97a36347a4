"""The links of a changelog that compare versions: the links for the next version."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.model.versions.changelog_headings import ChangelogEntry

_COMPARE = re.compile(
    r"(?P<base>\S*/compare/)(?P<old>[^\s%]+?)(?P<dots>\.{2,3})(?P<new>[^\s.#?)>]\S*?)(?P<tail>[#?>]\S*)?"
)
"""GitHub, GitLab, Gitea, Codeberg: the older version first."""
_REVERSED = re.compile(
    r"(?P<base>\S*/compare/)(?P<new>\S+?)(?P<dots>%0D)(?P<old>[^\s#?>]+)(?P<tail>[#?>]\S*)?", re.IGNORECASE
)
"""Bitbucket: the newer version first."""
_DEFINITION = re.compile(r"(?P<head> {0,3}\[(?P<label>[^\]\n]+)\]:[ \t]*)(?P<url><?\S+?>?)(?P<end>[ \t]*\r?\n?)")


_FORMS = ((_REVERSED, "{new}{dots}{old}"), (_COMPARE, "{old}{dots}{new}"))


def next_links(url: str, tag: str) -> tuple[str, str]:
    """The links of the unreleased part and of the version with this tag, from the unreleased part's current link.

    Both are empty if the link is no comparison.
    """
    for form, order in _FORMS:
        if match := form.fullmatch(url):
            return _comparing(match, order, tag, match["new"]), _comparing(match, order, match["old"], tag)
    return "", ""


def _comparing(link: re.Match[str], order: str, old: str, new: str) -> str:
    """The link with two other tags; the rest of the address stays, whatever text it has in common with a tag."""
    return f"{link['base']}{order.format(old=old, dots=link['dots'], new=new)}{link['tail'] or ''}"


def link_after(url: str, version: str, tag: str, *, last: str) -> str:
    """The link of a version, from the link of the version `last` before it; empty if the form is unknown."""
    for form, order in _FORMS:
        if match := form.fullmatch(url):
            return _comparing(match, order, match["new"], tag)
    old_tag = tag.replace(version, last)
    places = [match.end() for match in re.finditer(rf"[/=]{re.escape(old_tag)}(?![^/?#>])", url)]
    if not places or old_tag == tag:
        return ""
    return f"{url[: places[-1] - len(old_tag)]}{tag}{url[places[-1] :]}"


def with_links(
    lines: list[str], coming: ChangelogEntry, last: ChangelogEntry | None, new: str, tag: str, newline: str
) -> Iterable[str]:
    """The lines with a link definition for the version label `new` and an updated one for the unreleased part."""
    version = new.removeprefix(last.v if last else "")
    labels = {match["label"].lower() for line in lines if (match := _DEFINITION.fullmatch(line))}
    for line in lines:
        match = _DEFINITION.fullmatch(line)
        label = match["label"].lower() if match else ""
        if not match or not tag or new.lower() in labels:
            yield line
        elif label == coming.text.lower() and next_links(match["url"], tag)[0]:
            head, end = match["head"], match["end"] or newline
            yield f"{head}{next_links(match['url'], tag)[0]}{end if end.endswith(chr(10)) else end + newline}"
            yield f"{head.replace(match['label'], new, 1)}{next_links(match['url'], tag)[1]}{match['end']}"
        elif last and label == f"{last.v}{last.text}".lower() and coming.text.lower() not in labels:
            url = link_after(match["url"], version, tag, last=last.text)
            if url:
                yield f"{match['head'].replace(match['label'], new, 1)}{url}{newline}"
            yield line
        else:
            yield line


def unknown_link(text: str, coming: ChangelogEntry, last: ChangelogEntry) -> str:
    """The unreleased part's link, if it names the last version in an unknown form; else empty."""
    definitions = (match for line in text.splitlines() if (match := _DEFINITION.fullmatch(line)))
    urls = [match["url"] for match in definitions if match["label"].lower() == coming.text.lower()]
    urls += [coming.link.strip("()")] if coming.link.startswith("(") else []
    return next((url for url in urls if last.text in url and not next_links(url, "v0")[0]), "")


def without_definitions(lines: list[str]) -> list[str]:
    """The lines without the link definitions at the end of a changelog, which are not part of the last entry."""
    while lines and (not lines[-1].strip() or _DEFINITION.fullmatch(lines[-1])):
        lines = lines[:-1]
    return lines
