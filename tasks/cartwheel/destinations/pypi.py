"""Destinations of the kind `pypi`: PyPI, TestPyPI, and every index with PyPI's upload form and the simple API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from cartwheel.destinations import pypi_provenance
from cartwheel.destinations.protocol import (
    THERE,
    Answer,
    DestinationStatus,
    Item,
    ItemStatus,
    JobNeeds,
    Release,
    Say,
    Standing,
    in_order,
    item_statuses,
    overall_state,
)
from cartwheel.destinations.pypi_answers import refusal_in_words, says_existing
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_reader import Unreadable, digests_on_index, listing, with_digests
from cartwheel.destinations.retries import READING, Patience
from cartwheel.destinations.settlement import conflict_lines, settle, too_late
from cartwheel.destinations.twine_upload import Sender, by_identity, missing_credentials
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import PYPI, is_rehearsal
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Project
from cartwheel.provenance.attestations import AUDIENCE, publishers
from cartwheel.stand_ins.pypi import LoopbackIndex


def locate(project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` if the index is unknown or its table is invalid."""
    resolve(name, project.indexes)


def destination(release: Release) -> PypiDestination:
    """A package's version on the index."""
    return PypiDestination(
        resolve(release.index, release.project.indexes), release.package.name, release.package.version,
        environ=release.environ, say=release.say, release=release,
    )  # fmt: skip


