"""An index: found by its name, read, and sent to by exactly one POST; and the one for the rehearsal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import requests
from msgspec.structs import replace
from twine.utils import DEFAULT_REPOSITORY, TEST_REPOSITORY

from cartwheel.destinations.credentials import environment_credentials as credentials
from cartwheel.destinations.http import conversation
from cartwheel.destinations.protocol import Answer
from cartwheel.destinations.pypi_index import resolve
from cartwheel.destinations.pypi_reader import digests_on_index, listing
from cartwheel.destinations.retries import seconds_until
from cartwheel.destinations.twine_upload import Sender
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.deliveries import index_of, item_of
from support.indexes import Post, faulty, sdist, sha256, status, wheel


@dataclass(frozen=True)
class Table:
    url: str = ""
    simple: str = ""
    rehearsal: bool | None = None
    auth: str | None = None
    user: str = ""
    plain_http: bool = False
    environment: str = ""
    rules: Mapping[str, str] = field(default_factory=dict)
    attestations: bool | None = None
    unattested: str = ""
    publisher_changed: str = ""
    sigstore: str = ""


@pytest.fixture
def pypirc(tmp_path: Path) -> str:
    path = tmp_path / "pypirc"
    path.write_text("[distutils]\nindex-servers = pypi\n")
    return str(path)


def test_the_public_indexes_are_known_by_twine_s_names(pypirc: str) -> None:
    real, practice = resolve("pypi", {}, pypirc=pypirc), resolve("testpypi", {}, pypirc=pypirc)
    assert (real.url, real.public, real.rehearsal) == (DEFAULT_REPOSITORY, True, False)
    assert (practice.url, practice.public, practice.rehearsal) == (TEST_REPOSITORY, True, True)
    assert real.simple.endswith("/simple/")
    assert practice.simple.endswith("/simple/")
    assert real.simple != practice.simple


def test_a_table_that_says_only_how_leaves_where_to_the_name(pypirc: str) -> None:
    table = {"testpypi": Table(auth="trusted", environment="practice"), "pypi": Table(auth="token")}
    practice, real = (resolve(name, table, pypirc=pypirc) for name in ("testpypi", "pypi"))
    assert (practice.auth, practice.environment, practice.rehearsal, practice.public) == (
        "trusted", "practice", True, True,
    )  # fmt: skip
    assert (real.auth, real.rehearsal, real.anonymous) == ("token", False, False)


def test_a_rule_let_pass_by_a_wrong_name_is_refused_with_its_place(pypirc: str) -> None:
    with pytest.raises(ConfigError, match=r"\[tool.cartwheel.index.pypi\] rules: 'sizes' is no rule; did you mean"):
        resolve("pypi", {"pypi": Table(rules={"sizes": "ours are large"})}, pypirc=pypirc)


def test_an_index_that_nobody_knows_is_told_with_the_nearest(pypirc: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'github'"):
        resolve("GitHub", {}, pypirc=pypirc)
    with pytest.raises(ConfigError, match=r"did you mean 'shelf'\?\nif it is one of your own, add"):
        resolve("shlef", {"shelf": Table()}, pypirc=pypirc)


def test_an_index_of_the_configuration_is_where_it_says(pypirc: str) -> None:
    table = {"house": Table("https://index.example/up", "https://index.example/simple")}
    index = resolve("house", table, pypirc=pypirc)
    assert (index.url, index.simple) == ("https://index.example/up", "https://index.example/simple/")
    assert not index.public


def test_only_an_index_to_practise_on_here_goes_without_credentials(pypirc: str) -> None:
    local = Table("http://127.0.0.1:8080/", "http://127.0.0.1:8080/simple/", rehearsal=True)
    assert resolve("pypi", {"pypi": local}, pypirc=pypirc).anonymous
    real = Table("http://127.0.0.1:8080/", "http://127.0.0.1:8080/simple/")
    assert not resolve("house", {"house": real}, pypirc=pypirc).anonymous
    assert not resolve("testpypi", {}, pypirc=pypirc).anonymous


@pytest.mark.parametrize(
    ("table", "output"),
    [
        ({}, "neither one that twine knows"),
        ({"house": Table("https://index.example/up")}, "add simple"),
        ({"house": Table(DEFAULT_REPOSITORY.replace("upload.", "").replace("legacy", "simple"))}, "uploads go to"),
        ({"house": Table("index.example", "https://index.example/s")}, "expected an address"),
        ({"house": Table("https://me:hunter2@index.example/", "https://index.example/s")}, "holds a user name"),
    ],
)
def test_an_index_that_cannot_be_meant_is_refused_without_showing_secrets(
    table: dict[str, Table], output: str, pypirc: str
) -> None:
    with pytest.raises(ConfigError, match=output) as refused:
        resolve("house", table, pypirc=pypirc)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "simple"),
    [
        ("/repository/py-hosted", "/repository/py-hosted/simple/"),
        ("/nexus/repository/py-hosted/", "/nexus/repository/py-hosted/simple/"),
        ("/artifactory/api/pypi/py-local", "/artifactory/api/pypi/py-local/simple/"),
        ("/api/packages/me/pypi", "/api/packages/me/pypi/simple/"),
        ("/api/v4/projects/me%2Ftide/packages/pypi", "/api/v4/projects/me%2Ftide/packages/pypi/simple/"),
        ("/org/_packaging/feed/pypi/upload/", "/org/_packaging/feed/pypi/simple/"),
        ("/pypi/repo/", "/pypi/repo/simple/"),
        ("/pypi/dist/legacy/", "/pypi/dist/simple/"),
        ("/legacy", "/simple/"),
        ("/root/dev/", ""),
        ("/", ""),
        ("/pypi/", ""),
    ],
)
def test_known_registries_are_read_where_their_manuals_say(path: str, simple: str, pypirc: str) -> None:
    table = {"house": Table(f"https://index.example{path}")}
    if simple:
        assert resolve("house", table, pypirc=pypirc).simple == f"https://index.example{simple}"
    else:
        with pytest.raises(ConfigError, match="add simple"):
            resolve("house", table, pypirc=pypirc)


def test_an_address_of_pypi_may_lack_its_last_slash(pypirc: str) -> None:
    table = {"pypi": Table(DEFAULT_REPOSITORY.rstrip("/"))}
    assert resolve("pypi", table, pypirc=pypirc) == resolve("pypi", {}, pypirc=pypirc)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("digests", [True, False])
def test_what_an_index_holds_is_read_from_json_or_html_with_or_without_digests(as_json: bool, digests: bool) -> None:
    files = {
        "demo-1.0-py3-none-any.whl": b"a",
        "demo-1.0.tar.gz": b"b",
        "demo-1.0.0-cp311-abi3-win32.whl": b"c",
        "demo-1.0.1.tar.gz": b"d",
        "demo-1.0rc1.tar.gz": b"e",
    }
    with faulty(files=files, json=as_json, digests=digests) as state:
        answer = digests_on_index(state.index, "demo", "1.0")
        expected = list(files)[:3]
        assert answer == {name: sha256(files[name]) if digests else "" for name in expected}


def test_an_index_that_does_not_know_the_project_holds_nothing() -> None:
    with faulty() as state:
        assert listing(state.index, "demo", "1.0") == ()


def test_an_index_out_of_reach_is_an_error_in_words() -> None:
    with faulty() as state:
        gone = replace(state.index, simple="http://127.0.0.1:9/simple/")
        with pytest.raises(StepFailed, match="cannot be read"):
            listing(gone, "demo", "1.0")


def test_an_index_that_asks_who_reads_is_told_what_netrc_says_and_no_other_host_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    asked: list[str] = []

    def ask(post: Post) -> None:
        asked.append(post.headers.get("Authorization", ""))
        post.show()

    with faulty(files={"demo-1.0.tar.gz": b"a"}) as state:
        state.looks = [ask]
        assert list(digests_on_index(state.index, "demo", "1.0")) == ["demo-1.0.tar.gz"]
        other = f"http://localhost:{state.base.rsplit(':', 1)[1]}/simple/demo/"
        state.looks = [lambda post: post.answer(302, headers={"Location": other}), ask]
        with conversation(state.index.simple) as talk:
            talk.session.get(f"{state.index.simple}demo/").raise_for_status()
    assert asked == [requests.auth._basic_auth_str("me", "word"), ""]


@pytest.mark.parametrize(
    ("start", "to", "stays"),
    [
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "HTTP://b.example/", False),
        ("https://a.example/", "https://b.example/", True),
        ("https://a.example/", "/elsewhere/", True),
        ("http://a.example/", "http://b.example/", True),
    ],
)
def test_a_look_is_never_led_from_https_down_to_http(start: str, to: str, stays: bool) -> None:
    answer = requests.Response()
    answer.status_code, answer.url, answer.headers["Location"] = 302, start, to
    with conversation("https://a.example/") as talk:
        (hook,) = talk.session.hooks["response"]
        if stays:
            hook(answer)
        else:
            with pytest.raises(requests.RequestException, match="redirects from https to"):
                hook(answer)


def test_an_upload_is_exactly_one_post_whatever_the_answer(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with faulty(script=[status(500), status(429, Retry_After="7"), status(403, "Invalid token")]) as state:
        with Sender(state.index, environ={"CARTWHEEL_INDEX_FAULTY_TOKEN": "t"}) as sender:
            answers = [sender.upload(item_of(path)) for _ in range(4)]
        assert [answer.status for answer in answers] == [500, 429, 403, 200]
        assert [answer.passing for answer in answers] == [True, True, False, False]
        assert answers[1].retry_after == 7
        assert answers[2].words == "Invalid token"
        assert len(state.posts) == 4
        assert state.files[path.name] == path.read_bytes()


def test_an_upload_that_fails_prints_nothing_by_itself(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cartwheel.destinations.twine_upload import Sender; "
        "from cartwheel.destinations.pypi_index import Index; "
        "index = Index(name='shelf', url=sys.argv[1], simple=sys.argv[1], anonymous=True); "
        "from support.deliveries import item_of; "
        "print(Sender(index, environ={}).upload(item_of(Path(sys.argv[2]))).status)"
    )
    with faulty(script=[status(503)]) as state:
        argv = (sys.executable, "-c", code, state.index.url, str(wheel(tmp_path)))
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)
    assert (done.stdout.strip(), done.stderr) == ("503", "")


def test_a_broken_connection_is_an_answer_without_a_status(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with (
        faulty(script=[lambda post: post.drop()]) as state,
        Sender(replace(state.index, anonymous=True), environ={}) as sender,
    ):
        answer = sender.upload(item_of(path))
        assert (answer.status, answer.passing) == (0, True)
        assert "onnection" in answer.words


def test_a_token_reaches_the_index_and_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "pypi-s3cr3t"
    echo = status(403, f"no such token {secret}")
    with faulty(script=[echo]) as state:
        with Sender(state.index, environ={"CARTWHEEL_INDEX_FAULTY_TOKEN": secret + "\n"}) as sender:
            answer = sender.upload(item_of(wheel(tmp_path)))
        assert state.seen == [requests.auth._basic_auth_str("__token__", secret)]
    assert secret not in repr(answer)
    assert secret not in "".join(capfd.readouterr())
    assert secret not in repr(credentials(state.index, {"TWINE_PASSWORD": secret}))


def test_the_index_s_own_token_goes_before_twine_s_and_an_anonymous_index_gets_none(tmp_path: Path) -> None:
    with faulty() as state:
        both = {"CARTWHEEL_INDEX_FAULTY_TOKEN": "own", "TWINE_USERNAME": "me", "TWINE_PASSWORD": "twine"}
        for index, environ in (
            (state.index, both),
            (state.index, {k: both[k] for k in ("TWINE_USERNAME", "TWINE_PASSWORD")}),
            (replace(state.index, anonymous=True), both),
        ):
            with Sender(index, environ=environ) as sender:
                sender.upload(item_of(wheel(tmp_path)))
        basic = requests.auth._basic_auth_str
        assert state.seen == [basic("__token__", "own"), basic("me", "twine"), ""]
    assert token_variable("my-house.2") == "CARTWHEEL_INDEX_MY_HOUSE_2_TOKEN"


def test_pypirc_gives_credentials_only_to_the_address_it_names(tmp_path: Path) -> None:
    with faulty() as state:
        path = tmp_path / "pypirc"
        section = "[distutils]\nindex-servers = faulty\n[faulty]\nrepository = {}\nusername = me\npassword = pw\n"
        path.write_text(section.format(state.index.url))
        with Sender(state.index, environ={}, pypirc=str(path)) as sender:
            sender.upload(item_of(wheel(tmp_path)))
        assert state.seen == [requests.auth._basic_auth_str("me", "pw")]
        path.write_text(section.format("https://index.example/"))
        with pytest.raises(CartwheelError, match="no credentials; set CARTWHEEL_INDEX_FAULTY_TOKEN"):
            Sender(state.index, environ={}, pypirc=str(path))


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)
    assert seconds_until("120", now) == 120
    assert seconds_until("Sun, 01 Nov 2026 12:00:30 GMT", now) == 30
    assert seconds_until("Sun, 01 Nov 2026 11:00:00 GMT", now) == 0
    assert seconds_until("soon", now) == 0
    assert seconds_until("", now) == 0


def test_which_answers_may_pass() -> None:
    passing = [
        code for code in (0, 200, 400, 401, 403, 404, 409, 413, 429, 500, 503) if Answer(status=code, words="").passing
    ]
    assert passing == [0, 429, 500, 503]


# The rehearsal's index -----------------------------------------------------------------------------------------------


def test_the_rehearsal_s_index_takes_files_once_and_shows_their_digests(tmp_path: Path) -> None:
    first, other = wheel(tmp_path / "a"), wheel(tmp_path / "b", files={"demo/more.py": ""})
    source = sdist(tmp_path / "a")
    with LoopbackIndex(tmp_path / "index") as loopback:
        assert digests_on_index(index_of(loopback), "demo", "1.0") == {}
        with Sender(index_of(loopback), environ={"TWINE_PASSWORD": "never sent"}) as sender:
            assert sender.upload(item_of(first)).taken
            assert sender.upload(item_of(source)).taken
            assert sender.upload(item_of(first)).status == 400
            assert sender.upload(item_of(other)).status == 400
        ours = {path.name: sha256(path.read_bytes()) for path in (first, source)}
        assert digests_on_index(index_of(loopback), "demo", "1.0") == ours


def test_the_rehearsal_s_index_ends_with_its_context_also_on_an_error(tmp_path: Path) -> None:
    urls = []

    def fail(url: str) -> None:
        urls.append(url)
        assert requests.get(url, timeout=5).ok
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), LoopbackIndex(tmp_path / "index") as loopback:
        fail(loopback.url)
    with pytest.raises(requests.ConnectionError):
        requests.get(urls[0], timeout=5)


def test_two_rehearsals_have_an_index_each(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "one") as one, LoopbackIndex(tmp_path / "two") as two:
        assert one.url != two.url


def test_the_rehearsal_s_index_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from cartwheel.stand_ins.pypi import LoopbackIndex\n"
        "with LoopbackIndex(Path(sys.argv[1])) as index:\n    print(index.url, flush=True)\n    time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "tasks")}
    argv = [sys.executable, "-c", code, str(tmp_path / "index")]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        children = psutil.Process(parent.pid).children(recursive=True)
        assert requests.get(url, timeout=5).ok
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    time.sleep(0.05)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
