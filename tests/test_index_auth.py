"""Credentials: from where the configuration says, only to the index they are for."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.destinations.credentials import Credentials, reading_credentials
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import listing
from cartwheel.destinations.trusted_publishing import CODES, mint
from cartwheel.destinations.twine_upload import uploading_credentials
from cartwheel.model.config.config_checks import refuse_invalid_values
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.table import decode
from cartwheel.model.errors import CartwheelError
from support import deliveries as delivery
from support.indexes import Faulty, Post, Step, faulty, garbage, lost, sdist, status, wheel

NAMES = ("demo-1.0-cp311-abi3-macosx_11_0_arm64.whl", "demo-1.0-cp311-abi3-win_amd64.whl", "demo-1.0-py3-none-any.whl")
JOB = (
    "GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITLAB_CI", "PYPI_ID_TOKEN",
    "CIRCLECI", "BUILDKITE", "TWINE_USERNAME", "TWINE_PASSWORD", "TWINE_REPOSITORY", "TWINE_REPOSITORY_URL",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine is no job of anybody's, and has no credentials."""
    for name in JOB:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setattr("cartwheel.destinations.trusted_publishing.sleep", lambda seconds: None)


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, ...]:
    paths = [wheel(tmp_path / "dist", name, files={"demo/which.txt": name}) for name in NAMES]
    return (*paths, sdist(tmp_path / "dist"))


