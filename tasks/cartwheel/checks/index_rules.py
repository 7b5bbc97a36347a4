"""The reasons for which an index refuses files, found before any upload: all findings of all files at once.

`[tool.cartwheel.index.NAME] rules` waives a rule, or one value of a rule, with a reason; `"refuse RULE"` turns a
warning into a refusal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.checks.candidate import Candidate
from cartwheel.checks.metadata_rules import NO_DESCRIPTION, private_classifiers
from cartwheel.checks.rules import RULES, problems_by_rule
from cartwheel.filesystem.digests import sha256_of
from cartwheel.filesystem.distribution import Distribution, open_distribution
from cartwheel.model.errors import ConfigError, did_you_mean


class Finding(Struct, frozen=True, kw_only=True):
    """A problem for which an index refuses a file, and the rule that found it."""

    file: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text} ({self.rule})"

    def is_of(self, key: str) -> bool:
        """Whether a key of `rules` covers this finding: the rule's name, optionally with a value in the text."""
        rule, _, value = key.partition(" ")
        about = not value.strip() or re.search(rf"(?<!\w){re.escape(value.strip())}(?!\w)", self.text)
        return rule == self.rule and bool(about)


OF_THE_SET = ("one-release", "same-bytes")
"""Rules about all files of a release together."""

_REFUSE = "refuse "
_WARNINGS = tuple(rule.name for rule in RULES if rule.where == "warning")
_BY_INDEX = tuple(rule.name for rule in RULES if rule.where in ("every", "index"))


def findings(
    paths: Iterable[Path], *, waived: Collection[str] = (), rules: Collection[str] = ()
) -> tuple[Finding, ...]:
    """All problems for which an index refuses these files.

    `waived`: keys in the form of an index's `rules`.  `rules`: the keys of the index, of which only `refuse
    RULE` has an effect here.
    """
    paths = tuple(paths)
    every = (*findings_of((open_distribution(path) for path in paths), rules), *_same_bytes(paths))
    return tuple(finding for finding in every if not any(finding.is_of(key) for key in waived))


def findings_of(artifacts: Iterable[Distribution], rules: Collection[str] = ()) -> tuple[Finding, ...]:
    """All problems for which an index with these `rules` refuses opened files."""
    candidates = tuple(Candidate(artifact=artifact) for artifact in artifacts)
    each = [
        Finding(file=candidate.file, rule=rule, text=text)
        for candidate in candidates
        for rule, text in problems_by_rule(candidate, ("every", "index", "warning"))
        if rule not in _WARNINGS or f"{_REFUSE}{rule}" in rules
    ]
    return (*each, *_one_release(candidates))


def refuse_unknown(keys: Iterable[str], *, where: str) -> None:
    """Raises `ConfigError` for a key of `rules` that names no known rule."""
    for key in keys:
        refusing = key.startswith(_REFUSE)
        known = _WARNINGS if refusing else (*_BY_INDEX, *OF_THE_SET)
        name = key.removeprefix(_REFUSE) if refusing else key.partition(" ")[0]
        if name not in known:
            raise ConfigError(f"{where}: '{name}' is no rule{did_you_mean(name, known)}")


def refusals_and_notes(
    rows: Iterable[Finding], waivers: Mapping[str, str]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings that `waivers` (reasons by key) does not waive, and log lines.

    There is one line for each waived finding, and one for each key that waives nothing.
    """
    rows = tuple(rows)
    waivers = {key: reason for key, reason in waivers.items() if not key.startswith(_REFUSE)}
    refused = tuple(finding for finding in rows if not any(finding.is_of(key) for key in waivers))
    lines = [
        f"waived: {finding}, because: {reason}"
        for key, reason in waivers.items()
        for finding in rows
        if finding.is_of(key)
    ]
    lines += [
        f"rules: '{key}' no longer waives anything; remove it from the configuration"
        for key in waivers
        if not any(finding.is_of(key) for finding in rows)
    ]
    return refused, tuple(lines)


def name_findings(files: Iterable[str]) -> tuple[Finding, ...]:
    """The findings of PyPI's rules about file names, for files that need not exist."""
    named = [Distribution(file=name, kind="wheel" if name.endswith(".whl") else "sdist", size=0) for name in files]
    return tuple(finding for finding in findings_of(named) if finding.rule in ("file-name", "platform-tag"))


def declared_findings(name: str, pyproject: Mapping[str, Any], rules: Collection[str]) -> tuple[Finding, ...]:
    """The findings that `[project]` alone shows, before anything is built. `rules`: see `findings`."""
    project = pyproject.get("project") or {}
    texts = [("private", text) for text in private_classifiers(project.get("classifiers", ()))]
    described = not project or "readme" in project or "readme" in project.get("dynamic", ())
    if not described and f"{_REFUSE}readme" in rules:
        texts.append(("readme", NO_DESCRIPTION))
    return tuple(Finding(file=name, rule=rule, text=text) for rule, text in texts)


def _one_release(candidates: tuple[Candidate, ...]) -> Iterator[Finding]:
    """A release has at most one sdist, and all its files have the same name and version."""
    sdists = [candidate.file for candidate in candidates if not candidate.is_wheel]
    for file in sdists[1:]:
        yield Finding(file=file, rule="one-release", text=f"a second sdist beside {sdists[0]}; a release has one")
    valid = [candidate for candidate in candidates if any(candidate.name_and_version)]
    releases = [candidate.name_and_version for candidate in valid]
    usual = max(releases, key=releases.count, default=("", ""))
    for candidate in valid:
        if candidate.name_and_version != usual:
            text = f"{' '.join(candidate.name_and_version)} among files of {' '.join(usual)}"
            yield Finding(file=candidate.file, rule="one-release", text=text)


def _same_bytes(paths: tuple[Path, ...]) -> Iterator[Finding]:
    """PyPI refuses the same bytes under a second name ("File already exists").  Only files of equal size are read."""
    by_size: defaultdict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    for alike in by_size.values():
        seen: dict[str, str] = {}
        for path in alike if len(alike) > 1 else ():
            first = seen.setdefault(sha256_of(path), path.name)
            if first != path.name:
                yield Finding(file=path.name, rule="same-bytes", text=f"the same bytes as {first}")
