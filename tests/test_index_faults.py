"""Faults of an index, one row each: nothing is published twice or wrong, the ledger is true, the message says what to
do, and a second run ends well or refuses with the reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.destinations.ledger import SHOWN_WITHIN
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import digests_on_index
from cartwheel.model.errors import CartwheelError
from support import deliveries as delivery
from support.deliveries import wait_until_listed
from support.indexes import (
    METADATA,
    Faulty,
    Post,
    Step,
    after_storing,
    cut,
    cut_answer,
    early,
    faulty,
    garbage,
    kept_and_lost,
    kill,
    lost,
    sdist,
    sha256,
    status,
    wheel,
)

SECRET = "s3cr3t-of-the-index"
NAMES = (
    "demo-1.0-cp311-abi3-macosx_11_0_arm64.whl",
    "demo-1.0-cp311-abi3-win_amd64.whl",
    "demo-1.0-py3-none-any.whl",
)
WHAT_TO_DO = re.compile(
    r"start again|release the next version|check the token|try again|use a token|make it|look at|put a new one|plan it"
    r"|give this machine"
)


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, ...]:
    """Three wheels and an sdist, in the order in which they are sent; no two with the same bytes."""
    paths = [wheel(tmp_path / "dist", name, files={"demo/which.txt": name}) for name in NAMES]
    return (*paths, sdist(tmp_path / "dist"))


class Run:
    """Publishing with a ledger, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.json"
        self.lines: list[str] = []
        self.slept: list[float] = []

    def __call__(self, index: Index, files: tuple[Path, ...]) -> str:
        """The refusal; empty if the upload succeeded."""
        try:
            delivery.send(
                index, "demo", "1.0", files, ledger=self.ledger, environ={"CARTWHEEL_INDEX_FAULTY_TOKEN": SECRET},
                say=self.lines.append, wait=self.slept.append,
            )  # fmt: skip
        except CartwheelError as error:
            return str(error)
        return ""

    @property
    def rows(self) -> dict[str, dict[str, object]]:
        return dict(json.loads(self.ledger.read_bytes())["files"]) if self.ledger.exists() else {}


def demand_true(run: Run, state: Faulty, release: tuple[Path, ...], *, foreign: tuple[str, ...] = ()) -> None:
    """Nothing is there twice or wrong, and the ledger says what is."""
    ours = {path.name: path.read_bytes() for path in release}
    assert len(state.stored) == len(set(state.stored))
    assert all(state.files[name] == data for name, data in ours.items() if name in state.files and name not in foreign)
    for name, row in run.rows.items():
        if row["state"] in ("sent", "there"):
            assert row["sha256"] == sha256(state.files[name]), f"{name} is not there as the ledger says"
        elif row["state"] == "refused":
            assert state.files.get(name) != ours[name], f"{name} is there, and the ledger says it was refused"
    assert not re.search(SECRET, "\n".join(run.lines) + json.dumps(run.rows))


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and what is to come of it."""

    name: str
    script: tuple[Step, ...] = ()
    always: Step | None = None
    looks: tuple[Step, ...] = ()
    set: Callable[[Faulty, tuple[Path, ...]], None] = lambda state, release: None
    message: str = ""
    """A pattern of what the first run is refused with; empty: it ends well."""
    slept: tuple[float, ...] | None = None
    posts: int | None = None
    """How many uploads the first run tried."""
    foreign: tuple[str, ...] = ()
    """Files that another user uploaded."""
    again: str = ""
    """A pattern of what the second run, with the fault gone, is refused with; empty: it ends well."""
    settings: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def meanwhile(data: bytes | None, code: int) -> Step:
    """Somebody else's file came first; None: it is the same."""

    def step(post: Post) -> None:
        post.faulty.keep(post.file, post.data if data is None else data)
        post.answer(code, f"File already exists ('{post.file}')")

    return step


