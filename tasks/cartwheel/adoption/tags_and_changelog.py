"""The form of a package's tags and its changelog file, as found in the repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from cartwheel.adoption.command_lines import folder_up
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.model.config.manifests import path_in
from cartwheel.model.versions.changelog_headings import CHANGELOG_FOLDERS, CHANGELOG_NAMES
from cartwheel.model.wheels.wheel_name import canonical_name, normalised_name


def changelog_of(folder: str, texts: Texts) -> str:
    """The changelog, relative to the package: its own, or the repository's; empty without one.

    A file that towncrier writes counts first, then one in the folder itself, then one in a folder of documentation.
    """
    up = folder_up(folder)
    for place, prefix in ((folder, ""), (".", f"{up}/")) if up else ((folder, ""),):
        names = {path.upper(): path for path in texts}
        towncrier = parsed_toml(texts, path_in(place, "pyproject.toml")).get("tool", {}).get("towncrier", {})
        written = towncrier.get("filename", "") if isinstance(towncrier, Mapping) else ""
        stems = [f"{where}{stem}{suffix}" for where in CHANGELOG_FOLDERS for stem in CHANGELOG_NAMES
                 for suffix in (".MD", ".RST", "", ".TXT")]  # fmt: skip
        for name in (str(written), *stems):
            path = names.get(path_in(place, name).upper()) if name else None
            if path:
                return prefix + (path if place == "." else path.removeprefix(f"{place}/"))
    return ""


_VERSION = re.compile(r"(?P<prefix>.*?)(?P<version>\d+(?:\.\d+)+(?:[-.]?[a-zA-Z]+[-.]?\d*)*)$")


_PLAIN_PREFIX = re.compile(
    r"(?:(?:py|python|pypi|pkg|lib|wheels?)[-_/.]?)?(?:v|r|rel|release|releases|ver|version)?[-_/.]?v?", re.IGNORECASE
)
"""The text before the version in tags that name no package."""
_UNDERSCORES = re.compile(r"(.*?)\d+(?:_\d+)+(?:(?:a|b|rc)\d+)?$")


def tag_form(tags: Iterable[str], name: str, versions: Iterable[str], *, single: bool) -> str:
    """The form of a package's tags, with `{version}`; empty without any that can be its own.

    `versions`: those of the package that are known, on an index or in its manifest.
    """
    known = {re.sub(r"[-.]?([a-z]+)[-.]?", r"\1", version.lower()) for version in versions}
    ours: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for tag in tags:
        if match := _VERSION.fullmatch(tag):
            every[match["prefix"]] += 1
            ours[match["prefix"]] += re.sub(r"[-.]?([a-z]+)[-.]?", r"\1", match["version"].lower()) in known
    own = {
        name,
        normalised_name(name),
        canonical_name(name),
        normalised_name(name).replace("_", "."),
    }
    mine = re.compile(rf"(?:{'|'.join(map(re.escape, own))})(.*)", re.IGNORECASE)
    named = [prefix for prefix in every if mine.fullmatch(prefix)]
    plain = [prefix for prefix in every if _PLAIN_PREFIX.fullmatch(prefix)]
    candidates = (named or plain) if not single else [*named, *plain]
    candidates = candidates or [prefix for prefix in every if ours[prefix]]
    if not candidates:
        return ""

    def exact(prefix: str) -> bool:
        match = mine.fullmatch(prefix)
        return bool(match and re.fullmatch(r"[-_/.@]?(?:v|r|rel|release)?[-_/.@]?v?", match[1], re.IGNORECASE))

    best = max(candidates, key=lambda prefix: (ours[prefix], exact(prefix), prefix in named, every[prefix]))
    return f"{best}{{version}}"


def foreign_tag(tags: Iterable[str], form: str) -> str:
    """A tag with underscores in its version, which no form of tags has, if the repository has no other form."""
    if form:
        return ""
    return max((tag for tag in tags if _UNDERSCORES.fullmatch(tag)), default="")


def form_in_triggers(patterns: Iterable[str], name: str, *, single: bool) -> str:
    """The form of a package's tags in the patterns of tags that start its workflows, such as `python-v*`; empty if they
    tell none. A repository without tags, such as a shallow clone, has no other evidence."""
    own = {name.lower(), *(normalised_name(name).replace("_", separator) for separator in "_-.")}
    for pattern in patterns:
        prefix = re.split(r"[*?+\[({]", pattern.lstrip("!"))[0].removesuffix("\\")
        plain = bool(_PLAIN_PREFIX.fullmatch(prefix))
        of_package = any(prefix.lower().startswith(known) for known in own)
        if (
            prefix
            and not pattern.startswith("!")
            and re.search(r"[*\[]", pattern)
            and (of_package or (single and plain))
        ):
            return f"{prefix}{{version}}"
    return ""
