"""What PyPI refuses, judged here before the first byte is sent: one dated table, all findings at once."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.index.artifact import Artifact, opened

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata

WAREHOUSE = "Warehouse, forklift/legacy.py, 21 August 2026"
METADATA = "Core metadata specification and Warehouse, forklift/metadata.py, 21 August 2026"
CLASSIFIERS = "the trove-classifiers package that is installed"

MAXIMUM_SIZE = 100 * 1024 * 1024
METADATA_VERSIONS = ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5")
PLATFORM_TAGS = tuple(
    re.compile(pattern)
    for pattern in (
        r"any|win32|win_amd64|win_arm64|win_ia64|linux_armv6l|linux_armv7l",
        r"manylinux(1|2010)_(x86_64|i686)",
        r"manylinux2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)",
        r"manylinux_[0-9]+_[0-9]+_(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64|ppc64)",
        r"musllinux_[0-9]+_[0-9]+_(x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64)",
        r"macosx_10_[0-9]+_(x86_64|arm64|i386|ppc|ppc64|intel|fat|fat3|fat64|universal|universal2)",
        r"macosx_(11|12|13|14|15|26)_0_(x86_64|arm64|i386|ppc|ppc64|intel|fat|fat3|fat64|universal|universal2)",
        r"ios_[0-9]+_[0-9]+_(arm64|x86_64)_(iphoneos|iphonesimulator)",
        r"android_[0-9]+_(armeabi_v7a|arm64_v8a|x86|x86_64)",
        r"pyemscripten_[0-9]+_[0-9]+_wasm32",
    )
)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file with its metadata and name parsed, as far as they can be."""

    artifact: Artifact

    @property
    def file(self) -> str:
        return self.artifact.file

    @property
    def is_wheel(self) -> bool:
        return self.artifact.kind == "wheel"

    @cached_property
    def _parsed(self) -> tuple[RawMetadata, Mapping[str, list[str]]]:
        from packaging.metadata import parse_email

        return parse_email(self.artifact.metadata)

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self._parsed[0]

    @property
    def unparsed(self) -> Mapping[str, list[str]]:
        """Fields that are unknown, doubled or malformed."""
        return self._parsed[1]

    @cached_property
    def named(self) -> tuple[str, str]:
        """Normalised project name and version by the file's name; empty where it is not a valid one."""
        from packaging.utils import (
            InvalidSdistFilename,
            InvalidWheelFilename,
            parse_sdist_filename,
            parse_wheel_filename,
        )

        try:
            parsed = parse_wheel_filename(self.file)[:2] if self.is_wheel else parse_sdist_filename(self.file)
        except (InvalidWheelFilename, InvalidSdistFilename):
            return ("", "")
        return parsed[0], str(parsed[1])


Judge = Callable[[Candidate], Iterator[str]]


class Rule(Struct, frozen=True, kw_only=True):
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


def findings(paths: Iterable[Path], *, besides: Collection[str] = ()) -> tuple[Finding, ...]:
    """Everything that PyPI would refuse in these files; `besides` names rules that are not judged."""
    artifacts = tuple(opened(path) for path in paths)
    return judged(artifacts, besides=besides)


def judged(artifacts: Iterable[Artifact], *, besides: Collection[str] = ()) -> tuple[Finding, ...]:
    """The same for files that were opened before."""
    candidates = tuple(Candidate(artifact=artifact) for artifact in artifacts)
    found = [
        Finding(file=candidate.file, rule=rule.name, text=text)
        for candidate in candidates
        for rule in (RULES if not candidate.artifact.fault else RULES[:1])
        if rule.name not in besides
        for text in rule.judge(candidate)
    ]
    return (*found, *(() if "one-release" in besides else _one_release(candidates)))


