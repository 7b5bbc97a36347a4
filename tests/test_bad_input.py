"""Bad input, through the real doit: words that say what was found, expected and to do; no traceback; nothing lost."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from doit.exceptions import InvalidDodoFile

import cartwheel
from cartwheel.cargo.package_manifests import read_package
from cartwheel.command_line import words
from cartwheel.commands.dodo_mistakes import dodo_mistakes
from support.processes import SLOW, at_work, wait_for
from support.projects import FLOOR, TRIPLE, Project, committed, finished_project, pure
from support.repositories import commit, git

BUILD = f"build:{TRIPLE}:pebble:py3"
TYPO = TRIPLE[:-2] + TRIPLE[-1] + TRIPLE[-2]

needs_posix = pytest.mark.skipif(os.name == "nt", reason="permissions, signals and PATH of POSIX")
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """A pure package and a crate, with all records and finished files of a first run."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    return finished_project(tmp_path_factory.getbasetemp()).copy(tmp_path / "project")


# The configuration ----------------------------------------------------------------------------------------------------

MISTAKES = {
    "an unknown key": (
        "pebble/pyproject.toml", "publish = []", "publsh = []",
        "pebble/pyproject.toml [tool.cartwheel]: unknown key 'publsh'; did you mean 'publish'?",
    ),
    "an unknown index": (
        "pyproject.toml", 'publish = ["shelf"]', 'publish = ["pipy"]',
        "[tool.cartwheel] publish: unknown index 'pipy'; did you mean 'pypi'?",
    ),
    "an unknown key in a table": (
        "pyproject.toml", "url =", "ulr =", "[tool.cartwheel] index.shelf: unknown key 'ulr'; did you mean 'url'?",
    ),
    "an unknown value": (
        "pebble/pyproject.toml", "publish = []", 'publish = []\ntoolchain = "zigg"',
        "toolchain: unknown value 'zigg'; did you mean 'zig'?",
    ),
    "a value of another type": (
        "pebble/pyproject.toml", "publish = []", 'publish = "shelf"',
        'pebble/pyproject.toml [tool.cartwheel] publish: found a string, expected a list; write publish = ["shelf"]',
    ),
    "a misspelt target": (
        "pebble/pyproject.toml", TRIPLE, TYPO, f"targets: unknown target '{TYPO}'; did you mean '{TRIPLE}'?",
    ),
    "an interpreter that does not exist": (
        "pebble/pyproject.toml", "publish = []", 'publish = []\npython = ["3.99"]',
        "python: unknown interpreter '3.99'; expected one like 'abi3', '3.13'",
    ),
    "invalid TOML in a package's pyproject.toml": (
        "pebble/pyproject.toml", "publish = []", "publish = [", "pebble/pyproject.toml: not valid TOML: ",
    ),
    "invalid TOML in a Cargo.toml": (
        "pebble/Cargo.toml", "[package]", "[package", "pebble/Cargo.toml: not valid TOML: ",
    ),
    "requires-python that is a list": (
        "pebble/pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = [">=3.11"]',
        "pebble/pyproject.toml: project.requires-python: found a list, expected a string",
    ),
    "maturin's bindings that are a number": (
        "pebble/pyproject.toml", 'bindings = "bin"', "bindings = 1",
        "pebble/pyproject.toml: tool.maturin.bindings: found a number, expected a string",
    ),
    "a crate's version that is a number": (
        "pebble/Cargo.toml", 'version = "1.0.0"', "version = 1",
        "pebble/Cargo.toml: package.version: found a number, expected a string or a table",
    ),
    "an invalid version": (
        "pebble/Cargo.toml", 'version = "1.0.0"', 'version = "one"', "pebble/Cargo.toml: version 'one': ",
    ),
    "a feature that the crate lacks": (
        "pebble/pyproject.toml", "publish = []", 'publish = []\nfeatures = ["defualt"]',
        "pebble/pyproject.toml [tool.cartwheel] features: pebble has no feature 'defualt'; did you mean 'default'?",
    ),
    "a profile that nothing declares": (
        "pebble/pyproject.toml", "publish = []", 'publish = []\nprofile = "relaese"',
        "pebble/pyproject.toml [tool.cartwheel] profile: pebble/Cargo.toml has no [profile.relaese]; did you mean",
    ),
    "a version that is none": (
        "pyproject.toml", 'version = "1.0"', 'version = "abc"',
        "pyproject.toml: version 'abc': PEP 440 has nothing equal to it; write it like 1.2.0",
    ),
    "a missing Dockerfile": (
        "pebble/pyproject.toml", "publish = []", 'publish = []\nimage = "dockerfile:docker/{arch}.docker"',
        "[tool.cartwheel] image: there is no file pebble/docker/x86_64.docker; write it, or name an image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration_is_told_in_one_line(project: Project, mistake: str) -> None:
    path, old, new, expected = MISTAKES[mistake]
    project.edit(path, old, new)
    for command in ((), ("list",), ("plan",)):
        output = project.refused(*command)
        assert expected in output
        assert len(output.splitlines()) <= 2


def test_a_profile_may_be_declared_where_cargo_looks_for_it(project: Project) -> None:
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nprofile = "tiny"')
    assert "has no [profile.tiny]" in project.refused("list")
    project.doit("list", env={"CARGO_PROFILE_TINY_INHERITS": "release"})
    project.write("pebble/.cargo/config.toml", '[profile.tiny]\ninherits = "release"\n')
    project.doit("list")


def test_an_input_that_is_not_there_is_told_by_the_plan(project: Project) -> None:
    before = 'before = [{ run = ["true"], inputs = ["gone.txt", "src"] }]'
    project.edit("pebble/pyproject.toml", "publish = []", f'publish = []\ninputs = ["none/such"]\n{before}')
    notes = [f"pebble: the input pebble/{path} is missing" for path in ("none/such", "gone.txt")]
    assert project.plan()["notes"] == notes
    assert all(line in project.doit("plan") for line in notes)


def test_a_debug_profile_is_declared_where_it_is_known_as_one(project: Project) -> None:
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\nprofile = "quick"')
    words = "profile: 'quick' makes debug wheels, and is declared outside pebble/Cargo.toml"
    assert words in project.refused("list", env={"CARGO_PROFILE_QUICK_INHERITS": "dev"})
    project.write("pebble/.cargo/config.toml", '[profile.quick]\ninherits = "slow"\n[profile.slow]\ninherits = "dev"\n')
    assert words in project.refused("list")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pyproject.toml", "pyproject.toml: no such file; a package needs one"),
        ("pebble/pyproject.toml", "pebble/pyproject.toml: no such file; a package needs one"),
        ("pebble/Cargo.toml", "pebble/pyproject.toml: the build backend is maturin, but there is no pebble/Cargo.toml"),
        ("pebble", "there is no folder 'pebble'; name the folder of a package"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_missing_is_told_in_one_line(project: Project, path: str, expected: str) -> None:
    gone = project.root / path
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    output = project.refused("list")
    assert expected in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("stage", "asked", "expected"),
    [
        ("build", "repair", "Task dependency 'build:any:gravel:py3' does not exist"),
        ("version_sync", "repair", "Task dependency 'version-sync' does not exist"),
        ("sdist", "check", "Task dependency 'sdist:gravel' does not exist"),
    ],
)  # fmt: skip
def test_a_stage_that_a_remaining_one_needs_is_missed_in_one_line(
    project: Project, stage: str, asked: str, expected: str
) -> None:
    project.edit("dodo.py", f"task_{stage} = wheels.{stage}\n", "")
    output = project.refused(asked)
    assert expected in output
    assert len(output.splitlines()) == 1


def test_a_misspelt_stage_in_dodo_py_is_told_in_one_line(project: Project) -> None:
    project.edit("dodo.py", "wheels.repair", "wheels.repiar")
    output = project.refused("list")
    assert "the pipeline has no stage 'repiar'; did you mean 'repair'?" in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = = 1\n", "dodo.py, line 1: invalid syntax\n  x = = 1"),
        ("\nif 1:\n\tx = 1\n        y = 2\n", "dodo.py, line 4: inconsistent use of tabs and spaces in indentation"),
        ("x = '\0'\n", "dodo.py, line 1: source code string cannot contain null bytes"),
        ("\nx = wheel\n", "dodo.py, line 2: NameError: name 'wheel' is not defined"),
        ("import nosuch\n", "dodo.py, line 1: ModuleNotFoundError: No module named 'nosuch'"),
        ("import json\njson.loads('{')\n", ""),
    ],
)  # fmt: skip
def test_a_mistake_in_dodo_py_is_its_file_and_line(text: str, expected: str, tmp_path: Path) -> None:
    dodo = tmp_path / "dodo.py"
    dodo.write_text(text)
    with pytest.raises(InvalidDodoFile if expected else ValueError) as caught, dodo_mistakes(dodo):
        runpy.run_path(str(dodo))
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_a_syntax_error_in_dodo_py_is_told_in_two_lines(project: Project) -> None:
    project.edit("dodo.py", "task_build =", "task_build = =")
    output = project.refused("list")
    assert output.startswith("ERROR: dodo.py, line ")
    assert output.endswith("invalid syntax\n  task_build = = wheels.build")