def as_job(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    """This process is a job with that environment."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def trusted(state: Faulty, **changes: object) -> Index:
    return replace(state.index, auth="trusted", **changes)


def publish(index: Index, files: tuple[Path, ...], ledger: Path) -> tuple[str, str]:
    """The messages, and the refusal; empty if the upload succeeded."""
    lines: list[str] = []
    try:
        delivery.send(index, "demo", "1.0", files, ledger=ledger, environ=dict(os.environ), say=lines.append,
                      wait=lambda seconds: None)  # fmt: skip
    except CartwheelError as error:
        return "\n".join(lines), str(error)
    return "\n".join(lines), ""


def passwords(state: Faulty) -> list[str]:
    """The passwords of the uploads."""
    return [base64.b64decode(text.removeprefix("Basic ")).decode() for text in state.seen]


# Trusted publishing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_a_job_publishes_with_a_token_minted_for_it_and_nobody_else_sees_it(
    forge: str, release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        ours = state.identities
        as_job(monkeypatch, ours.github(state.base) if forge == "github" else ours.gitlab())
        monkeypatch.setenv("CARTWHEEL_INDEX_FAULTY_TOKEN", "one-that-is-not-meant")
        output, refused = publish(trusted(state), release, tmp_path / "ledger.json")
        assert refused == ""
        assert set(passwords(state)) == {f"__token__:{ours.minted[0]}"}
        assert len(ours.minted) == 1
        assert len(state.files) == 4
        assert not any(
            secret in output + (tmp_path / "ledger.json").read_text() for secret in (*ours.minted, *ours.used)
        )


def test_a_token_that_expires_in_the_middle_is_minted_anew(
    release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        state.identities.uses = 3
        as_job(monkeypatch, state.identities.github(state.base))
        output, refused = publish(trusted(state), release, tmp_path / "ledger.json")
        assert (refused, len(state.identities.minted), len(state.files)) == ("", 2, 4)
        assert "the token has expired; sent again with a new one" in output
        assert len(state.stored) == 4


def test_a_token_is_replaced_before_it_expires(
    release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        state.identities.lives = 30
        as_job(monkeypatch, state.identities.github(state.base))
        assert publish(trusted(state), release, tmp_path / "ledger.json")[1] == ""
        assert len(state.identities.minted) == 4
        assert len(state.posts) == 4, "no file was sent with an old one"


def test_where_there_is_one_identity_an_expired_token_ends_the_run_and_the_next_job_sends_the_rest(
    release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        state.identities.uses = 2
        as_job(monkeypatch, state.identities.gitlab())
        _, refused = publish(trusted(state), release, tmp_path / "ledger.json")
        assert "one identity for one token; start the job again: only what is missing is sent\n2 of 4 files" in refused
        as_job(monkeypatch, state.identities.gitlab())
        assert publish(trusted(state), release, tmp_path / "ledger.json")[1] == ""
        assert len(state.stored) == 4


def test_a_token_that_was_never_good_is_not_minted_again(
    release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        state.identities.uses = 0
        as_job(monkeypatch, state.identities.github(state.base))
        assert "does not accept the credentials" in publish(trusted(state), release, tmp_path / "ledger.json")[1]
        assert len(state.identities.minted) == 1


def test_one_identity_serves_all_packages_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(tokens={}) as state:
        as_job(monkeypatch, state.identities.gitlab())
        assert mint(trusted(state)) == mint(trusted(state))
        assert len(state.identities.minted) == 1


@dataclass(frozen=True)
class Refusal:
    """Why no token is minted."""

    message: str
    code: str = ""
    job: str = "github"
    index: Mapping[str, object] = field(default_factory=dict)
    asks: tuple[Step, ...] = ()
    issues: tuple[Step, ...] = ()
    mints: tuple[Step, ...] = ()
    without: tuple[str, ...] = ()


REFUSALS = {
    **{code: Refusal(f"{text.split(';')[0]}", code=code) for code, text in CODES.items()},
    "a code of the future": Refusal("it says .*tomorrow", code="tomorrow"),
    "the publisher is of another job": Refusal("repository = me/demo, ref = refs/tags/v1.0", code="invalid-publisher"),
    "no right to an identity": Refusal("give it 'permissions: id-token: write'", without=(
        "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")),
    "no identity on GitLab": Refusal("PYPI_ID_TOKEN: {aud: pypi}", job="gitlab", without=("PYPI_ID_TOKEN",)),
    "another audience on GitLab": Refusal("no identity for the audience 'pypi' .*mismatch", job="gitlab-other"),
    "no identity that can be read": Refusal("no identity for the audience 'pypi' .*Malformed", job="gitlab-broken"),
    "no job at all": Refusal(
        'works only in a job of GitHub or GitLab; this process is not in one; .*auth = "token"', job=""
    ),
    "another environment": Refusal("says environment 'pypi', and this job runs in none; let the job",
                                   index={"environment": "pypi"}),
    "the forge has a fault": Refusal("no identity for the audience 'pypi' .*code=500", issues=(status(500),)),
    "the forge says nothing": Refusal("malformed or incomplete", issues=(lambda post: post.say(200, {}),)),
    "the index has no such thing": Refusal("404 to audience, as an index does that has none", asks=(status(404),)),
    "the index answers with a page": Refusal("answers 200 to audience", asks=(status(200, body=b"<html>"),)),
    "the index answers with a list": Refusal("answers 200 to audience", asks=(lambda post: post.say(200, []),)),
    "the index sends elsewhere": Refusal("answers 307 to mint-token", mints=(
        status(307, Location="https://elsewhere.example/"),)),
    "500 for ever": Refusal("answers 500 .* to mint-token; start again later", mints=(status(500),) * 9),
    "429 for two hours": Refusal("asks to wait 120 minutes", mints=(status(429, Retry_After="7200"),)),
    "cut for ever": Refusal("it cannot be reached: .*start again later", asks=(lost,) * 9),
    "no HTTP": Refusal("it cannot be reached", asks=(garbage,) * 9),
    "minted without a token": Refusal("it says nothing; look at the publisher", mints=(
        lambda post: post.say(200, {"success": True}),)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_without_a_token_nothing_is_sent_and_the_message_says_what_to_do(
    name: str, release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    case = REFUSALS[name]
    with faulty(tokens={}) as state:
        ours = state.identities
        ours.code, ours.asks, ours.issues, ours.mints = case.code, [*case.asks], [*case.issues], [*case.mints]
        jobs = {
            "github": ours.github(state.base),
            "gitlab": ours.gitlab(),
            "gitlab-other": ours.gitlab("theirs"),
            "gitlab-broken": {"GITLAB_CI": "true", "PYPI_ID_TOKEN": "no.t"},
            "": {},
        }
        as_job(monkeypatch, {key: text for key, text in jobs[case.job].items() if key not in case.without})
        index = trusted(state, **case.index)
        _, refused = publish(index, release, tmp_path / "ledger.json")
        assert re.search(case.message, refused, re.DOTALL), refused
        assert len(refused.splitlines()) <= 2
        assert not re.search(r"eyJ|s3cr3t", refused), "an identity or a token is shown"
        assert state.posts == []
        ours.code, ours.asks, ours.issues, ours.mints, ours.used = "", [], [], [], []
        as_job(monkeypatch, ours.github(state.base))
        monkeypatch.delenv("GITLAB_CI", raising=False)
        assert publish(replace(index, environment=""), release, tmp_path / "ledger.json")[1] == ""
        assert len(state.files) == 4


@pytest.mark.parametrize("step", ["asks", "mints"])
def test_a_passing_trouble_of_the_exchange_passes_and_takes_a_new_identity(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(tokens={}) as state:
        setattr(state.identities, step, [status(503), lost])
        as_job(monkeypatch, state.identities.github(state.base))
        assert mint(trusted(state)).token == state.identities.minted[0]


def test_the_exchange_takes_no_password_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    asked: list[str | None] = []

    def ask(post: Post) -> None:
        asked.append(post.headers.get("Authorization"))
        post.say(200, {"audience": "pypi"})

    with faulty(tokens={}) as state:
        state.identities.asks = [ask]
        as_job(monkeypatch, state.identities.github(state.base))
        assert mint(trusted(state)).token
    assert asked == [None]


def test_the_right_environment_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(tokens={}) as state:
        state.identities.claims["environment"] = "PyPI"
        as_job(monkeypatch, state.identities.github(state.base))
        assert mint(trusted(state, environment="pypi")).token


def test_pypi_itself_is_trusted_unasked_where_there_is_no_token_and_no_other_index_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with faulty(tokens={}) as state:
        as_job(monkeypatch, state.identities.github(state.base))
        public = replace(state.index, public=True)
        assert uploading_credentials(public, dict(os.environ)).password == state.identities.minted[0]
        assert uploading_credentials(public, {**os.environ, "CARTWHEEL_INDEX_FAULTY_TOKEN": "mine"}).password == "mine"
        for index in (state.index, replace(public, auth="token")):
            with pytest.raises(CartwheelError, match="no credentials; set CARTWHEEL_INDEX_FAULTY_TOKEN"):
                uploading_credentials(index, dict(os.environ))
        assert len(state.identities.minted) == 1


# Tokens --------------------------------------------------------------------------------------------------------------

HOUSE = Index(name="house", url="https://index.example/up/", simple="https://index.example/simple/")


@pytest.mark.parametrize(
    ("environ", "password"),
    [
        ({"TWINE_PASSWORD": "word"}, "word"),
        ({"TWINE_PASSWORD": "word", "TWINE_REPOSITORY": "house"}, "word"),
        ({"TWINE_PASSWORD": "word", "TWINE_REPOSITORY": "pypi"}, ""),
        ({"TWINE_PASSWORD": "word", "TWINE_REPOSITORY_URL": "https://index.example/up/"}, "word"),
        ({"TWINE_PASSWORD": "word", "TWINE_REPOSITORY_URL": "https://other.example/"}, ""),
        ({"TWINE_PASSWORD": "pypi-AgEI"}, ""),
        ({"CARTWHEEL_INDEX_HOUSE_TOKEN": "pypi-AgEI"}, "pypi-AgEI"),
        ({"CARTWHEEL_INDEX_OTHER_TOKEN": "other"}, ""),
        ({"CARTWHEEL_INDEX_HOUSE_TOKEN": "  "}, ""),
    ],
)
def test_a_token_goes_only_where_it_is_meant_to(environ: dict[str, str], password: str) -> None:
    if password:
        assert uploading_credentials(HOUSE, environ).password == password
    else:
        with pytest.raises(CartwheelError, match="no credentials"):
            uploading_credentials(HOUSE, environ)


def test_a_token_of_pypi_goes_to_pypi() -> None:
    assert uploading_credentials(replace(HOUSE, public=True), {"TWINE_PASSWORD": "pypi-AgEI"}).username == "__token__"


KEYRING = """
import keyring.backend

class Keyring(keyring.backend.KeyringBackend):
    priority = 1
    def get_password(self, service, username):
        return "from the ring" if (service, username) == ("https://index.example/up/", "me") else None
    def get_credential(self, service, username):
        from keyring.credentials import SimpleCredential
        return SimpleCredential("me", "from the ring") if service == "https://index.example/up/" else None
    def set_password(self, *_): raise NotImplementedError
    def delete_password(self, *_): raise NotImplementedError
"""
ASKS = """
import json, os, sys
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.twine_upload import uploading_credentials
index = Index(name="house", url=sys.argv[1], simple="https://index.example/simple/", auth="token")
given = uploading_credentials(index, {}, "none")
print(json.dumps([given.username, given.password, repr(given)]))
"""


def test_the_keyring_is_asked_for_the_index_s_address(tmp_path: Path) -> None:
    (tmp_path / "ring.py").write_text(KEYRING)
    paths = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[1] / "tasks")))
    env = {**os.environ, "PYTHON_KEYRING_BACKEND": "ring.Keyring", "PYTHONPATH": paths}
    argv = [sys.executable, "-c", ASKS, "https://index.example/up/"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout) == ["me", "from the ring", "Credentials(…)"], done.stderr
    done = subprocess.run([*argv[:3], "https://other.example/"], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert "no credentials; set CARTWHEEL_INDEX_HOUSE_TOKEN" in done.stderr


def test_credentials_show_nothing_of_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert repr(Credentials(username="me", password="word")) == "Credentials(…)"
    with faulty(tokens={}) as state:
        as_job(monkeypatch, state.identities.github(state.base))
        assert "s3cr3t" not in repr(mint(trusted(state)))


@pytest.mark.parametrize(
    "token", ["token abc", '"pypi-abc"', "'abc'", "Bearer abc", "__token__:pypi-abc", "pypi-abc # mine"], ids=repr
)
def test_a_token_with_something_besides_it_is_refused_unless_it_is_a_password(token: str) -> None:
    environ = {"CARTWHEEL_INDEX_HOUSE_TOKEN": token}
    with pytest.raises(CartwheelError, match="holds quotes or words besides a token; nothing was sent"):
        uploading_credentials(HOUSE, environ)
    assert uploading_credentials(replace(HOUSE, user="me"), environ).password == token


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (".pypirc", b"[distutils]\nindex-servers=\n  house\n[house]\nusername: u\npassword: p\n", ""),
        (".pypirc", b"what is this", ""),
        (".netrc", "machine index.example login \xe9 password \xe9\n".encode("latin-1"), "is not UTF-8 text"),
        (".netrc", "machine index.example login me password \u20ac\n".encode(), r"U\+20AC"),
    ],
    ids=("no address", "no table", "latin-1", "unsendable"),
)
def test_a_file_of_logins_that_cannot_be_used_is_told_in_words(
    file: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / file).write_bytes(content)
    if words:
        with pytest.raises(CartwheelError, match=words):
            reading_credentials(HOUSE, {})
    else:
        assert reading_credentials(HOUSE, {}) is None
    with pytest.raises(CartwheelError, match="no credentials; set"):
        uploading_credentials(HOUSE, {})


@pytest.mark.parametrize("ask", [uploading_credentials, reading_credentials])
def test_a_keyring_that_cannot_be_loaded_is_named(ask: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    def broken() -> None:
        raise ModuleNotFoundError("No module named 'nothing'")

    monkeypatch.setattr(keyring, "get_keyring", broken)
    with pytest.raises(
        CartwheelError, match=r"keyring cannot be used \(No module named 'nothing'\); correct PYTHON_KEY"
    ):
        ask(HOUSE, {})


def test_a_missing_file_of_certificates_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with pytest.raises(
        CartwheelError, match=r"index\.invalid cannot be reached: .*CA certificate.*/nonexistent; correct"
    ):
        listing(replace(HOUSE, simple="https://index.invalid/simple/"), "demo", "1.0", environ={})


# The configuration ---------------------------------------------------------------------------------------------------


def configured(index: dict[str, object]) -> IndexSettings:
    """The parsed configuration of such an index."""
    settings = decode(Settings, {"index": {"house": index}}, where="here:")
    refuse_invalid_values(settings, "here:")
    assert settings.index
    return settings.index["house"]


@pytest.mark.parametrize(("one", "other"), [("my-index", "my_index"), ("Shelf", "shelf"), ("a.b", "a--b")])
def test_two_indexes_that_would_share_a_token_are_refused(one: str, other: str) -> None:
    tables = {name: {"url": f"https://{n}.example/"} for n, name in enumerate((one, other))}
    settings = decode(Settings, {"index": tables}, where="here:")
    with pytest.raises(CartwheelError, match=f"'{one}' and '{other}' both take their token from CARTWHEEL_INDEX_"):
        refuse_invalid_values(settings, "here:")


def test_an_index_says_how_it_is_sent_to() -> None:
    read = configured({"url": HOUSE.url, "auth": "trusted", "environment": "pypi", "rules": {"size": "we have 300 MB"}})
    assert (read.auth, read.environment, read.rules) == ("trusted", "pypi", {"size": "we have 300 MB"})


@pytest.mark.parametrize(
    ("index", "output"),
    [
        ({"auth": "trust"}, "'trust'; did you mean 'trusted'"),
        ({"rules": {"size": "  "}}, "index.house rules: 'size' has no reason"),
        ({"envirnment": "pypi"}, "unknown key 'envirnment'; did you mean 'environment'"),
        *(
            ({key: address}, rf"index\.house {key}: no address that can be requested")
            for key in ("url", "simple")
            for address in (
                *("index.example/up/", "https://[::1/", "https://index.example:99999/", "https://index.example/a b"),
                *(
                    "https://ex\u202eample.org/",
                    "https://index.example\\x/",
                    "https://index.example/#top",
                    "https:///up",
                ),
            )
        ),
    ],
)
def test_an_index_that_cannot_be_meant_is_refused(index: dict[str, object], output: str) -> None:
    with pytest.raises(CartwheelError, match=output):
        configured(index)
