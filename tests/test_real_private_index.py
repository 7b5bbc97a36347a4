"""A whole release to real indexes that nobody reads or writes without a user name and a password."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import digests_on_index
from support import index_servers
from support.index_servers import USER, WORD
from support.projects import Project, committed, pure
from support.repositories import git

pytestmark = pytest.mark.lab

SERVERS = {"devpi": index_servers.private_devpi, "pypiserver": index_servers.private_pypiserver}
FILES = ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return index_servers.server_environment(tmp_path_factory.mktemp("servers") / "env")


@pytest.fixture(params=SERVERS)
def index(request: pytest.FixtureRequest, programs: Path, tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "server").mkdir()
    with SERVERS[request.param](programs, tmp_path / "server") as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    """A committed project that publishes to the index, with a test, on its bare remote."""
    project = pure(tmp_path / "project")
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["house"]')
    project.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", "[tool.cartwheel.index.house]")
    table = f'url = "{index.url}"\nsimple = "{index.simple}"\nuser = "{index.user}"'
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', table)
    project.edit(
        "pyproject.toml", 'test = { skip = "nothing to test" }', 'test = { command = ["pytest", "{package}/tests"] }'
    )
    project.write("tests/test_gravel.py", "import gravel\n\ndef test_it():\n    assert gravel.__doc__\n")
    committed(project)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def places(tmp_path: Path) -> dict[str, dict[str, str]]:
    """An environment for each place that may hold the user name and the password."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f'machine 127.0.0.1 login {USER} password "{WORD}"\n')
    netrc.chmod(0o600)
    own = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    token = {"CARTWHEEL_INDEX_HOUSE_TOKEN": WORD}
    return {
        "token": own | token,
        "twine": own | {"TWINE_USERNAME": USER, "TWINE_PASSWORD": WORD},
        "netrc": own | {"NETRC": str(netrc)} | token,
    }


def test_every_stage_of_a_release_uses_the_user_name_and_the_password(
    project: Project, index: Index, tmp_path: Path
) -> None:
    env = places(tmp_path)
    output = project.doit("ready", env=env["token"])
    assert "could not be read" not in output, output
    output = project.doit("release", env=env["token"])
    assert "installed from house" in output
    assert "1 test passed" in output
    assert sorted(digests_on_index(index, "gravel", "1.0", environ=env["token"])) == FILES
    for place in ("twine", "netrc"):
        again = project.doit("publish", "verify", env=env[place])
        assert "on house already, with the same bytes" in again
        assert "installed from house" in again
        output += again
    output += project.doit("status", env=env["twine"])
    assert WORD not in output
    state = (path for path in (project.root / ".cartwheel").rglob("*") if path.is_file())
    assert [path for path in state if WORD.encode() in path.read_bytes()] == []


def test_without_or_with_a_wrong_password_each_stage_ends_at_once_and_says_what_to_set(
    project: Project, index: Index, tmp_path: Path
) -> None:
    nobody = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "NETRC": os.devnull}
    output = project.doit("release", env=nobody, code=1)
    assert "index house: no credentials; set CARTWHEEL_INDEX_HOUSE_TOKEN" in output
    assert not (project.root / "dist").exists(), "said before anything is built"
    wrong = nobody | {"CARTWHEEL_INDEX_HOUSE_TOKEN": "another word"}
    output = project.doit("release", env=wrong, code=1)
    assert "look whether these credentials may read there" in output
    assert "another word" not in output
    assert (git(project.root, "tag"), (project.root / "dist").exists()) == ("", False), "said before anything is built"
    project.doit("release", env=places(tmp_path)["token"])
    output = project.doit("verify", env=wrong, code=1)
    assert "look whether these credentials may read there" in output
    assert digests_on_index(index, "gravel", "1.0", environ=places(tmp_path)["token"]).keys() == set(FILES)


def test_a_rehearsal_needs_no_credentials_and_sends_nothing_there(
    project: Project, index: Index, tmp_path: Path
) -> None:
    asked = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
    away = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "UV_CACHE_DIR": asked.stdout.strip()}
    output = project.doit("rehearse", env=places(tmp_path)["token"] | away)
    assert "nothing left this machine" in output
    assert WORD not in output
    assert digests_on_index(index, "gravel", "1.0", environ=places(tmp_path)["token"]) == {}