# What is asked for ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("build:*typo*",),
        ("run", "build:*typo*"),
        ("repair*", "build:*typo*"),
        ("*typo*",),
        ("-r", "console", "build:*typo*"),
        ("-r", "console", "repair*", "build:*typo*"),
        ("-r", "console", "*typo*"),
        ("-n", "2", "repair*", "*typo*"),
        ("plan", "build:*typo*"),
        ("clean", "build:*typo*"),
    ],
    ids=" ".join,
)
def test_a_pattern_that_selects_nothing_is_a_mistake(project: Project, arguments: tuple[str, ...]) -> None:
    output = project.refused(*arguments)
    assert f"'{arguments[-1]}' selects no task; see them with: doit list --all" in output
    assert len(output.splitlines()) == 1


def test_a_pattern_that_selects_something_is_none(project: Project) -> None:
    assert "3 up to date" in project.doit("build:*")
    project.doit("-r", "console", "build:*")
    assert "gravel" in project.doit("clean", "-n", "build:*")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((f"build:{TYPO}",), f"there is no task 'build:{TYPO}'; did you mean 'build:{TRIPLE}'?"),
        (("check:set:gavel",), "there is no task 'check:set:gavel'; did you mean 'check:set:gravel'?"),
        (("build", f"targets={TYPO}"), f"unknown target '{TYPO}'; did you mean '{TRIPLE}'?"),
        (("build", "targets=s390x-unknown-linux-gnu"), "no package has the target 's390x-unknown-linux-gnu'"),
        (("build", "targets=sparc"), "unknown target 'sparc'; the nearest of 35 are "),
        (("rehearse", "--targets", TYPO), f"'{TYPO}' is no target of this project; did you mean '{TRIPLE}'?"),
    ],
)  # fmt: skip
def test_a_target_that_does_not_exist_is_told_with_the_nearest(
    project: Project, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in project.refused(*arguments)


@pytest.mark.parametrize("arguments", [("build", "profil=dev"), ("profil=dev",), ("plan", "profil=dev")], ids=" ".join)
def test_a_misspelt_variable_is_refused(project: Project, arguments: tuple[str, ...]) -> None:
    assert "variable 'profil=dev' is not known; did you mean 'profile'?" in project.refused(*arguments)


def test_the_file_that_an_option_names_is_no_task() -> None:
    assert words(("--file", "dodo.py", "release", "-v", "publish=x")) == ("release",)


def test_a_variable_without_a_value_is_refused(project: Project) -> None:
    """`publish=` may mean nowhere: it must not mean everywhere."""
    assert "'publish=' has no value; write publish=VALUE, or leave it out" in project.refused("release", "publish=")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("CARTWHEEL_PROFIL", "CARTWHEEL_PROFILE"), ("CARTWHEEL_FREEZE", "CARTWHEEL_FROZEN")],
)
def test_a_misspelt_variable_of_the_environment_is_refused(project: Project, name: str, expected: str) -> None:
    output = project.refused("build", env={name: "dev"})
    assert f"environment variable {name} is not known; did you mean '{expected}'?" in output


