"""The rules that refuse a release before a build: each rule's whole answer, and the situations in which it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from cartwheel import __version__
from cartwheel.adoption.file_sets import compare
from cartwheel.ci.github_workflow import HEAD
from cartwheel.destinations.pypi_reader import Unreadable
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.last_release import LastRelease, ReleaseChange
from cartwheel.model.config.build_backend import UNVERSIONED
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import ledger_path
from cartwheel.model.wheels.target import TARGETS
from cartwheel.pipeline import read_project
from cartwheel.process.run import Interrupted
from cartwheel.process.step_log import StepLog
from cartwheel.release_candidate import ReleaseCandidate, Situation
from cartwheel.release_rules import refusals
from cartwheel.repository.tag_rules import TagFacts
from cartwheel.repository.undo_note import NOTE
from support.indexes import Faulty, faulty, status
from support.projects import committed, pure
from support.repositories import git

NEW_TAG, TAGGED, NO_TAG = Situation.NEW_TAG, Situation.TAGGED, Situation.NO_TAG
FACTS = TagFacts(tag="v1.0", version="1.0", head="a" * 40, branch="main", release_branch="")
WHEEL = "gravel-1.0-py3-none-any.whl"


@dataclass
class Candidate:
    """A release whose remote, index and forge have answered. An error as an answer is raised."""

    project: Project
    root: Path
    situation: Situation = NEW_TAG
    sent_to: tuple[str, ...] = ()
    needs_tag: bool = True
    tag_facts: TagFacts | Exception = FACTS
    secrets: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    changed: ReleaseChange | Exception | None = None
    named: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)

    @property
    def package(self) -> Package:
        return self.project.packages[0]

    @property
    def work(self) -> Work:
        log = StepLog(self.root / ".cartwheel" / "log", shown_as="the log")
        snapshot = DiskSnapshot(self.root, self.environ, lambda tool, snapshot: "")
        return Work(
            root=self.root, scratch=self.root, log=log, snapshot=snapshot, before=None, named=self.named,
            announce=self.announced.append,
        )  # fmt: skip

    @property
    def facts(self) -> TagFacts:
        if isinstance(self.tag_facts, Exception):
            raise self.tag_facts
        return self.tag_facts

    def missing_secrets(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.secrets

    def change(self) -> ReleaseChange | None:
        if isinstance(self.changed, Exception):
            raise self.changed
        return self.changed

    def refusals(self) -> tuple[str, ...]:
        return refusals(cast(ReleaseCandidate, self))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed project."""
    project = pure(tmp_path_factory.mktemp("rules") / "project")
    project.edit("pyproject.toml", "127.0.0.1:9/", '127.0.0.1:9/"\nsimple = "http://127.0.0.1:9/simple/')
    return committed(project).root


@pytest.fixture(scope="module")
def read(root: Path) -> Project:
    return read_project(root, {})


@pytest.fixture
def release(root: Path, read: Project) -> Candidate:
    """A release that nothing refuses."""
    return Candidate(read, root)


@pytest.fixture
def own(release: Candidate, tmp_path: Path) -> Candidate:
    """A release in its own folder, which a test may write to."""
    (tmp_path / "pyproject.toml").write_bytes((release.root / "pyproject.toml").read_bytes())
    release.root = tmp_path
    return release


@pytest.fixture(scope="module")
def shelf() -> Iterator[Faulty]:
    with faulty() as index:
        yield index


def with_package(release: Candidate, **changes: object) -> None:
    release.project = replace(release.project, packages=(replace(release.package, **changes),))


def with_pyproject(release: Candidate, **tables: object) -> None:
    manifests = release.package.manifests
    with_package(release, manifests=replace(manifests, pyproject={**manifests.pyproject, **tables}))


def with_index(release: Candidate, **changes: object) -> None:
    index = replace(release.project.indexes["shelf"], **changes)
    release.project = replace(release.project, indexes={"shelf": index})


