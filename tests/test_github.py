"""Release pages: made whole or completed, never with other bytes, whatever the server does in between."""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel.destinations.delivery import wait_until_visible
from cartwheel.destinations.github_api import Api
from cartwheel.destinations.github_place import Place, place_of, token_for
from cartwheel.destinations.github_release import GitHubRelease
from cartwheel.destinations.protocol import Item, Release
from cartwheel.destinations.release_page import SUMS, PageSpec, archive_stem, extra_files
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import api_of, may_receive_the_token, repository_at
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.versions.version import is_prerelease
from cartwheel.model.wheels.artifacts import report_mark
from cartwheel.stand_ins.github import GitHubRequest
from support.ci_projects import alone
from support.deliveries import book_of, publish
from support.indexes import sdist, sha256, wheel
from support.release_shelf import HEAD, REPOSITORY, TOKEN, Scripted, Shelf, status


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    with shelf.open(Scripted):
        yield shelf


@pytest.fixture
def spec(tmp_path: Path) -> PageSpec:
    names = ("demo-1.0-cp311-abi3-win_amd64.whl", "demo-1.0-py3-none-any.whl")
    paths = [sdist(tmp_path / "dist"), *(wheel(tmp_path / "dist", name) for name in names)]
    (tmp_path / "extra").mkdir()
    paths += extra_files(paths, tmp_path / "extra", stem="demo-1.0")
    return PageSpec(
        tag="v1.0", commit=HEAD, title="demo 1.0", notes="- First.", prerelease=False, project="demo",
        files={path.name: path for path in paths}, sha256={path.name: sha256_of(path) for path in paths},
    )  # fmt: skip


def items_of(spec: PageSpec) -> tuple[Item, ...]:
    return tuple(Item(name=name, path=path, sha256=spec.sha256[name]) for name, path in spec.files.items())


