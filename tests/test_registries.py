"""Registries' answers to an upload, as documented and as reported: a table of outcomes, none misread."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from cartwheel.model.errors import CartwheelError
from support import deliveries
from support.indexes import Post, Step, faulty, sha256, status, wheel

SECRET = "glpat-7Hq2mZ-s3cr3t-of-the-feed"


@dataclass(frozen=True)
class Row:
    """One answer of one registry."""

    registry: str
    case: str
    code: int
    body: str = ""
    phrase: str = ""
    kind: str = "text/plain"
    location: str = ""
    file: str = ""
    """The registry's file: the `same` bytes, `other` bytes, or no file."""
    outcome: str = "refused"
    """`sent`, `there`, `conflict` or `refused`."""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.registry}: {self.case}"


ROWS = (
    # New files
    Row("PyPI", "new", 200, file="same", outcome="sent"),
    Row("devpi", "new", 200, "submit ok", file="same", outcome="sent"),
    Row("Azure Artifacts", "new", 202, file="same", outcome="sent"),
    Row("GitLab", "new", 201, '{"message":"201 Created"}', kind="application/json", file="same", outcome="sent"),
    Row("Nexus", "new", 200, file="same", outcome="sent"),
    Row("Artifactory", "new", 200, file="same", outcome="sent"),
    Row("CodeArtifact", "new", 200, file="same", outcome="sent"),
    Row("Cloudsmith", "new", 201, file="same", outcome="sent"),
    Row("Gitea", "new", 201, file="same", outcome="sent"),
    # The same bytes are there: after a lost answer, or from another run
    Row("pypiserver", "same", 409, "Package 'demo-1.0' already exists!", file="same", outcome="there"),
    Row("devpi", "same", 409, "demo-1.0-py3-none-any.whl already exists in non-volatile index", file="same",
        outcome="there"),
    Row("Azure Artifacts", "same", 409, "The feed already contains file 'demo-1.0-py3-none-any.whl' in package "
        "'demo 1.0'.", file="same", outcome="there"),
    Row("GitLab", "same", 400, '{"message":"Validation failed: File name has already been taken"}',
        kind="application/json", file="same", outcome="there"),
    Row("Nexus", "same", 400, "Repository does not allow updating assets: pypi-hosted", file="same", outcome="there"),
    Row("Artifactory", "same", 403, "Not enough permissions to overwrite artifact "
        "'pypi-local:demo/1.0/demo-1.0-py3-none-any.whl' (user 'ci' needs DELETE permission).", file="same",
        outcome="there"),
    Row("CodeArtifact", "same", 409, "ConflictException: asset already published", file="same", outcome="there"),
    Row("Cloudsmith", "same", 422, "This package duplicates the attributes of another package", file="same",
        outcome="there"),
    Row("Gitea", "same", 409, "package file already exists", file="same", outcome="there"),
    Row("Google", "same", 400, "The uploaded file already exists", file="same", outcome="there"),
    Row("PyPI", "same, forbidden word", 400, "File already exists", "File already exists", file="same",
        outcome="there"),
    # Other bytes are there
    *(Row(name, "other bytes", code, body, file="other", outcome="conflict") for name, code, body in (
        ("pypiserver", 409, "already exists"), ("devpi", 409, "already exists in non-volatile index"),
        ("Azure Artifacts", 409, "The feed already contains file"), ("GitLab", 400, "has already been taken"),
        ("Nexus", 400, "Repository does not allow updating assets: pypi-hosted"),
        ("Artifactory", 403, "Not enough permissions to overwrite artifact"),
        ("CodeArtifact", 409, "ConflictException"), ("Cloudsmith", 422, "duplicates the attributes"),
        ("Gitea", 409, "package file already exists"), ("PyPI", 400, "File already exists"),
    )),
    # The project, the repository or the feed is missing
    Row("PyPI", "missing project", 400, "The project 'demo' doesn't exist", message="create the project"),
    Row("GitLab", "missing project", 404, '{"message":"404 Project Not Found"}', kind="application/json",
        message="takes no files at"),
    Row("Nexus", "missing repository", 404, "Repository not found", message="takes no files at"),
    Row("Azure Artifacts", "missing feed", 404, "The feed with ID 'x' doesn't exist.", message="create the project"),
    Row("CodeArtifact", "missing repository", 404, "ResourceNotFoundException: Repository does not exist",
        message="create the project"),
    Row("Artifactory", "missing repository", 404, "Could not locate repository 'pypi-x'", message="takes no files at"),
    Row("devpi", "missing index", 404, "no such stage", message="takes no files at"),
    # Rights that are missing
    *(Row(name, "missing rights", code, body, message="does not accept the credentials") for name, code, body in (
        ("devpi", 403, "no permission to submit"), ("pypiserver", 403, "Forbidden"),
        ("Azure Artifacts", 403, "User lacks permission to complete this action. You need to have 'AddPackage'."),
        ("GitLab", 403, '{"message":"403 Forbidden"}'), ("GitLab", 401, '{"message":"401 Unauthorized"}'),
        ("Nexus", 401, ""), ("Nexus", 403, "Access denied"), ("Artifactory", 401, '{"errors":[{"status":401}]}'),
        ("CodeArtifact", 401, "Unauthenticated: Unable to authenticate request"),
        ("Cloudsmith", 403, "You do not have permission"), ("Gitea", 401, "reqPackageAccess"),
    )),
    Row("PyPI", "missing rights", 403, "The user 'me' isn't allowed to upload to project 'demo'.",
        message="may not upload to this project"),
    # Pages to sign in, proxies
    Row("Azure Artifacts", "a page to sign in", 203, "<html><body><form>Sign in</form></body></html>",
        kind="text/html; charset=utf-8", message="a page for people"),
    Row("a proxy", "a page to sign in", 200, "<!DOCTYPE html><html><body>Log in</body></html>", kind="text/html",
        message="a page for people"),
    Row("a proxy", "a page, and the file is there", 200, "<html><body>ok</body></html>", kind="text/html", file="same",
        outcome="there"),
    *(Row("a proxy", f"sent on by {code}", code, location="https://elsewhere.example/upload", message="redirects to")
      for code in (301, 302, 303, 307, 308)),
    # Limits
    Row("PyPI", "too large", 413, "Payload Too Large", message="too large"),
    Row("Cloudsmith", "quota", 402, "Payment Required: storage limit", message="refuses it"),
    Row("Gitea", "disabled", 404, "packages are disabled", message="takes no files at"),
)  # fmt: skip