def by_pipeline(release: Candidate) -> None:
    release.project = replace(release.project, release=replace(release.project.release, origin="ci"))


@pytest.mark.parametrize("situation", Situation)
def test_nothing_refuses_a_good_release(situation: Situation, release: Candidate) -> None:
    release.situation = situation
    assert release.refusals() == ()
    assert release.announced == []


def test_each_line_of_all_rules_is_given_once(release: Candidate) -> None:
    release.tag_facts = StepFailed("the remote does not answer\ntry again")
    release.secrets = (("one", "two", "one"), ())
    assert release.refusals() == ("the remote does not answer", "try again", "one", "two")


@pytest.mark.parametrize("answer", ["tag_facts", "changed"])
def test_an_interrupted_run_ends_instead_of_refusing(answer: str, release: Candidate) -> None:
    setattr(release, answer, Interrupted())
    with pytest.raises(Interrupted):
        release.refusals()


@pytest.mark.parametrize(("situation", "counts"), [(NEW_TAG, True), (TAGGED, True), (NO_TAG, False)])
def test_an_unfinished_change_refuses_a_tag(situation: Situation, counts: bool, own: Candidate) -> None:
    own.situation = situation
    (own.root / NOTE).parent.mkdir(parents=True)
    (own.root / NOTE).write_bytes(b"nonsense")
    assert [line.partition(":")[0] for line in own.refusals()] == [NOTE] * counts


@pytest.mark.parametrize(
    ("needs_tag", "sent_to", "refused"),
    [(True, (), True), (False, ("shelf",), True), (False, (), False), (True, ("shelf",), True)],
)
@pytest.mark.parametrize("situation", Situation)
def test_a_release_needs_a_version_and_a_verification_does_not(
    situation: Situation, needs_tag: bool, sent_to: tuple[str, ...], refused: bool, release: Candidate
) -> None:
    release.situation, release.needs_tag, release.sent_to = situation, needs_tag, sent_to
    release.environ = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}
    with_pyproject(release, tool={"cartwheel": {"version": "scm"}})
    with_package(release, version=UNVERSIONED)
    first = "gravel: its version comes from git, and HEAD has no tag of the form 'v{version}'"
    assert [line.partition(";")[0] for line in release.refusals()][:1] == [first] * refused


@pytest.mark.parametrize(("situation", "counts"), [(NEW_TAG, True), (TAGGED, True), (NO_TAG, False)])
def test_the_repository_refuses_a_tag(situation: Situation, counts: bool, release: Candidate) -> None:
    release.situation = situation
    release.tag_facts = replace(FACTS, dirty=("a.txt",))
    lines = ("v1.0: not tagged:", "  not committed: a.txt; commit, ignore or stash them")
    assert release.refusals() == (lines if counts else ())


@pytest.mark.parametrize("situation", Situation)
def test_a_missing_entry_in_the_changelog_refuses_a_new_tag(
    situation: Situation, release: Candidate, tmp_path: Path
) -> None:
    project = committed(pure(tmp_path / "p"))
    git(project.root, "tag", "v0.9-of-the-docs")
    project.write("CHANGELOG.md", "# Changes\n\n## 0.9\n\n- Old.\n")
    release.root, release.situation = project.root, situation
    settings = replace(release.project.release, ignore_tags=("*-of-the-docs",))
    release.project = replace(release.project, release=settings)
    assert release.refusals() == (
        (
            "v1.0: not tagged:",
            "  CHANGELOG.md: there is no entry for 1.0, expected a heading like '## 1.0'; write what changed "
            "(changelog.required in [tool.cartwheel] says when)",
            "  the commits since the last tag:",
            "  - first",
        )
        if situation is NEW_TAG
        else ()
    )


@pytest.mark.parametrize(("situation", "counts"), [(NEW_TAG, True), (TAGGED, True), (NO_TAG, False)])
def test_the_pipeline_must_be_committed(situation: Situation, counts: bool, own: Candidate) -> None:
    own.situation = situation
    by_pipeline(own)
    lines = own.refusals()
    assert len(lines) == 2 * counts
    assert not counts or lines[0].startswith('release.from is "ci", and there is no pipeline that doit ci wrote')


