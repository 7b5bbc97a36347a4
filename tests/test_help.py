"""Help, near misses and completion, through the real doit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from cartwheel.commands.completion import SCRIPTS
from cartwheel.commands.help_pages import COMMAND_PAGES, TASK_PAGES
from cartwheel.model.config.plan_checks import refuse_unmatched_selections
from cartwheel.model.config.settings import Override
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.target import target_by_name
from cartwheel.pipeline import STAGES
from support.projects import TRIPLE, Project, committed, environment, with_crate

ROOT = Path(__file__).resolve().parents[1]
POWERSHELL_SCRIPT = ROOT / "tasks/cartwheel/commands/completions" / SCRIPTS["powershell"]
POWERSHELL_LINE = "mkdir -Force (Split-Path $PROFILE); doit completion powershell >> $PROFILE"
"""A new user has no folder for the profile, and `>>` makes none."""

EXAMPLES = [words for page in TASK_PAGES.values() for words, _ in page.examples]
EXAMPLES += [words for examples in COMMAND_PAGES.values() for words, _ in examples]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which nothing was built."""
    return committed(with_crate(tmp_path_factory.mktemp("help") / "project"))


def test_every_stage_has_a_page_and_every_page_three_examples() -> None:
    assert {*TASK_PAGES} == {*STAGES, "ready"}
    assert all(len(page.examples) == 3 for page in TASK_PAGES.values())
    assert all(len(examples) == 3 for examples in COMMAND_PAGES.values())


def test_every_command_has_a_page() -> None:
    commands = {entry.name for entry in entry_points(group="doit.COMMAND")}
    assert commands - {"help", "run", "clean"} == {*COMMAND_PAGES}


@pytest.mark.parametrize("words", EXAMPLES)
def test_every_example_names_something_that_exists(words: str) -> None:
    first = words.split()[0].split(":")[0]
    assert first in {*TASK_PAGES, *COMMAND_PAGES, "run"}


@pytest.mark.parametrize("name", ["build", "publish", "ready", "plan", "adopt", "list", "completion"])
def test_each_name_has_help_with_what_it_does_and_examples(project: Project, name: str) -> None:
    text = project.doit("help", name)
    assert text.startswith(f"doit {name}")
    assert text.partition("\nExamples\n")[2].count("  doit ") >= 3
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "choices" not in text


@pytest.mark.parametrize("words", [("build", "--help"), ("build", "-h"), ("run", "build", "--help"), ("help", "build")])
def test_help_is_the_same_wherever_it_is_asked_for(project: Project, words: tuple[str, ...]) -> None:
    assert project.doit(*words) == project.doit("help", f"build:{TRIPLE}")


def test_the_overview_has_the_tasks_and_leaves_doits_rare_commands_out(project: Project) -> None:
    text = project.doit("help")
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in (*TASK_PAGES, *COMMAND_PAGES))
    assert "dumpdb" not in text
    assert "strace" not in text
    assert "dumpdb" in project.doit("help", "doit")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("biuld",), "ERROR: 'biuld' is no command, task or file; did you mean 'build'?"),
        (("dcotor",), "ERROR: 'dcotor' is no command, task or file; did you mean 'doctor'?"),
        (("list", "chekc"), "ERROR: 'chekc' is no task or file; did you mean 'check'?"),
        (("info", "sdits"), "ERROR: 'sdits' is no task or file; did you mean 'sdist'?"),
        (("xyzzy",), "ERROR: 'xyzzy' is no command, task or file; see: doit help, doit list --all"),
        (("help", "biuld"), "ERROR: help: nothing is called 'biuld'; did you mean 'build'; see: doit help"),
        (("build", "-n"), "ERROR: option --process needs a number; see: doit help build"),
        (("-n", "-3", "build"), "ERROR: option -n: found -3; expected how many tasks run at a time; see: doit help"),
        (("build", "plan"), "ERROR: 'plan' is a command, not a task; give it alone: doit plan"),
        (("rehearse", "--fast"), "ERROR: rehearse: option --fast not recognized; see: doit help rehearse"),
        (
            ("doctor", "--josn"),
            "ERROR: doctor: option --josn not recognized; did you mean '--json'?; see: doit help doctor",
        ),
        (("plan", "biuld"), "ERROR: 'biuld' selects no task; did you mean 'build'?"),
        (("build:any:gravle",), "ERROR: there is no task 'build:any:gravle'; did you mean 'build:any:gravel:py3'?"),
        (
            ("build", "--verbos"),
            "ERROR: option --verbos not recognized; did you mean '--verbose'?; see: doit help build",
        ),
        (("build", "-j", "2"), "ERROR: option -j not recognized; did you mean '-n'?; see: doit help build"),
        (("-j", "2"), "ERROR: option -j not recognized; did you mean '-n'?; see: doit help run"),
        (
            ("release", "--dry-run"),
            "ERROR: option --dry-run not recognized; doit plan shows what would run, and doit rehearse does a whole "
            "release for practice; see: doit help release",
        ),
        (("build", "-z"), "ERROR: option -z not recognized; see: doit help build"),
        (("doctor", "nope"), "ERROR: doctor: it takes no word; found 'nope'"),
        (("cache", "--days", "x"), "ERROR: cache: found 'x', expected a whole number; see: doit help cache"),
        (("cache",), "ERROR: cache: expected: doit cache prune [--days N]"),
        (("info",), "ERROR: info: found 0 tasks, expected one; see: doit help info"),
        (("completion", "bsh"), "ERROR: completion: 'bsh' is no shell that it knows; did you mean 'bash'?"),
    ],
)
def test_a_near_miss_is_answered_in_one_line(project: Project, words: tuple[str, ...], answer: str) -> None:
    assert project.refused(*words) == answer


