"""What a run says to the CI system it runs on: folded logs, annotations at their lines, a summary, values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.ci.annotations import Annotation, annotations_in, plain_line
from cartwheel.ci.ci_output import MOST, CiOutput
from cartwheel.ci.ci_systems import CI_SYSTEMS, PLAIN, ci_system
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.screen import fold_line
from cartwheel.summary import page, summary_table
from support.projects import TRIPLE, Project, pure, with_crate

GITHUB = {"GITHUB_ACTIONS": "true"}
GITLAB = {"GITLAB_CI": "true"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("src/lib.rs", "crates/core/src/lib.rs", "tests/test_it.py", "pyproject.toml", "src/a b.c"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text('[project]\nname = "x"\n\n[tool.cartwheel]\ntargets = ["any"]\n', "utf-8")
    return tmp_path


def logged(root: Path, text: str, name: str = "build") -> Path:
    log = root / ".cartwheel" / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(text.encode())
    return log


def steady(text: str) -> str:
    """The text with what is drawn or measured in it replaced."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "TOKEN", text)
    return re.sub(r"(section_(?:start|end)):\d+:", r"\1:TIME:", text)


# Where this job runs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        (GITHUB, "GITHUB_ACTIONS"),
        (GITLAB, "GITLAB_CI"),
        ({"GITLAB_CI": "false", "CI": "true"}, ""),  # gitlab-ci-local
        ({"GITHUB_ACTIONS": ""}, ""),
        ({"CI": "true"}, ""),
        ({}, ""),
    ],
)
def test_the_platform_is_told_by_its_own_variable(environ: Mapping[str, str], variable: str) -> None:
    assert ci_system(environ).variable == variable


def test_anywhere_else_a_step_is_a_line_and_its_log_stays_in_its_file(root: Path) -> None:
    voice = CiOutput({}, root)
    assert voice.system is PLAIN
    assert voice.success("  ok  build:x  1.0 s", logged(root, "::error::x\n"), 1.0) == "  ok  build:x  1.0 s"
    assert voice.failure("build:x", "maturin failed\nlast words", logged(root, "y")) == (
        "FAIL  build:x\n      maturin failed\n      last words"
    )
    assert not voice.takes_results
    assert voice.close("# page", {"a": "b"}) == ""


# Logs that fold ------------------------------------------------------------------------------------------------------


def test_on_github_the_log_of_a_step_is_a_group(root: Path) -> None:
    output = CiOutput(GITHUB, root).success("  ok  build:x  1.0 s", logged(root, "$ maturin build\nfine\n"), 1.0)
    assert output == "::group::  ok  build:x  1.0 s\n$ maturin build\nfine\n::endgroup::"


def test_on_gitlab_it_is_a_section(root: Path) -> None:
    output = CiOutput(GITLAB, root).success("  ok  build:x/1  1.0 s", logged(root, "fine\n"), 1.0)
    erase = "\x1b[0K"
    assert steady(output) == (
        f"{erase}section_start:TIME:ok_build_x_1_1.0_s[collapsed=true]\r{erase}  ok  build:x/1  1.0 s\n"
        f"fine\n{erase}section_end:TIME:ok_build_x_1_1.0_s\r{erase}"
    )
    start, end = (int(seconds) for seconds in re.findall(r"section_\w+:(\d+)", output))
    assert end - start == 1


def test_a_step_without_a_log_is_a_line(root: Path) -> None:
    voice = CiOutput(GITHUB, root)
    assert voice.success("  ok  tag:x", root / "none", 0.0) == "  ok  tag:x"
    assert voice.success("  ok  tag:x", logged(root, ""), 0.0) == "  ok  tag:x"


def test_the_log_of_an_earlier_run_is_not_taken_for_this_one(root: Path) -> None:
    log = logged(root, "src/lib.rs:1:1: error: of yesterday\n")
    os.utime(log, (1e9, 1e9))
    output = CiOutput(GITHUB, root).failure("build:x", "cannot be built here", log)
    assert output == "FAIL  build:x\n      cannot be built here\n::error title=build%3Ax::cannot be built here"