def test_a_pipeline_that_is_not_needed_is_not_read(own: Candidate) -> None:
    own.project = replace(own.project, ci=replace(own.project.ci, install=("cartwheel @ git+https://forge.example/x",)))
    assert own.refusals() == ()
    assert own.announced == []
    by_pipeline(own)
    assert own.refusals() != ()
    (line,) = own.announced
    assert line.startswith("ci.install: 'cartwheel @ git+https://forge.example/x' may hold another cartwheel tomorrow")


def test_a_pipeline_and_its_lock_are_compared_with_this_cartwheel(own: Candidate) -> None:
    by_pipeline(own)
    workflow, lock = own.root / ".github/workflows/release.yml", own.root / ".github/cartwheel-publish.txt"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(f"# {HEAD[0]}\n")
    lock.write_text("twine==6.2.0\n")
    assert own.refusals()[0].startswith(".github/workflows/release.yml is not what the configuration says")
    (line,) = own.announced
    assert line.startswith(f".github/cartwheel-publish.txt has no hash of cartwheel {__version__} itself")


@pytest.mark.parametrize("situation", Situation)
def test_missing_secrets_of_the_pipeline_refuse_a_new_tag(situation: Situation, release: Candidate) -> None:
    release.situation = situation
    release.secrets = (("no secret",), ("a note",))
    assert release.refusals() == ("no secret",) * (situation is NEW_TAG)
    assert release.announced == ["a note"] * (situation is NEW_TAG)


@pytest.mark.parametrize("rehearsed", [False, True])
@pytest.mark.parametrize("situation", Situation)
def test_an_index_that_is_configured_wrongly_refuses_always(
    situation: Situation, rehearsed: bool, release: Candidate
) -> None:
    release.situation = situation
    release.project = replace(release.project, rehearsed=rehearsed)
    with_package(release, publish=("nosuch",))
    assert release.refusals()[0].startswith("index 'nosuch' is neither one that twine knows")


PRIVATE = "shelf: gravel: classifier 'Private :: Do Not Upload' asks not to be published (private)"


@pytest.mark.parametrize(
    ("situation", "sent_to", "rehearsed", "refused"),
    [
        (NEW_TAG, (), False, True),
        (NEW_TAG, (), True, False),
        (NEW_TAG, ("shelf",), True, False),
        (TAGGED, (), False, False),
        (TAGGED, ("shelf",), False, True),
        (NO_TAG, (), False, False),
        (NO_TAG, ("shelf",), False, True),
    ],
)
def test_what_an_index_is_known_to_refuse_counts_where_files_are_sent(
    situation: Situation, sent_to: tuple[str, ...], rehearsed: bool, refused: bool, release: Candidate
) -> None:
    release.situation, release.sent_to = situation, sent_to
    release.project = replace(release.project, rehearsed=rehearsed)
    release.environ = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}
    project = release.package.manifests.pyproject["project"]
    with_pyproject(release, project={**project, "classifiers": ["Private :: Do Not Upload"]})
    assert release.refusals() == (PRIVATE,) * refused


