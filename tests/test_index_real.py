"""Real servers, and files that PyPI did take: devpi, pypiserver with passwords, and well-known projects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cartwheel.checks.index_rules import findings
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_install import install_commands, installer_environment, requirement
from cartwheel.destinations.pypi_reader import digests_on_index
from cartwheel.model.errors import CartwheelError
from support import deliveries as delivery
from support import index_servers
from support.deliveries import wait_until_listed
from support.index_servers import WORD, scripts, uv
from support.indexes import sdist, sha256, wheel

pytestmark = pytest.mark.lab

NAMES = ("demo-1.0-cp311-abi3-macosx_11_0_arm64.whl", "demo-1.0-cp311-abi3-win_amd64.whl", "demo-1.0-py3-none-any.whl")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with both servers."""
    return index_servers.server_environment(tmp_path_factory.mktemp("servers") / "env")


@pytest.fixture(scope="module")
def devpi(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """A stage of devpi that `me` may upload to."""
    with index_servers.devpi(servers, tmp_path_factory.mktemp("devpi")) as base:
        yield Index(name="stage", url=f"{base}/me/stage/", simple=f"{base}/me/stage/+simple/")


@pytest.fixture(scope="module")
def shelf(servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """A pypiserver that `me` may upload to."""
    with index_servers.pypiserver(servers, tmp_path_factory.mktemp("shelf") / "s", protect="update") as base:
        yield Index(name="stage", url=f"{base}/", simple=f"{base}/simple/")


@pytest.fixture(params=["devpi", "shelf"])
def index(request: pytest.FixtureRequest) -> Index:
    index: Index = request.getfixturevalue(request.param)
    return index


def files(folder: Path, name: str, *, mine: str = "") -> tuple[Path, ...]:
    """A release of that name, in the order in which it is sent."""
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nSummary: a demonstration\n"
    paths = [
        wheel(folder, file.replace("demo", name), metadata=metadata, files={f"{name}/which.txt": file + mine})
        for file in NAMES
    ]
    return (*paths, sdist(folder, f"{name}-1.0.tar.gz", metadata=metadata))


GOOD = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": WORD}


def publish(
    index: Index, release: tuple[Path, ...], ledger: Path, environ: Mapping[str, str] = GOOD
) -> tuple[tuple[str, ...], str]:
    """The files sent, and the refusal."""
    name = release[0].name.split("-")[0]
    try:
        return delivery.send(
            index, name, "1.0", release, ledger=ledger, environ=environ, say=print, wait=lambda seconds: None
        ), ""
    except CartwheelError as error:
        return (), str(error)


def test_a_real_index_takes_a_release_once_and_shows_it(index: Index, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", "once")
    digests = {path.name: sha256(path.read_bytes()) for path in release}
    assert publish(index, release, tmp_path / "ledger") == (tuple(digests), "")
    assert digests_on_index(index, "once", "1.0") == digests
    assert publish(index, release, tmp_path / "ledger") == ((), "")
    assert publish(index, release, tmp_path / "no ledger") == ((), "")
    assert wait_until_listed(index, "once", "1.0", digests, deadline=60, say=print) == ()


def test_a_real_index_s_bytes_are_never_replaced(index: Index, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", "kept")
    publish(index, release, tmp_path / "ledger")
    before = digests_on_index(index, "kept", "1.0")
    sent, refused = publish(index, files(tmp_path / "other", "kept", mine="!"), tmp_path / "other ledger")
    assert sent == ()
    assert "nothing was sent" in refused
    assert before[release[0].name] in refused
    assert digests_on_index(index, "kept", "1.0") == before


def test_half_a_release_on_a_real_index_is_completed(index: Index, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", "half")
    publish(index, release[:2], tmp_path / "ledger")
    assert publish(index, release, tmp_path / "no ledger") == (tuple(path.name for path in release[2:]), "")
    assert len(digests_on_index(index, "half", "1.0")) == 4


def test_a_wrong_password_is_refused_and_not_shown(index: Index, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", "shut")
    _, refused = publish(index, release, tmp_path / "ledger", {**GOOD, "TWINE_PASSWORD": "wr0ng-one"})
    assert "does not accept the credentials" in refused
    assert "wr0ng-one" not in refused + (tmp_path / "ledger").read_text()
    assert digests_on_index(index, "shut", "1.0") == {}
    assert len(publish(index, release, tmp_path / "ledger")[0]) == 4


KILLED = f"""
import json, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
"""
KILLED += """
from pathlib import Path
from support import deliveries as delivery
from cartwheel.destinations.pypi_index import Index
index, ledger, upload, *files = sys.argv[1:]
sent = []
def say(line):
    sent.append(line)
    if len(sent) == int(upload):
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
delivery.send(Index(**json.loads(index)), "dead" + upload, "1.0", [Path(f) for f in files], ledger=Path(ledger),
              environ={"TWINE_USERNAME": "me", "TWINE_PASSWORD": "word of the house"}, say=say)
"""


@pytest.mark.parametrize("upload", [1, 2, 3])
def test_a_killed_run_against_a_real_index_is_completed(index: Index, upload: int, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", f"dead{upload}")
    ledger = tmp_path / "ledger"
    where = json.dumps({"name": index.name, "url": index.url, "simple": index.simple})
    argv = [sys.executable, "-c", KILLED, where, str(ledger), str(upload), *map(str, release)]
    assert subprocess.run(argv, capture_output=True).returncode not in (0, 1)
    assert len(digests_on_index(index, f"dead{upload}", "1.0")) == upload
    assert publish(index, release, ledger) == (tuple(path.name for path in release[upload:]), "")
    assert len(digests_on_index(index, f"dead{upload}", "1.0")) == 4


def test_what_is_on_a_real_index_installs_from_there_alone(index: Index, tmp_path: Path) -> None:
    release = files(tmp_path / "dist", "used")
    publish(index, release, tmp_path / "ledger")
    digests = {path.name: sha256(path.read_bytes()) for path in release}
    uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "env"))
    python = scripts(tmp_path / "env") / "python"
    pinned = tmp_path / "pinned.txt"
    pinned.write_text(requirement("used", "1.0", digests))
    alone, _ = install_commands((sys.executable, "-m", "uv"), python, index, "used", "1.0", requirements=pinned)
    done = subprocess.run(alone, env=installer_environment(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([python, "-c", "import used; assert used.VALUE == 1"]).returncode == 0


# What PyPI took ------------------------------------------------------------------------------------------------------

TAKEN = {
    ("--platform", "manylinux2014_x86_64", "--python-version", "3.12", "--only-binary", ":all:"):
        "orjson rpds-py cryptography bcrypt nh3 pydantic-core msgspec cffi",
    ("--platform", "macosx_11_0_arm64", "--python-version", "3.13", "--only-binary", ":all:"):
        "watchfiles multidict yarl blake3 ormsgpack markupsafe regex",
    ("--platform", "win_amd64", "--python-version", "3.13", "--only-binary", ":all:"):
        "pyyaml greenlet coverage ujson frozenlist kiwisolver",
    ("--platform", "musllinux_1_2_aarch64", "--python-version", "3.12", "--only-binary", ":all:"):
        "markupsafe multidict yarl frozenlist",
    ("--only-binary", ":all:"): "six click attrs requests urllib3 pluggy jinja2 certifi zipp",
    ("--no-binary", ":all:", "--no-build-isolation"):
        "idna packaging tomli typing-extensions wheel click six jinja2 certifi",
}  # fmt: skip
"""Well-known projects by how pip is asked for them."""


@pytest.fixture(scope="module")
def fetcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip, and with what those source distributions are built by."""
    folder = tmp_path_factory.mktemp("fetch") / "env"
    uv("venv", "--quiet", "--seed", "--python", sys.executable, str(folder))
    uv("pip", "install", "--quiet", "--python", str(folder), "setuptools", "flit-core", "hatchling")
    return scripts(folder) / "python"


def test_nothing_that_pypi_took_is_refused(fetcher: Path, tmp_path: Path) -> None:
    paths: list[Path] = []
    for number, (how, names) in enumerate(TAKEN.items()):
        folder = tmp_path / str(number)
        argv = [fetcher, "-m", "pip", "download", "--quiet", "--no-deps", *how, "--dest", folder, *names.split()]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        paths += folder.iterdir()
    assert paths
    assert [str(finding) for path in paths for finding in findings([path])] == []
