"""Before a tag starts a pipeline: whether its publishing jobs have the secrets that they need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.ci import github_workflow, gitlab_pipeline, pipeline_secrets
from cartwheel.ci.pipeline_secrets import missing_secrets
from cartwheel.pipeline import read_project
from cartwheel.stand_ins.stub_server import StubRequest, served_address
from support.projects import Project, pure
from support.repositories import git

NAME = "CARTWHEEL_INDEX_GITHUB_TOKEN"
REPOSITORY, OF_ORGANIZATION, OF_ENVIRONMENT = (
    "actions/secrets", "actions/organization-secrets", "environments/github/secrets",
)  # fmt: skip
NONE: Mapping[str, object] = {REPOSITORY: (), OF_ORGANIZATION: (), OF_ENVIRONMENT: 404}


class Secrets(StubRequest):
    """GitHub's lists of secrets; a number is a status, a text the body."""

    def respond(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/repos/me/gravel/")
        answer = self.place.get(path, 404)
        if self.headers.get("Authorization") != "Bearer a-token":
            self.answer(401)
        elif isinstance(answer, int):
            self.tell(answer, {"message": "no"})
        elif isinstance(answer, str):
            self.answer(200, answer.encode())
        else:
            self.tell(200, {"total_count": len(answer), "secrets": [{"name": name} for name in answer]})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose pipeline sends the files to the page of another repository."""
    project = pure(tmp_path / "project")
    page = '[tool.cartwheel.release]\nfrom = "ci"\n[tool.cartwheel.index.github]\nrepository = "me/releases"\n'
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["github"]')
    project.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", f"{page}[tool.cartwheel.index.shelf]")
    project.write(".github/workflows/release.yml", f"# {github_workflow.HEAD[0]}\n")
    git(project.root, "remote", "add", "origin", "https://forge.example/me/gravel.git")
    return project


def missing(project: Project, environ: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    resolved = read_project(project.root, {})
    return missing_secrets(project.root, resolved, resolved.packages[0], environ, version="1")


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        (NONE, "missing"),
        ({**NONE, OF_ENVIRONMENT: ("OTHER",)}, "missing"),
        ({**NONE, OF_ENVIRONMENT: (NAME,)}, "set"),
        ({**NONE, REPOSITORY: ("X", NAME)}, "set"),
        ({**NONE, OF_ORGANIZATION: (NAME,)}, "set"),
        ({**NONE, REPOSITORY: 403}, "unknown"),
        ({**NONE, OF_ORGANIZATION: 500}, "unknown"),
        ({**NONE, OF_ENVIRONMENT: 403}, "unknown"),
        ({**NONE, REPOSITORY: 404}, "unknown"),
        ({**NONE, REPOSITORY: "<html>sign in</html>"}, "unknown"),
        ({**NONE, REPOSITORY: json.dumps({"secrets": None})}, "unknown"),
        ({**NONE, REPOSITORY: json.dumps([])}, "unknown"),
    ],
    ids=str,
)
def test_a_secret_that_github_does_not_list_is_missed_before_the_tag(
    project: Project, answers: Mapping[str, object], state: str
) -> None:
    with served_address(Secrets, answers) as address:
        job = {"GITHUB_API_URL": address, "GITHUB_SERVER_URL": "https://forge.example", "GITHUB_TOKEN": "a-token"}
        wrong, notes = missing(project, job)
    place = f"the secret {NAME} in the environment github"
    assert wrong == (
        (f"github: the job publish-github has no credentials; keep its token as {place}",) * (state == "missing")
    )
    unseen = f"the job publish-github needs {place}; whether it is set cannot be seen here"
    assert notes == ((unseen,) * (state == "unknown"))


def test_without_a_token_or_an_answer_the_secret_is_only_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_secrets, "SECONDS", 0.2)
    dead = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_SERVER_URL": "https://forge.example"}
    for environ in ({}, {**dead, "GITHUB_TOKEN": "a-token"}):
        wrong, notes = missing(project, environ)
        assert (wrong, len(notes)) == ((), 1)
    (project.root / ".github" / "workflows" / "release.yml").unlink()
    project.write(".gitlab-ci.yml", f"# {gitlab_pipeline.HEAD[0]}\n")
    assert "the masked variable CARTWHEEL_INDEX_GITHUB_TOKEN, of the environment github" in missing(project, {})[1][0]


def test_a_page_of_the_same_repository_needs_no_secret(project: Project) -> None:
    project.edit("pyproject.toml", '[tool.cartwheel.index.github]\nrepository = "me/releases"\n', "")
    assert missing(project, {}) == ((), ())