@pytest.mark.parametrize("pattern", ["*", "publish*", "pub*:gravel", "rel*", "tag:*", "verify:*", "clean*"])
def test_a_pattern_publishes_tags_and_cleans_nothing(project: Project, pattern: str) -> None:
    output = project.refused(pattern)
    assert f"'{pattern}' selects " in output
    assert "runs only when it is named; nothing was run" in output
    assert git(project.root, "tag") == ""


@pytest.mark.parametrize(("pattern", "stage"), [("publish*", "tag"), ("clean*", "clean")])
def test_nor_does_it_with_another_reporter(project: Project, pattern: str, stage: str) -> None:
    address = 'url = "http://127.0.0.1:9/"'
    project.edit("pyproject.toml", address, f'{address}\nsimple = "http://127.0.0.1:9/simple/"')
    commit(project.root)
    output = project.refused("-r", "console", pattern, but="gravel")
    assert f"so it runs only when it is named: doit {'run ' * (stage == 'clean')}{stage}" in output
    assert git(project.root, "tag") == ""


# The repository ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["tag", "rehearse"])
def test_a_folder_that_is_no_repository_is_told(project: Project, command: str) -> None:
    shutil.rmtree(project.root / ".git")
    output = project.refused(command)
    assert "not a git repository; a release is a commit and a tag: run `git init`, and commit" in output