def name_refusals(release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
    """The refusals of the index's rules for these names, about `[project]` and about the existing files; with
    `release.sending` also missing credentials."""
    from cartwheel.checks.index_rules import declared_findings, findings, name_findings, refusals_and_notes

    index = resolve(release.index, release.project.indexes)
    declared = declared_findings(release.package.name, release.package.manifests.pyproject, index.rules)
    refused = {*name_findings(names), *declared, *findings(paths)}
    lines = sorted(f"{release.index}: {finding}" for finding in refusals_and_notes(refused, index.rules)[0])
    without = missing_credentials(index, release.environ) if release.sending else ""
    return (*lines, *filter(None, (without,)))


def existing_files(release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
    """The files of another version on the index."""
    index = resolve(release.index, release.project.indexes)
    return tuple(digests_on_index(index, release.package.name, version, environ=release.environ))


def job_needs(name: str, settings: IndexSettings) -> JobNeeds:
    """Trusted publishing if the configuration asks for it, and by default on PyPI and TestPyPI."""
    known = name in ("pypi", "testpypi") and not settings.url
    trusted = settings.auth == "trusted" or (settings.auth is None and known)
    return JobNeeds(
        audiences=(name, AUDIENCE) if trusted else (),
        private=bool(settings.user) and settings.auth != "trusted",
        practice=is_rehearsal(name, {name: settings}),
    )


@contextmanager
def stand_in(project: Project, folder: Path, clone: Path, token: str) -> Iterator[LoopbackIndex]:
    """An index over a folder that accepts uploads only with `token`."""
    with LoopbackIndex(folder, password=token) as index:
        yield index


class PypiDestination:
    """One version of a project on an index."""

    content, lags, one_by_one, deadline = "bytes", True, False, 1800.0

    def __init__(
        self,
        index: Index,
        project: str,
        version: str,
        *,
        environ: Mapping[str, str],
        say: Say,
        patience: Patience | None = None,
        release: Release | None = None,
    ) -> None:
        self.index, self.name, self.url = index, index.name, index.url
        self.patience = patience or Patience()
        self._project, self._version = project, version
        self._environ, self._say, self._release = environ, say, release
        self._planned: tuple[str, ...] = ()
        self._items: Mapping[str, Item] = {}
        self._sender: Sender | None = None
        self._attestations: Mapping[str, str] = {}

    @contextmanager
    def session(self) -> Iterator[None]:
        """Closes the connections at the end; several packages may be sent at once."""
        try:
            yield
        finally:
            if self._sender:
                self._sender.close()
                self._sender = None

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """The planned files, in upload order."""
        by_name = {item.name: item for item in files}
        self._planned, self._items = in_order(set(by_name)), by_name
        return tuple(by_name[name] for name in self._planned)

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """The refusals of the index's rules, and missing credentials; waived findings are announced."""
        from cartwheel.checks.index_rules import findings, refusals_and_notes

        waived = ("private",) if self._release and self._release.project.rehearsed else ()
        refused, notes = refusals_and_notes(
            findings([item.path for item in items], waived=waived, rules=self.index.rules), self.index.rules
        )
        for line in notes:
            self._say(f"{self.name}: {line}")
        without = missing_credentials(self.index, self._environ) if sending else ""
        unsigned = pypi_provenance.refusals(self.index, trusted=self._trusted) if sending and not without else ()
        return (*(str(finding) for finding in refused), *filter(None, (without,)), *unsigned)

    @property
    def _trusted(self) -> bool:
        """Whether trusted publishing issues the token."""
        return by_identity(self.index, self._environ)

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """Compares what the index lists with the plan; with a part of the planned files, the others are not judged."""
        planned = {item.name: item.sha256 for item in items}
        part = bool(set(self._planned) - set(planned))
        patience = Patience(tries=1) if public or part else READING
        lines: list[str] = []
        try:
            rows = listing(
                self.index, self._project, self._version, environ=self._environ, patience=patience, say=lines.append
            )
            rows = with_digests([row for row in rows if row.file in planned or not part], planned, self.index)
        except Unreadable as error:
            if not error.may_pass:
                raise
            return Standing(trouble=str(error))
        if not public:
            for line in lines:
                self._say(line)
        by_agreement = sorted(rows, key=lambda row: row.sha256 != planned.get(row.file))
        settled = settle(
            planned, {row.file: row.sha256 for row in by_agreement}
        )  # of one name twice, other bytes count
        late = too_late(rows, datetime.now(UTC)) if self.index.public and settled.send and not public else ()
        yanked = tuple(f"{row.file}: {self.name} lists it as withdrawn" for row in rows if row.yanked)
        return Standing(
            send=settled.send,
            there=settled.skip,
            wrong=(*conflict_lines(settled, self.name), *late),
            withdrawn=yanked if public else (),
            trouble="; ".join(lines) if public else "",
        )

    def prepare(self, standing: Standing) -> None:
        """Signs what will be sent, so that a failure of Sigstore comes before the first byte."""
        if pypi_provenance.is_attested(self.index) and self._trusted:
            root = self._release.root if self._release else Path()
            missing = [self._items[name] for name in standing.send]
            self._attestations = pypi_provenance.sign(self.index, missing, root, self._say)

    def send(self, item: Item) -> Answer:
        """Sends one file with one POST, through twine."""
        if self._sender is None:
            self._sender = Sender(self.index, environ=self._environ)
        self._sender.refresh()
        return self._sender.upload(item, self._attestations.get(item.name, ""))

    def renew_credentials(self, answer: Answer) -> bool:
        """Whether an expired trusted-publishing token could be replaced."""
        return self._sender is not None and self._sender.renew_credentials()

    def settles(self, answer: Answer) -> int:
        """0 for answers that rule out that the file was kept, 3 if the index claims to have it, else 1."""
        if answer.status in (401, 413, 429) or answer.location:
            return 0
        return 3 if says_existing(answer) else 1

    def refusal(self, item: Item, answer: Answer) -> str:
        """Why the index did not take the file, and what to do."""
        return refusal_in_words(item.name, self.name, self.url, answer, self.patience.tries)

    def finish(self, items: Sequence[Item]) -> None:
        """Does nothing: a file is public once it is sent."""

    def prove(self, items: Sequence[Item]) -> str:
        """Installs the version from the index, as a user would, and runs its tests."""
        from cartwheel.destinations.pypi_verify import check_installation

        if self._release is None:
            return ""
        digests = {item.name: item.sha256 for item in items}
        proven = self._attestation_line(self._release, digests)
        return "; ".join(filter(None, (proven, check_installation(self._release, self.index, digests))))

    def _attestation_line(self, release: Release, digests: Mapping[str, str]) -> str:
        """A line about the verified attestations; empty if this release has none by its configuration."""
        needs = job_needs(self.name, release.settings or IndexSettings())
        if not (pypi_provenance.is_attested(self.index) and needs.identity):
            return ""
        repository, commit = pypi_provenance.source_of(release.project, release.package, release.root)
        return pypi_provenance.verify(
            self.index, self._project, self._version, digests, release.root, repository=repository, commit=commit
        )

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """Each planned file compared with what the index lists."""
        lines: list[str] = []
        rows = listing(self.index, self._project, self._version, environ=self._environ, say=lines.append)
        withdrawn = [row.file for row in rows if row.yanked]
        items = item_statuses(digests, {row.file: row.sha256 for row in rows})
        if self.index.public or self.index.attestations:
            items = tuple(self._with_provenance(item) if item.state == THERE else item for item in items)
        detail = f"withdrawn: {', '.join(withdrawn)}" if withdrawn else "".join(lines)
        return DestinationStatus(name=self.name, kind=PYPI, state=overall_state(items), detail=detail, items=items)

    def _with_provenance(self, item: ItemStatus) -> ItemStatus:
        try:
            stated = publishers(pypi_provenance.provenance(self.index, self._project, self._version, item.name))
        except StepFailed as error:
            return replace(item, provenance=f"unknown: {error}")
        return replace(item, provenance=", ".join(map(str, stated)))