HOSTILE = (
    "::error::owned",
    "  \t::add-mask::x",
    "\x1c\x1d::set-env name=A::b",
    "fine\r::error::behind a carriage return",
    "words ##[error]in the middle",
    "::endgroup::",
    "::stop-commands::pwned",
)


def _commands(output: str) -> list[str]:
    """The commands that GitHub's runner would find, as its ActionCommand.cs reads lines, and heeding stops."""
    commands, stopped = [], ""
    for line in re.split(r"\r\n|\r|\n", output):
        match = re.match(r"\s*::([^:]+?)(?: [^:]*)?::", line)
        name = match[1] if match else "##[" if "##[" in line else ""
        if stopped:
            stopped = "" if name == stopped else stopped
        elif name == "stop-commands":
            stopped = line.rpartition("::")[2]
        elif name:
            commands.append(name)
    return commands


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_tool_says_is_a_command_on_github(root: Path, text: str) -> None:
    voice = CiOutput(GITHUB, root)
    assert _commands(voice.success("ok", logged(root, f"before\n{text}\nafter\n"), 1.0)) == ["group", "endgroup"]
    assert _commands(voice.inert(f"FAIL\n{text}")) == []
    output = voice.failure("build:x", f"failed\n{text}", logged(root, text))
    assert _commands(output) == ["group", "endgroup", "error"]
    assert text in output, "and yet it can be read as it was"


def test_the_word_that_ends_the_silence_cannot_be_known_beforehand(root: Path) -> None:
    voice = CiOutput(GITHUB, root)
    assert steady(voice.inert("::error::x")) == "::stop-commands::TOKEN\n::error::x\n::TOKEN::"
    assert voice.inert("::error::x") != voice.inert("::error::x")
    assert voice.inert("use std::fmt;\na::b") == "use std::fmt;\na::b"


def test_nothing_that_a_tool_says_ends_a_section_on_gitlab(root: Path) -> None:
    mark = "\x1b[0Ksection_end:1:ok\r\x1b[0K"
    output = CiOutput(GITLAB, root).success("ok", logged(root, f"\x1b[31mred\x1b[0m\n{mark}\nafter"), 1.0)
    assert len(re.findall(r"section_(?:start|end):\d+:\S*?\r\x1b\[0K", output)) == 2
    assert "\x1b[31mred\x1b[0m" in output, "colours are no marks"


def test_of_a_very_long_log_the_end_is_shown(root: Path) -> None:
    output = CiOutput(GITHUB, root).success("ok", logged(root, "x" * 4_000_001 + "END"), 1.0)
    assert output.startswith("::group::ok\n… (4 characters before this are in the log's file)\nx")
    assert output.endswith("xEND\n::endgroup::")


# Annotations ---------------------------------------------------------------------------------------------------------

RUSTC = """$ maturin build   # in {root}
error[E0425]: cannot find value `x`, or: 100% of it
 --> src/lib.rs:5:9
  |
5 |         x
  |         ^ not found in this scope

\x1b[1m\x1b[33mwarning\x1b[0m: unused variable: `y`
   --> crates/core/src/lib.rs:3:9
    |
    = note: `#[warn(unused_variables)]` on by default

note: required by this
  --> src/lib.rs:1:1

warning: of somebody else
 --> /elsewhere/registry/serde/src/lib.rs:1:1

thread 'main' (7) panicked at src/lib.rs:2:3:
no such thing
"""