def test_info_and_clean_show_no_python_object(project: Project) -> None:
    text = project.doit("info", f"build:{TRIPLE}:pebble:py3", code=1)
    assert re.match(rf"build:{TRIPLE}:pebble:py3\npebble for .*\n\nstate  would run: never done here\nafter  ", text)
    assert re.search(r"^makes  \.cartwheel/wheels/.*\.whl$", text, re.M)
    group = project.doit("info", "build", code=1).splitlines()
    assert group[3] == "state  2 of 2 tasks would run; see: doit plan build"
    assert f"build:{TRIPLE}" in group[5]
    assert project.doit("clean") == "nothing to remove\n"
    project.write("dist/private/pebble-1.0.0.tar.gz", "")
    assert project.doit("clean", "-n", "sdist") == "sdist:pebble - would remove dist/private/pebble-1.0.0.tar.gz\n"
    (project.root / "dist/private/pebble-1.0.0.tar.gz").unlink()


def test_help_of_a_project_without_cartwheel_is_doits_own(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(
        'def task_hello():\n    """says hello"""\n    return {"actions": ["echo hello"]}\n'
    )
    foreign = Project(tmp_path)
    assert "automation tool" in foreign.doit("help")
    assert foreign.doit("help", "hello").startswith("hello  says hello")
    assert 'Invalid parameter: "helo"' in foreign.doit("helo", code=3)


# completion ----------------------------------------------------------------------------------------------------------


def doit_on_path(folder: Path) -> dict[str, str]:
    """An environment in which `doit` is this interpreter's."""
    folder.mkdir()
    program = folder / "doit"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m doit "$@"\n')
    program.chmod(0o755)
    own = environment({})
    return {**own, "PATH": f"{folder}:{own['PATH']}"}


def completed(shell: str, script: str, project: Project, tmp_path: Path) -> list[str]:
    """The completions that the script of that shell prints."""
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    argv = [shell, "-f", "-c", script] if shell == "zsh" else [shell, "--no-config", "-c", script]
    if shell == "bash":
        argv = ["bash", "--norc", "-c", script]
    done = subprocess.run(argv, cwd=project.root, env=doit_on_path(tmp_path / "bin"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


BASH = """
source <(doit completion bash)
COMP_WORDBREAKS=$' \\t\\n\\"\\'><=;|&(:'
COMP_LINE='{line}' COMP_POINT={length} COMP_WORDS=({line}) COMP_CWORD=1
_doit
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("doit doc", ["doctor"]),
        (f"doit build:{TRIPLE[:12]}", [f"{TRIPLE}:pebble:py3", TRIPLE]),
        (f"doit build:{TRIPLE}:p", ["pebble:py3"]),
        ("doit plan --ag", ["--against"]),
    ],
)
def test_bash_completes_commands_tasks_and_options(
    project: Project, tmp_path: Path, line: str, words: list[str]
) -> None:
    completions = completed("bash", BASH.format(line=line, length=len(line)), project, tmp_path)
    assert [word.removeprefix(f"{TRIPLE}:") if line.endswith(":p") else word for word in completions] == words


def test_fish_completes_tasks_and_options(project: Project, tmp_path: Path) -> None:
    script = "doit completion fish | source; complete -C 'doit doc'; complete -C 'doit plan --ag'"
    assert completed("fish", script, project, tmp_path) == ["doctor", "--against"]


def test_zsh_reads_the_script(project: Project, tmp_path: Path) -> None:
    script = "autoload -Uz compinit && compinit -D; source <(doit completion zsh); print ${_comps[doit]}"
    assert completed("zsh", script, project, tmp_path) == ["_doit"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_has_a_script_that_asks_doit(project: Project, shell: str) -> None:
    assert "completion words" in project.doit("completion", shell)


@pytest.mark.parametrize(
    "script",
    [POWERSHELL_SCRIPT.read_text("utf-8"), POWERSHELL_LINE],
    ids=["script", "line"],
)
def test_powershell_parses_the_script_and_the_line_that_installs_it(script: str) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(script.encode()).root_node.has_error
    assert parser.parse(script.replace("}", "", 1).encode() + b"(").root_node.has_error


def test_start_has_the_line_that_installs_the_script_in_powershell() -> None:
    assert f"`{POWERSHELL_LINE}`" in (ROOT / "docs/start.md").read_text("utf-8")


# plan ----------------------------------------------------------------------------------------------------------------


def test_the_plan_of_a_large_new_project_fits_on_a_screen_and_all_shows_everything(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.edit(
        "pebble/pyproject.toml",
        f'["{TRIPLE}"]',
        '["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"]',
    )
    project.edit("pebble/pyproject.toml", 'bindings = "bin"', 'bindings = "pyo3"')
    pythons = ", ".join(f'"3.{minor}"' for minor in range(11, 16))
    text = (project.root / "pebble/pyproject.toml").read_text("utf-8")
    project.write("pebble/pyproject.toml", re.sub(r"\nfloor = .*", "", text) + f"python = [{pythons}]\n")
    cargo = (project.root / "pebble/Cargo.toml").read_text("utf-8")
    project.write("pebble/Cargo.toml", cargo + '\n[lib]\ncrate-type = ["cdylib"]\n')
    committed(project)
    short, long = project.doit("plan").splitlines(), project.doit("plan", "--all").splitlines()
    assert len(short) < 25
    assert "  x86_64-unknown-linux-gnu    5 wheels  3.11 3.12 3.13 3.14 3.15" in short
    assert re.search(r"^run +build: \d+ tasks +never done here$", "\n".join(short), re.MULTILINE)
    assert short[-1] == "each file and task: doit plan --all"
    assert sum(line.endswith(".whl") for line in long) == 16
    assert sum(line.startswith("run") for line in long) == int(short[-2].split()[0])


# words of other tools -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("manylinux2014_aarch64", "did you mean 'aarch64-unknown-linux-gnu'?"),
        ("manylinux_2_28_x86_64", "did you mean 'x86_64-unknown-linux-gnu'?"),
        ("win32", "did you mean 'i686-pc-windows-msvc'?"),
        ("macosx_11_0_arm64", "did you mean 'aarch64-apple-darwin'?"),
        ("aarch64", "a target has a system too: aarch64-unknown-linux-gnu, aarch64-unknown-linux-musl, "),
        ("arm64", "a target has a system too: aarch64-unknown-linux-gnu, "),
        ("auto64", "name each target, such as 'x86_64-unknown-linux-gnu'"),
    ],
)
def test_platforms_and_architectures_of_other_tools_are_understood_as_targets(text: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        target_by_name(text, where="here")


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("cp313-*", '; here that is: select = { python = "3.13" }'),
        ("pp311-win_amd64", '; here that is: select = { target = "x86_64-pc-windows-msvc", python = "pypy3.11" }'),
        ("*-musllinux_aarch64", '; here that is: select = { target = "aarch64-unknown-linux-musl" }'),
        ("*-nowhere", ""),
    ],
)
def test_a_selection_in_cibuildwheels_words_is_answered_in_ours(pattern: str, answer: str) -> None:
    wheels = [("x86_64-unknown-linux-gnu", "3.13")]
    with pytest.raises(ConfigError) as caught:
        refuse_unmatched_selections([Override(select=pattern, skip="x")], wheels, "here")
    assert str(caught.value) == (
        f"here overrides: '{pattern}' selects none of the targets x86_64-unknown-linux-gnu{answer}"
    )


def test_a_note_that_several_steps_have_is_shown_once(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    (project.root / "pebble/Cargo.lock").unlink()
    committed(project)
    output = project.doit(f"build:{TRIPLE}", "sdist:pebble", "check:sdist:pebble")
    assert output.count("pebble/Cargo.lock is missing") == 1
