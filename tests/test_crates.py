"""Crates: chosen, packed, compared by content, and published by the real cargo to a registry on this machine."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel.cargo import publish_order as model
from cartwheel.cargo.publish_order import Crate
from cartwheel.destinations.cargo_publish import Cargo, Registry, answer_from, registry_of
from cartwheel.destinations.crate_content import differences
from cartwheel.destinations.crates import CrateRelease, name_refusals
from cartwheel.destinations.crates_identity import JobToken, is_planned, job_token
from cartwheel.destinations.credentials import REHEARSAL_TOKEN
from cartwheel.destinations.delivery import wait_until_visible
from cartwheel.destinations.protocol import Release
from cartwheel.destinations.released_crates import crates_of
from cartwheel.destinations.retries import LOST
from cartwheel.destinations.trusted_publishing import identity_variable
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.pipeline import read_project
from cartwheel.process.step_log import StepLog
from cartwheel.stand_ins.crates import CrateRequest as Requests
from support.crate_shelf import Act, Scripted, Shelf, Trusting, TrustingShelf
from support.crates import workspace
from support.deliveries import book_of, publish
from support.projects import Project, committed, environment
from support.repositories import git

needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
TOKEN = "a-token-that-nobody-may-see"

# Which crates, and in which order -------------------------------------------------------------------------------------


def package(name: str, needs: tuple[Any, ...] = (), **more: Any) -> dict[str, Any]:
    """What `cargo metadata` says of a crate; a need is a name, or a name with what differs."""
    rows = [(need, {}) if isinstance(need, str) else need for need in needs]
    return {
        "name": name, "version": "1.0.0", "manifest_path": f"/p/{name}/Cargo.toml", "publish": None,
        "description": "x", "license": "MIT", "targets": [{"kind": ["lib"], "crate_types": ["lib"]}],
        "dependencies": [{"name": n, "path": f"/p/{n}", "kind": None, "req": "^1.0.0", **d} for n, d in rows], **more,
    }  # fmt: skip


CDYLIB = [{"kind": ["cdylib"], "crate_types": ["cdylib"]}]


def picked(*packages: dict[str, Any], asked: tuple[str, ...] | None = None, extensions: tuple[str, ...] = ()) -> str:
    """The names of the crates that go to crates-io, in order."""
    crates = model.crates_from_metadata({"packages": packages}, extensions)
    return " ".join(crate.name for crate in model.crates_to_publish(crates, "crates-io", asked))


def test_each_crate_comes_after_those_it_needs() -> None:
    assert picked(package("a", ("c", "b")), package("b", ("c",)), package("c"), package("d")) == "c d b a"


def test_the_extension_is_sent_only_when_it_is_asked_for() -> None:
    both = (package("core"), package("py", ("core",), targets=CDYLIB))
    assert picked(*both) == "core"
    assert picked(*both, asked=("py", "core")) == "core py"
    lib = package("py", ("core",))
    assert picked(package("core"), lib, extensions=("/p/py",)) == "core", "also one that is a library besides"


def test_what_is_not_to_be_published_or_goes_elsewhere_stays() -> None:
    assert picked(package("a"), package("b", publish=[]), package("c", publish=["house"])) == "a"


def test_a_development_dependency_without_a_version_is_no_circle() -> None:
    back = ("a", {"kind": "dev", "req": "*"})
    assert picked(package("a", ("b",)), package("b", (back,))) == "b a"
    with pytest.raises(ConfigError, match=r"in a circle: .*dev-dependency"):
        picked(package("a", ("b",)), package("b", (("a", {"kind": "dev"}),)))


@pytest.mark.parametrize(
    ("packages", "asked", "match"),
    [
        ((package("py", targets=CDYLIB),), None, "no crate would be sent .py is the extension.; .*crates = "),
        ((package("a", publish=[]),), None, "a is not to be published"),
        ((package("alpha"),), ("alhpa",), "no crate 'alhpa' here; did you mean 'alpha'"),
        ((package("a", publish=[]),), ("a",), "'a' is named, and its Cargo.toml says"),
        ((package("a", ("b",)), package("b", publish=[])), None, "'a' needs 'b', whose Cargo.toml says"),
        ((package("a", description=None),), None, "Cargo.toml of 'a' lacks a description"),
        ((package("a", license=None),), None, "lacks a license or license-file"),
        ((package("a", (("b", {"req": "*"}),)), package("b")), None, "lacks a version for the dependency b"),
    ],
)
def test_what_could_not_be_published_is_refused_with_the_reason(
    packages: tuple[dict[str, Any], ...], asked: tuple[str, ...] | None, match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        picked(*packages, asked=asked)


# What cargo's words mean ----------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SAID = """    Updating crates.io index
error: failed to publish sand v1.0.0 to registry at https://house.example

