"""`doit audit NAME==VERSION`: shows what a published release proves about its origin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct, to_builtins

from cartwheel.command_line import pins
from cartwheel.commands.options import AS_JSON, WordsAndOptions, text_option
from cartwheel.commands.plan import context_of
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_provenance import FileProvenance, file_provenance
from cartwheel.destinations.pypi_reader import listing, read_bytes, with_digests
from cartwheel.destinations.simple_api import ListedFile
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.model.versions.version import is_version, tag_name
from cartwheel.model.wheels.binary_facts import shortened_list
from cartwheel.model.wheels.wheel_name import normalised_name
from cartwheel.process import run
from cartwheel.provenance.tag_contents import SourceMatch, blobs, compare_with_commit, first_tag, tag_candidates


class AuditedFile(Struct, frozen=True, kw_only=True):
    """A published file, and what it proves."""

    file: str
    sha256: str
    publisher: str = ""
    """Who published it, if its attestations are valid; empty if it has none."""
    commit: str = ""
    problem: str = ""
    bills: tuple[str, ...] = ()
    """The bills of materials in it, each with the number of its components."""
    source_files: int = 0
    """How many of its source files are files of the tag."""
    other_files: tuple[str, ...] = ()
    """Its source files that the tag does not have: generated, rewritten, or added."""


class Audit(WordsAndOptions):
    """The command, as doit's plugin `audit`."""

    name = "audit"
    doc_purpose = "show what a published release proves: digests, attestations, publisher, bills of materials"
    doc_usage = "NAME==VERSION [--index NAME] [--source CLONE]"
    doc_description = (
        "Reads any release on an index and changes nothing.  Where the version's tag is at hand, in this project's "
        "repository or in a clone that --source names, source files are compared with it; nothing is built.  Exits "
        "with 1 where an attestation is not valid, where "
        "files name different publishers, or where only some are attested."
    )
    cmd_options = (
        text_option("index", "the index; default: pypi"),
        text_option("source", "a clone with the tag; default: this repository, if it releases NAME"),
        AS_JSON,
    )

    def _execute(self, index: str, source: str, as_json: bool, pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        run.stop_on_signals()
        pinned = pins(sys.argv[1:])
        name, _, version = "".join(pinned).partition("==")
        if len(pinned) != 1 or pos_args or not name or not version:
            raise InvalidCommand("audit: expected NAME==VERSION, such as: doit audit sampleproject==4.0.0")
        if not is_version(version):
            raise InvalidCommand(f"audit: '{version}' is no version; expected one such as 1.2.0 or 1.2.0rc1")
        try:
            own = next((p for p in context.project.packages if normalised_name(p.name) == normalised_name(name)), None)
            place = Path(source) if source else context.root if own else None
            tag = tag_name(own.tag, version, name=own.name) if own and not source else ""
            where = resolve(index or "pypi", context.project.indexes)
            files, tag = audit_files(where, name, version, context.root, place=place, own_tag=tag)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        wrong = problems(files)
        document = {
            "schema": 1,
            "name": name,
            "version": version,
            "tag": tag,
            "files": to_builtins(files),
            "problems": wrong,
        }
        text = json.dumps(document, indent=2) + "\n" if as_json else as_text(name, version, tag, files, wrong)
        self.outstream.write(text)
        return 1 if wrong else 0


def audit_files(
    index: Index, name: str, version: str, root: Path, *, place: Path | None = None, own_tag: str = ""
) -> tuple[tuple[AuditedFile, ...], str]:
    """Each file of a release, and the tag in the repository at `place` that they are compared with; empty if none.

    `own_tag`: the tag's name in this project. Raises `CartwheelError` if the index holds no file or cannot be read.
    """
    rows = listing(index, name, version)
    if not rows:
        raise ConfigError(f"{index.name} holds no file of {name} {version}")
    rows = with_digests(rows, [row.file for row in rows], index)
    stated = [file_provenance(index, name, version, row.file, row.sha256, root) for row in rows]
    commit = next((row.commit for row in stated if row.commit), "")
    tag, ids = _tag(place, tag_candidates(name, version, own_tag), commit) if place else ("", frozenset[str]())
    return tuple(_audit_file(row, found, index, ids) for row, found in zip(rows, stated, strict=True)), tag


def _tag(place: Path, candidates: tuple[str, ...], commit: str) -> tuple[str, frozenset[str]]:
    """The tag of the version in a clone, and the ids of the files of its commit."""
    from cartwheel.repository.git import Repository

    with Repository(place) as repository:
        tag = first_tag(repository.tags(), candidates, commit)
        return tag, blobs(repository.git.ls_tree("-r", "--full-tree", f"refs/tags/{tag}")) if tag else frozenset()


def _audit_file(row: ListedFile, provenance: FileProvenance, index: Index, ids: frozenset[str]) -> AuditedFile:
    from cartwheel.filesystem.distribution import UNREADABLE, sdist_contents, wheel_contents

    is_wheel = row.file.endswith(".whl")
    contents: tuple[tuple[str, bytes], ...] = ()
    damage = ""
    if is_wheel or ids:
        with TemporaryDirectory() as folder:
            path = Path(folder, row.file)
            path.write_bytes(read_bytes(row.url, shown_as=row.file, index=index))
            try:
                contents = tuple((wheel_contents if is_wheel else sdist_contents)(path))
            except UNREADABLE as error:
                damage = f"{row.file}: cannot be unpacked: {error}"
    match = compare_with_commit(contents, ids) if ids else SourceMatch(known=0)
    return AuditedFile(
        file=row.file, sha256=row.sha256, publisher=provenance.publisher, commit=provenance.commit,
        problem=provenance.problem or damage, bills=_bills(contents), source_files=match.known, other_files=match.other,
    )  # fmt: skip


def _bills(contents: Iterable[tuple[str, bytes]]) -> tuple[str, ...]:
    from cartwheel.provenance.sbom import is_document

    bills = []
    for name, content in contents:
        if is_document(name):
            try:
                count = len(json.loads(content).get("components", ()))
            except (ValueError, AttributeError):
                count = 0
            bills.append(f"{name.rpartition('/')[2]}: {count} components")
    return tuple(bills)


def problems(files: tuple[AuditedFile, ...]) -> tuple[str, ...]:
    """The contradictions in a release."""
    wrong = [row.problem for row in files if row.problem]
    attested = [row for row in files if row.publisher]
    if attested and len(attested) < len(files):
        missing = ", ".join(row.file for row in files if not row.publisher and not row.problem)
        wrong += [f"only some files are attested; missing: {missing}"] if missing else []
    if len({row.publisher for row in attested}) > 1:
        wrong.append("the files have several publishers: " + ", ".join(sorted({row.publisher for row in attested})))
    if len({row.commit for row in attested if row.commit}) > 1:
        wrong.append("the files are of several commits: " + ", ".join(sorted({row.commit for row in attested})))
    return tuple(wrong)


def as_text(name: str, version: str, tag: str, files: tuple[AuditedFile, ...], wrong: tuple[str, ...]) -> str:
    """Some lines for each file, then the problems."""
    lines = [f"{name} {version}" + (f"  (compared with tag {tag})" if tag else "")]
    for row in files:
        lines.append(f"  {row.file}  sha256 {row.sha256}")
        commit = f", commit {row.commit}" if row.commit else ""
        proof = "not valid" if row.problem else f"published by {row.publisher}{commit}" if row.publisher else "none"
        lines.append(f"    attestations: {proof}")
        if row.file.endswith(".whl"):
            lines.append(f"    bills of materials: {', '.join(row.bills) or 'none'}")
        if tag:
            number = row.source_files + len(row.other_files)
            others = f"; not in it: {shortened_list(row.other_files)}" if row.other_files else ""
            lines.append(f"    sources: {row.source_files} of {number} files are those of the tag{others}")
    return "\n".join((*lines, *(f"problem: {line}" for line in wrong))) + "\n"