def answer(row: Row) -> Step:
    """The registry's answer, which also echoes the credentials."""

    def step(post: Post) -> None:
        if row.file:
            post.faulty.keep(post.file, post.data if row.file == "same" else b"other")
        headers = {"Content-Type": row.kind, **({"Location": row.location} if row.location else {})}
        echo = f" ({post.headers.get('Authorization', '')})" if row.outcome == "refused" and row.body else ""
        post.answer(row.code, row.phrase, body=(row.body + echo).encode(), headers=headers)

    return step


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_no_answer_of_a_registry_is_misread(row: Row, tmp_path: Path) -> None:
    path, output = wheel(tmp_path / "dist"), []
    ledger = tmp_path / "ledger.json"
    with faulty(always=answer(row)) as state:
        try:
            deliveries.send(
                state.index, "demo", "1.0", [path], ledger=ledger, environ={"CARTWHEEL_INDEX_FAULTY_TOKEN": SECRET},
                say=output.append, wait=lambda seconds: None,
            )  # fmt: skip
            refused = ""
        except CartwheelError as error:
            refused = str(error)
        posts = len(state.posts)
    state_of_file = json.loads(ledger.read_bytes())["files"][path.name]["state"]
    expected = {"sent": "sent", "there": "there", "conflict": "refused", "refused": "refused"}[row.outcome]
    assert (bool(refused), posts) == (row.outcome in ("conflict", "refused"), 1)
    assert state_of_file == expected or (row.code in (200, 203) and state_of_file == "unknown")
    if row.outcome == "conflict":
        assert f"theirs {sha256(b'other')}" in refused
    assert row.message in refused
    assert SECRET not in refused + "".join(output) + ledger.read_text()


SIGN_IN = b"""<!DOCTYPE html><html><head><title>Sign in</title></head><body>
<form action="/login" method="post"><a href="/forgot">Forgot?</a></form></body></html>"""

PAGES = (
    ("a page to sign in", status(200, body=SIGN_IN, Content_Type="text/html"), "a web page without any link to a file"),
    ("the same by 203", status(203, body=SIGN_IN, Content_Type="text/html"), "it answers 203"),
    ("JSON of something else", status(200, body=b'{"error": "login"}', Content_Type="application/json"), "cannot be"),
    ("a redirect to sign in", status(302, Location="https://login.example/authorize?x=1"), "sends readers on to"),
    ("no rights", status(403), "look whether these credentials may read"),
    ("nobody", status(401), "in ~/.netrc or the keyring"),
    ("a proxy that wants a password", status(407), "cannot be read"),
)


@pytest.mark.parametrize(("name", "page", "output"), PAGES, ids=[row[0] for row in PAGES])
def test_a_page_that_is_no_index_is_unreadable_and_never_an_empty_project(
    name: str, page: Step, output: str, tmp_path: Path
) -> None:
    path = wheel(tmp_path / "dist")
    with faulty(looks=[page] * 9) as state:
        with pytest.raises(CartwheelError, match=output):
            deliveries.send(
                state.index, "demo", "1.0", [path], ledger=tmp_path / "ledger.json",
                environ={"TWINE_PASSWORD": SECRET}, say=lambda line: None, wait=lambda seconds: None,
            )  # fmt: skip
        assert state.posts == []
    with faulty(looks=[page] * 9) as state:
        waited: list[float] = []
        lines = deliveries.wait_until_listed(
            state.index, "demo", "1.0", {path.name: "0" * 64}, say=lambda line: None, sleep=waited.append
        )
        assert output in "".join(lines)
        assert waited == [], "waiting does not help"


@pytest.mark.parametrize(
    "page",
    [
        b'<html><head><meta name="pypi:repository-version" content="1.0"></head><body></body></html>',
        b"<!DOCTYPE html><html><head><title>Links for demo</title></head><body><h1>Links for demo</h1></body></html>",
        b'<html><body><a href="/x/demo-0.1.tar.gz#sha256=00">demo-0.1.tar.gz</a></body></html>',
    ],
)
def test_an_index_without_this_version_is_read(page: bytes) -> None:
    from cartwheel.destinations.pypi_reader import digests_on_index

    with faulty(looks=[status(200, body=page, Content_Type="text/html")]) as state:
        assert digests_on_index(state.index, "demo", "1.0", environ={}) == {}


def test_every_kind_of_answer_is_in_the_table() -> None:
    kinds = {(row.registry, row.case) for row in ROWS}
    for registry in ("Azure Artifacts", "GitLab", "Nexus", "Artifactory", "CodeArtifact", "Cloudsmith", "Gitea"):
        for case in ("new", "same", "other bytes", "missing rights"):
            assert (registry, case) in kinds
