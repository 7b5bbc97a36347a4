"""What a user sees while a run works: recorded in a pseudo-terminal, and as plain lines."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cartwheel.cargo.crate_count import CrateCount
from cartwheel.command_line import QUIET, USUAL, VERBOSE, verbosity
from cartwheel.commands.seek import STAGE_NAMES, options_first
from cartwheel.destinations.protocol import Item
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.twine_upload import Sender
from cartwheel.destinations.upload_count import UploadCount
from cartwheel.destinations.worker import Worker
from cartwheel.pipeline import STAGES, read_project
from cartwheel.process.step_log import StepLog
from cartwheel.reporter import repeat_command
from cartwheel.screen import LiveScreen, PlainScreen, WorkingStep, duration, screen_of, style_line, working_line
from cartwheel.stand_ins.stub_server import StubRequest, served_address
from cartwheel.summary import next_command, slowest
from support.deliveries import item_of
from support.indexes import sdist
from support.projects import TRIPLE, Project, committed, environment, pure, with_crate

LONG = "build:x86_64-unknown-linux-gnu:pebble:abi3"


def step(**more: object) -> WorkingStep:
    """A step that compiles."""
    values = {"name": LONG, "seconds": 14.6, "progress": "12/45 crates", "last": "   Compiling serde v1.0.228"}
    return WorkingStep(**{**values, **more})  # type: ignore[arg-type]


# lines ---------------------------------------------------------------------------------------------------------------


def shown(width: int, **more: object) -> str:
    """The line of that step."""
    return "".join(working_line(step(**more), "*", width))


def test_a_step_at_work_shows_its_count_time_and_last_line() -> None:
    assert shown(300) == f"  * {LONG}  12/45 crates  14 s  Compiling serde v1.0.228"


def test_what_does_not_fit_is_left_out_in_order() -> None:
    assert shown(80) == f"  * {LONG}  12/45 crates  14 s  Compiling s…"
    assert shown(76) == f"  * {LONG}  12/45 crates  14 s"
    assert shown(50) == "  * build:x86_64-unknown-linu…  12/45 crates  14 s"
    assert shown(20) == "  * build:x86_64-un…"
    assert shown(26, name="repair") == "  * repair  12/45 crates"


@pytest.mark.parametrize("width", [1, 5, 20, 40, 79, 80, 120, 300])
@pytest.mark.parametrize("last", ["", "x" * 900, "\x1b[31mred\x1b[0m"])
def test_no_line_is_wider_than_the_terminal(width: int, last: str) -> None:
    line = shown(width, last=last)
    assert len(line) <= width
    assert "\x1b" not in line


def test_times_are_in_words() -> None:
    assert [duration(s) for s in (0.2, 59.9, 65, 3720)] == ["0 s", "59 s", "1 min 05 s", "1 h 02 min"]


def test_a_place_in_the_compilers_words_is_a_link(tmp_path: Path) -> None:
    file = tmp_path / "lib.rs"
    file.write_text("")
    places = {"src/lib.rs": file}
    text = style_line("   --> src/lib.rs:10:5", places.get)
    assert [(span.start, span.end, span.style) for span in text.spans] == [(7, 22, f"link {file.as_uri()}")]
    assert not style_line("   --> /rustc/library/core.rs:10:5", places.get).spans


# counts --------------------------------------------------------------------------------------------------------------


def artifact(name: str) -> bytes:
    """cargo's message that a unit of a crate is done."""
    return json.dumps({"reason": "compiler-artifact", "package_id": name}, separators=(",", ":")).encode() + b"\n"


def test_crates_are_counted_once_while_cargo_writes(tmp_path: Path) -> None:
    file = tmp_path / "cargo.json"
    count = CrateCount(file, 3)
    assert count.words() == "", "cargo has not started"
    file.write_bytes(artifact("a") + artifact("a") + artifact("b")[:20])
    assert count.words() == "1/3 crates"
    file.write_bytes(artifact("a") + artifact("a") + artifact("b") + artifact("c"))
    assert count.words() == "3/3 crates"
    assert CrateCount(file, 0).words() == "3 crates"
    assert CrateCount(file, 2).words() == "3/3 crates", "build dependencies of the host may come on top"


UV = "$ uv pip install x   # in /x\nResolved 3 packages in 2.48s\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{UV}", ""),
        (f"{UV}Downloading lief (3.5MiB)\nDownloading cryptography (512.0KiB)\n", "0.0/4.0 MiB"),
        (f"{UV}Downloading lief (3.5MiB)\nDownloading torch (2.0GiB)\n Downloaded lief\n", "3.5/2051.5 MiB"),
        (f"{UV}Downloading lief (3.5MiB)\n Downloaded lief\n$ python -m pytest   # in /x\n", ""),
    ],
)
def test_what_uv_downloads_is_counted_in_its_last_command(tmp_path: Path, text: str, words: str) -> None:
    log = StepLog(tmp_path / "step.log", shown_as="step.log")
    (tmp_path / "step.log").write_text(text)
    assert log.progress() == words