@pytest.mark.parametrize("command", ["tag", "rehearse"])
def test_a_repository_without_a_commit_is_told(project: Project, command: str) -> None:
    shutil.rmtree(project.root / ".git")
    git(project.root, "init", "--quiet")
    assert "a git repository without a commit; commit the project first" in project.refused(command)


def test_a_dirty_tree_is_not_tagged(project: Project) -> None:
    project.write("NOTES.txt", "not committed\n")
    output = project.refused("tag", but="gravel")
    assert "gravel-v1.0: not tagged:" in output
    assert "not committed: NOTES.txt; commit, ignore or stash them" in output
    assert git(project.root, "tag") == ""


@needs_cargo
def test_versions_that_disagree_stop_a_build(project: Project) -> None:
    project.edit("pebble/Cargo.toml", '"1.0.0"', '"1.0.1"')
    output = project.refused("build", but="version-sync")
    assert "versions disagree; this puts them right: doit version-sync" in output
    assert "pebble/Cargo.lock: package.version of pebble is '1.0.0', expected '1.0.1'" in output


# Tools ---------------------------------------------------------------------------------------------------------------


def only(folder: Path, *programs: str) -> dict[str, str]:
    """A PATH that leads to these programs and to no other."""
    folder.mkdir()
    for program in programs:
        executable = shutil.which(program)
        if not executable:
            pytest.skip(f"needs {program}")
        (folder / program).symlink_to(executable)
    return {"PATH": str(folder)}


@needs_posix
@pytest.mark.parametrize(("there", "missing"), [((), "rustc"), (("rustc",), "cargo")])
def test_rust_that_is_missing_is_told(project: Project, tmp_path: Path, there: tuple[str, ...], missing: str) -> None:
    project.edit("pebble/src/main.rs", "println!", "print!")
    env = only(tmp_path / "bin", "git", *there)
    output = project.refused(BUILD, env=env)
    assert f"{missing} is missing, and {TRIPLE} needs it; install Rust with rustup" in output
    output = project.refused("sdist:pebble", env=env)
    assert f"{missing} is missing, and the source distribution of pebble needs it; install Rust with rustup" in output