def misnamed(files: Iterable[str]) -> tuple[Finding, ...]:
    """What PyPI would refuse by the names alone, of files that are yet to be made."""
    named = [Artifact(file=name, kind="wheel" if name.endswith(".whl") else "sdist", size=0) for name in files]
    others = {rule.name for rule in RULES} - {"file-name", "platform-tag"}
    return judged(named, besides=others | {"one-release"})


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


# The file ------------------------------------------------------------------------------------------------------------


def _readable(it: Candidate) -> Iterator[str]:
    if it.artifact.fault:
        yield f"cannot be opened: {it.artifact.fault}"


def _size(it: Candidate) -> Iterator[str]:
    if it.artifact.size > MAXIMUM_SIZE:
        yield f"{it.artifact.size / 2**20:.1f} MB, expected at most {MAXIMUM_SIZE // 2**20}"


def _container(it: Candidate) -> Iterator[str]:
    yield from it.artifact.oddities
    doubles = [name for name, count in Counter(it.artifact.names).items() if count > 1]
    yield from (f"{name} is in it more than once" for name in doubles)
    if not it.is_wheel:
        outside = [name for name in it.artifact.names if not name.startswith(it.artifact.prefix)]
        if outside:
            yield f"{outside[0]} lies outside of {it.artifact.prefix}"


def _file_name(it: Candidate) -> Iterator[str]:
    name, version = it.named
    stem = f"{name.replace('-', '_')}-{version}"
    if not name:
        yield "not a valid file name; expected " + (
            "{name}-{version}[-{build}]-{python}-{abi}-{platform}.whl" if it.is_wheel else "{name}-{version}.tar.gz"
        )
    elif it.is_wheel and not it.file.startswith(f"{stem}-"):
        yield f"expected a name that starts with {stem}-"
    elif not it.is_wheel and it.file != f"{stem}.tar.gz":
        yield f"expected {stem}.tar.gz"


def _platform_tags(it: Candidate) -> Iterator[str]:
    if it.is_wheel and it.named[0]:
        tags = it.file.removesuffix(".whl").rsplit("-", 1)[1].split(".")
        for tag in tags:
            if not any(pattern.fullmatch(tag) for pattern in PLATFORM_TAGS):
                yield f"platform tag {tag} is not accepted"


def _metadata_folder(it: Candidate) -> Iterator[str]:
    name, version = it.named
    found = it.artifact.prefix
    if not it.artifact.metadata:
        yield f"no {'METADATA' if it.is_wheel else 'PKG-INFO'} in {found or 'it'}"
    elif name and it.is_wheel and not _is_folder_of(found.removesuffix(".dist-info/"), name, version):
        yield f"its metadata is in {found}, expected {name.replace('-', '_')}-{version}.dist-info/"
    elif name and not it.is_wheel and not _is_folder_of(found.removesuffix("/"), name, version):
        yield f"its top folder is {found}, expected {name.replace('-', '_')}-{version}/"


def _is_folder_of(stem: str, name: str, version: str) -> bool:
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    found_name, _, found_version = stem.rpartition("-")
    try:
        return canonicalize_name(found_name) == name and str(Version(found_version)) == version
    except InvalidVersion:
        return False


def _wheel_file(it: Candidate) -> Iterator[str]:
    if it.is_wheel and it.artifact.prefix and "WHEEL" not in it.artifact.texts:
        yield f"no WHEEL in {it.artifact.prefix}"


def _record(it: Candidate) -> Iterator[str]:
    if not it.is_wheel or not it.artifact.prefix:
        return
    if "RECORD" not in it.artifact.texts:
        yield f"no RECORD in {it.artifact.prefix}"
        return
    rows = csv.reader(io.StringIO(it.artifact.texts["RECORD"].decode(errors="replace")))
    recorded = {row[0] for row in rows if row}
    there = {name for name in it.artifact.names if not name.endswith("/")}
    signatures = {it.artifact.prefix + name for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    yield from (f"{name} is not in its RECORD" for name in sorted(there - recorded - signatures))
    yield from (f"{name} is in its RECORD and not in it" for name in sorted(recorded - there - signatures))


def _entry_points(it: Candidate) -> Iterator[str]:
    text = it.artifact.texts.get("entry_points.txt")
    if text is None:
        return
    from configparser import ConfigParser, Error

    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text.decode())
    except (Error, UnicodeDecodeError) as error:
        yield f"entry_points.txt cannot be read: {str(error).splitlines()[0]}"
        return
    for group in parser.sections():
        for name, value in parser.items(group):
            if not re.fullmatch(r"[A-Za-z_][\w.]*(\s*:\s*[A-Za-z_][\w.]*)?\s*(\[[^\]]*\])?", value.strip()):
                yield f"entry point {name} of {group} is '{value}', expected module:object"