def hold(number: int, data: bytes | None = None) -> Callable[[Faulty, tuple[Path, ...]], None]:
    """The first files are there before; None: with their own bytes."""

    def put(state: Faulty, release: tuple[Path, ...]) -> None:
        state.files.update({path.name: path.read_bytes() if data is None else data for path in release[:number]})

    return put


def soon(post: Post) -> None:
    """Too many requests, and a date."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    post.answer(429, headers={"Retry-After": moment})


def away(code: int) -> Step:
    """Sent on to another host."""
    return lambda post: post.answer(code, headers={"Location": "https://elsewhere.example/upload/"})


def exists_late(post: Post) -> None:
    post.faulty.keep(post.file, post.data)
    post.faulty.unlisted = 1
    post.answer(400, "File already exists")


def unlisted_500(post: Post) -> None:
    post.faulty.unlisted = 1
    post.answer(500)


def no_json(post: Post) -> None:
    post.answer(200, body=b"{", headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})


USED = "This filename was previously used by a file that has since been deleted. Use a different version."
PAGE = b"<html><style>p{}</style><h1>Bad gateway</h1><p>the back end is away</p></html>"
FIRST = NAMES[0]

FAULTS = (
    # The index has a passing trouble
    Fault("500 once", (status(500),), slept=(2,)),
    Fault("three kinds of 5xx, then well", (status(503), status(502), status(500)), slept=(2, 4, 8)),
    Fault("500 for ever", always=status(500), message=r"after 6 tries \(500", posts=6),
    Fault("500 in the middle of the set, for ever", (*[lambda p: p.faulty.take(p)] * 2, *[status(500)] * 6),
          message="after 6 tries.*\n2 of 4 files"),
    Fault("503 with Retry-After", (status(503, Retry_After="7"),), slept=(7,)),
    Fault("a page of HTML for an error", always=status(502, "Bad Gateway", PAGE), message="the back end is away"),
    Fault("429 with Retry-After", (status(429, Retry_After="30"),), slept=(30,)),
    Fault("429 with a date", (soon,)),
    Fault("429 without", (status(429), status(429)), slept=(2, 4)),
    Fault("429 for ever", always=status(429), message=r"after 6 tries \(429"),
    Fault("429 for two hours", (status(429, Retry_After="7200"),), slept=(),
          message="wait 120 minutes; start again then"),
    Fault("503 for two hours", (status(503, Retry_After="7200"),), slept=(),
          message="wait 120 minutes; start again then"),
    Fault("408 once", (status(408),), slept=(2,)),
    Fault("425 once", (status(425),), slept=(2,)),
    # Whether it arrived is not known
    Fault("504 after it was kept", (after_storing(status(504)),), posts=4, slept=()),
    Fault("500 after it was kept, and listed late", (after_storing(unlisted_500),), posts=5),
    Fault("kept with 500, listed late, and refused when it comes again", settings={"same_is_200": False},
          script=(after_storing(unlisted_500),), posts=5),
    Fault("cut before the first byte", (cut(0),), slept=(2,)),
    Fault("cut after a few bytes", (cut(0.01),), slept=(2,)),
    Fault("cut in the middle", (cut(0.5),), slept=(2,)),
    Fault("cut before the last bytes", (cut(0.99),), slept=(2,)),
    Fault("reset in the middle", (cut(0.5, hard=True),), slept=(2,)),
    Fault("cut after the body", (lost,), slept=(2,)),
    Fault("cut for ever", always=cut(0.5), message="after 6 tries", posts=6),
    Fault("kept, and no answer", (kept_and_lost,), posts=4, slept=()),
    Fault("kept, and half an answer", (after_storing(cut_answer),), posts=4, slept=()),
    Fault("no HTTP in the answer", (garbage,), slept=(2,)),
    # It refuses
    Fault("400", (status(400, "Invalid value for classifiers."),), message=r"refuses it \(400 Invalid value", posts=1),
    Fault("400 in the middle of the set", (*[lambda p: p.faulty.take(p)] * 2, status(400, "Invalid")),
          message="refuses it.*nothing after it was sent\n2 of 4 files", posts=3),
    Fault("400 with the reason in the body", (status(400, "Bad Request", b"<p>no such &amp; such</p>"),),
          message="no such & such"),
    Fault("400 for a name that was used", (status(400, USED),), message="takes a name only once.*release the next"),
    Fault("400 for same bytes that came meanwhile", (meanwhile(None, 400),), posts=4),
    Fault("409 for same bytes that came meanwhile", (meanwhile(None, 409),), posts=4),
    Fault("400 for other bytes that came meanwhile", (meanwhile(b"theirs", 400),), foreign=(FIRST,), posts=1,
          message=f"theirs {sha256(b'theirs')}.*release the next", again=f"nothing was sent.*\n.*{sha256(b'theirs')}"),
    Fault("409 for other bytes that came meanwhile", (meanwhile(b"theirs", 409),), foreign=(FIRST,), posts=1,
          message=f"theirs {sha256(b'theirs')}", again="nothing was sent"),
    Fault("400 for same bytes that are listed late", (exists_late,), posts=4, slept=(10,)),
    Fault("400 for a file that is never listed", (status(400, "File already exists"),), slept=(10, 10),
          message="says it has it but does not list it.*start again"),
    Fault("409 for a file that is never listed", (status(409, "conflict"),), message="does not list it"),
    Fault("401", (status(401),), message="does not accept the credentials.*check the token", posts=1),
    Fault("403 with the token in it", (status(403, f"no such token: {SECRET}"),), message=r"no such token: \*\*\*"),
    Fault("403 for another project", (status(403, "The given token isn't allowed to upload to project 'demo'."),),
          message="may not upload to this project.*use a token of the project"),
    Fault("403 for an expired token", (status(403, "Invalid token: token has expired"),),
          message="finds the token expired.*put a new one into CARTWHEEL_INDEX_FAULTY_TOKEN"),
    Fault("a token that expires in the middle", set=lambda s, r: setattr(s, "tokens", {SECRET: 2}),
          message="does not accept.*\n2 of 4 files", posts=3),
    Fault("403 read-only", (status(403, "Read-only mode: Uploads are temporarily disabled."),),
          message="takes no files now.*start again later"),
    Fault("404", always=status(404), message="takes no files at http.*look at the 'url' of", posts=1),
    Fault("405", always=status(405), message="takes no files at http", posts=1),
    Fault("410", always=status(410), message="takes no files at http", posts=1),
    Fault("413", (status(413),), message="too large.*make it smaller", posts=1),
    Fault("413 before the body was read", (early(status(413)),), message="too large|after 6 tries|^$"),
    *(Fault(f"{code} to another host", always=away(code), posts=1,
            message="redirects to https://elsewhere.example/upload/, where neither .* credentials are sent.*make it")
      for code in (301, 302, 303, 307, 308)),
    *(Fault(f"403 in the encoding {name}", (status(403, body=b"no\xff", Content_Type=f"text/plain; charset={name}"),),
            message="does not accept the credentials", posts=1) for name in ("rot13", "klingon", "idna", "zlib")),
    *(Fault(f"redirects to {name}", (status(302, Location=name),), posts=5)
      for name in ("http://[::1/", "http://127.0.0.1:99999/")),
    # What it lists
    Fault("not listed for a while", set=lambda s, r: setattr(s, "unlisted", 1)),
    Fault("listed with another digest", set=lambda s, r: s.listed_wrong.add(FIRST),
          again=f"{FIRST}: faulty has it with other bytes.*theirs {sha256(b'other')}"),
    Fault("half of the set is there", set=hold(2), posts=2),
    Fault("the whole set is there", set=hold(4), posts=0),
    Fault("half is there with other bytes", set=hold(2, b"x"), foreign=NAMES[:2], posts=0,
          message=f"nothing was sent.*{sha256(b'x')}", again="nothing was sent"),
    Fault("a file that nobody planned", set=lambda s, r: s.files.update({"demo-1.0-cp39-cp39-win32.whl": b"x"}),
          posts=0, message="the plan has not; plan it", again="the plan has not"),
    Fault("half is there and no digests", set=hold(2), settings={"digests": False}, posts=2),
    Fault("half is there, other bytes, no digests", set=hold(2, b"x"), settings={"digests": False}, foreign=NAMES[:2],
          posts=0, message=f"theirs {sha256(b'x')}", again="nothing was sent"),
    Fault("only HTML", set=hold(1), settings={"json": False}, posts=3),
    Fault("the page fails once", looks=(status(500),), posts=4),
    Fault("the page fails for ever", looks=(status(500),) * 9, message="cannot be read.*try again when it", posts=0),
    Fault("the page is for later", looks=(status(429, Retry_After="7200"),), message="read.*wait 120 minutes", posts=0),
    Fault("the page wants to know who asks", looks=(status(401),), message="cannot be read.*in ~/.netrc", posts=0),
    Fault("the page is not what it says", set=hold(1), posts=0, message="cannot be read",
          looks=(no_json,) * 9),
    Fault("the page is not what it says, once", set=hold(1), posts=3, looks=(no_json,)),
    Fault("the page is cut", looks=(cut_answer,), set=hold(1), posts=3),
    Fault("the page fails while a file's fate is open", (kept_and_lost,), posts=5,
          looks=(lambda p: p.show(), *[status(503)] * 3)),
    Fault("the page fails after a refusal", (status(400, "Invalid"),), posts=1, message="cannot be read",
          looks=(lambda p: p.show(), *[status(500)] * 3)),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_after_a_fault_nothing_is_wrong_and_the_next_run_goes_on(
    fault: Fault, release: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cartwheel.destinations.retries.sleep", lambda seconds: None)
    run, second = Run(tmp_path), Run(tmp_path)
    with faulty(**fault.settings) as state:
        state.script, state.always, state.looks = list(fault.script), fault.always, list(fault.looks)
        fault.set(state, release)
        output = run(state.index, release)
        assert re.search(fault.message or "^$", output, re.DOTALL)
        assert SECRET not in output
        assert not output or WHAT_TO_DO.search(output) or "nothing after it was sent" in output
        assert fault.slept in (None, tuple(run.slept))
        assert fault.posts in (None, len(state.posts))
        demand_true(run, state, release, foreign=fault.foreign)
        state.script, state.always, state.looks, state.tokens = [], None, [], None
        output = second(state.index, release)
        assert re.search(fault.again or "^$", output, re.DOTALL)
        demand_true(second, state, release, foreign=fault.foreign)
        if not fault.again:
            assert {name: state.files[name] for name in state.files} == {p.name: p.read_bytes() for p in release}


def test_no_two_faults_have_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_redirect_takes_neither_the_file_nor_the_token_along(release: tuple[Path, ...], tmp_path: Path) -> None:
    with faulty() as other, faulty() as state:
        state.always = lambda post: post.answer(307, headers={"Location": f"{other.base}/upload/"})
        assert "redirects to" in Run(tmp_path)(state.index, release)
        assert (other.posts, other.seen, len(state.posts)) == ([], [], 1)


def test_what_an_index_sends_its_readers_elsewhere_for_is_not_there(release: tuple[Path, ...], tmp_path: Path) -> None:
    elsewhere = {path.name: path.read_bytes() for path in release}
    run, waited = Run(tmp_path), []
    with faulty(files=elsewhere) as other, faulty() as state:
        away = status(303, Location=f"{other.base}/simple/demo/")
        planned = {name: sha256(data) for name, data in elsewhere.items()}
        state.looks = [away] * 2
        lines = wait_until_listed(state.index, "demo", "1.0", planned, deadline=0, say=waited.append)
        assert len(lines) == len(release)
        assert "does not hold demo: it sends readers on to" in lines[0]
        assert digests_on_index(state.index, "demo", "1.0") == {}, "nor does it for bump"
        state.looks = [away]
        assert run(state.index, release) == ""
        assert (state.stored, other.posts) == ([path.name for path in release], [])
    assert f"faulty does not hold demo: it sends readers on to {other.base}/simple/demo/" in run.lines


def test_an_index_may_send_its_readers_on_within_itself() -> None:
    with faulty(files={"demo-1.0.tar.gz": b"sdist"}) as state:
        state.looks = [status(301, Location="/simple/demo/?again")]
        assert list(digests_on_index(state.index, "demo", "1.0")) == ["demo-1.0.tar.gz"]


def test_what_an_index_took_and_lost_is_sent_again_after_an_hour(release: tuple[Path, ...], tmp_path: Path) -> None:
    run = Run(tmp_path)
    with faulty() as state:
        assert run(state.index, release) == ""
        state.files.clear()
        assert run(state.index, release) == ""
        assert len(state.posts) == 4, "it may only lag"
        book = json.loads(run.ledger.read_bytes())
        long_ago = (datetime.now(UTC) - SHOWN_WITHIN - timedelta(minutes=1)).isoformat()
        book["files"] = {name: {**row, "at": long_ago} for name, row in book["files"].items()}
        run.ledger.write_text(json.dumps(book))
        state.stored.clear()
        assert run(state.index, release) == ""
        assert len(state.files) == 4


def test_a_ledger_that_cannot_be_written_stops_the_run_before_the_upload(
    release: tuple[Path, ...], tmp_path: Path
) -> None:
    run = Run(tmp_path / "book")
    (tmp_path / "book").write_text("a file where a folder should be")
    with faulty() as state:
        output = run(state.index, release)
        assert re.search(r"ledger.json cannot be (read|written) \(.*\); make it (readable|writable)", output)
        assert state.posts == []


def test_the_ledger_keeps_what_the_index_answered_then(release: tuple[Path, ...], tmp_path: Path) -> None:
    run = Run(tmp_path)
    with faulty() as state:
        assert run(state.index, release) == ""
        rows = run.rows
        assert {row["status"] for row in rows.values()} == {200}
        assert run(state.index, release) == ""
        assert run.rows == rows


def test_a_file_that_changes_while_the_release_is_sent_is_sent_as_it_was_checked(
    release: tuple[Path, ...], tmp_path: Path
) -> None:
    run, checked = Run(tmp_path), {path.name: path.read_bytes() for path in release}

    def changing(post: Post) -> None:
        release[1].write_bytes(b"other")
        post.faulty.take(post)

    with faulty(script=[changing]) as state:
        assert run(state.index, release) == ""
        assert state.files == checked
        assert {name: row["sha256"] for name, row in run.rows.items()} == {n: sha256(d) for n, d in checked.items()}


def test_a_file_that_twine_does_not_take_is_refused_without_a_byte(release: tuple[Path, ...], tmp_path: Path) -> None:
    run = Run(tmp_path)
    bad = wheel(tmp_path / "bad", NAMES[0], metadata=METADATA + "Shoe-Size: 42\n")
    with faulty() as state:
        assert "cannot be sent: Invalid distribution metadata" in run(state.index, (bad, *release[1:]))
        assert state.posts == []
        demand_true(run, state, (bad, *release[1:]))
        assert run(state.index, release) == ""


# Killed --------------------------------------------------------------------------------------------------------------

SENDS = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
"""
SENDS += """
from pathlib import Path
from support.deliveries import send
from cartwheel.destinations.pypi_index import Index
base, ledger, *files = sys.argv[1:]
index = Index(name="faulty", url=f"{base}/upload/", simple=f"{base}/simple/")
send(index, "demo", "1.0", [Path(f) for f in files], ledger=Path(ledger),
     environ={"CARTWHEEL_INDEX_FAULTY_TOKEN": "%s"}, say=lambda line: None)
"""


