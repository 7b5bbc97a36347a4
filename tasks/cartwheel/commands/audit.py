"""`doit audit NAME==VERSION`: shows what a published release proves about its origin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct, to_builtins

from cartwheel.command_line import pins
from cartwheel.commands.options import AS_JSON, WordsAndOptions, valued
from cartwheel.commands.plan import workshop_of
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_provenance import file_provenance
from cartwheel.destinations.pypi_reader import listing, read_bytes, with_digests
from cartwheel.destinations.simple_api import ListedFile
from cartwheel.model.destination import is_version
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.process import run


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


class Audit(WordsAndOptions):
    """The command, as doit's plugin `audit`."""

    name = "audit"
    doc_purpose = "show what a published release proves: digests, attestations, publisher, bills of materials"
    doc_usage = "NAME==VERSION [--index NAME]"
    doc_description = (
        "Reads any release on an index and changes nothing.  Exits with 1 where an attestation is not valid, where "
        "files name different publishers, or where only some are attested."
    )
    cmd_options = (valued("index", "the index; default: pypi"), AS_JSON)

    def _execute(self, index: str, as_json: bool, pos_args: list[str]) -> int:
        shop = workshop_of(self.task_list)
        shop.world.readonly = True
        run.stop_on_signals()
        pinned = pins(sys.argv[1:])
        name, _, version = "".join(pinned).partition("==")
        if len(pinned) != 1 or pos_args or not name or not version:
            raise InvalidCommand("audit: expected NAME==VERSION, such as: doit audit sampleproject==4.0.0")
        if not is_version(version):
            raise InvalidCommand(f"audit: '{version}' is no version; expected one such as 1.2.0 or 1.2.0rc1")
        try:
            files = audited(resolve(index or "pypi", shop.project.indexes), name, version, shop.root)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        wrong = problems(files)
        document = {"schema": 1, "name": name, "version": version, "files": to_builtins(files), "problems": wrong}
        text = json.dumps(document, indent=2) + "\n" if as_json else as_text(name, version, files, wrong)
        self.outstream.write(text)
        return 1 if wrong else 0


def audited(index: Index, name: str, version: str, root: Path) -> tuple[AuditedFile, ...]:
    """Each file of a release. Raises `CartwheelError` if the index holds none or cannot be read."""
    rows = listing(index, name, version)
    if not rows:
        raise ConfigError(f"{index.name} holds no file of {name} {version}")
    rows = with_digests(rows, [row.file for row in rows], index)
    return tuple(_audited(index, name, version, row, root) for row in rows)


def _audited(index: Index, name: str, version: str, row: ListedFile, root: Path) -> AuditedFile:
    provenance = file_provenance(index, name, version, row.file, row.sha256, root)
    return AuditedFile(
        file=row.file, sha256=row.sha256, publisher=provenance.publisher, commit=provenance.commit,
        problem=provenance.problem,
        bills=_bills(row, index) if row.file.endswith(".whl") else (),
    )  # fmt: skip


def _bills(row: ListedFile, index: Index) -> tuple[str, ...]:
    from cartwheel.filesystem.distribution import wheel_contents
    from cartwheel.provenance.sbom import is_document

    with TemporaryDirectory() as folder:
        wheel = Path(folder, row.file)
        wheel.write_bytes(read_bytes(row.url, shown_as=row.file, index=index))
        bills = []
        for name, content in wheel_contents(wheel):
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


def as_text(name: str, version: str, files: tuple[AuditedFile, ...], wrong: tuple[str, ...]) -> str:
    """Three lines for each file, then the problems."""
    lines = [f"{name} {version}"]
    for row in files:
        lines.append(f"  {row.file}  sha256 {row.sha256}")
        commit = f", commit {row.commit}" if row.commit else ""
        proof = "not valid" if row.problem else f"published by {row.publisher}{commit}" if row.publisher else "none"
        lines.append(f"    attestations: {proof}")
        if row.file.endswith(".whl"):
            lines.append(f"    bills of materials: {', '.join(row.bills) or 'none'}")
    return "\n".join((*lines, *(f"problem: {line}" for line in wrong))) + "\n"