# Its metadata --------------------------------------------------------------------------------------------------------


def _metadata_version(it: Candidate) -> Iterator[str]:
    found = it.metadata.get("metadata_version", "")
    if found not in METADATA_VERSIONS:
        yield f"metadata version '{found}', expected one of {', '.join(METADATA_VERSIONS)}"


def _metadata_fields(it: Candidate) -> Iterator[str]:
    """Every field by itself, as packaging judges it."""
    from packaging.metadata import Metadata

    for name in sorted(it.unparsed):
        if it.artifact.metadata:
            yield f"metadata field {name} is unknown, doubled or malformed"
    if it.metadata.get("metadata_version") not in METADATA_VERSIONS:
        return
    try:
        Metadata.from_raw(it.metadata)  # type: ignore[arg-type]
    except ExceptionGroup as group:
        yield from sorted(f"metadata: {str(error).splitlines()[0]}" for error in group.exceptions)


def _same_as_named(it: Candidate) -> Iterator[str]:
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    name, version = it.named
    said_name, said_version = str(it.metadata.get("name", "")), str(it.metadata.get("version", ""))
    if not name or not it.artifact.metadata:
        return
    if canonicalize_name(said_name) != name:
        yield f"its metadata is of '{said_name}', expected '{name}'"
    try:
        if str(Version(said_version)) != version:
            yield f"its metadata says version '{said_version}', its name {version}"
    except InvalidVersion:
        yield f"its metadata says version '{said_version}', which PEP 440 has not"


def _project_name(it: Candidate) -> Iterator[str]:
    name = str(it.metadata.get("name", ""))
    if it.artifact.metadata and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name, re.ASCII):
        yield f"'{name}' is not a valid project name; letters, digits, and between them . _ -"


def _local_version(it: Candidate) -> Iterator[str]:
    version = str(it.metadata.get("version", ""))
    if "+" in version:
        yield f"version {version} has a local part; an index takes none"


def _summary(it: Candidate) -> Iterator[str]:
    summary = str(it.metadata.get("summary", ""))
    if len(summary) > 512:
        yield f"the summary has {len(summary)} characters, expected at most 512"
    if "\n" in summary.strip():
        yield "the summary has more than one line"


def _urls(it: Candidate) -> Iterator[str]:
    urls = it.metadata.get("project_urls", {})
    yield from (
        f"URL label '{label}' has {len(label)} characters, expected at most 32" for label in urls if len(label) > 32
    )
    fields = {
        "Home-page": it.metadata.get("home_page", ""),
        "Download-URL": it.metadata.get("download_url", ""),
        **urls,
    }
    for label, url in fields.items():
        if url and url != "UNKNOWN" and not re.match(r"https?://[^/\s]+", str(url), re.IGNORECASE):
            yield f"URL {label} is '{url}', expected one with http or https"


def _requirements(it: Candidate) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    for field in ("requires_dist", "provides_dist", "obsoletes_dist"):
        for text in it.metadata.get(field, ()):
            try:
                direct = Requirement(text).url
            except InvalidRequirement:
                if field == "requires_dist":
                    continue  # said by metadata-fields
                yield f"'{text}' is not a valid requirement"
                continue
            if direct:
                yield f"it depends on '{text}'; an index takes no direct URLs"