TOOLS = """src/lib.rs:7: error: mypy says so  [misc]
src/a b.c:1:2: fatal error: 'x.h' file not found
src/a b.c(4,5): error C2065: 'x': undeclared identifier
src/a b.c:9:1: note: declared here
E   assert 1 == 2
E    +  where 1 = f()

tests/test_it.py:12: AssertionError
F401 [*] `os` imported but unused
 --> tests/test_it.py:1:8
12:30:45: a time of day
https://example.invalid:443: not a file
Traceback (most recent call last):
  File "/usr/lib/python3/runpy.py", line 1, in run
  File "tests/test_it.py", line 3, in f
    g()
    ^^^
  File "/usr/lib/python3/json.py", line 9, in g
    raise ValueError
ValueError: not json
"""


def marks(output: str) -> list[str]:
    return [line for line in output.splitlines() if re.match("::(error|warning)", line)]


def test_what_rustc_says_stands_at_its_lines(root: Path) -> None:
    output = CiOutput(GITHUB, root).failure("build:x", "maturin failed", logged(root, RUSTC.format(root=root)))
    assert marks(output) == [
        "::error title=build%3Ax::maturin failed",
        "::error file=src/lib.rs,line=2,col=3::panicked: no such thing",
        "::error file=src/lib.rs,line=5,col=9::cannot find value `x`, or: 100%25 of it (E0425)",
        "::warning file=crates/core/src/lib.rs,line=3,col=9::unused variable: `y`",
    ]


def test_what_other_tools_say_stands_at_its_lines_too(root: Path) -> None:
    output = CiOutput(GITHUB, root).failure("check:x", "the tests failed", logged(root, TOOLS))
    assert marks(output)[1:] == [
        "::error file=src/a b.c,line=1,col=2::'x.h' file not found",
        "::error file=src/a b.c,line=4,col=5::C2065: 'x': undeclared identifier",
        "::error file=src/lib.rs,line=7::mypy says so [misc]",
        "::error file=tests/test_it.py,line=1,col=8::F401 [*] `os` imported but unused",
        "::error file=tests/test_it.py,line=3::ValueError: not json",
        "::error file=tests/test_it.py,line=12::assert 1 == 2",
    ]


def test_what_a_step_says_that_succeeds_is_a_warning_at_most(root: Path) -> None:
    output = CiOutput(GITHUB, root).success("ok", logged(root, RUSTC.format(root=root)), 1.0)
    assert {mark.split(" ")[0] for mark in marks(output)} == {"::warning"}


def test_paths_are_understood_from_where_the_tool_ran_and_in_copies_of_the_sources(root: Path) -> None:
    places = (
        (f"$ cargo build   # in {root / 'crates' / 'core'}\nerror: a\n --> src/lib.rs:1:1\n", "crates/core/src/lib.rs"),
        (f"error: b\n --> {root / 'src' / 'lib.rs'}:1:1\n", "src/lib.rs"),
        (f"error: c\n --> {root}/.cartwheel/unlocked/crates/core/src/lib.rs:1:1\n", "crates/core/src/lib.rs"),
        (f"$ pytest   # in {root}/.cartwheel/scratch/tests\ntests/test_it.py:1: d\n", "tests/test_it.py"),
        ("error: e\n --> ../../../../etc/passwd:1:1\n", ""),
    )
    for log, path in places:
        (root / ".cartwheel" / "unlocked" / "crates" / "core" / "src").mkdir(parents=True, exist_ok=True)
        (mark,) = marks(CiOutput(GITHUB, root).success("ok", logged(root, log), 1.0)) or [""]
        assert (re.search("file=([^,]*),", mark) or ["", ""])[1] == path, log


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("[tool.cartwheel] targets: unknown target 'a,b'", "file=pyproject.toml,line=5,title=cartwheel"),
        ("[tool.cartwheel]: unknown key 'flor'", "file=pyproject.toml,line=4,title=cartwheel"),
        ("x/pyproject.toml [tool.cartwheel] tag: no", "file=x/pyproject.toml,line=2,title=cartwheel"),
        ("[tool.cartwheel] index.shelf: no", "file=pyproject.toml,line=6,title=cartwheel"),
        ("src/lib.rs: is not UTF-8", "file=src/lib.rs,title=cartwheel"),
        ("/etc/passwd: is elsewhere", "title=cartwheel"),
        ("no file at all", "title=cartwheel"),
        ("x" * 5000, "title=cartwheel"),
        ("a\0b: c", "title=cartwheel"),
    ],
)
def test_our_own_errors_stand_at_the_line_that_they_speak_of(root: Path, words: str, place: str) -> None:
    (root / "x").mkdir()
    (root / "x" / "pyproject.toml").write_text("[tool.cartwheel.index.tag]\n[tool.cartwheel]\n tag='x'\n", "utf-8")
    (root / "x" / "pyproject.toml").write_text("[tool.cartwheel]\n tag='x'\n", "utf-8")
    with open(root / "pyproject.toml", "a") as file:
        file.write("[tool.cartwheel.index.shelf]\nurl = 'x'\n")
    assert CiOutput(GITHUB, root).refusal(words) == f"::error {place}::{words}"