def test_the_bytes_that_twine_sends_are_counted_while_it_sends(tmp_path: Path) -> None:
    middle: list[str] = []

    class Slow(StubRequest):
        def respond(self) -> None:
            self.rfile.read(400_000)
            while int(self.headers["Content-Length"]) > 1_000_000 and not middle:
                time.sleep(0.01)
            self.answer(200)

    path = tmp_path / "demo-1.0.tar.gz"
    archive = sdist(tmp_path / "small")
    path.write_bytes(archive.read_bytes() + os.urandom(4_000_000))
    item = item_of(path)
    with served_address(Slow, None) as address:
        sender = Sender(Index(name="shelf", url=address, simple=address, rehearsal=True, anonymous=True), environ={})
        count = UploadCount((item,))
        count.begin(item)
        upload = Worker(lambda: sender.upload(item))
        while not re.fullmatch(r"0/1 files, [0-3]\.[1-9]/4\.\d MB", words := count.words()):
            assert upload.running, words
        middle.append(words)
        upload.wait(30)
    count.end(item)
    assert count.words() == "1/1 files, 4.0/4.0 MB"


def test_a_step_of_crates_shows_no_bytes() -> None:
    assert UploadCount((Item(name="demo", path=Path("nowhere"), sha256=""),)).words() == ""


# options -------------------------------------------------------------------------------------------------------------


def test_the_stages_known_to_the_command_line_are_those_of_the_pipeline() -> None:
    assert set(STAGE_NAMES) == set(STAGES)


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ("build -v", VERBOSE),
        ("-v build", VERBOSE),
        ("build -q", QUIET),
        ("build --quiet -v", VERBOSE),
        ("build", USUAL),
    ],
)
def test_options_say_how_much_is_shown_wherever_they_stand(words: str, level: int) -> None:
    assert verbosity(words.split()) == level


def run_options() -> list[object]:
    """The options of doit's run command."""
    from doit.cmd_run import Run
    from doit.cmdparse import CmdOption

    return [CmdOption(option) for option in Run.cmd_options]


@pytest.mark.parametrize(
    ("words", "ordered"),
    [
        ("build -v", "build"),
        ("build -v 2 check", "build check"),
        ("build -n 4 -c", "-n 4 -c build"),
        ("build -n4", "-n4 build"),
        ("build --continue repair:x", "--continue build repair:x"),
        ("build --process=4", "--process=4 build"),
        ("mine -n 4", "mine -n 4"),
        ("build mine -n 4", "build mine -n 4"),
    ],
)
def test_options_may_follow_our_tasks_and_stay_with_a_users_own(words: str, ordered: str) -> None:
    assert options_first(words.split(), run_options()) == ordered.split()


def test_the_command_that_repeats_a_step_has_the_settings_of_the_run() -> None:
    assert repeat_command((LONG,), {"profile": "dev", "python": "3.12 3.13"}) == (
        f"doit {LONG} profile=dev 'python=3.12 3.13'"
    )


# which screen --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def kind(stream: io.StringIO, *, plain: bool = False, **environ: str) -> type:
    """The class of the screen for a stream."""
    return type(screen_of(stream, environ, tuple, lambda path: None, plain=plain))


@pytest.mark.skipif(os.name == "nt", reason="Windows consoles have no TERM")
def test_only_a_terminal_that_moves_the_cursor_is_live() -> None:
    assert kind(Terminal(), TERM="xterm") is LiveScreen
    assert kind(Terminal(), TERM="xterm", NO_COLOR="1") is LiveScreen
    assert kind(Terminal(), TERM="dumb") is PlainScreen
    assert kind(Terminal()) is PlainScreen
    assert kind(Terminal(), plain=True, TERM="xterm") is PlainScreen
    assert kind(io.StringIO(), TERM="xterm") is PlainScreen


class LegacyConsole(Terminal):
    """A Windows console with a code page."""

    def __init__(self, code_page: str) -> None:
        super().__init__()
        self._code_page = code_page

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._code_page


@pytest.mark.parametrize("code_page", ["cp437", "cp850", "cp932", "cp1252", "cp65001", "utf-8"])
def test_the_code_page_of_a_windows_console_gets_characters_that_it_has(code_page: str) -> None:
    stream = LegacyConsole(code_page)
    long = step(last="   Compiling é ⠋ 漢 " + "x" * 90)
    screen = LiveScreen(stream, lambda: [long, step(name="y" * 200)], lambda path: None)
    picture = screen._working(80, 24).plain
    assert picture.encode(code_page).decode(code_page) == picture
    assert (re.match(r"  [|/\\-] build", picture) is None) is (code_page in ("cp65001", "utf-8"))
    assert all(len(line) <= 80 for line in picture.splitlines())
    screen.write("error: é ⠋ 漢")
    assert stream.getvalue().encode(code_page)