def _classifiers(it: Candidate) -> Iterator[str]:
    from trove_classifiers import classifiers, deprecated_classifiers

    for text in it.metadata.get("classifiers", ()):
        if text.startswith("Private ::"):
            continue
        if text in deprecated_classifiers:
            instead = " or ".join(f"'{name}'" for name in deprecated_classifiers[text])
            yield f"classifier '{text}' is deprecated; " + (f"use {instead}" if instead else "drop it")
        elif text not in classifiers:
            yield f"classifier '{text}' is not known"


def _private(it: Candidate) -> Iterator[str]:
    for text in it.metadata.get("classifiers", ()):
        if text.startswith("Private ::"):
            yield f"classifier '{text}' asks not to be published"


def _licence(it: Candidate) -> Iterator[str]:
    expression, text = it.metadata.get("license_expression", ""), it.metadata.get("license", "")
    if expression and text:
        yield "it has both License and License-Expression; expected one of them"
    if expression:
        for classifier in it.metadata.get("classifiers", ()):
            if classifier.startswith("License ::"):
                yield f"it has License-Expression and also the classifier '{classifier}'; drop the classifier"


def _licence_files(it: Candidate) -> Iterator[str]:
    if str(it.metadata.get("metadata_version", "")) not in ("2.4", "2.5"):
        return
    folder = it.artifact.prefix + ("licenses/" if it.is_wheel else "")
    for name in it.metadata.get("license_files", ()):
        if folder + name not in it.artifact.names:
            yield f"License-File {name} is not at {folder}{name}"


def _description(it: Candidate) -> Iterator[str]:
    """What would not be rendered; as twine's own check does."""
    kind = str(it.metadata.get("description_content_type", "")).partition(";")[0].strip().lower()
    text = str(it.metadata.get("description", ""))
    if kind not in ("text/x-rst", "") or not text.strip() or text.strip() == "UNKNOWN":
        return
    from readme_renderer import rst

    said = io.StringIO()
    if rst.render(text, stream=said) is None:
        lines = said.getvalue().splitlines()
        yield "its description is not valid reStructuredText" + (f": {lines[0]}" if lines else "")


RULES: tuple[Rule, ...] = (
    Rule(name="readable", source=WAREHOUSE, judge=_readable),
    Rule(name="size", source=WAREHOUSE, judge=_size),
    Rule(name="container", source=WAREHOUSE, judge=_container),
    Rule(name="file-name", source=WAREHOUSE, judge=_file_name),
    Rule(name="platform-tag", source=WAREHOUSE, judge=_platform_tags),
    Rule(name="metadata-folder", source=WAREHOUSE, judge=_metadata_folder),
    Rule(name="wheel-file", source=WAREHOUSE, judge=_wheel_file),
    Rule(name="record", source=WAREHOUSE, judge=_record),
    Rule(name="entry-points", source=WAREHOUSE, judge=_entry_points),
    Rule(name="metadata-version", source=METADATA, judge=_metadata_version),
    Rule(name="metadata-fields", source=METADATA, judge=_metadata_fields),
    Rule(name="same-as-named", source=WAREHOUSE, judge=_same_as_named),
    Rule(name="project-name", source=METADATA, judge=_project_name),
    Rule(name="local-version", source=METADATA, judge=_local_version),
    Rule(name="summary", source=METADATA, judge=_summary),
    Rule(name="urls", source=METADATA, judge=_urls),
    Rule(name="direct-url", source=METADATA, judge=_requirements),
    Rule(name="classifiers", source=CLASSIFIERS, judge=_classifiers),
    Rule(name="private", source=CLASSIFIERS, judge=_private),
    Rule(name="licence", source=METADATA, judge=_licence),
    Rule(name="licence-files", source=WAREHOUSE, judge=_licence_files),
    Rule(name="description", source=METADATA, judge=_description),
)
"""Every rule of one file, the readable one first: a file that cannot be opened is judged by it alone."""