class Run:
    """One run after another against one shelf, with what they said and how long they waited."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self.path = folder / "ledger.json"
        self.shelf = shelf
        self.lines: list[str] = []
        self.slept: list[float] = []
        self.environ = {"GITHUB_TOKEN": TOKEN}

    def place(self) -> Place:
        return Place(name="github", api=self.shelf.base, repository=REPOSITORY)

    def __call__(self, spec: PageSpec, **patience: Any) -> tuple[str, ...]:
        page = self.page(spec, **patience)
        book = book_of(self.path, page, spec.project, "1.0", self.lines.append)
        return publish(page, items_of(spec), book, say=self.lines.append, wait=self.slept.append)

    def page(self, spec: PageSpec, **patience: Any) -> GitHubRelease:
        return GitHubRelease(
            Api(self.place(), self.environ), spec, say=self.lines.append, patience=Patience(**patience),
            wait=self.slept.append,
        )  # fmt: skip

    def wait_until_visible(self, spec: PageSpec) -> tuple[str, ...]:
        page = self.page(spec)
        clock = iter(range(0, 10**6, 15))
        with page.session():
            items = page.items(items_of(spec))
            return wait_until_visible(
                page, items, say=self.lines.append, wait=self.slept.append, clock=lambda: float(next(clock))
            )

    def states(self) -> dict[str, str]:
        return {file: row["state"] for file, row in json.loads(self.path.read_bytes())["files"].items()}


@pytest.fixture
def run(tmp_path: Path, shelf: Shelf) -> Run:
    return Run(tmp_path, shelf)


def whole(shelf: Shelf, spec: PageSpec) -> bool:
    """Whether there is one release, published, with exactly the spec bytes."""
    (row,) = shelf.releases.values()
    return not row["draft"] and shelf.files("v1.0") == {n: p.read_bytes() for n, p in spec.files.items()}


# Deciding ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "repository"),
    [
        ("git@github.com:o/demo.git", "github.com", "o/demo"),
        ("https://github.com/o/demo", "github.com", "o/demo"),
        ("https://github.com/o/demo.git/", "github.com", "o/demo"),
        ("ssh://git@ssh.github.com:443/o/demo.git", "ssh.github.com", "o/demo"),
        ("https://user:secret@code.example:8443/o/demo.git", "code.example:8443", "o/demo"),
        ("git@acme.ghe.com:team/my.tool", "acme.ghe.com", "team/my.tool"),
        ("/srv/git/demo.git", "", ""),
        ("C:\\git\\demo", "", ""),
        ("https://gitlab.example/group/sub/demo.git", "", ""),
        ("", "", ""),
    ],
)
def test_a_remotes_address_names_the_repository(url: str, host: str, repository: str) -> None:
    assert repository_at(url) == (host, repository)


ODD_ROWS: tuple[Any, ...] = (
    *({}, None, "words", 7, [7], [None], [[]], ["x"], {"message": 5, "errors": "x"}),
    *([{"tag_name": "v1.0", "id": odd}] for odd in (None, "x", [], {}, 1.5, True)),
    [{"tag_name": "v1.0", "id": 1, "draft": True}],
    *([{"tag_name": "v1.0", "id": 1, "draft": True, "upload_url": odd}] for odd in (None, 7, ["x"])),
    [{"tag_name": "v1.0", "id": 1, "draft": "no", "upload_url": "http://127.0.0.1:9/"}],
    [{"tag_name": "v1.0", "id": 1, "draft": True, "upload_url": "http://127.0.0.1:9/", "body": ["x"]}],
)


@pytest.mark.parametrize("document", ODD_ROWS, ids=repr)
def test_an_answer_that_is_not_one_of_github_s_is_refused_in_words(
    document: Any, shelf: Shelf, run: Run, spec: PageSpec
) -> None:
    shelf.script["releases"] = [lambda call: call.tell(200, document)] * 3
    with pytest.raises(StepFailed, match=r"unlike GitHub's|no list at releases"):
        run(spec)
    assert shelf.calls("POST") == 0


def test_an_answer_that_is_nested_too_deeply_is_refused_in_words(shelf: Shelf, run: Run, spec: PageSpec) -> None:
    shelf.script["releases"] = [lambda call: call.answer(200, b"[" * 100_000)]
    with pytest.raises(StepFailed, match="no list at releases"):
        run(spec)


@pytest.mark.parametrize(
    "asset", [{}, {"id": 1}, {"id": "1", "name": "x", "size": 1, "url": "x"}, {"id": 1, "name": 5}], ids=repr
)
def test_an_asset_that_is_not_one_of_github_s_is_refused_in_words(
    asset: Any, shelf: Shelf, run: Run, spec: PageSpec
) -> None:
    shelf.add(tag_name="v1.0", draft=True)
    shelf.script["assets"] = [lambda call: call.tell(200, [asset])]
    with pytest.raises(StepFailed, match="unlike GitHub's"):
        run(spec)


def test_each_kind_of_github_has_its_api_and_its_place_for_uploads() -> None:
    hosts = ("github.com", "acme.ghe.com", "code.example")
    assert [api_of(host) for host in hosts] == [
        "https://api.github.com", "https://api.acme.ghe.com", "https://code.example/api/v3",
    ]  # fmt: skip
    assert may_receive_the_token("https://api.github.com", "https://uploads.github.com/repos/o/demo/releases/1/assets")
    assert may_receive_the_token("https://code.example/api/v3", "https://code.example/api/uploads/repos/o/demo")
    for url in ("https://evil.example/x", "http://api.github.com/x", "https://uploads.github.com.evil.example/x"):
        assert not may_receive_the_token("https://api.github.com", url)


def test_the_configuration_then_the_runner_then_the_remote_say_which_repository() -> None:
    remote = "git@code.example:o/demo.git"
    runner = {"GITHUB_SERVER_URL": "https://code.example", "GITHUB_API_URL": "https://code.example/api/v3/"}
    assert place_of("github", {}, remote, {}).url == "https://code.example/api/v3/repos/o/demo"
    assert place_of("github", {}, remote, runner).url == "https://code.example/api/v3/repos/o/demo"
    table = {"github": IndexSettings(url="https://api.github.com", repository="p/other")}
    assert place_of("github", table, remote, runner).url == "https://api.github.com/repos/p/other"
    with pytest.raises(ConfigError, match='repository = "owner/name"'):
        place_of("github", {}, "/srv/git/demo.git", {})
    for url in (
        "http://code.example/api",
        "https://me:s3@cr3t@code.example/api",
        "code.example",
        "me:cr3t@code.example",
    ):
        with pytest.raises(ConfigError, match="expected the API's address") as caught:
            place_of("github", {"github": IndexSettings(url=url)}, remote, {})
        assert "cr3t" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        place_of("github", {}, "https://me:cr3t@code.example/only-one-part", {})
    assert "cr3t" not in str(caught.value)


def test_the_token_comes_from_the_environment_and_a_stand_in_gets_none() -> None:
    place = Place(name="github", api="https://api.github.com", repository="o/demo")
    every = {"CARTWHEEL_INDEX_GITHUB_TOKEN": "1", "GITHUB_TOKEN": "2", "GH_TOKEN": "3"}
    assert token_for(place, every) == "1"
    assert token_for(place, {"GH_TOKEN": "3"}) == "3"
    assert token_for(replace(place, anonymous=True), every) == ""


def test_versions_that_are_pre_releases() -> None:
    judged = {version: is_prerelease(version) for version in ("1.0", "1.0.post1", "1.0rc1", "1.0a2", "1.0.dev3")}
    assert [version for version, pre in judged.items() if pre] == ["1.0rc1", "1.0a2", "1.0.dev3"]


def test_the_archive_and_the_digests_are_the_same_bytes_each_time(tmp_path: Path, spec: PageSpec) -> None:
    files = [path for name, path in spec.files.items() if name.startswith("demo-1.0") and not name.endswith(".tar")]
    (tmp_path / "again").mkdir()
    for path in files:
        path.touch()
    archive, sums = extra_files(reversed(files), tmp_path / "again", stem="demo-1.0")
    assert (sha256_of(archive), sha256_of(sums)) == (spec.sha256["demo-1.0-all.tar"], spec.sha256[SUMS])
    with tarfile.open(archive) as packed:
        assert sorted(packed.getnames()) == sorted(f"demo-1.0-all/{path.name}" for path in files)
    listed = dict(reversed(line.split("  ")) for line in sums.read_text().splitlines())
    assert listed == {path.name: sha256_of(path) for path in (*files, archive)}


# A release that goes well ---------------------------------------------------------------------------------------------


def test_a_release_is_drafted_filled_and_published_and_a_second_run_changes_nothing(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    drafted: list[bool] = []
    shelf.script["upload"] = [lambda call: (drafted.append(draft_of(shelf)), GitHubRequest.respond(call))[1]] * 5
    assert len(run(spec)) == 5
    assert drafted == [True] * 5, "nothing is public before the last file is there"
    assert whole(shelf, spec)
    (row,) = shelf.releases.values()
    assert (row["name"], row["body"], row["prerelease"]) == ("demo 1.0", "- First.", False)
    assert run.wait_until_visible(spec) == ()
    before = shelf.calls("POST") + shelf.calls("PATCH")
    assert run(spec) == ()
    assert shelf.calls("POST") + shelf.calls("PATCH") == before
    assert set(run.states().values()) == {"sent"}
    assert TOKEN not in "".join(run.lines) + run.path.read_text()


def test_notes_that_github_generates_are_asked_for_once_and_those_of_a_person_stay(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    generated = replace(spec, notes="", generated=True)
    run(generated)
    (row,) = shelf.releases.values()
    assert row["body"] == "## What's Changed\n* a pull request, for v1.0"
    row["body"] = "edited by a person"
    assert run(generated) == ()
    assert row["body"] == "edited by a person"
    assert shelf.calls("generate-notes") == 1


def draft_of(shelf: Shelf) -> bool:
    (row,) = shelf.releases.values()
    return bool(row["draft"])


def test_a_pre_release_is_published_as_one(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    run(replace(spec, prerelease=True))
    (row,) = shelf.releases.values()
    assert row["prerelease"]
    assert not row["draft"]


def test_a_release_that_a_person_published_first_is_completed(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.add(tag_name="v1.0", name="The first", body="Words of a person.")
    run(spec)
    assert whole(shelf, spec)
    (row,) = shelf.releases.values()
    assert (row["name"], row["body"]) == ("The first", "Words of a person.")


def test_a_persons_draft_is_completed_and_published_with_its_own_words(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    row = shelf.add(tag_name="v1.0", name="The first", body="Words.", draft=True)
    shelf.attach(row["id"], "poster.pdf", b"a person's own file")
    run(spec)
    assert not row["draft"]
    assert row["body"] == "Words."
    assert shelf.files("v1.0").pop("poster.pdf")
    assert set(spec.files) < set(shelf.files("v1.0"))


@pytest.mark.parametrize(
    ("others", "ours", "latest"),
    [
        ({"v0.9": False, "v1.0rc1": True}, "v1.0", "v1.0"),
        ({"v2.0": False}, "v1.0", ""),
        ({"v2.0": True}, "v1.0", "v1.0"),
        ({"v2.0rc1": False, "other-v3.0": False, "nightly": False}, "v1.0", "v1.0"),
        ({}, "v1.0", "v1.0"),
    ],
)
def test_a_release_is_the_latest_by_its_version_and_not_by_its_date(
    shelf: Shelf, spec: PageSpec, run: Run, others: dict[str, bool], ours: str, latest: str
) -> None:
    for tag, prerelease in others.items():
        shelf.add(tag_name=tag, prerelease=prerelease)
    run(spec)
    assert shelf.latest == latest


def test_a_pre_release_is_never_the_latest(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    run(replace(spec, prerelease=True))
    assert shelf.latest == ""


def test_an_empty_page_gets_the_notes(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.add(tag_name="v1.0")
    run(spec)
    (row,) = shelf.releases.values()
    assert row["body"] == "- First."


def test_a_release_among_hundreds_is_found(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.add(tag_name="v1.0", draft=True)
    for number in range(230):
        shelf.add(tag_name=f"v0.{number}")
    run(spec)
    assert [row["draft"] for row in shelf.releases.values() if row["tag_name"] == "v1.0"] == [False]


def test_a_server_without_digests_is_asked_for_the_bytes_and_the_token_stays(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    shelf.digests = False
    run(spec)
    run.path.unlink()
    assert run(spec) == ()
    asked = [token for method, path, token in shelf.seen if path.startswith("/stored/")]
    assert len(asked) >= 5
    assert set(asked) == {""}


def test_packages_that_share_a_tag_are_published_when_all_their_files_are_there(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    first = replace(spec, others=("other-1.0.tar.gz",))
    run(first)
    assert draft_of(shelf)
    assert "stays a draft until other-1.0.tar.gz" in run.lines[-1]
    (row,) = shelf.releases.values()
    shelf.attach(row["id"], "other-1.0.tar.gz", b"theirs")
    run(first)
    assert not draft_of(shelf)


# Refusals before the first byte --------------------------------------------------------------------------------------


def refused(run: Run, spec: PageSpec, match: str, shelf: Shelf) -> str:
    before = dict(shelf.assets)
    with pytest.raises(StepFailed, match=match) as failed:
        run(spec)
    assert shelf.assets == before
    assert not shelf.calls("POST"), "nothing was sent"
    assert not shelf.calls("PATCH")
    assert TOKEN not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("digests", [True, False])
def test_other_bytes_stop_everything_with_both_digests(shelf: Shelf, spec: PageSpec, run: Run, digests: bool) -> None:
    shelf.digests = digests
    name = "demo-1.0.tar.gz"
    ours = spec.files[name].read_bytes()
    row = shelf.add(tag_name="v1.0", draft=True)
    other = bytes([ours[0] ^ 1]) + ours[1:]
    shelf.attach(row["id"], name, other)
    output = refused(run, spec, "has it with other bytes", shelf)
    assert sha256(ours) in output
    assert sha256(other) in output


def test_a_file_of_the_package_that_is_not_planned_stops_it(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    row = shelf.add(tag_name="v1.0", draft=True)
    shelf.attach(row["id"], "demo-1.0-cp312-cp312-win_amd64.whl", b"x")
    refused(run, spec, "the release has it and the plan has not", shelf)


def test_a_release_that_can_no_longer_be_changed_is_reported(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.immutable = True
    shelf.add(tag_name="v1.0")
    output = refused(run, spec, "can no longer be changed", shelf)
    assert "demo-1.0.tar.gz" in output
    assert "release the next version" in output


def test_an_immutable_release_that_is_whole_is_well(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.immutable = True
    run(spec)
    assert [row["immutable"] for row in shelf.releases.values()] == [True]
    assert run(spec) == ()


def test_two_drafts_of_one_tag_are_for_a_person_to_choose_from(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    shelf.add(tag_name="v1.0", draft=True)
    shelf.add(tag_name="v1.0", draft=True)
    refused(run, spec, "v1.0 has 2 drafts", shelf)


@pytest.mark.parametrize(
    ("tags", "match"),
    [({}, "has no tag v1.0 .*doit tag"), ({"v1.0": "f" * 40}, "v1.0 is on commit ffffffffffff there")],
)
def test_a_tag_that_is_not_there_or_elsewhere_stops_it(
    shelf: Shelf, spec: PageSpec, run: Run, tags: dict[str, str], match: str
) -> None:
    shelf.known = tags
    refused(run, spec, match, shelf)


def test_what_was_sent_before_with_other_bytes_is_refused_though_it_is_not_listed(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    run(spec)
    shelf.assets.clear()
    shelf.seen.clear()
    name = "demo-1.0.tar.gz"
    refused(run, replace(spec, sha256={**spec.sha256, name: "0" * 64}), "and is 0000", shelf)


@pytest.mark.parametrize(
    ("environ", "match"),
    [
        ({}, "no token; set CARTWHEEL_INDEX_GITHUB_TOKEN"),
        ({"GITHUB_TOKEN": "an-expired-one"}, "does not accept the token .401 Bad credentials."),
    ],
)
def test_without_a_good_token_it_says_which_to_set(
    shelf: Shelf, spec: PageSpec, run: Run, environ: dict[str, str], match: str
) -> None:
    run.environ = environ
    refused(run, spec, match, shelf)
    assert run.slept == [], "a wrong token does not get better by waiting"


def test_a_netrc_takes_no_part(
    shelf: Shelf, spec: PageSpec, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run(spec)
    assert whole(shelf, spec)


# Faults ---------------------------------------------------------------------------------------------------------------


def lost(call: Scripted) -> None:
    """The connection breaks before anything was done."""
    call.body()
    call.close_connection = True


def early(call: Scripted) -> None:
    """The connection breaks in the middle of what is sent."""
    call.rfile.read(16)
    call.close_connection = True


def done_and_lost(call: Scripted) -> None:
    """It is done, and the connection breaks before the answer."""
    call.answer = lambda *a, **k: None  # type: ignore[method-assign]
    GitHubRequest.respond(call)
    call.close_connection = True


def done_and_503(call: Scripted) -> None:
    """It is done, and the answer says otherwise."""
    call.tell = lambda *a, **k: GitHubRequest.answer(call, 503)  # type: ignore[method-assign]
    GitHubRequest.respond(call)


def starter(call: Scripted) -> None:
    """The upload breaks off and leaves an asset that cannot be downloaded and whose name is taken."""
    number = int(re.findall(r"/uploads/(\d+)/", call.path)[0])
    name = call.path.partition("name=")[2]
    call.place.attach(number, name, b"", state="starter")
    call.rfile.read(16)
    call.close_connection = True


def starter_502(call: Scripted) -> None:
    """Like `starter`, but answer with 502 (GitHub's page on uploads warns of it)."""
    number = int(re.findall(r"/uploads/(\d+)/", call.path)[0])
    call.body()
    call.place.attach(number, call.path.partition("name=")[2], b"", state="starter")
    call.refuse(502, "Bad Gateway")


def truncated(call: Scripted) -> None:
    """The answer says 201 of an asset that is not whole."""
    number = int(re.findall(r"/uploads/(\d+)/", call.path)[0])
    call.body()
    call.tell(201, call.place.attach(number, call.path.partition("name=")[2], b"", state="starter"))


def html(call: Scripted) -> None:
    """A proxy's page instead of an answer."""
    call.body()
    call.answer(502, b"<html>bad gateway</html>")


PASSING = {
    "500 once": ("upload", [status(500)]),
    "503 three times": ("upload", [status(503)] * 3),
    "a proxy's page": ("upload", [html]),
    "lost before": ("upload", [lost]),
    "lost in the middle": ("upload", [early]),
    "done and lost": ("upload", [done_and_lost]),
    "done and 503": ("upload", [done_and_503]),
    "a starter is left": ("upload", [starter]),
    "a starter is left with 502": ("upload", [starter_502]),
    "two starters": ("upload", [starter, starter_502]),
    "201 of a part": ("upload", [truncated]),
    "429 with Retry-After": ("upload", [status(429, "slow down", Retry_After="7")]),
    "429 without": ("upload", [status(429, "slow down")]),
    "403 secondary limit": ("upload", [status(403, "You have exceeded a secondary rate limit", Retry_After="9")]),
    "403 secondary limit, no time": ("upload", [status(403, "You have exceeded a secondary rate limit")]),
    "already_exists for a moment": ("upload", [status(422, "Validation Failed", "already_exists")]),
    "the draft: 500": ("create", [status(500)]),
    "the draft: done and lost": ("create", [done_and_lost]),
    "the draft: lost before": ("create", [lost]),
    "the draft: limit": ("create", [status(403, "API rate limit exceeded", Retry_After="3")]),
    "the list: 502": ("releases", [status(502), lost]),
    "the assets: 500": ("assets", [status(500)]),
    "publishing: 503": ("publish", [status(503)]),
    "publishing: done and lost": ("publish", [done_and_lost]),
    "publishing: 429": ("publish", [status(429, Retry_After="4")]),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_outlived_and_the_release_is_whole(shelf: Shelf, spec: PageSpec, run: Run, fault: str) -> None:
    call, script = PASSING[fault]
    shelf.script[call] = list(script)
    run(spec)
    assert whole(shelf, spec), shelf.files("v1.0").keys()
    assert not [asset for asset in shelf.assets.values() if asset["state"] != "uploaded"], "no rest is left"
    assert set(run.states().values()) <= {"sent", "there"}
    assert run(spec) == ()


ASKED = {"429 with Retry-After": 7, "429 without": 60, "403 secondary limit": 9, "403 secondary limit, no time": 60}


@pytest.mark.parametrize("fault", ASKED)
def test_a_limit_is_waited_for_as_long_as_it_asks(shelf: Shelf, spec: PageSpec, run: Run, fault: str) -> None:
    shelf.script["upload"] = list(PASSING[fault][1])
    run(spec)
    assert run.slept == [ASKED[fault]]


def test_a_limit_that_names_the_moment_is_waited_for(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    reset = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(time.time()) + 100)}
    shelf.script["upload"] = [status(403, "API rate limit exceeded", **reset)]
    run(spec)
    assert 60 < run.slept[0] <= 100


def in_vain(call: Scripted) -> None:
    """It says 200 and does nothing."""
    call.body()
    call.tell(200, {"draft": True})


LASTING = {
    "500 for ever": ("upload", status(500, "sorry"), "did not do it after 6 tries .500 sorry.; start again later"),
    "lost for ever": ("upload", lost, "did not do it after 6 tries"),
    "no permission": ("upload", status(403, "Resource not accessible by integration"), "the token may not do this"),
    "too large": ("upload", status(413, "too large"), "refuses it .413 too large."),
    "invalid": ("upload", status(422, "Validation Failed", "custom"), "refuses it .422 Validation Failed"),
    "an hour to wait": ("upload", status(429, "later", Retry_After="3600"), "asks to wait 60 minutes; start again"),
    "expired meanwhile": ("upload", status(401, "Bad credentials"), "does not accept the token"),
    "no draft allowed": ("create", status(403, "Resource not accessible"), "the token may not do this"),
    "a draft is invalid": ("create", status(422, "Validation Failed", "custom"), "refuses it"),
    "no such repository": ("releases", status(404, "Not Found"), "is not found at"),
    "moved": ("releases", lambda call: call.answer(301, Location="/repositories/1"), "has moved"),
    "not an API": ("releases", lambda call: call.answer(200, b"<html>"), "is .* an API of GitHub's"),
    "published by nobody": ("publish", status(500), "did not do it after 6 tries"),
    "published in vain": ("publish", in_vain, "still a draft"),
}  # fmt: skip


@pytest.mark.parametrize("fault", LASTING)
def test_what_does_not_pass_is_said_and_a_later_run_ends_well(
    shelf: Shelf, spec: PageSpec, run: Run, fault: str
) -> None:
    call, act, match = LASTING[fault]
    shelf.script[call] = [act] * 200
    with pytest.raises(StepFailed, match=match) as failed:
        run(spec)
    assert TOKEN not in str(failed.value)
    assert all(row["draft"] for row in shelf.releases.values()), "half of a release is never public"
    if run.path.exists():
        true = {name for name, state in run.states().items() if state in ("sent", "there")}
        assert true == set(shelf.files("v1.0")), "the ledger is true"
    shelf.script.clear()
    run(spec)
    assert whole(shelf, spec)


def test_an_upload_address_elsewhere_gets_no_token(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    row = shelf.add(tag_name="v1.0", draft=True)
    row["upload_url"] = "http://127.0.0.2:9/steal{?name}"
    with pytest.raises(StepFailed, match="names another host"):
        run(spec)


def test_a_name_that_the_server_changes_is_said(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    def renamed(call: Scripted) -> None:
        data = call.body()
        call.tell(201, call.place.attach(1, "demo.other", data))

    shelf.script["upload"] = [renamed]
    with pytest.raises(StepFailed, match=r"calls it demo\.other"):
        run(spec)
    assert draft_of(shelf)


def test_a_file_that_another_run_put_there_meanwhile_counts_when_it_is_the_same(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    def by_another(data: Callable[[str], bytes]) -> Callable[[Scripted], None]:
        def act(call: Scripted) -> None:
            name = call.path.partition("name=")[2]
            call.place.attach(1, name, data(name))
            GitHubRequest.respond(call)

        return act

    shelf.script["upload"] = [by_another(lambda name: spec.files[name].read_bytes())]
    run(spec)
    assert whole(shelf, spec)


def test_other_bytes_that_another_run_put_there_meanwhile_stop_it(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    def act(call: Scripted) -> None:
        call.place.attach(1, call.path.partition("name=")[2], b"other")
        GitHubRequest.respond(call)

    shelf.script["upload"] = [act]
    with pytest.raises(StepFailed, match="has it with other bytes"):
        run(spec)
    assert draft_of(shelf)
    assert "refused" in run.states().values()


def test_of_two_runs_at_once_the_older_draft_goes_on_and_the_other_gives_way(
    shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    def after_another(call: Scripted) -> None:
        call.place.add(tag_name="v1.0", draft=True)
        GitHubRequest.respond(call)

    shelf.script["create"] = [after_another]
    with pytest.raises(StepFailed, match=r"another run makes the release of v1\.0 at this moment .*start again"):
        run(spec)
    assert len(shelf.releases) == 1, "its own empty draft is gone"
    assert not shelf.assets
    run(spec)
    assert whole(shelf, spec)


def test_a_draft_that_another_run_made_later_is_not_mistaken_for_ours(shelf: Shelf, spec: PageSpec, run: Run) -> None:
    def before_another(call: Scripted) -> None:
        call.place.add(tag_name="v1.0", draft=True)
        GitHubRequest.respond(call)

    shelf.script["upload"] = [before_another]
    run(spec)
    assert [row["draft"] for row in shelf.releases.values()] == [False, True]
    assert shelf.files("v1.0") == {name: path.read_bytes() for name, path in spec.files.items()}
    assert run(spec) == ()


def test_a_report_of_this_commit_is_added_to_the_page_and_another_is_not(
    tmp_path: Path, shelf: Shelf, spec: PageSpec, run: Run
) -> None:
    project = alone({})
    release = Release(
        project=project, package=project.packages[0], index="github", root=tmp_path, environ={}, say=run.lines.append
    )
    page = tmp_path / ".cartwheel/report.html"
    page.parent.mkdir()
    name = f"{archive_stem(project.packages[0])}-report.html"
    for commit, sent in (("e" * 40, False), (HEAD, True), (HEAD, True)):
        page.write_text(f"<head>{report_mark(commit)}<p>made at {commit[0]}", "utf-8")
        destination = GitHubRelease(Api(run.place(), run.environ), spec, say=run.lines.append, release=release)
        with destination.session():
            destination.prepare(destination.look(items_of(spec)))
            for item in items_of(spec) if not sent else ():
                destination.send(item)
            destination.finish(items_of(spec))
        assert (name in shelf.files("v1.0")) is sent
    assert run.lines.count(f"{name}: sent") == 1, "it is compared with nothing, and sent once"
    (tmp_path / ".cartwheel/reproduced.txt").write_text("same", "utf-8")
    destination = GitHubRelease(Api(run.place(), run.environ), spec, say=run.lines.append, release=release)
    with destination.session():
        destination.prepare(destination.look(items_of(spec)))
        destination.finish(items_of(spec))
    result = shelf.files("v1.0")[f"{archive_stem(project.packages[0])}-reproduced.txt"]
    assert result == b"same", "what a second builder found"


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", range(8))
def test_a_run_killed_at_any_point_is_completed_by_the_next(
    shelf: Shelf, spec: PageSpec, run: Run, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    done = iter(range(after))
    once = Api.upload, Api.ask

    def counted(method: str, path: str) -> None:
        if method != "GET" and next(done, None) is None:
            raise Killed(path)

    with monkeypatch.context() as patch:
        patch.setattr(Api, "upload", lambda s, u, p: (counted("POST", u), once[0](s, u, p))[1])
        patch.setattr(Api, "ask", lambda s, m, p, d=None: (counted(m, p), once[1](s, m, p, d))[1])
        if after < 7:
            with pytest.raises(Killed):
                run(spec)
        else:
            run(spec)
    run(spec)
    assert whole(shelf, spec)
