"""The example, really built: what is made, what is made again after an edit, and what a kill leaves behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cartwheel.machine.host import this_machine
from cartwheel.machine.interpreters import interpreter_path
from cartwheel.model.wheels.python import SUPPORTED
from cartwheel.process.environment import tool_environment
from support.example import (
    FILES,
    HOST,
    MAC,
    MUSL,
    PACKAGE,
    TARGETS,
    WINDOWS,
    Example,
    chains,
    tasks,
    wheels,
    without_rust,
)
from support.processes import wait_for

CHECKS = tuple(f"check:{triple}" for triple in TARGETS)
CORE = "crates/tidemark-core/src"

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        sys.platform != "linux" or os.uname().machine != "x86_64", reason="the machine is taken to be x86_64 Linux"
    ),
]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example, built for four targets with three toolchains in one run."""
    for program in ("cargo", "x86_64-w64-mingw32-gcc"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if not importlib.util.find_spec("ziglang"):
        pytest.skip("needs ziglang")
    example = Example.create(tmp_path_factory.mktemp("example") / "project")
    assert example.run(*CHECKS) == chains(*TARGETS) | {"version-sync"}
    return example


@pytest.fixture
def built(tree: Example) -> Iterator[Example]:
    """The shared example; its files are put back after each test."""
    with tree.restored():
        yield tree


def up_to_date(example: Example, *asked: str) -> bool:
    """Whether a run finds nothing to do."""
    output = example.doit(*(asked or CHECKS))
    return "  ok  " not in output and "up to date" in output


# ---- what is made ------------------------------------------------------------------------------------------------


def test_exactly_the_planned_files_are_made(built: Example) -> None:
    planned = built.doit("plan", *CHECKS)
    assert all(f"  dist/private/{file}\n" in planned for file in FILES.values())
    assert {path.name for path in (built.root / "dist" / "private").iterdir()} == set(FILES.values())
    assert {path.name for path in (built.root / "dist").iterdir()} == {"private"}


@pytest.mark.parametrize("triple", TARGETS)
def test_a_wheel_holds_the_package_its_stub_and_its_licence_and_no_more(built: Example, triple: str) -> None:
    module = "_tidemark.pyd" if triple == WINDOWS else "_tidemark.abi3.so"
    info = "tidemark-0.1.0.dist-info"
    assert built.holds(triple) == {
        "tidemark/__init__.py", "tidemark/_tidemark.pyi", "tidemark/py.typed", f"tidemark/{module}",
        f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD", f"{info}/licenses/LICENSE",
        f"{info}/sboms/tidemark-py.cyclonedx.json",
    }  # fmt: skip


def test_the_tests_ran_where_this_machine_can_run_them_and_elsewhere_the_report_says_why_not(built: Example) -> None:
    runs = built.report(HOST)["tests"]
    assert isinstance(runs, list)
    here = [run for run in runs if "ran" in run]
    installed = {version: bool(interpreter_path(version, tool_environment(os.environ))) for version in SUPPORTED}
    assert [run["python"].rsplit(".", 1)[0] for run in here] == [v for v, there in installed.items() if there]
    missing = [f"Python {version} is not installed here" for version, there in installed.items() if not there]
    assert [run["not_run"] for run in runs if "ran" not in run] == missing
    for run in here:
        assert run["ran"] > 20
        assert run["where"].endswith("site-packages/tidemark/__init__.py")
    ours = "this machine is x86_64 Linux with glibc; the wheel is for "
    assert {t: built.report(t)["tests"] for t in (MUSL, MAC, WINDOWS)} == {
        MUSL: [{"python": "", "not_run": ours + "x86_64 Linux with musl", "needed": False}],
        MAC: [{"python": "", "not_run": ours + "arm64 macOS", "needed": False}],
        WINDOWS: [{"python": "", "not_run": ours + "amd64 Windows", "needed": False}],
    }
    assert all(built.report(triple)["problems"] == [] for triple in TARGETS)


def test_a_second_run_starts_no_compiler(built: Example) -> None:
    before = built.traces()
    assert "13 up to date" in built.doit("-n", "2", *CHECKS)
    assert built.traces() == before


def test_nothing_is_written_into_the_users_tree(built: Example) -> None:
    from support.repositories import git

    assert git(built.root, "status", "--porcelain") == ""


# ---- what is made again after an edit ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change, what the plan names after it, what is then asked for, if anything, and what of that runs."""

    make: Callable[[Example], object]
    planned: set[str]
    why: str
    asked: tuple[str, ...] = ()
    ran: set[str] = field(default_factory=set)


def new_file(name: str, text: str = "new\n") -> Callable[[Example], object]:
    """Write a new file."""

    def write(example: Example) -> None:
        path = example.path(name)
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def touch_everything(example: Example) -> None:
    """New times, old contents."""
    for path in example.path("").rglob("*"):
        os.utime(path)


def rename_chunk(example: Example) -> None:
    """`chunk.rs` becomes `chunk/mod.rs`."""
    example.path(f"{CORE}/chunk").mkdir()
    example.path(f"{CORE}/chunk.rs").rename(example.path(f"{CORE}/chunk/mod.rs"))


UNIX = (HOST, MUSL, MAC)

EDITS = {
    "the source for Windows": Edit(
        make=lambda e: e.replace(f"{CORE}/windows.rs", "access_mode(0)", "access_mode(1)"),
        planned=chains(WINDOWS), why="crates/tidemark-core/src/windows.rs changed",
        asked=CHECKS, ran=chains(WINDOWS),
    ),
    "the source for Unix": Edit(
        make=lambda e: e.replace(f"{CORE}/unix.rs", "metadata.dev()", "metadata.dev() ^ 1"),
        planned=chains(*UNIX), why="crates/tidemark-core/src/unix.rs changed",
        asked=(f"repair:{MUSL}", f"repair:{MAC}", f"repair:{WINDOWS}"), ran=wheels(MUSL, MAC),
    ),
    "a comment in the core, which gives the same wheel": Edit(
        make=lambda e: e.append(f"{CORE}/lib.rs", "// said in passing\n"),
        planned=chains(*TARGETS), why="crates/tidemark-core/src/lib.rs changed",
        asked=(f"check:{HOST}", f"check:{WINDOWS}"), ran=tasks("build", HOST, WINDOWS),
    ),
    "a Python file": Edit(
        make=lambda e: e.append("python/tidemark/__init__.py", "# said in passing\n"),
        planned=chains(*TARGETS), why="python/tidemark/__init__.py changed",
        asked=(f"repair:{HOST}", f"repair:{WINDOWS}"), ran=wheels(HOST, WINDOWS),
    ),
    "the stub": Edit(
        make=lambda e: e.append("python/tidemark/_tidemark.pyi", "# said in passing\n"),
        planned=chains(*TARGETS), why="python/tidemark/_tidemark.pyi changed",
    ),
    "the readme, which the metadata holds": Edit(
        make=lambda e: e.append("README.md", "More.\n"),
        planned=chains(*TARGETS), why="README.md changed",
        asked=(f"repair:{MUSL}",), ran=wheels(MUSL),
    ),
    "a test": Edit(
        make=lambda e: e.append("tests/test_tidemark.py", "\n# said in passing\n"),
        planned=tasks("check"), why="tests/test_tidemark.py changed",
        asked=(f"check:{HOST}",), ran=tasks("check", HOST),
    ),
    "a module that appeared": Edit(
        make=new_file("python/tidemark/extra.py"),
        planned=chains(*TARGETS), why="python/tidemark/extra.py is new",
        asked=(f"repair:{WINDOWS}",), ran=wheels(WINDOWS),
    ),
    "a module of the core that became a folder": Edit(
        make=rename_chunk,
        planned=chains(*TARGETS), why="crates/tidemark-core/src/chunk.rs is gone",
        asked=(f"build:{HOST}",), ran=tasks("build", HOST),
    ),
    "a finished wheel edited": Edit(
        make=lambda e: e.wheel(MAC).write_bytes(b"mine"),
        planned=tasks("repair", MAC) | tasks("check", MAC), why=f"dist/private/{FILES[MAC]} edited since it was made",
        asked=CHECKS, ran=tasks("repair", MAC),
    ),
    "a finished wheel deleted": Edit(
        make=lambda e: e.wheel(WINDOWS).unlink(),
        planned=tasks("repair", WINDOWS) | tasks("check", WINDOWS), why=f"dist/private/{FILES[WINDOWS]} is missing",
        asked=CHECKS, ran=tasks("repair", WINDOWS),
    ),
    "a raw wheel deleted": Edit(
        make=lambda e: e.raw(MUSL).unlink(),
        planned=chains(MUSL), why=f"{FILES[MUSL]} is missing", asked=CHECKS, ran=tasks("build", MUSL),
    ),
    "a report edited": Edit(
        make=lambda e: (e.root / f".cartwheel/checks/{MUSL}/tidemark/abi3.json").write_text("{}"),
        planned=tasks("check", MUSL), why="abi3.json edited since it was made",
    ),
}  # fmt: skip


def look_after(edit: Edit, example: Example) -> None:
    """Make it; what was planned for the asked tasks ran, less what was spared, and then nothing is left to do."""
    edit.make(example)
    planned = example.plan(*CHECKS)
    assert set(planned) == edit.planned
    assert any(edit.why in why for reasons in planned.values() for why in reasons)
    if edit.asked:
        assert example.run(*edit.asked) == edit.ran
        assert edit.ran <= edit.planned
        assert example.plan(*edit.asked) == {}, "what was planned and did not run had no need to"


@pytest.mark.parametrize("what", EDITS)
def test_after_an_edit_runs_what_depends_on_it_and_nothing_else(built: Example, what: str) -> None:
    look_after(EDITS[what], built)


@pytest.mark.parametrize("triple", TARGETS)
def test_a_build_script_that_appears_is_run(built: Example, triple: str) -> None:
    script = 'fn main() { println!("cargo::rustc-cfg=told\\ncargo::rerun-if-changed=build.rs"); }\n'
    edit = Edit(
        make=new_file("crates/tidemark-core/build.rs", script), planned=chains(*TARGETS),
        why="crates/tidemark-core/build.rs appeared", asked=(f"repair:{triple}",), ran=wheels(triple),
    )  # fmt: skip
    look_after(edit, built)
    assert "Compiling tidemark-core" in built.log("build", triple)


UNREAD: dict[str, Callable[[Example], object]] = {
    "a comment in pyproject.toml": lambda e: e.append("pyproject.toml", "\n# said in passing\n"),
    "the settings of another tool": lambda e: e.append("pyproject.toml", "\n[tool.ruff]\nline-length = 100\n"),
    "a comment in Cargo.toml's neighbour": lambda e: e.append("rustfmt.toml", "# said in passing\n"),
    "a file that nobody reads": new_file("notes.txt"),
    "a file beside the sources": new_file(f"{CORE}/notes.md"),
    "a benchmark of the core": new_file("crates/tidemark-core/benches/speed.rs", "fn main() {}\n"),
    "an integration test of the core": new_file("crates/tidemark-core/tests/whole.rs", ""),
    "new times alone": touch_everything,
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_no_wheel_depends_on_makes_nothing_again(built: Example, what: str) -> None:
    UNREAD[what](built)
    assert built.plan(*CHECKS) == {}


def test_all_of_that_together_starts_no_compiler(built: Example) -> None:
    for edit in UNREAD.values():
        edit(built)
    before = built.traces()
    assert up_to_date(built)
    assert built.traces() == before


def test_a_source_that_is_put_back_with_its_old_time_gives_the_old_wheel(built: Example) -> None:
    path, asked = built.path(f"{CORE}/unix.rs"), f"build:{MUSL}"
    text, stat, first = path.read_text(), path.stat(), built.raw(MUSL).read_bytes()
    path.write_text(text.replace("metadata.dev()", "metadata.dev() ^ 2"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert built.run(asked) == tasks("build", MUSL)
    assert built.raw(MUSL).read_bytes() != first, "cargo goes by times and sees no change"
    path.write_text(text)
    os.utime(path, (1, 1))
    assert built.run(asked) == tasks("build", MUSL)
    assert built.raw(MUSL).read_bytes() == first
    path.touch()


def test_what_cargo_built_last_need_not_be_what_the_record_tells_of(built: Example) -> None:
    """Records come from another clone, say: cargo's directory holds a build that they know nothing of."""
    path, asked = built.path(f"{CORE}/unix.rs"), f"build:{MUSL}"
    stat, module = path.stat(), module_in(built.raw(MUSL))
    with built.restored():
        built.replace(f"{CORE}/unix.rs", "metadata.dev()", "metadata.dev() ^ 4")
        assert built.run(asked) == tasks("build", MUSL)
        assert module_in(built.raw(MUSL)) != module
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    built.append("python/tidemark/__init__.py", "# said in passing\n")
    assert built.run(asked) == tasks("build", MUSL)
    assert module_in(built.raw(MUSL)) == module
    path.touch()


def module_in(wheel: Path) -> bytes:
    """The compiled module."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("tidemark/_tidemark.abi3.so")


def test_a_version_that_was_changed_in_one_place_stops_before_the_compiler(built: Example) -> None:
    built.replace("Cargo.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    planned = built.plan(f"build:{HOST}")
    assert f"{PACKAGE}/Cargo.toml: [workspace.package] version 0.1.0 → 0.2.0" in planned["version-sync"]
    assert "what Cargo.lock names is new" in planned[f"build:{HOST}:tidemark:abi3"]
    assert not any("crate " in why for why in planned[f"build:{HOST}:tidemark:abi3"])
    output = built.doit(f"build:{HOST}", code=1)
    assert "versions disagree; this puts them right: doit version-sync" in output
    assert "build:" not in output


def test_a_module_in_two_places_is_the_compilers_error_in_its_own_words(built: Example) -> None:
    new_file(f"{CORE}/chunk/mod.rs", "")(built)
    assert any("chunk/mod.rs appeared" in why for why in built.plan(f"check:{HOST}")[f"build:{HOST}:tidemark:abi3"])
    output = built.doit(f"check:{HOST}", code=1)
    assert "file for module `chunk` found at both" in output
    assert f"the whole of it is in .cartwheel/logs/build-{HOST}-tidemark-abi3.log" in output
    assert "maturin failed with exit code 1" in output
    assert "Traceback" not in output
    built.path(f"{CORE}/chunk/mod.rs").unlink()
    assert built.run(f"check:{HOST}") == tasks("build", HOST), "the wheel came out as it was"


def test_a_changed_profile_or_flag_is_a_reason_for_every_target(built: Example) -> None:
    planned = built.plan(*CHECKS, "profile=bench")
    assert set(planned) == chains(*TARGETS)
    assert all("profile release → bench" in planned[name] for name in tasks("build"))
    planned = built.plan(*CHECKS, env={"RUSTFLAGS": "-C debuginfo=1"})
    assert set(planned) == chains(*TARGETS)
    assert all("RUSTFLAGS is now set" in planned[name] for name in tasks("build"))
    assert up_to_date(built)


def test_flags_reach_the_compiler_and_their_end_gives_the_old_wheel(built: Example) -> None:
    first, both = built.digests(HOST), wheels(HOST)
    flags = {"RUSTFLAGS": "-C opt-level=2"}
    assert built.run(f"repair:{HOST}", env=flags) == both
    assert built.digests(HOST) != first
    assert built.run(f"repair:{HOST}", env=flags) == set()
    assert built.run(f"repair:{HOST}") == both
    assert built.digests(HOST) == first


# ---- what a kill leaves behind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
def test_a_run_killed_in_the_compiler_leaves_no_process_and_no_trace_in_the_wheels(built: Example, stop: str) -> None:
    number = signal.Signals[stop]
    first = built.digests()
    text = built.path(f"{CORE}/lib.rs").read_text()
    built.append(f"{CORE}/lib.rs", f"/// {number}\npub const MARK: u32 = {int(number)};\n")
    process = built.start("-n", "2", f"check:{HOST}", f"check:{MUSL}")
    wait_for(lambda: any("--crate-name tidemark_core" in line for line in built.processes()), seconds=60)
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode != 0
    wait_for(lambda: not built.processes(), seconds=2)
    assert "Traceback" not in output
    assert built.digests() == first, "what was finished before stays"
    built.path(f"{CORE}/lib.rs").write_text(text)
    ran = built.run(*CHECKS)
    assert tasks("build", HOST) <= ran <= tasks("build", HOST, MUSL), "no finished task is done again"
    assert built.digests() == first
    assert up_to_date(built)


# ---- what an in-place build leaves behind ------------------------------------------------------------------------

STALE = ("_tidemark.abi3.so", "_tidemark.cp310-win_amd64.pyd", "_tidemark.cpython-310-x86_64-linux-gnu.so")


def leave_stale_files(example: Example) -> list[str]:
    """As `maturin develop` did once, here and on another system; returns their paths."""
    for name in STALE:
        example.path(f"python/tidemark/{name}").write_bytes(b"old")
    return [f"{PACKAGE}/python/tidemark/{name}" for name in STALE]


def test_a_stale_extension_module_is_no_reason_to_build_and_never_in_a_wheel(built: Example) -> None:
    leave_stale_files(built)
    assert up_to_date(built)
    built.append("python/tidemark/__init__.py", "# packed anew\n")
    assert built.run(f"repair:{HOST}", f"repair:{WINDOWS}") == wheels(HOST, WINDOWS)
    assert {name for name in built.holds(HOST) if "_tidemark." in name} == {
        "tidemark/_tidemark.abi3.so", "tidemark/_tidemark.pyi"
    }  # fmt: skip
    assert {name for name in built.holds(WINDOWS) if "_tidemark." in name} == {
        "tidemark/_tidemark.pyd", "tidemark/_tidemark.pyi"
    }  # fmt: skip


# ---- in another clone --------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tree: Example, tmp_path: Path) -> Example:
    """Another clone, into which the finished files and the state were copied, but not cargo's directories."""
    other = tree.cloned(tmp_path / "elsewhere" / "clone")
    shutil.copytree(tree.root / "dist", other.root / "dist")
    shutil.copytree(tree.root / ".cartwheel", other.root / ".cartwheel", ignore=shutil.ignore_patterns("cargo"))
    return other


@pytest.mark.parametrize("memory", ["with", "without"])
def test_files_and_records_mean_the_same_in_another_clone_without_rust(copy: Example, memory: str) -> None:
    if memory == "without":
        shutil.rmtree(copy.root / ".cartwheel" / "local")
    output = copy.doit(*CHECKS, env={"PATH": without_rust()})
    assert "13 up to date" in output
    assert "  ok  " not in output


def test_clean_removes_what_was_made_and_stale_extension_modules_and_nothing_else(copy: Example) -> None:
    own_files = ("notes.txt", "python/tidemark/mine.so", "python/tidemark/mine.py", "python/_tidemark.abi3.so")
    for name in own_files:
        copy.path(name).write_text("mine")
    (copy.root / "dist" / "mine.txt").write_text("mine")
    stale = leave_stale_files(copy)
    before = {path for path in copy.root.rglob("*") if ".git" not in path.parts}
    output = copy.doit("run", "clean")
    after = {path for path in copy.root.rglob("*") if ".git" not in path.parts}
    gone = {path.relative_to(copy.root).as_posix() for path in before - after if path.is_file() or not path.exists()}
    gone = {name for name in gone if not name.startswith(".cartwheel/")} - {"dist/private"}
    assert gone == {*stale, *(f"dist/private/{file}" for file in FILES.values())}
    assert all(f"removed {name}\n" in output for name in gone)
    assert all(copy.path(name).exists() for name in own_files)
    assert not (copy.root / ".cartwheel" / "records").exists()


# ---- with the compiler of this machine ---------------------------------------------------------------------------


def test_the_native_toolchain_keeps_the_floor_of_this_machine_and_no_older_one(built: Example) -> None:
    major, minor = this_machine().glibc
    floor = f"manylinux_{major}_{minor}"
    native = (f"targets={HOST}", "toolchain=native")
    new = (*native, f"floor={floor}")
    assert built.run(f"check:{HOST}", *new) == chains(HOST)
    wheel = built.root / "dist" / "private" / f"tidemark-0.1.0-cp311-abi3-{floor}_x86_64.whl"
    assert wheel.is_file()
    tests = built.report(HOST)["tests"]
    assert isinstance(tests, list)
    assert tests[0]["ran"] > 20
    assert up_to_date(built, f"check:{HOST}", *new)
    output = built.doit(f"check:{HOST}", *native, code=1)
    assert "the floor is manylinux2014 (2.17): build with zig or raise" in output
    assert f"FAIL  repair:{HOST}:tidemark:abi3" in output
    assert "Traceback" not in output
