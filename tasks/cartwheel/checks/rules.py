"""The table of all rules for finished files, with the places where each rule applies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Literal

from msgspec import Struct

from cartwheel.checks import content_rules, file_rules, metadata_rules, plan_rules
from cartwheel.checks.candidate import Candidate

Where = Literal["plan", "every", "index", "warning"]


class Rule(Struct, frozen=True, kw_only=True):
    """One row of `RULES`."""

    name: str
    doc: str
    where: Where
    """The place where the rule applies.

    `plan`: the check compares a wheel with its plan.  `every`: the check, and every index.  `index`: only indexes.
    `warning`: reported only, unless an index's `rules` refuse it.
    """
    source: str = "cartwheel"
    judge: Callable[[Candidate], Iterable[str]]
    """Yields the problems of a candidate, in words."""


_LEGACY = "Warehouse, forklift/legacy.py, 21 August 2026"
_ZIPFILES = "Warehouse, utils/zipfiles.py, 21 August 2026"
_METADATA = "Core metadata specification and Warehouse, forklift/metadata.py, 21 August 2026"
_CLASSIFIERS = "the installed trove-classifiers package"
_SDIST = "PEP 625 and the source distribution format, August 2026"
_WHEEL = "Binary distribution format, and PyPI's blog of 7 August 2025 on RECORD"

RULES = (
    Rule(
        name="readable", where="every", source=_LEGACY, judge=file_rules.readable,
        doc="the file can be opened",
    ),
    Rule(
        name="name", where="plan", judge=plan_rules.name,
        doc="the file is named as planned, for the planned platform",
    ),
    Rule(
        name="tags", where="plan", source=_WHEEL, judge=plan_rules.tags,
        doc="the WHEEL file lists the tags of the file name",
    ),
    Rule(
        name="machine", where="plan", judge=plan_rules.machine,
        doc="compiled files are of the target's format and architecture",
    ),
    Rule(
        name="floor", where="plan", judge=plan_rules.floor,
        doc="no compiled file needs a newer system than promised",
    ),
    Rule(
        name="module", where="plan", source="PEP 3149", judge=plan_rules.module,
        doc="the extension's file name is one that its Python imports",
    ),
    Rule(
        name="abi3", where="plan", source="abi3audit", judge=content_rules.abi3,
        doc="an abi3 extension keeps to the limited API of its Python",
    ),
    Rule(
        name="python-dll", where="plan", judge=plan_rules.python_dll,
        doc="on Windows the extension loads the right Python",
    ),
    Rule(
        name="strangers", where="plan", judge=plan_rules.strangers,
        doc="no compiled file of another system or build",
    ),
    Rule(
        name="pure", where="plan", judge=plan_rules.pure,
        doc="a wheel for any system holds nothing compiled, others do",
    ),
    Rule(
        name="hashes", where="plan", source=_WHEEL, judge=content_rules.hashes,
        doc="RECORD has the right hash and size of every file",
    ),
    Rule(
        name="contents", where="plan", source="check-wheel-contents", judge=content_rules.contents,
        doc="the files are where an installer expects them",
    ),
    Rule(
        name="size", where="index", source=_LEGACY, judge=file_rules.size,
        doc="the file is not too large",
    ),
    Rule(
        name="bomb", where="index", source=_LEGACY, judge=file_rules.bomb,
        doc="it does not unpack to many times its size",
    ),
    Rule(
        name="container", where="every", source=_ZIPFILES, judge=file_rules.container,
        doc="a plain archive that every reader unpacks to the same files",
    ),
    Rule(
        name="case", where="every", judge=file_rules.case,
        doc="no two files differ in upper and lower case alone",
    ),
    Rule(
        name="windows-names", where="every", source="CPython 3.13, os.path.isreserved", judge=file_rules.windows_names,
        doc="Windows can hold every name in a wheel that it installs",
    ),
    Rule(
        name="foreign-files", where="every", judge=file_rules.foreign_files,
        doc="nothing of git, of Git LFS or of cartwheel is packed",
    ),
    Rule(
        name="file-name", where="index", source=_LEGACY, judge=file_rules.file_name,
        doc="the file name is normalised",
    ),
    Rule(
        name="platform-tag", where="index", source=_LEGACY, judge=file_rules.platform_tags,
        doc="the index accepts the platform tags",
    ),
    Rule(
        name="metadata-folder", where="every", source=f"{_LEGACY}; {_SDIST}", judge=file_rules.metadata_folder,
        doc="the metadata lies where the file name says",
    ),
    Rule(
        name="wheel-file", where="every", source=_LEGACY, judge=file_rules.wheel_file,
        doc="a wheel has a WHEEL file",
    ),
    Rule(
        name="record", where="every", source=f"{_LEGACY}; {_WHEEL}", judge=file_rules.record,
        doc="RECORD names every file, and no other",
    ),
    Rule(
        name="entry-points", where="every", source=_LEGACY, judge=file_rules.entry_points,
        doc="entry points name an object of a module",
    ),
    Rule(
        name="metadata-version", where="index", source=_METADATA, judge=metadata_rules.metadata_version,
        doc="the index knows the metadata's version",
    ),
    Rule(
        name="metadata-fields", where="index", source=_METADATA, judge=metadata_rules.fields,
        doc="every field is valid",
    ),
    Rule(
        name="same-as-named", where="every", source=_LEGACY, judge=metadata_rules.matches_file_name,
        doc="the metadata has the name and version of the file name",
    ),
    Rule(
        name="project-name", where="index", source=_METADATA, judge=metadata_rules.project_name,
        doc="the project's name is valid",
    ),
    Rule(
        name="local-version", where="index", source=_METADATA, judge=metadata_rules.local_version,
        doc="the version has no local part",
    ),
    Rule(
        name="summary", where="index", source=_METADATA, judge=metadata_rules.summary,
        doc="the summary is one short line",
    ),
    Rule(
        name="urls", where="index", source=_METADATA, judge=metadata_rules.urls,
        doc="URLs are labelled and absolute",
    ),
    Rule(
        name="emails", where="index", source=_METADATA, judge=metadata_rules.emails,
        doc="e-mail addresses are valid",
    ),
    Rule(
        name="direct-url", where="index", source=_METADATA, judge=metadata_rules.requirements,
        doc="no requirement is a URL",
    ),
    Rule(
        name="classifiers", where="index", source=_CLASSIFIERS, judge=metadata_rules.classifiers,
        doc="classifiers are known and not deprecated",
    ),
    Rule(
        name="private", where="index", source=_CLASSIFIERS, judge=metadata_rules.private,
        doc="no classifier asks not to be published",
    ),
    Rule(
        name="licence", where="index", source=_METADATA, judge=metadata_rules.license_fields,
        doc="one field states the license",
    ),
    Rule(
        name="licence-files", where="every", source=_LEGACY, judge=metadata_rules.license_files,
        doc="every License-File is in the archive",
    ),
    Rule(
        name="description", where="every", source=_METADATA, judge=metadata_rules.description,
        doc="the index can render the description",
    ),
    Rule(
        name="readme", where="warning", source="twine check --strict", judge=metadata_rules.readme,
        doc="the package has a description",
    ),
)  # fmt: skip
"""Every rule.  `readable` is first, because a file that cannot be opened is judged by it alone."""


def problems_by_rule(
    candidate: Candidate, where: Collection[Where], *, but: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """The problems of a file by the rules that apply in these places: pairs of rule name and problem.

    `but`: the names of rules to skip.
    """
    for rule in RULES if not candidate.artifact.fault else RULES[:1]:
        if rule.where in where and rule.name not in but:
            yield from ((rule.name, problem) for problem in rule.judge(candidate))


OF_OTHER_TOOLS = ("abi3", "contents")
"""Rules that run another tool.  The job that builds a wheel applies them; the job that publishes it lacks the tools."""


def problems(candidate: Candidate, *, but: Collection[str] = ()) -> tuple[str, ...]:
    """The problems of a file in a check, each with its rule's name; `but`: the names of rules to skip."""
    where: tuple[Where, ...] = ("every", *(("plan",) if candidate.plan else ()))
    return tuple(f"{rule}: {problem}" for rule, problem in problems_by_rule(candidate, where, but=but))


def warnings(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """The warnings about these files, without duplicates."""
    where: tuple[Where, ...] = ("warning",)
    return tuple(
        dict.fromkeys(problem for candidate in candidates for _, problem in problems_by_rule(candidate, where))
    )