@needs_posix
def test_a_standard_library_without_rustup_is_told(project: Project, tmp_path: Path) -> None:
    if not metadata_of("ziglang"):
        pytest.skip("needs ziglang")
    triple = without_standard_library()
    for_target(project, triple)
    env = only(tmp_path / "bin", "git", "rustc", "cargo")
    output = project.refused(f"build:{triple}", env=env)
    assert f"the standard library for {triple} is missing, and there is no rustup to add it; install rustup" in output


@needs_posix
@pytest.mark.skipif(sys.platform == "win32", reason="mingw is for other systems")
def test_mingw_that_is_missing_is_told(project: Project, tmp_path: Path) -> None:
    for_target(project, "x86_64-pc-windows-gnu")
    output = project.refused("build:x86_64-pc-windows-gnu", env=only(tmp_path / "bin", "git", "rustc", "cargo"))
    assert "x86_64-w64-mingw32-gcc is missing, and x86_64-pc-windows-gnu needs it; " in output
    assert "install mingw-w64" in output


@needs_posix
@pytest.mark.parametrize(
    ("hidden", "triple", "fix"),
    [
        ("maturin", TRIPLE, "-m pip install maturin"),
        ("ziglang", "riscv64gc-unknown-linux-gnu", "-m pip install 'ziglang<0.18'"),
    ],
)
def test_a_python_tool_that_is_missing_is_told(
    project: Project, tmp_path: Path, hidden: str, triple: str, fix: str
) -> None:
    for_target(project, triple)
    env = only(tmp_path / "bin", "git", "rustc", "cargo") | {"PYTHONPATH": site_without(hidden, tmp_path / "site")}
    output = project.refused(f"build:{triple}", env=env, python=sys._base_executable)  # type: ignore[attr-defined]
    name = hidden.removesuffix("lang")
    assert f"{name} is missing, and {triple} needs it; " in output
    assert fix in output


def metadata_of(name: str) -> str:
    """The version of a distribution, empty where it is not here."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def site_without(hidden: str, folder: Path) -> str:
    """A folder with everything that is installed here but one distribution."""
    folder.mkdir()
    installed = Path(psutil.__file__).parents[1]
    for entry in installed.iterdir():
        if not entry.name.startswith(hidden) and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return os.pathsep.join((str(folder), str(Path(cartwheel.__file__).parents[1])))


def without_standard_library() -> str:
    """A triple whose standard library is not installed here."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    for triple in ("s390x-unknown-linux-gnu", "riscv64gc-unknown-linux-gnu", "i686-unknown-linux-musl"):
        if not (Path(sysroot) / "lib" / "rustlib" / triple).is_dir():
            return triple
    pytest.skip("the standard libraries of all these targets are installed")


def for_target(project: Project, triple: str) -> None:
    """Have the crate built for another target, with its own floor."""
    if triple != TRIPLE:
        project.edit("pebble/pyproject.toml", TRIPLE, triple)
        if FLOOR:
            project.edit("pebble/pyproject.toml", f'floor = "{FLOOR}"', "")
    else:
        project.edit("pebble/src/main.rs", "println!", "print!")


# What goes wrong on the way ------------------------------------------------------------------------------------------


@needs_cargo
def test_a_rust_compile_error_is_shown_in_the_compilers_words(project: Project) -> None:
    project.edit("pebble/src/main.rs", 'println!("pebble")', 'let stone: u8 = "pebble"')
    output = project.refused(BUILD, but=BUILD)
    assert "error[E0308]: mismatched types" in output
    assert "expected `u8`, found `&str`" in output
    log = f".cartwheel/logs/{BUILD.replace(':', '-')}.log"
    assert f"the whole of it is in {log}" in output
    assert "E0308" in (project.root / log).read_text(encoding="utf-8")