# recordings ----------------------------------------------------------------------------------------------------------

pty = pytest.importorskip("pty") if os.name != "nt" else None
on_posix = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a thing of POSIX")


class Recording:
    """A run of doit in a pseudo-terminal: every picture that its user saw."""

    def __init__(
        self,
        project: Project,
        *words: str,
        columns: int,
        env: Mapping[str, str] | None = None,
        stop: bool = False,
    ) -> None:
        """`stop`: send SIGINT when the first step at work is seen."""
        import fcntl
        import termios

        import pyte

        own, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "doit", *words], cwd=project.root, stdin=subprocess.DEVNULL,
            env=environment({"TERM": "xterm-256color", **(env or {})}), stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.raw = b""
        self.pictures: list[str] = []
        screen = pyte.Screen(columns, 40)
        stream = pyte.ByteStream(screen)
        for part in _parts(own):
            self.raw += part
            stream.feed(part)
            self.pictures.append("\n".join(line.rstrip() for line in screen.display).rstrip())
            if stop and re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", self.pictures[-1]):
                stop = False
                self.process.send_signal(signal.SIGINT)
        os.close(own)
        self.code = self.process.wait()
        self.cursor_hidden = screen.cursor.hidden

    @property
    def final(self) -> str:
        """The last picture, with times and digests replaced."""
        text = re.sub(r"\d+\.\d s", "0.0 s", self.pictures[-1])
        return re.sub(r"\b[0-9a-f]{12}\b", "<digest>", text)