def test_credentials_are_needed_for_the_indexes_that_this_run_sends_to(
    release: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    release.environ = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    assert release.refusals() == ()
    release.sent_to = ("shelf",)
    (line,) = release.refusals()
    assert line.startswith("index shelf: no credentials; set CARTWHEEL_INDEX_SHELF_TOKEN")


WORKFLOW = """\
on: { push: { tags: ["v*"] } }
jobs:
  send:
    runs-on: ubuntu-latest
    steps:
      - run: twine upload --repository-url http://127.0.0.1:9/ dist/*
"""


@pytest.mark.parametrize(
    ("situation", "changes", "refused"),
    [
        (NEW_TAG, {}, True),
        (NEW_TAG, {"rehearsed": True}, False),
        (NEW_TAG, {"started_by": "v1.0"}, False),
        (TAGGED, {}, False),
        (NO_TAG, {}, False),
    ],
)
def test_another_workflow_that_publishes_refuses_a_new_tag(
    situation: Situation, changes: dict[str, object], refused: bool, own: Candidate
) -> None:
    (own.root / ".github" / "workflows").mkdir(parents=True)
    (own.root / ".github" / "workflows" / "old.yml").write_text(WORKFLOW, encoding="utf-8")
    own.situation, own.project = situation, replace(own.project, **changes)
    lines = own.refusals()
    assert len(lines) == 3 * refused
    if refused:
        assert lines[0] == "v1.0 would be published twice:"
        assert ".github/workflows/old.yml" in lines[1]
        assert lines[2] == "or, where that workflow is to release, say [tool.cartwheel.ci] own = true"


@pytest.mark.parametrize("situation", Situation)
def test_a_target_that_no_machine_builds_refuses_a_new_tag_once(situation: Situation, release: Candidate) -> None:
    release.situation = situation
    (wheel,) = release.package.wheels
    target = TARGETS["wasm32-unknown-emscripten"]
    with_package(release, wheels=(replace(wheel, target=target), wheel, replace(wheel, target=target, python="3.13")))
    lines = release.refusals()
    assert [line.partition(":")[0] for line in lines] == [target.triple] * (situation is NEW_TAG)


@pytest.mark.parametrize(
    ("situation", "sent_to", "refused"),
    [
        (NEW_TAG, (), True),
        (NO_TAG, (), False),
        (NO_TAG, ("shelf",), True),
        (TAGGED, ("shelf",), False),
    ],
)
def test_wheels_without_a_test_refuse_before_files_are_sent(
    situation: Situation, sent_to: tuple[str, ...], refused: bool, release: Candidate
) -> None:
    release.situation, release.sent_to = situation, sent_to
    release.environ = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}
    (wheel,) = release.package.wheels
    with_package(release, wheels=(replace(wheel, test=replace(wheel.test, skip="")),))
    lines = release.refusals()
    assert [line.partition(",")[0] for line in lines] == [f"gravel: no test command is known for {WHEEL}"] * refused


def last_release(*files: str) -> LastRelease:
    from cartwheel.destinations.simple_api import ListedFile

    rows = tuple(ListedFile(file=file, sha256="", url="", size=1) for file in files)
    return LastRelease(index="shelf", public=False, version="0.9", files=rows, project_size=0, read_at=0)


def change(*files: str) -> ReleaseChange:
    """The change from a release of these files to one of the pure wheel."""
    return ReleaseChange(package="gravel", version="1.0", last=last_release(*files), comparison=compare(files, [WHEEL]))


@pytest.mark.parametrize("situation", Situation)
def test_a_lost_file_refuses_a_new_tag(situation: Situation, release: Candidate) -> None:
    release.situation, release.changed = situation, change("gravel-0.9.tar.gz", "gravel-0.9-py3-none-any.whl")
    lines = release.refusals()
    assert lines[:2] == (
        ("gravel 1.0 loses 1 of the 2 files of 0.9 on shelf:", "  gravel-0.9.tar.gz") if situation is NEW_TAG else ()
    )


@pytest.mark.parametrize(
    ("error", "sent_to", "refused"),
    [
        (Unreadable("403\nForbidden", status=403, may_pass=False), ("shelf",), True),
        (Unreadable("403\nForbidden", status=403, may_pass=False), (), False),
        (Unreadable("503", status=503, may_pass=True), ("shelf",), False),
        (StepFailed("no page"), (), False),
    ],
    ids=str,
)
def test_an_index_that_will_not_be_readable_later_refuses_and_another_is_only_announced(
    error: StepFailed, sent_to: tuple[str, ...], refused: bool, release: Candidate
) -> None:
    release.changed, release.sent_to = error, sent_to
    release.environ = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}
    lines = release.refusals()
    if refused:
        assert lines == ("403", "Forbidden")
        assert release.announced == []
    else:
        assert release.announced == [f"not compared with the last release on shelf: {error}"]