Caused by:
  {}
"""


@pytest.mark.parametrize(
    ("words", "status", "seconds"),
    [
        ("the remote server responded with an error (status 429 Too Many Requests): You have published too many new "
         "crates in a short period of time. Please try again after Sat, 21 Nov 2026 12:10:00 GMT or write", 429, 600),
        ("the remote server responded with an error (status 429 Too Many Requests): try again after "
         "2026-11-21T12:01:30Z", 429, 90),
        ("the remote server responded with an error (status 429 Too Many Requests): try again in 5 minutes", 429, 300),
        ("failed to get a 200 OK response, got 429\n  headers:\n  \tHTTP/1.1 429\n  \tretry-after: 42\n  body:",
         429, 42),
        ("failed to get a 200 OK response, got 503\n  headers:\n  \tHTTP/1.1 503\n  body:\n  <html>", 503, 0),
        ("the remote server responded with an error (status 403 Forbidden): no", 403, 0),
        ("[52] Server returned nothing (no headers, no data) (Empty reply from server)", LOST, 0),
        ("the remote server responded with an error: crate version `1.0.0` is already uploaded", 400, 0),
    ],
)  # fmt: skip
def test_the_registrys_answer_is_read_from_cargos_words(words: str, status: int, seconds: float) -> None:
    answer = answer_from(SAID.format(words), NOW)
    assert (answer.status, answer.retry_after) == (status, seconds)
    assert answer.words.startswith("failed to publish sand")
    assert "Updating" not in answer.words


def test_a_registrys_address_must_be_one_that_cargo_takes() -> None:
    assert registry_of("house", {"house": IndexSettings(url="sparse+https://h.example/x")}).url.endswith("/x/")
    assert registry_of("crates-io", {}).arguments == ("--registry", "crates-io")
    for name, url in (("house", "h.example"), ("house", "sparse+https://a:b@h.example/"), ("crates-io", "https://x/")):
        with pytest.raises(ConfigError, match=f"index {name}: "):
            registry_of(name, {name: IndexSettings(url=url)})


def test_a_stand_in_is_the_only_place_that_cargo_is_led_to() -> None:
    table = {"crates-io": IndexSettings(url="sparse+http://127.0.0.1:9/index/", rehearsal=True)}
    registry = registry_of("crates-io", table)
    assert registry.arguments[-2:] == ("--index", "sparse+http://127.0.0.1:9/index/")
    variables = registry.environ({"CARGO_REGISTRY_TOKEN": TOKEN, "CARGO_HOME": "/home/me/.cargo"}, Path("/away"))
    assert TOKEN not in variables.values()
    assert variables["CARGO_HOME"] == str(Path("/away"))


# With the real cargo --------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    with shelf.open(Scripted):
        yield shelf


class Run:
    """One run after another in one project against one registry."""

    def __init__(self, project: Project, shelf: Shelf, folder: Path) -> None:
        self.project, self.shelf, self.folder = project, shelf, folder
        self.registry = Registry(name="house", url=shelf.index)
        self.lines: list[str] = []
        self.slept: list[float] = []
        self.environ = {**environment({}), "CARTWHEEL_INDEX_HOUSE_TOKEN": TOKEN, "CARGO_HOME": str(folder / "cargo")}
        self.environ.setdefault("RUSTUP_HOME", str(Path("~/.rustup").expanduser()))

    def cargo(self) -> Cargo:
        log = StepLog(self.folder / "log.txt", shown_as="log.txt")
        return Cargo(
            self.registry, self.project.root / "Cargo.toml", log=log, environ=self.environ,
            target=self.folder / "target", home=self.folder / "unused",
        )  # fmt: skip

    def crates(self, cargo: Cargo) -> tuple[Crate, ...]:
        return crates_of(
            cargo, self.project.root / "pebble", root=self.project.root, extensions=(), names=None, alone=True
        )

    def __call__(self, job_token: JobToken | None = None) -> tuple[str, ...]:
        cargo = self.cargo()
        release = CrateRelease(cargo, self.crates(cargo), job_token=job_token)
        book = book_of(self.folder / "ledger.json", release, "pebble", "1.0.0", self.lines.append)
        return tuple(n.rpartition("-")[0] for n in publish(release, (), book, say=self.lines.append, wait=self._sleep))

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def states(self) -> dict[str, str]:
        return {
            file: row["state"] for file, row in json.loads((self.folder / "ledger.json").read_bytes())["files"].items()
        }


@pytest.fixture
def run(tmp_path: Path, shelf: Shelf) -> Run:
    project = committed(workspace(tmp_path / "project", registry="house"))
    (tmp_path / "run").mkdir()
    return Run(project, shelf, tmp_path / "run")


def whole(shelf: Shelf) -> bool:
    return shelf.holds() == ("pebble 1.0.0", "sand 1.0.0")


@needs_cargo
def test_the_crates_are_published_in_order_once_and_the_log_holds_no_token(shelf: Shelf, run: Run) -> None:
    assert run() == ("sand", "pebble")
    assert shelf.posts == ["sand", "pebble"]
    assert shelf.tokens == {TOKEN}
    assert whole(shelf)
    assert set(run.states().values()) == {"sent"}
    assert run() == ()
    assert shelf.posts == ["sand", "pebble"]
    logs = "".join(path.read_text(errors="replace") for path in run.folder.glob("*.*"))
    assert TOKEN not in logs + "".join(run.lines)
    assert git(run.project.root, "status", "--porcelain") == ""


@needs_cargo
def test_the_token_of_a_rehearsal_of_crates_io_may_begin_with_a_hyphen(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    run = Run(committed(workspace(tmp_path / "project", registry="")), shelf, tmp_path / "run")
    run.registry = Registry(name="crates-io", url=shelf.index, stand_in=True)
    run.environ[REHEARSAL_TOKEN] = f"-{TOKEN}"
    assert run() == ("sand", "pebble")
    assert shelf.tokens == {f"-{TOKEN}"}
    assert TOKEN not in "".join(path.read_text(errors="replace") for path in run.folder.glob("*.*"))


@needs_cargo
def test_the_same_content_from_another_commit_is_skipped_and_other_content_refused(shelf: Shelf, run: Run) -> None:
    run()
    before = shelf.crates["sand", "1.0.0"]
    run.project.write("NOTES.txt", "another commit\n")
    git(run.project.root, "add", "--all")
    git(run.project.root, "commit", "--quiet", "--message", "elsewhere")
    (run.folder / "ledger.json").unlink()
    assert run() == ()
    packed = (run.folder / "target" / "package" / "sand-1.0.0.crate").read_bytes()
    assert packed != before, "the commit is in the file"
    assert isinstance(before, bytes)
    assert differences(packed, before, ()) == ()
    run.project.edit("sand/src/lib.rs", '"pebble"', '"boulder"')
    git(run.project.root, "commit", "--quiet", "--all", "--message", "other")
    with pytest.raises(StepFailed, match=r"has it with other content \(src/lib\.rs\)") as failed:
        run()
    assert str(failed.value).count("sha256") == 1
    assert "theirs" in str(failed.value)
    assert "release the next version" in str(failed.value)
    assert shelf.posts == ["sand", "pebble"]


@needs_cargo
def test_half_a_workspace_is_completed_also_from_a_later_commit(shelf: Shelf, run: Run) -> None:
    shelf.script = [Requests.publish, status(500)] + [status(500)] * 5
    with pytest.raises(StepFailed, match=r"could not take it after 6 tries .*start again later"):
        run()
    assert shelf.holds() == ("sand 1.0.0",)
    assert run.states() == {"sand-1.0.0.crate": "sent", "pebble-1.0.0.crate": "unknown"}
    git(run.project.root, "commit", "--allow-empty", "--quiet", "--message", "third")
    assert run() == ("pebble",)
    assert whole(shelf)


@needs_cargo
def test_a_crate_that_does_not_compile_as_packed_stops_everything(shelf: Shelf, run: Run) -> None:
    run.project.write("pebble/src/word.txt", "fine here")
    run.project.edit(
        "pebble/src/main.rs", "fn main() {", 'const _: &str = include_str!("../../outside.txt");\n\nfn main() {'
    )
    run.project.write("outside.txt", "not in the crate")
    git(run.project.root, "add", "--all")
    git(run.project.root, "commit", "--quiet", "--message", "reaches outside")
    with pytest.raises(StepFailed, match=r"outside\.txt"):
        run()
    assert shelf.posts == []


@needs_cargo
def test_uncommitted_changes_stop_everything(shelf: Shelf, run: Run) -> None:
    run.project.write("sand/src/lib.rs", "// changed\n")
    with pytest.raises(StepFailed, match="not yet committed"):
        run()
    assert shelf.posts == []


def status(code: int, detail: str = "", **headers: str) -> Act:
    """An answer that keeps nothing."""
    document = {"errors": [{"detail": detail}]}
    return lambda call, d, c: call.tell(code, document, **headers) if detail else call.answer(code, **headers)


def lost(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
    """The connection breaks before the crate was kept."""
    call.close_connection = True


def kept_and_lost(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
    """The crate is kept, and the connection breaks before the answer."""
    call.place.take(document, crate)
    call.close_connection = True


def kept_and_500(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
    """The crate is kept, and the answer says otherwise."""
    call.place.take(document, crate)
    call.answer(500)


def by_another(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
    """Another run was faster by a moment."""
    call.place.take(document, crate)
    Requests.publish(call, document, crate)


def quiet_refusal(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
    """200 with errors in it, as older registries answer; the crate is there."""
    call.tell(200, {"errors": [{"detail": call.place.take(document, crate) or "crate version is already uploaded"}]})


def soon() -> str:
    return f"Please try again after {format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)} or"


def slow(faults: Iterable[str], *quick: str) -> list[Any]:
    """Each takes seconds of the real cargo: all but a few run with the slow cases."""
    return [fault if fault in quick else pytest.param(fault, marks=pytest.mark.lab) for fault in faults]


PASSING: dict[str, tuple[list[Act], range]] = {
    "500 once": ([status(500)], range(2, 3)),
    "503 twice": ([status(503)] * 2, range(2, 5)),
    "lost before": ([lost], range(2, 3)),
    "kept and lost": ([kept_and_lost], range(0)),
    "kept and 500": ([kept_and_500], range(0)),
    "another run": ([by_another], range(0)),
    "200 with errors": ([quiet_refusal], range(0)),
    "429 with Retry-After": ([status(429, Retry_After="33")], range(33, 34)),
    "429 try again after": ([lambda c, d, b: c.tell(429, {"errors": [{"detail": soon()}]})], range(280, 301)),
}


@needs_cargo
@pytest.mark.parametrize("fault", slow(PASSING, "kept and lost", "429 try again after"))
def test_what_passes_is_outlived(shelf: Shelf, run: Run, fault: str) -> None:
    script, waits = PASSING[fault]
    shelf.script = list(script)
    run()
    assert whole(shelf)
    assert set(run.states().values()) <= {"sent", "there"}
    assert all(int(seconds) in waits for seconds in run.slept), run.slept
    assert bool(run.slept) == bool(waits)


LASTING: dict[str, tuple[Act, str]] = {
    "forbidden": (status(403, f"no: {TOKEN}"), "does not accept the credentials .*check the token"),
    "refused": (status(400, "missing or empty metadata fields: repository"), "refuses it .*missing or empty"),
    "an hour to wait": (status(429, "try again in 60 minutes"), "asks to wait 60 minutes; start again then"),
    "there and not shown": (status(400, "crate version `1.0.0` is already uploaded"), "says it has it but does not"),
}


@needs_cargo
@pytest.mark.parametrize("fault", slow(LASTING, "forbidden"))
def test_what_does_not_pass_is_said_and_nothing_more_is_sent(shelf: Shelf, run: Run, fault: str) -> None:
    act, match = LASTING[fault]
    shelf.script = [act]
    with pytest.raises(StepFailed, match=match) as failed:
        run()
    assert shelf.posts == ["sand"]
    assert shelf.holds() == ()
    assert TOKEN not in str(failed.value)
    assert TOKEN not in (run.folder / "log.txt").read_text()
    assert "sent" not in run.states().values()
    run()
    assert whole(shelf)


@needs_cargo
@pytest.mark.parametrize("logs", [False, pytest.param(True, marks=pytest.mark.lab)])
def test_a_registry_that_never_answers_a_publish_is_left_after_its_time(
    shelf: Shelf, run: Run, logs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(call: Scripted, document: dict[str, Any], crate: bytes) -> None:
        if logs:
            call.place.take(document, crate)
        time.sleep(20)

    monkeypatch.setattr("cartwheel.destinations.cargo_publish.PUBLISH_SECONDS", 4.0)
    shelf.script = [silent]
    began = time.monotonic()
    if logs:
        monkeypatch.setattr("cartwheel.destinations.cargo_publish.PUBLISH_SECONDS", 8.0)
        run()
        assert whole(shelf)
    else:
        with pytest.raises(StepFailed, match=r"did not take it in time.*cargo publish did not end within 4 s"):
            run()
        assert shelf.posts == ["sand"]
        assert time.monotonic() - began < 18
        assert "sent" not in run.states().values()


@needs_cargo
def test_without_a_token_it_says_so(shelf: Shelf, run: Run) -> None:
    del run.environ["CARTWHEEL_INDEX_HOUSE_TOKEN"]
    with pytest.raises(StepFailed, match=r"does not accept the credentials .no token found"):
        run()
    assert shelf.posts == []


@needs_cargo
def test_a_registry_that_does_not_answer_is_said_before_anything_is_sent(shelf: Shelf, run: Run) -> None:
    run.environ["CARGO_NET_RETRY"] = "0"
    dead = Registry(name="house", url="sparse+http://127.0.0.1:9/index/")
    cargo = run.cargo()
    cargo.registry = dead
    cargo._env = dead.environ(run.environ, run.folder)
    release = CrateRelease(cargo, run.crates(run.cargo()))
    with pytest.raises(StepFailed, match=r"127\.0\.0\.1"):
        release.look(release.items(()))
    assert shelf.posts == []


@needs_cargo
def test_what_is_not_shown_yet_is_waited_for(shelf: Shelf, run: Run) -> None:
    run()
    cargo = run.cargo()
    crates = run.crates(cargo)
    shelf.hidden["pebble"] = 2
    release = CrateRelease(cargo, crates)
    items = release.items(())
    assert wait_until_visible(release, items, say=run.lines.append, wait=run._sleep) == ()
    assert "house shows 1 of 2 files; waiting until" in run.lines[-1]
    shelf.hidden["pebble"] = 10**6
    clock = iter(range(0, 10**6, 400))
    later = CrateRelease(cargo, crates)
    (line,) = wait_until_visible(later, items, say=run.lines.append, wait=run._sleep, clock=lambda: float(next(clock)))
    assert "pebble-1.0.0.crate: not on house after 900 s" in line


@needs_cargo
def test_packages_that_share_a_workspace_send_what_each_needs(run: Run) -> None:
    cargo, root = run.cargo(), run.project.root
    for folder, names in (("pebble", ["sand", "pebble"]), ("sand", ["sand"])):
        crates = crates_of(cargo, root / folder, root=root, extensions=(), names=None, alone=False)
        assert [crate.name for crate in crates] == names


@needs_cargo
def test_a_crate_of_another_workspace_that_is_needed_by_path_comes_along(tmp_path: Path, shelf: Shelf) -> None:
    project = workspace(tmp_path / "project", registry="house")
    project.edit("Cargo.toml", '["pebble", "sand", "loose"]', '["sand", "loose"]\nexclude = ["pebble"]')
    for key in ("version", "edition", "license"):
        text = {"version": "1.0.0", "edition": "2021", "license": "MIT"}[key]
        project.edit("pebble/Cargo.toml", f"{key}.workspace = true", f'{key} = "{text}"')
    project.write("pebble/Cargo.lock", (project.root / "Cargo.lock").read_text())
    committed(project)
    (tmp_path / "run").mkdir()
    run = Run(project, shelf, tmp_path / "run")
    cargo = Cargo(
        Registry(name="house", url=shelf.index), project.root / "pebble" / "Cargo.toml",
        log=StepLog(tmp_path / "run" / "log.txt", shown_as="log.txt"), environ=run.environ, target=tmp_path / "t",
        home=tmp_path,
    )  # fmt: skip
    assert [crate.name for crate in run.crates(cargo)] == ["sand", "pebble"]


# Trusted publishing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrustingShelf]:
    """A registry with trusted publishing; this process is a job of `me/demo` on GitHub."""
    monkeypatch.setattr("cartwheel.destinations.retries.sleep", lambda seconds: None)
    for name in ("GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
    shelf = TrustingShelf()
    with shelf.open(Trusting):
        for name, value in shelf.identities.github(shelf.base).items():
            monkeypatch.setenv(name, value)
        yield shelf


TRUSTED = IndexSettings(kind="crates", auth="trusted")


def token_of(
    shelf: TrustingShelf, settings: IndexSettings = TRUSTED, *, say: Callable[[str], None] = lambda text: None
) -> JobToken:
    answer = job_token(Registry(name="house", url=shelf.index), settings, dict(os.environ), say)
    assert answer
    return answer


@needs_cargo
def test_a_job_publishes_crates_with_a_token_of_its_identity_that_is_revoked_after(
    trusting: TrustingShelf, tmp_path: Path
) -> None:
    project = committed(workspace(tmp_path / "project", registry="house"))
    (tmp_path / "run").mkdir()
    run = Run(project, trusting, tmp_path / "run")
    assert run(token_of(trusting)) == ("sand", "pebble")
    (token,) = trusting.issued
    assert trusting.tokens == {token}
    assert trusting.revoked == [token]
    logs = "".join(path.read_text(errors="replace") for path in run.folder.glob("*.*"))
    assert token not in logs + "".join(run.lines)
    assert run(token_of(trusting)) == ()
    assert len(trusting.issued) == 1, "nothing to send, no token"


def test_an_exchange_is_repeated_after_a_passing_fault_with_a_new_identity(trusting: TrustingShelf) -> None:
    trusting.troubles = [503, 429]
    assert token_of(trusting).issue() == trusting.issued[0]


@pytest.mark.parametrize(
    ("claim", "settings", "words"),
    [
        ({"repository": "me/fork"}, TRUSTED, r"No Trusted .* `me/fork`\.; add this job .*me/fork.*first version"),
        ({"environment": "else"}, IndexSettings(auth="trusted", environment="release"), r"this job runs in 'else'"),
    ],
)  # fmt: skip
def test_a_job_that_is_no_publisher_is_told_what_to_add(
    claim: dict[str, object], settings: IndexSettings, words: str, trusting: TrustingShelf
) -> None:
    trusting.identities.claims |= claim
    with pytest.raises(CartwheelError, match=words):
        token_of(trusting, settings).issue()
    assert trusting.issued == []


def test_an_identity_of_gitlab_works_once(trusting: TrustingShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITLAB_CI", "true")
    audience = trusting.base.removeprefix("http://")
    monkeypatch.setenv(identity_variable(audience), trusting.identities.token(audience))
    token = token_of(trusting)
    assert token.issue() == trusting.issued[0]
    token.revoke()
    with pytest.raises(CartwheelError, match="JWT has already been used"):
        token.issue()


def test_a_token_that_cannot_be_revoked_is_announced(trusting: TrustingShelf) -> None:
    lines: list[str] = []
    trusting.revoking = 500
    token = token_of(trusting, say=lines.append)
    token.issue()
    token.revoke()
    token.revoke()
    assert lines == ["house: its token could not be revoked (it answers 500); it ends within 30 minutes"]


def test_a_token_of_the_user_comes_first_and_elsewhere_than_on_crates_io_nothing_is_exchanged_unasked() -> None:
    job = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/"}
    auto = IndexSettings()
    assert is_planned("crates-io", auto, job)
    assert is_planned("crates-io", auto, {"CRATES_IO_ID_TOKEN": "x"})
    assert not is_planned("crates-io", auto, {})
    assert not is_planned("crates-io", auto, {**job, "CARTWHEEL_INDEX_CRATES_IO_TOKEN": "x"})
    assert not is_planned("crates-io", auto, {**job, "CARGO_REGISTRY_TOKEN": "x"})
    assert not is_planned("crates-io", IndexSettings(auth="token"), job)
    assert not is_planned("house", auto, job)
    assert not job_token(Registry(name="crates-io", url="sparse+http://127.0.0.1:9/", stand_in=True), TRUSTED, job, str)


def test_without_a_job_trusted_publishing_is_refused_before_anything_is_sent() -> None:
    token = job_token(Registry(name="crates-io"), TRUSTED, {}, print)
    assert token
    assert "publish from the pipeline" in token.refusal()


@pytest.mark.parametrize(
    ("variables", "files", "refused"),
    [
        ({}, {}, True),
        ({"CARTWHEEL_INDEX_HOUSE_TOKEN": "x"}, {}, False),
        ({"CARGO_REGISTRIES_HOUSE_TOKEN": "x"}, {}, False),
        ({"CARGO_REGISTRY_TOKEN": "of crates.io"}, {}, True),
        ({"CARGO_REGISTRIES_HOUSE_CREDENTIAL_PROVIDER": "x"}, {}, False),
        ({}, {"home/credentials.toml": "[registries.house]\n"}, False),
        ({}, {"project/.cargo/config.toml": "[registry]\nglobal-credential-providers = ['x']\n"}, False),
    ],
    ids=str,
)
def test_a_missing_token_is_told_before_anything_is_built(
    variables: dict[str, str], files: dict[str, str], refused: bool, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    house = IndexSettings(kind="crates", url="sparse+https://crates.example/index/")
    project = Project(tmp_path / "project")
    project.write("pyproject.toml", '[project]\nname = "pebble"\nversion = "1"\n[tool.cartwheel]\ntargets = ["any"]\n')
    resolved = replace(read_project(project.root, {}), indexes={"house": house})
    release = Release(
        project=resolved, package=resolved.packages[0], index="house", root=project.root, say=print, sending=True,
        environ={"CARGO_HOME": str(tmp_path / "home"), **variables},
    )  # fmt: skip
    assert ["set CARTWHEEL_INDEX_HOUSE_TOKEN or" in line for line in name_refusals(release, (), ())] == [True] * refused
    assert name_refusals(replace(release, sending=False), (), ()) == ()
