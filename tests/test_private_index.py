"""A private index is read, sent to and installed from with a user name and password, wherever they are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.destinations.credentials import reading_credentials
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_install import (
    install_commands,
    install_when_visible,
    installer_environment,
    requirement,
)
from cartwheel.destinations.pypi_reader import Unreadable, digests_on_index, download_digest, listing
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.process import run
from cartwheel.process.environment import tool_environment
from cartwheel.process.step_log import StepLog
from cartwheel.stand_ins.pypi import LoopbackIndex
from support import deliveries
from support.indexes import sdist, sha256, wheel

WORD = "pass word-of-the-house"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("NETRC", "TWINE_PASSWORD", "TWINE_USERNAME"):
        monkeypatch.delenv(name, raising=False)


def private(loopback: LoopbackIndex, user: str = "") -> Index:
    """The index as the configuration has it."""
    return Index(name="house", url=loopback.url, simple=loopback.simple, user=user)


def environ_of(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment with the credentials in that place."""
    if where == "variable":
        return {"CARTWHEEL_INDEX_HOUSE_TOKEN": WORD}
    if where == "twine":
        return {"TWINE_USERNAME": "me", "TWINE_PASSWORD": WORD}
    text = f'machine 127.0.0.1 login me password "{WORD}"\n'
    path = tmp_path / ("secret-netrc" if where == "NETRC" else "home/.netrc")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    if where == "NETRC":
        monkeypatch.setenv("NETRC", str(path))
    return {}


PLACES = ("variable", "twine", "NETRC", "netrc")


@pytest.mark.parametrize("where", PLACES)
def test_a_private_index_is_read_with_what_is_kept_for_it(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = environ_of(where, tmp_path, monkeypatch)
    path = wheel(tmp_path / "dist")
    with LoopbackIndex(tmp_path / "index", password=WORD, private=True) as loopback:
        (loopback.folder / path.name).write_bytes(path.read_bytes())
        index = private(loopback, user="me")
        digests = {path.name: sha256(path.read_bytes())}
        assert digests_on_index(index, "demo", "1.0", environ=environ) == digests
        (row,) = listing(index, "demo", "1.0", environ=environ)
        assert download_digest(row, index, environ=environ) == digests[path.name]
        with pytest.raises(Unreadable, match="401") as caught:
            digests_on_index(index, "demo", "1.0", environ={"CARTWHEEL_INDEX_HOUSE_TOKEN": "another word"})
        assert not caught.value.may_pass
        assert WORD not in str(caught.value)


def test_the_keyring_is_asked_where_nothing_else_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.credentials import SimpleCredential

    path = wheel(tmp_path / "dist")
    with LoopbackIndex(tmp_path / "index", password=WORD, private=True) as loopback:
        monkeypatch.setattr(keyring, "get_credential", lambda *asked: SimpleCredential("me", WORD))
        (loopback.folder / path.name).write_bytes(path.read_bytes())
        assert list(digests_on_index(private(loopback), "demo", "1.0", environ={})) == [path.name]


def test_a_release_goes_to_a_private_index_and_is_settled_there(tmp_path: Path) -> None:
    paths = [wheel(tmp_path / "dist"), sdist(tmp_path / "dist")]
    with LoopbackIndex(tmp_path / "index", password=WORD, private=True) as loopback:
        for number in (2, 0):
            sent = deliveries.send(
                private(loopback, user="me"), "demo", "1.0", paths, ledger=tmp_path / f"ledger{number}",
                environ={"CARTWHEEL_INDEX_HOUSE_TOKEN": WORD}, say=lambda line: None,
            )  # fmt: skip
            assert len(sent) == number
        assert sorted(loopback.files()) == sorted(path.name for path in paths)


def test_credentials_of_uploads_go_to_no_other_host_that_is_read() -> None:
    index = Index(name="house", url="https://up.example/x/", simple="https://dl.example/simple/")
    environ = {"CARTWHEEL_INDEX_HOUSE_TOKEN": WORD}
    assert reading_credentials(index, environ, keyring=False) is None
    same = reading_credentials(replace(index, simple="https://up.example/simple/"), environ, keyring=False)
    assert same is not None
    assert same.password == WORD
    assert reading_credentials(replace(index, public=True), environ, keyring=False) is None


@pytest.mark.parametrize("url", ["http://packages.example/up/", "http://10.0.0.1/up/"])
def test_plain_http_to_another_machine_is_refused_unless_it_is_allowed(url: str) -> None:
    table = {"house": IndexSettings(url=url, simple="https://packages.example/simple/")}
    with pytest.raises(ConfigError, match=r"without TLS.*plain-http = true"):
        resolve("house", table)
    allowed = {"house": IndexSettings(url=url, simple=url, plain_http=True)}
    assert resolve("house", allowed).url == url
    with pytest.raises(ConfigError, match=r"its simple is .*without TLS"):
        resolve("house", {"house": IndexSettings(url="https://packages.example/up/", simple=url)})


@pytest.mark.parametrize("where", PLACES)
def test_uv_installs_from_a_private_index_and_no_password_stands_on_a_command_line(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {**environ_of(where, tmp_path, monkeypatch)}
    path = wheel(tmp_path / "dist")
    log = StepLog(tmp_path / "log", shown_as="log")
    pinned = tmp_path / "pinned.txt"
    pinned.write_text(requirement("demo", "1.0", {path.name: sha256(path.read_bytes())}))
    with LoopbackIndex(tmp_path / "index", password=WORD, private=True) as loopback:
        (loopback.folder / path.name).write_bytes(path.read_bytes())
        index = private(loopback, user="me")
        uv = run.module_command("uv")
        env = tool_environment(os.environ)
        log.run((*uv, "venv", "--no-config", "--python", sys.executable, "env"), cwd=tmp_path, env=env)
        python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        alone, _ = install_commands(uv, python, index, "demo", "1.0", requirements=pinned)
        settings = {"UV_INDEX_URL": "http://127.0.0.1:9/simple/", "UV_EXCLUDE_NEWER": "2001-01-01", "UV_OFFLINE": "1",
                    "UV_CONSTRAINT": "/nowhere", "PIP_INDEX_URL": "http://127.0.0.1:9/"}  # fmt: skip
        variables = installer_environment({**env, **settings}, reading_credentials(index, environ))
        log.run(alone, cwd=tmp_path, env=variables)
        waited: list[float] = []
        nobody = installer_environment({**env, "HOME": str(tmp_path), "NETRC": os.devnull})
        log.run((*uv, "pip", "uninstall", "--python", str(python), "demo"), cwd=tmp_path, env=env)
        with pytest.raises(StepFailed, match=f"may not read house: set {token_variable('house')}"):
            install_when_visible(
                lambda: log.run(alone, cwd=tmp_path, env=nobody), index, say=lambda line: None, wait=waited.append
            )
        assert waited == [], "what is refused is not waited for"
    assert WORD not in (tmp_path / "log").read_text()