@pytest.mark.parametrize(("situation", "counts"), [(NEW_TAG, True), (TAGGED, False), (NO_TAG, False)])
def test_a_lost_attestation_refuses_a_new_tag(
    situation: Situation, counts: bool, release: Candidate, shelf: Faulty
) -> None:
    document = b'{"attestation_bundles": [{"publisher": {"kind": "GitHub", "repository": "me/gravel"}}]}'
    shelf.looks = [status(200, body=document, Content_Type="application/json")]
    with_index(release, url=f"{shelf.base}/upload/", simple=f"{shelf.base}/simple/", attestations=True)
    release.changed, release.situation = change("gravel-0.9-py3-none-any.whl"), situation
    lines = release.refusals()
    shelf.looks.clear()
    assert [line.partition(",")[0] for line in lines] == ["shelf: the files of gravel 0.9 carry attestations"] * counts


def test_a_page_that_cannot_be_read_is_announced(release: Candidate, shelf: Faulty) -> None:
    shelf.looks = [status(500)]
    page = IndexSettings(url=f"{shelf.base}/api", repository="me/gravel")
    with_package(release, publish=("github",))
    release.project = replace(release.project, indexes={"github": page})
    assert release.refusals() == ()
    shelf.looks.clear()
    (line,) = release.announced
    assert line.startswith("not compared with the last release on github: ")


def unpublished(release: Candidate, index: Faulty) -> None:
    """The index does not hold the version, and a run only verifies."""
    release.situation, release.needs_tag, release.named = NO_TAG, False, ("verify",)
    with_index(release, url=f"{index.base}/upload/", simple=f"{index.base}/simple/")


NOT_THERE = "shelf has no file of gravel 1.0; publish it first: doit publish:shelf"


@pytest.mark.parametrize(
    ("named", "refused"),
    [
        (("verify",), True),
        (("build", "verify:shelf"), True),
        (("verify:shelf:gravel",), True),
        (("verify:other",), False),
        (("build",), False),
        ((), False),
    ],
    ids=str,
)
def test_a_version_that_is_not_published_is_not_verified(
    named: tuple[str, ...], refused: bool, release: Candidate, shelf: Faulty
) -> None:
    unpublished(release, shelf)
    release.named = named
    assert release.refusals() == (NOT_THERE,) * refused


def test_a_version_that_the_pipeline_publishes_is_awaited(own: Candidate, shelf: Faulty) -> None:
    unpublished(own, shelf)
    by_pipeline(own)
    assert own.refusals() == ("shelf has no file of gravel 1.0; the pipeline of v1.0 publishes it",)


def sent(release: Candidate, index: Faulty) -> None:
    release.sent_to = ("shelf",)
    release.environ = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"}


def builds_nothing(release: Candidate, index: Faulty) -> None:
    release.environ = {"CARTWHEEL_FROZEN": "1"}


def has_sent_from_here(release: Candidate, index: Faulty) -> None:
    path = release.root / ledger_path(release.package, "shelf")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")


def is_held(release: Candidate, index: Faulty) -> None:
    index.files = {WHEEL: b"held"}


def cannot_be_asked(release: Candidate, index: Faulty) -> None:
    with_index(release, simple=f"{index.base}/simple/")
    index.looks = [status(403)] * 9


@pytest.mark.parametrize(
    "because", [sent, builds_nothing, has_sent_from_here, is_held, cannot_be_asked], ids=lambda value: value.__name__
)
def test_a_version_that_may_be_published_is_verified(
    because: Callable[[Candidate, Faulty], None], own: Candidate
) -> None:
    with faulty() as index:
        unpublished(own, index)
        because(own, index)
        assert own.refusals() == ()