@needs_cargo
def test_an_interpreter_that_is_not_here_is_told(project: Project) -> None:
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\npython = ["3.7"]')
    project.edit("pebble/pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.7"')
    output = project.refused(f"build:{TRIPLE}:pebble:3.7")
    assert (
        "Python 3.7 is not installed, and maturin does not know it; install it, or correct [tool.cartwheel] python"
        in output
    )


@pytest.fixture
def small_disk(project: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of the project on a new file system of 24 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
    if done.returncode:
        pytest.skip("needs root on Linux to mount a small file system")
    try:
        yield project.copy(disk / "project")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 32 * 1024, 128 * 1024])
def test_a_full_disk_is_told_and_costs_one_step(small_disk: Project, left: int) -> None:
    project = small_disk
    project.edit("pebble/src/main.rs", "println!", "print!")
    ballast = project.root.parent / "ballast"
    ballast.write_bytes(b"\0" * max(0, shutil.disk_usage(project.root).free - left))
    output = project.refused(BUILD, but=BUILD)
    assert "the disk is full" in output
    assert "free some space" in output
    ballast.unlink()
    project.doit(BUILD)
    assert set(project.states(BUILD).values()) == {"up-to-date"}


@needs_posix
@pytest.mark.parametrize("obstacle", ["a file in its place", "a folder that cannot be changed"])
def test_a_dist_that_cannot_be_written_is_told(project: Project, obstacle: str) -> None:
    dist = project.root / "dist"
    project.edit("gravel/__init__.py", "Gravel.", "Gravel and sand.")
    if obstacle == "a file in its place":
        shutil.rmtree(dist)
        dist.write_text("")
        output = project.refused("repair:any", but="any:gravel")
        assert "move away what stands in the way and run again" in output
    else:
        with unchangeable(dist):
            output = project.refused("repair:any", but="any:gravel")
        assert "make the folder writable and run again" in output
        assert (dist / "gravel-1.0-py3-none-any.whl").is_file()
    assert str(dist / "gravel-1.0-py3-none-any.whl") in output