@pytest.mark.parametrize("before", ["\n", "\r", "\r\n", "\n\n", "\n \t", "\n\x1c", "\r \n\r"])
@pytest.mark.parametrize("command", ["::error file=a::pwn", "##[error]pwn"])
def test_no_error_of_ours_has_a_command_in_a_line(before: str, command: str) -> None:
    for kind in (ConfigError, StepFailed):
        output = f"ERROR: {kind(f'unknown target {chr(39)}x{before}{command}{chr(39)}')}"
        assert "pwn'" in output
        assert CI_SYSTEMS[0].inert(output) == output, "nothing in it is taken for a command"
        assert "\r" not in output.replace("\r\n", "")
    assert str(ConfigError("two lines:\n  std::fmt")) == "two lines:\n  std::fmt"


def test_a_value_of_the_configuration_is_no_command_of_a_pipeline(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.edit("pyproject.toml", "[tool.cartwheel]\n", '[tool.cartwheel]\ntargets = ["x\\n::error file=a::pwn"]\n')
    output = project.doit("list", env={"GITHUB_ACTIONS": "true"}, code=3)
    assert "'x\\n::error file=a::pwn'" in output
    assert not [line for line in output.splitlines() if re.match(r"\W*::error file=a", line)]


def test_properties_and_data_are_escaped_and_end_nothing(root: Path) -> None:
    (mark,) = (
        CI_SYSTEMS[0].mark(Annotation(level="error", message="a%0A\r\n::b", path="a:b,c%d", line=1, title="t,:")),
    )
    assert mark == "::error file=a%3Ab%2Cc%25d,line=1,title=t%2C%3A::a%250A%0D%0A::b"
    assert plain_line("\x1b[31mred\x1b[0m\x07 \x00text\u2028more") == "red text more"
    assert len(plain_line("x" * 9999)) == 600


def test_each_is_shown_once_and_no_more_than_the_platform_shows(root: Path) -> None:
    voice = CiOutput(GITHUB, root)
    many = "".join(f"src/lib.rs:{n}:1: error: e\n" * 2 for n in range(1, 31))
    assert len(marks(voice.failure("build:x", "failed", logged(root, many)))) == MOST
    assert marks(voice.failure("build:y", "failed", logged(root, many))) == []
    assert len(marks(voice.success("ok", logged(root, "src/lib.rs:1:1: warning: w\n"), 1.0))) == 1


def test_a_log_of_any_bytes_is_survived(root: Path) -> None:
    log = logged(root, "")
    log.write_bytes(bytes(range(256)) * 3 + b"\nsrc/lib.rs:99999999999999999999999:1: error: \xff\n")
    output = CiOutput(GITHUB, root).failure("build:x", "failed", log)
    assert marks(output)[1:] == ["::error file=src/lib.rs,line=999999999,col=1::\ufffd"]


def test_nothing_is_found_in_much_that_only_looks_like_it() -> None:
    many = " --> " * 2000 + "\n" + "a:" * 5000 + "\n" + "(" * 5000 + "\n" + 'File "' * 2000
    assert annotations_in(many, failed=True, place=lambda path, folder: path) == ()


# What is handed over -------------------------------------------------------------------------------------------------

ROWS = (("dist/a|b_`c`.whl", "1.2 kB", "", "0123456789ab", "3.0 s", "built", "tests not run: <b>no</b> @you"),)


def test_the_summary_is_added_to_its_file_and_the_values_to_theirs(root: Path) -> None:
    environ = {**GITHUB, "GITHUB_STEP_SUMMARY": str(root / "summary"), "GITHUB_OUTPUT": str(root / "output")}
    (root / "summary").write_text("before\n", "utf-8")
    voice = CiOutput(environ, root)
    assert voice.takes_results
    output = voice.close(
        page("doit check:x", ROWS, ["1 done", "failed: build:y"]), {"version": "1.0", "more": "two\nlines"}
    )
    assert output == ""
    assert (root / "summary").read_text("utf-8") == (
        "before\n### doit check:x\n\n"
        "| file | size | change | SHA-256 | time |  | tests |\n|:--|--:|--:|:--|--:|:--|:--|\n"
        "| dist/a&#124;b&#95;&#96;c&#96;.whl | 1.2 kB |  | 0123456789ab "
        "| 3.0 s | built | tests not run: &#60;b&#62;no&#60;/b&#62; &#64;you |\n\n"
        "- 1 done\n- failed: build:y\n\n"
    )
    assert steady((root / "output").read_text("utf-8")) == ("version=1.0\nmore<<end-TOKEN\ntwo\nlines\nend-TOKEN\n")


def test_a_file_that_is_missing_or_cannot_be_written_is_told_and_fails_nothing(root: Path) -> None:
    environ = {**GITHUB, "GITHUB_STEP_SUMMARY": str(root / "no" / "summary"), "GITHUB_OUTPUT": str(root)}
    output = CiOutput(environ, root).close("# page", {"version": "1.0"})
    summary = root / "no" / "summary"
    assert [re.sub(r"\(.*\)", "(WHY)", mark) for mark in output.splitlines()] == [
        f"::warning::GITHUB_STEP_SUMMARY: {summary} cannot be written (WHY); what it should hold is lost",
        f"::warning::GITHUB_OUTPUT: {root} cannot be written (WHY); what it should hold is lost",
    ]
    assert CiOutput(GITHUB, root).close("# page", {"version": "1.0"}) == "", "and where there is none, there is none"
    assert not CiOutput(GITHUB, root).takes_results


def test_on_gitlab_annotations_are_a_code_quality_report(root: Path) -> None:
    voice = CiOutput(GITLAB, root)
    output = voice.failure("build:x", "maturin failed", logged(root, RUSTC.format(root=root)))
    assert not marks(output)
    assert voice.takes_results
    assert voice.close("", {}) == ""
    rows = json.loads((root / ".cartwheel" / "ci" / "code-quality.json").read_text("utf-8"))
    assert [(row["severity"], row["location"]["path"], row["location"]["lines"]["begin"]) for row in rows] == [
        ("critical", "src/lib.rs", 2), ("critical", "src/lib.rs", 5), ("minor", "crates/core/src/lib.rs", 3),
    ]  # fmt: skip
    assert rows[1]["description"] == "cannot find value `x`, or: 100% of it (E0425)"
    assert len({row["fingerprint"] for row in rows}) == 3
    assert {row["check_name"] for row in rows} == {"cartwheel"}


def test_a_report_that_cannot_be_written_fails_nothing(root: Path) -> None:
    (root / ".cartwheel").write_text("a file stands in the way", "utf-8")
    output = CiOutput(GITLAB, root).close("", {})
    assert re.sub(r"\(.*\)", "(WHY)", output) == "warning: .cartwheel/ci/code-quality.json cannot be written (WHY)"


def test_the_table_for_a_terminal_is_as_it_was() -> None:
    rows = (
        ("dist/a", "1 kB", "+1.0 %", "abc", "", "built", "3 tests passed"),
        ("dist/bb", "10 kB", "", "abd", "", "up to date", ""),
    )
    assert summary_table(rows) == (
        "dist/a    1 kB  +1.0 %  abc  built       3 tests passed\ndist/bb  10 kB          abd  up to date"
    )
    assert summary_table(()) == ""


def test_in_a_terminal_narrower_than_the_table_the_facts_are_below_each_file() -> None:
    rows = (
        ("dist/a", "1 kB", "", "abc", "2.0 s", "", "3 tests passed"),
        ("dist/a-file-with-a-long-name", "10 kB", "", "abd", "10.0 s", "", "12 tests passed"),
    )
    assert summary_table(rows, 65) == summary_table(rows)
    assert summary_table(rows, 64).splitlines() == [
        "dist/a",
        "     1 kB  abc   2.0 s  3 tests passed",
        "dist/a-file-with-a-long-name",
        "    10 kB  abd  10.0 s  12 tests passed",
    ]
    assert summary_table(rows, 30).splitlines()[:3] == ["dist/a", "     1 kB  abc   2.0 s", "    3 tests passed"]


def test_a_long_note_is_broken_between_words_where_each_fits() -> None:
    note = "      publish:pypi:pebble: rehearsal: a-file-name.whl: sent to pypi"
    assert fold_line(note, 0) == fold_line(note, 80) == note, "a pipe, and a wide terminal"
    assert fold_line(note, 40).splitlines() == [
        "      publish:pypi:pebble: rehearsal:", "        a-file-name.whl: sent to pypi",
    ]  # fmt: skip
    assert fold_line(note, 20) == note, "a word is wider than the terminal"


# A run ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return with_crate(tmp_path_factory.mktemp("platform") / "project")


def test_a_run_on_github_folds_its_logs_and_takes_results_what_it_made(project: Project, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    text = project.doit(f"repair:{TRIPLE}", env={**GITHUB, **{name: str(path) for name, path in files.items()}})
    wheel = next((project.root / "dist" / "private").glob("*.whl"))
    groups = re.findall(r"^::group::  ok  (\S+)  [\d.]+ s$", text, re.M)
    assert groups[0].startswith("build:")
    assert groups[-1].startswith("repair:")
    assert text.count("\n::endgroup::") == len(groups)
    assert f"| dist/private/{wheel.name.replace('_', '&#95;')} | " in files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
    output = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text("utf-8").splitlines())
    assert json.loads(output["artifacts"]) == [f"dist/private/{wheel.name}"]
    assert [name for name in json.loads(output["stale"]) if name.startswith("build:")] == groups[:1]
    assert output["version"] == "1.0.0"


def test_what_does_not_compile_is_marked_where_it_stands(project: Project) -> None:
    source = (project.root / "pebble/src/main.rs").read_text("utf-8")
    project.write("pebble/src/main.rs", source + "\nfn broken() -> u8 { nothing }\n")
    line = len(source.splitlines()) + 2
    try:
        output = project.doit(f"build:{TRIPLE}", env=GITHUB, code=1)
    finally:
        project.write("pebble/src/main.rs", source)
    place = f"file=pebble/src/main.rs,line={line},col=21"
    assert f"::error {place}::cannot find value `nothing` in this scope (E0425)" in output
    assert re.search(r"^FAIL  build:", output, re.M)


def test_a_mistake_in_the_configuration_is_marked_too(project: Project) -> None:
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf"]\nfloor = 7')
    try:
        output = project.refused("list", env=GITHUB)
    finally:
        project.edit("pyproject.toml", "\nfloor = 7", "")
    assert re.search(r"^::error file=pyproject.toml,line=\d+,title=cartwheel::\[tool.cartwheel\] floor: ", output, re.M)