@pytest.mark.parametrize(
    ("upload", "moment"),
    [*((number, when) for number in range(4) for when in ("before it is kept", "after it is kept")), (1, "answered")],
)
def test_a_process_that_is_killed_at_any_upload_is_followed_by_one_that_sends_only_the_rest(
    upload: int, moment: str, release: tuple[Path, ...], tmp_path: Path
) -> None:
    run, pid = Run(tmp_path), [0]
    ends = {
        "before it is kept": kill(lambda: pid[0]),
        "after it is kept": after_storing(kill(lambda: pid[0])),
        "answered": after_storing(kill(lambda: pid[0], status(200))),
    }
    with faulty() as state:
        state.script = [*[lambda post: state.take(post)] * upload, ends[moment]]
        argv = (sys.executable, "-c", SENDS % SECRET, state.base, str(run.ledger), *map(str, release))
        with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
            pid[0] = process.pid
            _, errors = process.communicate(timeout=60)
        assert process.returncode not in (0, 1), errors
        assert len(state.posts) == upload + 1
        assert [row["state"] for row in run.rows.values()] == ["sent"] * upload + ["sending"]
        demand_true(run, state, release)
        assert run(state.index, release) == ""
        demand_true(run, state, release)
        assert set(state.files) == {path.name for path in release}
        assert len(state.posts) == 4 + (moment == "before it is kept")


