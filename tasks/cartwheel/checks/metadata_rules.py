"""Rules about a file's metadata."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

from cartwheel.checks.candidate import Candidate

METADATA_VERSIONS = ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5")
LONGEST_SUMMARY = 512
LONGEST_LABEL = 32


def metadata_version(it: Candidate) -> Iterator[str]:
    version = it.text("metadata_version")
    if version not in METADATA_VERSIONS:
        yield f"metadata version '{version}', expected one of {', '.join(METADATA_VERSIONS)}"


def fields(it: Candidate) -> Iterator[str]:
    """Every field, as packaging validates it; PyPI uses packaging too."""
    from packaging.metadata import Metadata

    for name in sorted(it.unparsed):
        if it.artifact.metadata:
            yield f"metadata field {name} is unknown, doubled or malformed"
    if it.text("metadata_version") not in METADATA_VERSIONS:
        return
    try:
        Metadata.from_raw(it.metadata)  # type: ignore[arg-type]
    except ExceptionGroup as group:
        yield from sorted(f"metadata: {str(error).splitlines()[0]}" for error in group.exceptions)


def matches_file_name(it: Candidate) -> Iterator[str]:
    """A wheel's file name may spell the version differently from its metadata; an sdist's may not."""
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    name, version = it.name_and_version
    stated_name, stated_version = it.text("name"), it.text("version")
    if not name or not it.artifact.metadata:
        return
    if canonicalize_name(stated_name) != name:
        yield f"its metadata is of '{stated_name}', expected '{name}'"
    try:
        stated = Version(stated_version)
        if (stated != Version(version)) if it.is_wheel else (str(stated) != version):
            yield f"its metadata says version '{stated_version}', its name {version}"
    except InvalidVersion:
        yield f"its metadata says version '{stated_version}', which PEP 440 has not"


def project_name(it: Candidate) -> Iterator[str]:
    name = it.text("name")
    if it.artifact.metadata and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name, re.ASCII):
        yield f"'{name}' is not a valid project name; letters, digits, and between them . _ -"


def local_version(it: Candidate) -> Iterator[str]:
    version = it.text("version")
    if "+" in version:
        yield f"version {version} has a local part; an index takes none"


def summary(it: Candidate) -> Iterator[str]:
    text = it.text("summary")
    if len(text) > LONGEST_SUMMARY:
        yield f"the summary has {len(text)} characters, expected at most {LONGEST_SUMMARY}"
    if "\n" in text.strip():
        yield "the summary has more than one line"


def urls(it: Candidate) -> Iterator[str]:
    labelled = it.metadata.get("project_urls", {})
    for label, url in labelled.items():
        if not label or not url:
            yield f"URL '{label or url}' has no {'label' if not label else 'address'}"
        if len(label) > LONGEST_LABEL:
            yield f"URL label '{label}' has {len(label)} characters, expected at most {LONGEST_LABEL}"
    single = {"Home-page": it.text("home_page"), "Download-URL": it.text("download_url")}
    for label, url in {**single, **labelled}.items():
        if url and not _is_address(str(url)):
            yield f"URL {label} is '{url}', expected one with http or https"


def _is_address(url: str) -> bool:
    from rfc3986 import exceptions, uri_reference, validators

    judge = validators.Validator().allow_schemes("http", "https").require_presence_of("scheme")
    judge.check_validity_of("scheme", "host", "port", "path", "query")
    try:
        judge.validate(uri_reference(url).normalize())
    except (exceptions.ValidationError, exceptions.RFC3986Exception, ValueError):
        return False
    return True


def emails(it: Candidate) -> Iterator[str]:
    """The first address of each field, validated by the library that PyPI uses."""
    from email.utils import parseaddr

    for field in ("author_email", "maintainer_email"):
        _, address = parseaddr(it.text(field))
        if not address:
            continue
        from email_validator import EmailNotValidError, validate_email

        try:
            validate_email(address, check_deliverability=False)
        except EmailNotValidError as error:
            yield f"{field.replace('_', '-').capitalize()} '{address}': {str(error).splitlines()[0]}"


def requirements(it: Candidate) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    for field in ("requires_dist", "provides_dist", "obsoletes_dist"):
        for text in it.metadata.get(field, ()):
            try:
                direct = Requirement(text).url
            except InvalidRequirement:
                if field == "requires_dist":
                    continue  # reported by the rule metadata-fields
                yield f"'{text}' is not a valid requirement"
                continue
            if direct:
                yield f"it depends on '{text}'; an index takes no direct URLs"


def classifiers(it: Candidate) -> Iterator[str]:
    from trove_classifiers import classifiers as known
    from trove_classifiers import deprecated_classifiers

    for text in it.metadata.get("classifiers", ()):
        if text.startswith("Private ::"):
            continue
        if text in deprecated_classifiers:
            instead = " or ".join(f"'{name}'" for name in deprecated_classifiers[text])
            yield f"classifier '{text}' is deprecated; " + (f"use {instead}" if instead else "drop it")
        elif text not in known:
            yield f"classifier '{text}' is not known"


def private(it: Candidate) -> Iterator[str]:
    yield from private_classifiers(it.metadata.get("classifiers", ()))


def private_classifiers(classifiers: Iterable[str]) -> Iterator[str]:
    """A line for each classifier that asks not to be published."""
    for text in classifiers:
        if text.startswith("Private ::"):
            yield f"classifier '{text}' asks not to be published"


def license_fields(it: Candidate) -> Iterator[str]:
    if it.text("license_expression") and it.text("license"):
        yield "it has both License and License-Expression; expected one of them"


def license_files(it: Candidate) -> Iterator[str]:
    folder = it.artifact.prefix + ("licenses/" if it.is_wheel else "")
    for name in it.metadata.get("license_files", ()):
        if folder + name not in it.artifact.names:
            yield f"License-File {name} is not at {folder}{name}"


def description(it: Candidate) -> Iterator[str]:
    """reStructuredText that cannot be rendered, by the library that PyPI and twine use."""
    kind = it.text("description_content_type").partition(";")[0].strip().lower()
    text = it.text("description")
    if kind not in ("text/x-rst", "") or not text.strip():
        return
    from readme_renderer import rst

    stream = io.StringIO()
    if rst.render(text, stream=stream) is None:
        lines = stream.getvalue().splitlines()
        yield "its description is not valid reStructuredText" + (f": {lines[0]}" if lines else "")


NO_DESCRIPTION = "it has no description; name a readme in [project]"


def readme(it: Candidate) -> Iterator[str]:
    if not it.text("description").strip():
        yield NO_DESCRIPTION
    elif not it.text("description_content_type"):
        yield "its description has no content type, so an index reads it as reStructuredText"