def _parts(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # Linux, when the last program has closed the terminal
            return
        if not part:
            return
        yield part


@pytest.fixture(scope="module")
def gravel(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A pure package."""
    return committed(pure(tmp_path_factory.mktemp("screen") / "project"))


@on_posix
@pytest.mark.parametrize("columns", [20, 80, 300])
def test_a_recorded_run_shows_the_step_at_work_and_then_one_line(gravel: Project, columns: int) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    record = Recording(gravel, "build", columns=columns)
    assert record.code == 0, record.final
    name = "build:any:gravel:py3"
    begin = name if columns > 20 else "build:any:grav"
    working = [p for p in record.pictures if re.search(rf"^  [{'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'}] {begin}", p, re.MULTILINE)]
    assert working, record.pictures
    assert all(line == "" or len(line) <= columns for p in record.pictures for line in p.splitlines())
    expected = "  ok  version-sync  0.0 s\n  ok  build:any:gravel:py3  0.0 s\n2 done\nnext: doit check"
    if columns == 20:  # the terminal wraps lines that stay
        assert record.final.split() != expected.split()
        assert "".join(record.final.split()) == "".join(expected.split())
    else:
        assert record.final == expected
    assert not record.cursor_hidden
    if columns == 300:
        assert any("Building wheel" in picture for picture in working), "the last line of the tool"


@on_posix
def test_no_color_leaves_the_live_lines_without_colour(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    record = Recording(gravel, "build", columns=80, env={"NO_COLOR": "1"})
    assert b"\x1b[32m" not in record.raw
    assert b"\x1b[36m" not in record.raw
    assert len(set(record.pictures)) > 3


@on_posix
def test_a_dumb_terminal_gets_plain_lines(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    record = Recording(gravel, "build", columns=80, env={"TERM": "dumb"})
    assert b"\x1b" not in record.raw
    assert record.final == "  ok  version-sync  0.0 s\n  ok  build:any:gravel:py3  0.0 s\n2 done\nnext: doit check"


def test_a_pipe_gets_plain_lines(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    output = re.sub(r"\d+\.\d s", "0.0 s", gravel.doit("build"))
    assert output == "  ok  version-sync  0.0 s\n  ok  build:any:gravel:py3  0.0 s\n2 done\nnext: doit check\n"


def test_verbose_streams_whole_lines_with_their_step(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    output = gravel.doit("build", "-v").splitlines()
    streamed = [line for line in output if line.startswith("build:any:gravel:py3 | ")]
    assert any("uv build" in line for line in streamed)
    assert any("Successfully built" in line for line in streamed)
    assert len(streamed) + 4 == len(output), output


def test_quiet_says_nothing_of_steps(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    assert gravel.doit("-q", "build") == ""
    assert gravel.doit("build", "-q") == ""


@on_posix
def test_a_stop_leaves_the_cursor_visible(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    slow = json.dumps([sys.executable, "-c", "import time; time.sleep(60)"])
    project.edit(
        "pyproject.toml", "[tool.cartwheel]\n", f"[tool.cartwheel]\nbefore = [{{ run = {slow}, inputs = [] }}]\n"
    )
    record = Recording(committed(project), "build", columns=80, stop=True)
    assert record.code != 0
    assert any("build:any:gravel:py3" in picture for picture in record.pictures), record.final
    assert "interrupted" in record.final
    assert not record.cursor_hidden


def test_a_failure_shows_the_compilers_words_the_place_and_the_command_to_repeat(tmp_path: Path) -> None:
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    project = with_crate(tmp_path / "project")
    project.edit("pebble/src/main.rs", 'println!("pebble");', "let x: u8 = missing;")
    committed(project)
    process = project.start("build")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "error[E0425]: cannot find value `missing` in this scope" in out
    assert " --> src/main.rs:2:17" in out
    name = next(line.split()[1] for line in out.splitlines() if line.startswith("FAIL"))
    assert f"      again: doit {name}\n" in out


def test_a_run_with_nothing_to_do_imports_no_rich(gravel: Project) -> None:
    gravel.doit("build")
    code = "import sys; from doit.doit_cmd import DoitMain; DoitMain().run(['build']); assert 'rich' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=gravel.root, env=environment({}), check=True)


# the end of a run ----------------------------------------------------------------------------------------------------


def test_the_table_has_size_change_time_origin_and_tests(gravel: Project) -> None:
    listing = {"schema": 1, "read": 0.0, "files": [
        {"file": "gravel-0.9-py3-none-any.whl", "size": 500, "yanked": False},
        {"file": "gravel-0.8-py3-none-any.whl", "size": 9000, "yanked": False},
        {"file": "gravel-2.0-py3-none-any.whl", "size": 9000, "yanked": False},
    ]}  # fmt: skip
    gravel.write(".cartwheel/indexes/shelf/gravel.json", json.dumps(listing))
    gravel.doit("forget", "check:any")
    output = gravel.doit("check:any")
    size = next((gravel.root / "dist").rglob("*.whl")).stat().st_size
    line = next(line for line in output.splitlines() if line.startswith("dist/"))
    change = f"{(size - 500) / 5:.1f}"
    form = rf"dist/gravel-1.0-py3-none-any.whl  {size / 1e3:.1f} kB  \+{change} %  \w{{12}}  [\d.]+ s  \w+  tests .*"
    assert re.fullmatch(form, line), line
    assert "next: doit rehearse" in output


def test_what_follows_a_run_depends_on_what_it_did(gravel: Project) -> None:
    project = read_project(gravel.root, {})
    asked = ("build", "repair:any", "sdist", "check", "version-sync", "tag", "publish", "verify", "release", "clean")
    assert {name: next_command([name], project) for name in asked} == {
        "build": "doit check", "repair:any": "doit check", "sdist": "doit check:sdist", "check": "doit rehearse",
        "version-sync": "", "tag": "doit publish", "publish": "doit verify", "verify": "", "release": "doit status",
        "clean": "",
    }  # fmt: skip


def test_the_slowest_steps_are_named_after_a_long_run() -> None:
    assert slowest({"a": 1.0, "b": 20.0, "c": 3.0, "d": 2.0}) == "slowest: b 20.0 s, c 3.0 s, d 2.0 s"
    assert slowest({"a": 1.0, "b": 20.0}) == ""


def test_two_steps_at_once_never_share_a_line(tmp_path: Path) -> None:
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    project = committed(with_crate(tmp_path / "project"))
    lines = project.doit("build", "-n", "2", "-v").splitlines()
    names = ("build:any:gravel:py3", f"build:{TRIPLE}:pebble:py3")
    streamed = {name: [line for line in lines if line.startswith(f"{name} | ")] for name in names}
    assert all(len(rows) > 2 for rows in streamed.values())
    for name, rows in streamed.items():
        log = (project.root / ".cartwheel" / "logs" / f"{name.replace(':', '-')}.log").read_text("utf-8")
        assert [row.removeprefix(f"{name} | ") for row in rows] == log.splitlines(), "each line whole, none lost"
    others = [line for line in lines if not line.startswith(names)]
    assert [line[:4] for line in others] == ["  ok", "  ok", "  ok", "3 do", "next"]


@on_posix
def test_the_terminals_own_width_counts_whatever_the_environment_says(gravel: Project) -> None:
    shutil.rmtree(gravel.root / ".cartwheel", ignore_errors=True)
    record = Recording(gravel, "build", columns=30, env={"COLUMNS": "200", "LINES": "7"})
    spinner = "[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]"
    assert any(re.search(spinner, picture) for picture in record.pictures)
    assert not re.search(spinner, record.final), "each picture replaced the one before"