class unchangeable:  # noqa: N801
    """A folder in which nothing can be made or removed, also by root, for as long as the context lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        if os.geteuid():
            self.folder.chmod(0o555)
        elif not shutil.which("chattr") or subprocess.call(["chattr", "+i", self.folder], stderr=subprocess.DEVNULL):
            pytest.skip("needs chattr and a file system that knows it, when run by root")

    def __exit__(self, *error: object) -> None:
        if os.geteuid():
            self.folder.chmod(0o755)
        else:
            subprocess.run(["chattr", "-i", self.folder], check=True)


@needs_posix
@needs_cargo
@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_interrupted_compile_leaves_no_process_and_loses_nothing_else(project: Project, threads: str) -> None:
    project.write("pebble/build.rs", SLOW)
    before = project.digests(but=BUILD)
    process = project.start("-n", threads, BUILD)
    wait_for(lambda: any("build-script-build" in line for line in at_work(project.root)))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode not in (0, None)
    assert "Traceback" not in out + err
    assert "stopping (SIGINT)" in out + err
    assert process.returncode == 130
    wait_for(lambda: not at_work(project.root), seconds=3)
    assert project.digests(but=BUILD) == before
    (project.root / "pebble" / "build.rs").unlink()
    project.doit("repair")
    assert set(project.states("repair").values()) == {"up-to-date"}


@needs_cargo
def test_a_crate_without_a_lock_is_built_from_a_copy_that_has_one(project: Project) -> None:
    (project.root / "pebble" / "Cargo.lock").unlink()
    notes = "pebble/Cargo.lock is missing: pebble is built from a copy in .cartwheel/unlocked"
    assert notes in project.doit("plan")
    assert notes in " ".join(project.plan()["notes"])
    before = inside(project.root / "pebble")
    output = project.doit(BUILD, "sdist:pebble")
    assert notes in output
    assert inside(project.root / "pebble") == before
    assert " ok " not in project.doit(BUILD, "sdist:pebble"), "what was built from the copy is up to date"
    lock = project.root / ".cartwheel/unlocked/target/package/0/pebble/Cargo.lock"
    content = lock.read_bytes()
    project.edit("pebble/src/main.rs", 'println!("pebble")', 'println!("a stone")')
    assert f"ok  {BUILD}" in project.doit(BUILD)
    with zipfile.ZipFile(project.root / f".cartwheel/wheels/{TRIPLE}/pebble/py3" / raw(project)) as wheel:
        program = next(name for name in wheel.namelist() if name.endswith("scripts/pebble"))
        assert b"a stone" in wheel.read(program)
    assert lock.read_bytes() == content
    (project.root / "pebble/Cargo.lock").write_bytes(content)
    assert "notes" not in project.plan()


def test_a_crate_without_a_lock_may_lie_in_a_folder_of_its_own(project: Project) -> None:
    pebble = project.root / "pebble"
    (pebble / "Cargo.lock").unlink()
    (pebble / "rust").mkdir()
    for name in ("Cargo.toml", "src"):
        (pebble / name).rename(pebble / "rust" / name)
    project.edit("pebble/pyproject.toml", 'bindings = "bin"', 'bindings = "bin"\nmanifest-path = "rust/Cargo.toml"')
    assert f"ok  {BUILD}" in project.doit(BUILD)


def test_a_folder_of_tests_without_python_is_not_run_by_pytest(project: Project) -> None:
    project.write("pebble/tests/cli.rs", "")
    assert not read_package(project.root, "pebble").has_tests
    project.write("pebble/tests/unit/test_cli.py", "")
    assert read_package(project.root, "pebble").has_tests


def raw(project: Project) -> str:
    """The name of the one raw wheel of the crate."""
    (built,) = (project.root / f".cartwheel/wheels/{TRIPLE}/pebble/py3").iterdir()
    return built.name


def inside(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@needs_cargo
def test_a_member_of_a_workspace_without_a_lock_is_built_with_all_its_members_there(project: Project) -> None:
    (project.root / "pebble" / "Cargo.lock").unlink()
    cargo = project.root / "pebble" / "Cargo.toml"
    cargo.write_text(cargo.read_text() + '\n[workspace]\nmembers = ["grain", "dust/*"]\n')
    for folder, name in (("grain", "grain"), ("dust/fine", "fine")):
        manifest = f'[package]\nname = "{name}"\nversion = "1.0.0"\nedition = "2021"\npublish = false\n'
        project.write(f"pebble/{folder}/Cargo.toml", manifest)
        project.write(f"pebble/{folder}/src/lib.rs", "")
    assert f"ok  {BUILD}" in project.doit(BUILD)
    assert not (project.root / "pebble" / "Cargo.lock").exists()


@needs_cargo
def test_a_lock_that_is_out_of_date_is_told_and_not_written(project: Project) -> None:
    project.write("pebble/grain/Cargo.toml", '[package]\nname = "grain"\nversion = "1.0.0"\nedition = "2021"\n')
    project.write("pebble/grain/src/lib.rs", "")
    cargo = project.root / "pebble" / "Cargo.toml"
    cargo.write_text(cargo.read_text() + '\n[dependencies]\ngrain = { path = "grain" }\n')
    lock = (project.root / "pebble" / "Cargo.lock").read_bytes()
    project.doit("version-sync")
    for task in (BUILD, "sdist:pebble"):
        output = project.refused(task, but="pebble")
        assert "Cargo.lock does not fit the manifests of pebble; bring it up to date with 'cargo update" in output
        assert "because --locked was passed" in output
    assert (project.root / "pebble" / "Cargo.lock").read_bytes() == lock


def test_a_pure_project_needs_no_rust(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    assert "2 done" in project.doit("build", env={"PATH": os.defpath})
