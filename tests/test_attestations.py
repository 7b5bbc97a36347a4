"""Attestations (PEP 740): real signatures of a real Sigstore, what is refused, and what a release may not lose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from cartwheel.ci.jobs import PYTHON
from cartwheel.destinations import pypi_provenance
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_provenance import NextPublisher
from cartwheel.lost_provenance import provenance_losses
from cartwheel.model.config.config_checks import refuse_invalid_values
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.table import decode
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.provenance.attestations import Publisher, publishers, verify_attestations
from cartwheel.provenance.build_provenance import build_provenance
from cartwheel.stand_ins.github import LoopbackReleases
from support.attested_index import AttestedIndex
from support.indexes import sdist, sha256, wheel
from support.models import manifests, understood
from support.repositories import git, repository
from support.sigstore_lab import Issuer

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outcome of each scene."""
    return played(sys.executable, tmp_path_factory.mktemp("sigstore"))


def played(python: str, folder: Path, **more: str) -> dict[str, str]:
    """The outcome of each scene, played by this interpreter."""
    from support import sigstore_lab

    if why := sigstore_lab.lacking():
        pytest.skip(why)
    sigstore_lab.build()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ACTIONS_", "GITLAB"))}
    done = subprocess.run(
        ["unshare", "--net", python, "-m", "support.sigstore_scenes", str(folder)],
        cwd=HERE, env=env | more, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    document: dict[str, str] = json.loads(done.stdout)
    return document


SCENES = {
    "published_with_attestations": "ok: 2 sent; 2 files attested",
    "verified_from_the_index": "ok: 2 attestations verified: GitHub owner/demo release.yml in house",
    "of_another_repository": "expected a job of owner/else",
    "of_another_commit": f"from commit {'a' * 40}; expected {'b' * 40}",
    "without_attestations": "demo-1.1.tar.gz: house holds no attestation of it",
    "a_tampered_wheel": f"expected demo-1.0-py3-none-any.whl sha256 {'0' * 64}",
    "a_renamed_wheel": "expected demo-1.0-py2.py3-none-any.whl",
    "a_replay_on_another_version": "expected demo-1.1-py3-none-any.whl",
    "another_publisher": "expected owner/else release.yml",
    "another_workflow": "expected owner/demo else.yml",
    "an_edited_statement": "its attestation is refused",
    "a_foreign_log": "its attestation is refused",
    "a_foreign_certificate_log": "its attestation is refused",
    "a_foreign_authority": "its attestation is refused",
    "a_job_that_is_no_publisher": "it knows no publisher like this job",
    "an_attestation_of_another_job_is_refused_by_the_index": "Invalid attestations supplied during upload",
    "an_identity_that_another_key_signed": "Sigstore did not sign",
    "a_release_page_with_a_bundle_for_each_file": "ok: 4 bundles; 4 files on the release v1.0, each with the "
    "same bytes; 4 bundles verified | 4 files signed",
    "a_release_page_that_another_repository_signed": "its bundle was signed by",
    "a_bundle_proves_the_commit": f"ok: {'a' * 40}",
    "a_bundle_of_another_file": "expected demo-1.1-py3-none-any.whl",
    "a_bundle_of_other_bytes": f"expected demo-1.0-py3-none-any.whl sha256 {'0' * 64}",
    "a_bundle_of_a_foreign_authority": "its bundle is refused",
    "gitlab_gives_the_identity_in_a_variable": "ok: GitHub owner/demo release.yml",
}


@pytest.mark.lab
@pytest.mark.parametrize("scene", SCENES)
def test_a_real_sigstore_signs_what_is_published_and_everything_else_is_refused(
    outcomes: dict[str, str], scene: str
) -> None:
    assert SCENES[scene] in outcomes[scene]
    assert outcomes[scene].startswith("ok: ") == SCENES[scene].startswith("ok: ")


@pytest.mark.full(sample=0.0)
def test_the_packages_of_the_lock_alone_sign_publish_and_verify(tmp_path: Path) -> None:
    """As a job does: the lock with its hashes, then cartwheel without dependencies.  The servers need ruamel too."""
    import ruamel.yaml

    python = shutil.which(f"python{PYTHON}")
    if not python or subprocess.run([python, "--version"], capture_output=True).returncode:
        pytest.skip(f"needs python{PYTHON}")
    pip = [str(tmp_path / "locked/bin/python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    lock = ["--require-hashes", "--only-binary", ":all:", "--requirement", ".github/cartwheel-publish.txt"]
    subprocess.run([python, "-m", "venv", str(tmp_path / "locked")], check=True)
    subprocess.run([*pip, *lock], cwd=HERE.parent, check=True)
    subprocess.run([*pip, "--no-build-isolation", "--editable", "."], cwd=HERE.parent, check=True)
    (tmp_path / "besides").mkdir()
    (tmp_path / "besides/ruamel").symlink_to(Path(ruamel.yaml.__file__).parents[1])
    result = played(pip[0], tmp_path, PYTHONPATH=str(tmp_path / "besides"))
    assert {name for name, text in SCENES.items() if text not in result[name]} == set()


# Configuration -----------------------------------------------------------------------------------------------------

URL = "https://index.example/"


def index(**keys: object) -> Index:
    settings = IndexSettings(url=URL, simple=URL, **keys)  # type: ignore[arg-type]
    return resolve("house", {"house": settings})


@pytest.mark.parametrize(
    "keys", [{"attestations": False}, {"unattested": "no identities"}, {"attestations": True, "unattested": "x"}]
)
def test_attestations_are_switched_off_only_with_a_reason(keys: dict[str, object]) -> None:
    for name in ("house", "github"):
        with pytest.raises(ConfigError, match="attestations = false and its reason belong together"):
            refuse_invalid_values(decode(Settings, {"index": {name: keys}}, where="x"), "x")


def test_public_indexes_get_attestations_by_default_and_others_where_they_ask_for_them() -> None:
    assert pypi_provenance.is_attested(resolve("pypi", {}))
    assert not pypi_provenance.is_attested(index())
    assert pypi_provenance.is_attested(index(attestations=True))
    assert not pypi_provenance.is_attested(index(attestations=False, unattested="no identities"))


def test_attestations_without_trusted_publishing_are_refused_before_the_first_byte() -> None:
    (line,) = pypi_provenance.refusals(index(attestations=True), trusted=False)
    assert "attestations need trusted publishing" in line
    assert pypi_provenance.refusals(resolve("pypi", {}), trusted=False) == ()


# Never less --------------------------------------------------------------------------------------------------------

LAST = (Publisher(kind="GitHub", repository="owner/demo", workflow="release.yml"),)


def lost(
    index: Index,
    *,
    trusted: bool = True,
    repository: str = "owner/demo",
    pipelines: dict[str, str] | None = None,
) -> tuple[str, ...]:
    by = NextPublisher(trusted=trusted, repository=repository, pipelines=pipelines or {})
    return pypi_provenance.losses(index, LAST, "1.0", by)


def test_a_release_that_proves_as_much_as_the_last_one_passes() -> None:
    assert lost(index(attestations=True)) == ()
    assert lost(index(attestations=True), repository="Owner/Demo") == ()
    assert pypi_provenance.losses(index(), (), "1.0", NextPublisher(trusted=False)) == ()
    both = {"github": ".github/workflows/release.yml", "gitlab": ".gitlab-ci.yml"}
    assert lost(index(attestations=True), pipelines=both) == ()


def test_a_release_without_attestations_after_one_with_them_is_refused_unless_told_why() -> None:
    assert "those of this release would carry none" in lost(index(attestations=True), trusted=False)[0]
    assert "those of this release would carry none" in lost(index())[0]
    assert lost(index(attestations=False, unattested="no identities"), trusted=False) == ()


def test_another_publisher_than_the_last_one_is_refused_unless_told_why() -> None:
    (line,) = lost(index(attestations=True), repository="fork/demo")
    assert "1.0 was published by GitHub owner/demo release.yml, and this is fork/demo" in line
    assert lost(index(attestations=True, publisher_changed="moved"), repository="fork/demo") == ()


@pytest.mark.parametrize(
    ("pipelines", "shown"),
    [
        ({"github": ".github/workflows/publish.yml"}, "this is owner/demo .github/workflows/publish.yml"),
        ({"gitlab": ".gitlab-ci.yml"}, "this is owner/demo .gitlab-ci.yml"),
        ({"github": ".github/workflows/prerelease.yml"}, "this is owner/demo .github/workflows/prerelease.yml"),
    ],
)
def test_another_pipeline_than_the_last_one_is_another_publisher(pipelines: dict[str, str], shown: str) -> None:
    (line,) = lost(index(attestations=True), pipelines=pipelines)
    assert shown in line
    assert lost(index(attestations=True, publisher_changed="new file"), pipelines=pipelines) == ()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that belongs to owner/demo, by its remote."""
    root = repository(tmp_path / "project")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "first")
    git(root, "remote", "add", "origin", "https://forge.example/owner/demo.git")
    return root


def losses(root: Path, publish: str, table: dict[str, object], *, here: bool = False) -> str:
    """What `ready` and the pipeline find that a release to one destination loses, with what they announce."""
    project = understood(manifests({"publish": [publish], "index": {publish: table}}))
    announced: list[str] = []
    lost = provenance_losses(project, project.packages[0], None, root, {}, announced.append, [publish] if here else [])
    return "\n".join((*lost, *announced))


@pytest.mark.parametrize(
    ("auth", "owner", "here", "expected"),
    [
        ("trusted", "owner/demo", False, ""),
        ("trusted", "owner/demo", True, ""),
        ("token", "owner/demo", False, "those of this release would carry none"),
        ("trusted", "owner/other", False, "this is owner/demo"),
    ],
)
def test_ready_and_the_pipeline_ask_the_index_what_the_last_release_proved(
    tmp_path: Path, root: Path, auth: str, owner: str, here: bool, expected: str
) -> None:
    with AttestedIndex(tmp_path / "shelf", Issuer(), tmp_path, repository=owner) as shelf:
        shelf.documents[wheel(shelf.folder, "demo-1.0-py3-none-any.whl").name] = shelf.document([])
        table = {"url": shelf.url, "simple": shelf.simple, "auth": auth, "attestations": True}
        lost = losses(root, "house", table, here=here)
    assert expected in lost
    assert bool(lost) == bool(expected)


def bundle(repository: str, workflow: str = "release.yml") -> bytes:
    """What a Sigstore bundle of a release page states; nothing verifies it."""
    claims = {
        "iss": "https://token.actions.githubusercontent.com", "repository": repository,
        "workflow_ref": f"{repository}/.github/workflows/{workflow}@refs/tags/v1.0",
    }  # fmt: skip
    statement = json.dumps({"predicate": build_provenance(claims)}).encode()
    return json.dumps({"dsseEnvelope": {"payload": b64encode(statement).decode()}}).encode()


@pytest.mark.parametrize(
    ("content", "table", "here", "expected"),
    [
        (bundle("owner/demo"), {"attestations": True}, False, ""),
        (bundle("owner/demo"), {"attestations": True}, True, "those of this release would have none"),
        (bundle("owner/demo"), {}, False, "those of this release would have none"),  # a server of one's own
        (bundle("owner/demo"), {"attestations": False, "unattested": "why"}, False, ""),
        (bundle("old/demo"), {"attestations": True}, False, "published by GitHub old/demo .github/workflows/release"),
        (bundle("old/demo"), {"attestations": True, "publisher-changed": "moved"}, False, ""),
        (b"<html>", {"attestations": True}, False, ""),
    ],
)
def test_ready_and_the_pipeline_ask_the_last_release_page_for_its_bundles(
    root: Path, content: bytes, table: dict[str, object], here: bool, expected: str
) -> None:
    shelf = LoopbackReleases(dict)
    with shelf.open():
        for tag, name in (("v0.9", "demo"), ("v1.0", "demo.sigstore.json"), ("v1.3.0", "demo"), ("nightly", "x")):
            shelf.attach(shelf.add(tag_name=tag)["id"], name, content)
        shelf.add(tag_name="v1.1", draft=True)
        lost = losses(root, "github", {**shelf.settings, **table}, here=here)
        assert expected in lost
        assert bool(lost) == bool(expected)
        shelf.add(tag_name="v1.1")
        assert losses(root, "github", {**shelf.settings, **table}, here=here) == ""


def test_a_release_page_that_cannot_be_read_is_announced(root: Path) -> None:
    table = {"url": "http://127.0.0.1:9", "repository": "owner/demo", "attestations": True}
    assert "not compared with the last release on github: " in losses(root, "github", table)


def test_publishers_are_read_as_the_index_states_them() -> None:
    rows = [
        {"kind": "GitHub", "repository": "a/b", "workflow": "release.yml", "environment": "pypi"},
        {"kind": "GitLab", "repository": "a/b/c", "workflow_filepath": ".gitlab-ci.yml"},
        {"kind": "Google", "email": "me@example.org"},
    ]
    document = {"attestation_bundles": [{"publisher": row, "attestations": []} for row in rows]}
    assert [str(row) for row in publishers(document)] == [
        "GitHub a/b release.yml in pypi", "GitLab a/b/c .gitlab-ci.yml", "Google me@example.org",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "bundles", [None, 1, "x", [1], [None], [{}], [{"publisher": "x"}], [{"publisher": {}, "attestations": 1}]]
)
def test_a_damaged_provenance_document_is_refused_in_words(bundles: object) -> None:
    document = {"attestation_bundles": bundles}
    for read in (publishers, lambda value: verify_attestations(value, "demo-1.0.tar.gz", "0" * 64)):
        with pytest.raises(StepFailed, match="the index's provenance document is damaged: "):
            read(document)


def test_what_an_index_says_of_a_publisher_cannot_control_a_terminal() -> None:
    document = {"attestation_bundles": [{"publisher": {"kind": "GitHub", "repository": "a/b\x1b[31m"}}]}
    assert "\x1b" not in str(publishers(document)[0])


def test_status_shows_the_stated_origin_of_each_file(tmp_path: Path) -> None:
    from cartwheel.commands.status import ReleaseStatus, TagStatus, as_text
    from cartwheel.destinations.pypi import PypiDestination

    with AttestedIndex(tmp_path / "shelf", Issuer(), tmp_path) as shelf:
        files = [wheel(shelf.folder, "demo-1.0-py3-none-any.whl"), sdist(shelf.folder)]
        settings = IndexSettings(url=shelf.url, simple=shelf.simple, auth="trusted", attestations=True)
        destination = resolve("house", {"house": settings})
        digests = {path.name: sha256(path.read_bytes()) for path in files}

        def shown() -> str:
            status = PypiDestination(destination, "demo", "1.0", environ={}, say=print).status(digests)
            tag = TagStatus(name="v1.0")
            return as_text([ReleaseStatus(package="demo", version="1.0", head="a" * 40, tag=tag, indexes=(status,))])

        assert "demo" not in shown().splitlines()[-1]
        shelf.documents[files[0].name] = shelf.document([])
        lines = [line.strip() for line in shown().splitlines()]
        assert f"{files[0].name}: GitHub owner/demo release.yml in house" in lines
        assert f"{files[1].name}: no provenance" in lines
        shelf.documents[files[1].name] = shelf.document([])
        assert shown().splitlines()[-1].strip() == "each file: GitHub owner/demo release.yml in house"
