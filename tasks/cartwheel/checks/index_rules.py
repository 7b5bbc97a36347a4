"""What PyPI refuses, judged here before the first byte is sent: one dated table, all findings at once.

PyPI moves on: `[tool.cartwheel.index.NAME] rules` lets a rule pass, or one value of it, each with a reason.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.checks import file_rules, metadata_rules
from cartwheel.checks.candidate import Candidate
from cartwheel.checks.distribution import Distribution, open_distribution
from cartwheel.filesystem.files import sha256_of
from cartwheel.model.errors import ConfigError, did_you_mean

LEGACY = "Warehouse, forklift/legacy.py, 21 August 2026"
ZIPFILES = "Warehouse, utils/zipfiles.py, 21 August 2026"
METADATA = "Core metadata specification and Warehouse, forklift/metadata.py, 21 August 2026"
CLASSIFIERS = "the trove-classifiers package that is installed"
SDIST = "PEP 625 and the source distribution format, August 2026"
WHEEL = "Binary distribution format, and PyPI's blog of 7 August 2025 on RECORD"

Judge = Callable[[Candidate], Iterator[str]]


class IndexRule(Struct, frozen=True, kw_only=True):
    """One thing an index refuses."""

    name: str
    source: str
    judge: Judge


class Finding(Struct, frozen=True, kw_only=True):
    """A file that an index would refuse, by which rule and why."""

    file: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text} ({self.rule})"

    def is_of(self, key: str) -> bool:
        """Whether a key of `rules` speaks of it: the rule's name, or that and a value that the finding is about."""
        rule, _, value = key.partition(" ")
        about = not value.strip() or re.search(rf"(?<!\w){re.escape(value.strip())}(?!\w)", self.text)
        return rule == self.rule and bool(about)


RULES: tuple[IndexRule, ...] = (
    IndexRule(name="readable", source=LEGACY, judge=file_rules.readable),
    IndexRule(name="size", source=LEGACY, judge=file_rules.size),
    IndexRule(name="bomb", source=LEGACY, judge=file_rules.bomb),
    IndexRule(name="container", source=ZIPFILES, judge=file_rules.container),
    IndexRule(name="file-name", source=LEGACY, judge=file_rules.file_name),
    IndexRule(name="platform-tag", source=LEGACY, judge=file_rules.platform_tags),
    IndexRule(name="metadata-folder", source=f"{LEGACY}; {SDIST}", judge=file_rules.metadata_folder),
    IndexRule(name="wheel-file", source=LEGACY, judge=file_rules.wheel_file),
    IndexRule(name="record", source=f"{LEGACY}; {WHEEL}", judge=file_rules.record),
    IndexRule(name="entry-points", source=LEGACY, judge=file_rules.entry_points),
    IndexRule(name="metadata-version", source=METADATA, judge=metadata_rules.metadata_version),
    IndexRule(name="metadata-fields", source=METADATA, judge=metadata_rules.fields),
    IndexRule(name="same-as-named", source=LEGACY, judge=metadata_rules.same_as_named),
    IndexRule(name="project-name", source=METADATA, judge=metadata_rules.project_name),
    IndexRule(name="local-version", source=METADATA, judge=metadata_rules.local_version),
    IndexRule(name="summary", source=METADATA, judge=metadata_rules.summary),
    IndexRule(name="urls", source=METADATA, judge=metadata_rules.urls),
    IndexRule(name="emails", source=METADATA, judge=metadata_rules.emails),
    IndexRule(name="direct-url", source=METADATA, judge=metadata_rules.requirements),
    IndexRule(name="classifiers", source=CLASSIFIERS, judge=metadata_rules.classifiers),
    IndexRule(name="private", source=CLASSIFIERS, judge=metadata_rules.private),
    IndexRule(name="licence", source=METADATA, judge=metadata_rules.licence),
    IndexRule(name="licence-files", source=LEGACY, judge=metadata_rules.licence_files),
    IndexRule(name="description", source=METADATA, judge=metadata_rules.description),
)
"""Every rule of one file, the readable one first: a file that cannot be opened is judged by it alone."""