# Two at once ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def others(tmp_path: Path) -> tuple[Path, ...]:
    """The release, with other bytes from its second file on."""
    wheels = [wheel(tmp_path / "others", name, files={"demo/which.txt": name}) for name in NAMES[:1]]
    wheels += [wheel(tmp_path / "others", name, files={"demo/which.txt": "mine"}) for name in NAMES[1:]]
    return (*wheels, sdist(tmp_path / "others"))


def both(state: Faulty, first: tuple[Path, ...], second: tuple[Path, ...], folder: Path) -> tuple[str, str]:
    """Two releases that have both looked before either sends."""
    gate = threading.Barrier(2)

    def look(post: Post) -> None:
        gate.wait(20)
        post.show()

    state.looks = [look, look]
    output = ["", ""]

    def go(number: int, files: tuple[Path, ...]) -> None:
        output[number] = Run(folder / str(number))(state.index, files)

    threads = [threading.Thread(target=go, args=(n, files)) for n, files in enumerate((first, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return output[0], output[1]


@pytest.mark.parametrize("same_is_200", [True, False])
def test_two_releases_of_the_same_bytes_both_end_well(
    same_is_200: bool, release: tuple[Path, ...], tmp_path: Path
) -> None:
    with faulty(same_is_200=same_is_200) as state:
        assert both(state, release, release, tmp_path) == ("", "")
        assert state.files == {path.name: path.read_bytes() for path in release}
        assert len(state.stored) == 4


def test_of_two_releases_with_other_bytes_one_is_whole_and_the_other_refused(
    release: tuple[Path, ...], others: tuple[Path, ...], tmp_path: Path
) -> None:
    with faulty() as state:
        output = both(state, release, others, tmp_path)
        assert sorted(bool(line) for line in output) == [False, True]
        won, lost_ = (release, others) if not output[0] else (others, release)
        assert state.files == {path.name: path.read_bytes() for path in won}
        assert f"theirs {sha256(won[1].read_bytes())}" in "".join(output)
        assert "nothing was sent" in Run(tmp_path / ("1" if not output[0] else "0"))(state.index, lost_)


def test_the_window_of_fourteen_days_is_pypi_s_alone_and_told_before_the_first_byte(
    release: tuple[Path, ...], tmp_path: Path
) -> None:
    old = (datetime.now(UTC) - timedelta(days=15)).isoformat()
    with faulty(files={release[0].name: release[0].read_bytes()}, uploaded=old) as state:
        public = replace(state.index, public=True)
        assert "PyPI takes no file after 14 days; release the next version" in Run(tmp_path)(public, release)
        assert state.posts == []
        assert Run(tmp_path)(state.index, release) == ""
        assert Run(tmp_path)(public, release) == "", "nothing is left to send"