OF_THE_SET = ("one-release", "same-bytes")
"""Rules of all files together."""


def findings(paths: Iterable[Path], *, besides: Collection[str] = ()) -> tuple[Finding, ...]:
    """Everything that PyPI would refuse in these files; `besides`: keys as in `rules` of what is not judged."""
    paths = tuple(paths)
    found = (*findings_of(open_distribution(path) for path in paths), *_same_bytes(paths))
    return tuple(finding for finding in found if not any(finding.is_of(key) for key in besides))


def findings_of(artifacts: Iterable[Distribution]) -> tuple[Finding, ...]:
    """The same for files that were opened before."""
    candidates = tuple(Candidate(artifact=artifact) for artifact in artifacts)
    found = [
        Finding(file=candidate.file, rule=rule.name, text=text)
        for candidate in candidates
        for rule in (RULES if not candidate.artifact.fault else RULES[:1])
        for text in rule.judge(candidate)
    ]
    return (*found, *_one_release(candidates))


def refuse_unknown(keys: Iterable[str], *, where: str) -> None:
    """Raises `ConfigError` for a key of `rules` that no rule goes by."""
    known = (*(rule.name for rule in RULES), *OF_THE_SET)
    for key in keys:
        name = key.partition(" ")[0]
        if name not in known:
            raise ConfigError(f"{where}: '{name}' is no rule{did_you_mean(name, known)}")


def refusals_and_notes(
    found: Iterable[Finding], passes: Mapping[str, str]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What is refused in spite of `passes` (reasons by key), and a line for all that is let pass or idle there."""
    found = tuple(found)
    refused = tuple(finding for finding in found if not any(finding.is_of(key) for key in passes))
    lines = [
        f"let pass: {finding}, because: {reason}"
        for key, reason in passes.items()
        for finding in found
        if finding.is_of(key)
    ]
    lines += [
        f"rules: '{key}' lets nothing pass any more; take it out of the configuration"
        for key in passes
        if not any(finding.is_of(key) for finding in found)
    ]
    return refused, tuple(lines)


def name_findings(files: Iterable[str]) -> tuple[Finding, ...]:
    """What PyPI would refuse by the names alone, of files that are yet to be made."""
    named = [Distribution(file=name, kind="wheel" if name.endswith(".whl") else "sdist", size=0) for name in files]
    return tuple(finding for finding in findings_of(named) if finding.rule in ("file-name", "platform-tag"))


def _one_release(candidates: tuple[Candidate, ...]) -> Iterator[Finding]:
    """A release has one sdist, and all its files one name and version."""
    sdists = [candidate.file for candidate in candidates if not candidate.is_wheel]
    for file in sdists[1:]:
        yield Finding(file=file, rule="one-release", text=f"a second sdist beside {sdists[0]}; a release has one")
    named = Counter(candidate.named for candidate in candidates if candidate.named[0])
    if len(named) > 1:
        usual = named.most_common(1)[0][0]
        for candidate in candidates:
            if candidate.named[0] and candidate.named != usual:
                text = f"{' '.join(candidate.named)} among files of {' '.join(usual)}"
                yield Finding(file=candidate.file, rule="one-release", text=text)


def _same_bytes(paths: tuple[Path, ...]) -> Iterator[Finding]:
    """The same bytes under a second name are "File already exists" to PyPI; only files of one size are read for it."""
    by_size: defaultdict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    for alike in by_size.values():
        seen: dict[str, str] = {}
        for path in alike if len(alike) > 1 else ():
            first = seen.setdefault(sha256_of(path), path.name)
            if first != path.name:
                yield Finding(file=path.name, rule="same-bytes", text=f"the same bytes as {first}")
