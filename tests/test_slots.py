"""Parallel runs, and how a new cargo directory starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwheel.backends import maturin
from cartwheel.machine.host import this_machine
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process import run
from cartwheel.process import slots as world_slots
from cartwheel.process.capacity import Capacity, capacity
from cartwheel.process.slots import Slots
from cartwheel.toolchain import CARGO_TEE, TOOLCHAINS, Toolchain, cargo_directories
from cartwheel.toolchain.cargo_directories import CargoDirectory
from cartwheel.toolchain.cargo_tee import limit_zig_linker, with_open_jobserver
from support.models import crate, manifests, understood

LINUX, MUSL, WINDOWS = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "x86_64-pc-windows-gnu"


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """The flag that a run was told to stop."""
    yield run.STOP
    run.STOP.clear()


def most_at_once(slots: Slots, kind: str, threads: int = 12) -> int:
    """How many of many threads held such a slot at the same time."""
    at_work, most, changing = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_work, most
        with slots.compiling() if kind == "compile" else slots.light():
            with changing:
                at_work += 1
                most = max(most, at_work)
            threading.Event().wait(0.02)
            with changing:
                at_work -= 1

    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return most


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a jobserver of named pipes is for POSIX")
@pytest.mark.parametrize("wheels", [2, 3, 5])
def test_no_more_wheels_compile_at_once_than_memory_allows(wheels: int) -> None:
    assert most_at_once(Slots(3, wheels=wheels), "compile") == wheels


@pytest.mark.parametrize(("wheels", "most"), [(2, 2), (9, 3)])
def test_without_a_jobserver_no_more_wheels_than_processors_compile(
    wheels: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_slots, "_pipe", _no_pipe)
    assert most_at_once(Slots(3, wheels=wheels), "compile") == most


@pytest.mark.parametrize(
    ("processors", "gigabytes", "wheels"), [(2, 24, 8), (2, 7, 4), (4, 16, 10), (16, 16, 10), (2, 1, 1), (64, 512, 256)]
)
def test_the_wheels_at_once_follow_from_processors_and_free_memory(
    processors: int, gigabytes: int, wheels: int
) -> None:
    assert Capacity(processors=processors, memory=gigabytes * 10**9).wheels == wheels


def test_the_limits_of_a_container_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartwheel.process.capacity._CGROUP", tmp_path)
    for name, text in (("cpu.max", "100000 100000"), ("memory.max", "3000000000"), ("memory.current", "1000000000")):
        (tmp_path / name).write_text(text + "\n")
    limits = capacity()
    assert (limits.processors, limits.memory) == (1, 2_000_000_000)
    for name in ("cpu.max", "memory.max"):
        (tmp_path / name).write_text("max 100000\n" if name == "cpu.max" else "max\n")
    assert capacity().memory > 2_000_000_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a jobserver of named pipes is for POSIX")
def test_tokens_are_one_for_each_processor_however_many_wheels_come_and_go() -> None:
    slots = Slots(2, wheels=4)
    with slots.compiling() as shared, slots.compiling(), slots.compiling(), slots.compiling():
        fifo = shared["CARGO_MAKEFLAGS"].partition("fifo:")[2]
        pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        with pytest.raises(BlockingIOError):
            os.read(pipe, 1)
    try:
        assert os.read(pipe, 9) == b"++"
    finally:
        os.close(pipe)


def _no_pipe() -> tuple[int, str]:
    raise OSError(95, "Operation not supported")


def test_light_work_has_slots_of_its_own(tmp_path: Path) -> None:
    slots = Slots(1)
    with slots.compiling():
        assert most_at_once(slots, "light") == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a jobserver of named pipes is for POSIX")
def test_a_compiler_that_runs_alone_may_use_every_processor_and_two_share_them(tmp_path: Path) -> None:
    slots = Slots(2)
    with slots.compiling() as first:
        flags, _, fifo = first["CARGO_MAKEFLAGS"].partition("fifo:")
        assert flags == "-j2 --jobserver-auth="
        pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        try:
            assert os.read(pipe, 9) == b"+"  # what cargo may take beside the one it was started with
            os.write(pipe, b"+")
            with slots.compiling(), pytest.raises(BlockingIOError):
                os.read(pipe, 1)
            assert os.read(pipe, 9) == b"+"
        finally:
            os.close(pipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo") or not shutil.which("make"), reason="needs POSIX and make")
def test_a_make_of_a_build_script_takes_the_jobserver_and_gives_its_tokens_back(tmp_path: Path) -> None:
    """cargo passes its CARGO_MAKEFLAGS on, and the crates cmake and openssl-src start make with them."""
    (tmp_path / "Makefile").write_text("all: a b c\na b c:\n\t@echo $@\n", "utf-8")
    script = tmp_path / "cargo"
    script.write_text('#!/bin/sh\nMAKEFLAGS="$CARGO_MAKEFLAGS" exec make --silent\n', "utf-8")
    script.chmod(0o755)
    slots = Slots(2)
    with slots.compiling() as shared:
        env = {**os.environ, **shared, "CARTWHEEL_CARGO": str(script), "CARTWHEEL_CARGO_MESSAGES": os.devnull}
        command = (sys.executable, "-ISE", str(CARGO_TEE))
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, sorted(done.stdout.split()), done.stderr) == (0, ["a", "b", "c"], "")
        pipe = os.open(shared["CARGO_MAKEFLAGS"].partition("fifo:")[2], os.O_RDWR | os.O_NONBLOCK)
        assert os.read(pipe, 9) == b"+"
        os.close(pipe)


@pytest.mark.parametrize("name", ["", "-j2 --jobserver-auth=fifo:/nowhere/slots", "-j2 --jobserver-auth=3,4"])
def test_a_jobserver_that_cannot_be_opened_is_left_as_it_is(name: str) -> None:
    assert with_open_jobserver({"CARGO_MAKEFLAGS": name}) == ({"CARGO_MAKEFLAGS": name}, ())


@pytest.mark.parametrize("waiting", ["compile", "name"])
def test_who_waits_ends_when_the_run_is_told_to_stop(tmp_path: Path, waiting: str, stop: threading.Event) -> None:
    slots = Slots(1, wheels=1)
    held = threading.Event()
    errors: list[BaseException] = []

    def wait() -> None:
        held.wait()
        try:
            with slots.compiling() if waiting == "compile" else slots.exclusive("place"):
                pass
        except run.Interrupted as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    with slots.compiling(), slots.exclusive("place"):
        held.set()
        stop.set()
        thread.join(10)
    assert len(errors) == 1


def test_a_name_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    slots = Slots(2)
    with slots.exclusive("a"), slots.exclusive("b"):
        assert not slots.free("a")
        assert slots.free("c")
    assert slots.free("a")


# How a directory is begun -------------------------------------------------------------------------------------------


def directory(
    root: Path, triple: str = LINUX, python: str = "3.12", toolchain: str = "native", early: bool = False
) -> CargoDirectory:
    return CargoDirectory(
        root=root, target=TARGETS[triple], package="pebble", python=python, toolchain=toolchain, early=early
    )


def filled(of: CargoDirectory) -> CargoDirectory:
    """A directory as a build leaves it."""
    for name in (
        f"{of.target.triple}/release/deps/libcore.rlib", "release/deps/libmacros.so", ".rustc_info.json",
        "CACHEDIR.TAG", "maturin/libpebble.so", "last-0123456789ab.json",
    ):  # fmt: skip
        (of.path / name).parent.mkdir(parents=True, exist_ok=True)
        (of.path / name).write_text(name)
        os.utime(of.path / name, ns=(1_000_000_001, 1_600_000_000_123_456_789))
    return of


def begun(of: CargoDirectory, slots: Slots | None = None) -> set[str]:
    """The files in the directory when its build starts."""
    with of.reserved(slots or Slots(2)):
        return {p.relative_to(of.path).as_posix() for p in of.path.rglob("*") if p.is_file()}


def test_the_first_directory_begins_empty(tmp_path: Path) -> None:
    assert begun(directory(tmp_path)) == set()


def test_another_interpreter_begins_with_a_copy_that_has_the_same_times(tmp_path: Path) -> None:
    first = filled(directory(tmp_path))
    second = directory(tmp_path, python="3.13")
    assert begun(second) == {
        f"{LINUX}/release/deps/libcore.rlib", "release/deps/libmacros.so", ".rustc_info.json", "CACHEDIR.TAG",
        "last-0123456789ab.json",
    }  # fmt: skip
    copied, original = (d.path / "release/deps/libmacros.so" for d in (second, first))
    assert copied.stat().st_mtime_ns == original.stat().st_mtime_ns
    assert copied.stat().st_ino != original.stat().st_ino
    copied.write_text("cargo writes in place")
    assert original.read_text() == "release/deps/libmacros.so"


def test_another_target_begins_with_what_is_made_for_this_machine(tmp_path: Path) -> None:
    filled(directory(tmp_path))
    assert begun(directory(tmp_path, triple=WINDOWS)) == {
        "release/deps/libmacros.so", ".rustc_info.json", "CACHEDIR.TAG",
    }  # fmt: skip


@pytest.mark.parametrize(("triple", "toolchain"), [(WINDOWS, "mingw"), (this_machine().triple, "zig")])
def test_another_toolchain_begins_with_what_is_made_for_this_machine(
    tmp_path: Path, triple: str, toolchain: str
) -> None:
    filled(directory(tmp_path, triple=MUSL, toolchain="zig"))
    assert begun(directory(tmp_path, triple=triple, toolchain=toolchain)) == {
        "release/deps/libmacros.so", ".rustc_info.json", "CACHEDIR.TAG",
    }  # fmt: skip


def test_a_variant_begins_with_a_copy_of_its_own_variant(tmp_path: Path) -> None:
    for python in ("3.11", "3.11-small", "3.11-tiny", "3.12"):
        (filled(directory(tmp_path, python=python)).path / python).write_text("")
    assert "3.11-small" in begun(directory(tmp_path, python="3.12-small"))
    assert "3.11" in begun(directory(tmp_path, python="3.13"))
    assert "3.11" in begun(directory(tmp_path, python="3.12-other"))


def test_a_variant_does_not_wait_for_its_own_variant_if_another_is_finished(tmp_path: Path) -> None:
    slots = Slots(2)
    filled(directory(tmp_path, python="3.11"))
    busy = filled(directory(tmp_path, python="3.11-small"))
    (directory(tmp_path, python="3.11").path / "plain").write_text("")
    with slots.exclusive(str(busy.path)):
        assert "plain" in begun(directory(tmp_path, python="3.12-small"), slots)


def test_nothing_is_taken_from_another_package(tmp_path: Path) -> None:
    filled(CargoDirectory(root=tmp_path, target=TARGETS[LINUX], package="gravel", python="3.12", toolchain="native"))
    assert begun(directory(tmp_path)) == set()


@pytest.mark.parametrize("elsewhere", ["first", "second"])
def test_a_toolchain_that_does_not_compile_on_this_machine_shares_with_its_own_interpreters_alone(
    tmp_path: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"first": "native", "second": "native", elsewhere: "oven"}
    monkeypatch.setitem(TOOLCHAINS, "oven", Toolchain(name="oven", builds=lambda target, host: True))
    filled(directory(tmp_path, toolchain=names["first"]))
    assert begun(directory(tmp_path, triple=MUSL, toolchain=names["second"])) == set()
    assert begun(directory(tmp_path, python="3.13", toolchain=names["first"])) != set()


def test_a_directory_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    filled(directory(tmp_path))
    second = directory(tmp_path, python="3.13")
    second.path.mkdir(parents=True)
    assert begun(second) == set()


def test_a_copy_that_fails_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(directory(tmp_path))

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cargo_directories.shutil, "copytree", full)
    assert begun(directory(tmp_path, python="3.13")) == set()
    assert list((tmp_path / ".cartwheel" / "scratch").iterdir()) == []


def test_the_first_to_build_holds_up_those_that_will_share_and_no_others(tmp_path: Path) -> None:
    slots = Slots(2)
    order: list[str] = []

    def build(of: CargoDirectory, name: str) -> threading.Thread:
        def work() -> None:
            with of.reserved(slots):
                order.append(f"{name} begins with {len(list(of.path.rglob('lib*')))}")

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    first = directory(tmp_path)
    with first.reserved(slots):
        other = CargoDirectory(root=tmp_path, target=first.target, package="gravel", python="3.12", toolchain="native")
        build(other, "gravel").join(10)
        assert order == ["gravel begins with 0"]
        waiting = build(directory(tmp_path, python="3.13"), "3.13")
        waiting.join(0.3)
        assert waiting.is_alive()
        filled(first)
    waiting.join(10)
    assert order[1:] == ["3.13 begins with 2"]


# A copy of a directory in which a build is running -------------------------------------------------------------------


def unit(of: CargoDirectory, name: str, state: str, profile: str = f"{LINUX}/release") -> None:
    """A unit (a crate or a run of a build script) in cargo's directory: `waiting`, `running` or `finished`."""
    folder = of.path / profile
    mark = folder / ".fingerprint" / name
    mark.mkdir(parents=True, exist_ok=True)
    if state != "waiting":
        (mark / "invoked.timestamp").write_text("This file has an mtime of when this was started.")
        (folder / "deps").mkdir(exist_ok=True)
        (folder / "deps" / f"lib{name}.rlib").write_text(state)
    if state == "finished":
        (mark / "lib-it").write_text("0123456789abcdef")
        (mark / "lib-it.json").write_text("{}")


def waiting_for(of: CargoDirectory, slots: Slots, begin: list[set[str]]) -> threading.Thread:
    """A thread that waits for the directory and appends to `begin` the files with which its build starts."""
    thread = threading.Thread(target=lambda: begin.append(begun(of, slots)))
    thread.start()
    return thread


def test_others_start_when_everything_left_of_the_first_build_is_being_compiled(tmp_path: Path) -> None:
    slots, begin = Slots(3), list[set[str]]()
    with directory(tmp_path, early=True).reserved(slots):
        first = directory(tmp_path)
        unit(first, "macros-0123456789abcdef", "running", "release")
        unit(first, "core-1123456789abcdef", "running")
        unit(first, "pebble-2123456789abcdef", "waiting")
        others = [waiting_for(directory(tmp_path, python=python), slots, begin) for python in ("3.13", "3.14")]
        others[0].join(0.5)
        assert all(thread.is_alive() for thread in others), "the package is not being compiled"
        unit(first, "macros-0123456789abcdef", "finished", "release")
        unit(first, "pebble-2123456789abcdef", "running")
        (first.path / f"{LINUX}/release/incremental").mkdir()
        (first.path / f"{LINUX}/release/deps/rmetaXyz").mkdir()
        (first.path / ".rustc_info.json").write_text("")
        (first.path / "last-release.json").write_text("")
        for thread in others:
            thread.join(60)
    macros = {f".fingerprint/macros-0123456789abcdef/{name}" for name in ("invoked.timestamp", "lib-it", "lib-it.json")}
    macros.add("deps/libmacros-0123456789abcdef.rlib")
    assert begin == [{".rustc_info.json", *(f"release/{name}" for name in macros)}] * 2
    assert not (directory(tmp_path, python="3.13").path / f"{LINUX}/release/incremental").exists()


def test_before_the_first_build_has_ended_no_more_builds_than_processors_run(tmp_path: Path) -> None:
    slots, begin = Slots(2), list[set[str]]()
    with directory(tmp_path, early=True).reserved(slots):
        unit(directory(tmp_path), "pebble-2123456789abcdef", "running")
        second = directory(tmp_path, python="3.13")
        with second.reserved(slots):
            thread = waiting_for(directory(tmp_path, python="3.14"), slots, begin)
            thread.join(0.5)
            assert thread.is_alive()
    thread.join(60)
    assert len(begin) == 1


def test_others_wait_for_the_end_if_the_first_build_may_not_be_copied_early(tmp_path: Path) -> None:
    slots, begin = Slots(2), list[set[str]]()
    with directory(tmp_path).reserved(slots):
        unit(directory(tmp_path), "pebble-2123456789abcdef", "running")
        thread = waiting_for(directory(tmp_path, python="3.13"), slots, begin)
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(60)
    assert len(begin) == 1


@pytest.mark.parametrize(
    ("target", "local", "early"),
    [
        (LINUX, "", True),
        (LINUX, '\n[dependencies]\ncore = { path = "core" }\n', False),
        ("universal2-apple-darwin", "", False),
    ],
)
def test_a_directory_is_copied_early_if_cargo_runs_once_for_one_local_crate(
    tmp_path: Path, target: str, local: str, early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, more in ((tmp_path, local), (tmp_path / "core", "")):
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "lib.rs").write_text("")
        name = "demo" if folder == tmp_path else "core"
        (folder / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "1.0.0"\n{more}')
    project = understood(manifests({"targets": [target], "toolchain": "zig"}, cargo=crate()))
    reserved: list[CargoDirectory] = []
    monkeypatch.setattr(CargoDirectory, "reserved", lambda directory, slots: reserved.append(directory))
    reserve = maturin.step(*project.wheels[0]).reserve
    assert reserve
    reserve(Slots(2), tmp_path)
    assert [directory.early for directory in reserved] == [early]


@pytest.mark.parametrize("state", ["finished", "waiting", "emptied", "older"])
def test_a_build_is_not_copied_before_its_compilers_run(tmp_path: Path, state: str) -> None:
    """Until then cargo may still find that a unit of an earlier build is stale, and empties the file with its hash."""
    of = directory(tmp_path)
    unit(of, "core-1123456789abcdef", "finished")
    unit(of, "pebble-2123456789abcdef", "finished" if state == "emptied" else "running" if state == "older" else state)
    if state == "emptied":
        (of.path / f"{LINUX}/release/.fingerprint/pebble-2123456789abcdef/lib-it").write_text("")
    left = cargo_directories._only_running_units_are_left
    starts = [path.stat().st_mtime_ns for path in of.path.rglob("invoked.timestamp")]
    assert not left(of.path, max(starts))
    unit(of, "pebble-2123456789abcdef", "running")
    assert left(of.path, min(starts) - 1) == (state in ("emptied", "older", "waiting"))


def test_a_later_build_waits_for_the_copies_of_an_earlier_one(tmp_path: Path) -> None:
    slots = Slots(2)
    shared = directory(tmp_path, python="all", early=True)
    with slots.exclusive(str(shared.path)):  # as a copy holds it
        begin: list[set[str]] = []
        thread = waiting_for(shared, slots, begin)
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(60)
    assert begin == [set()]


def test_cargo_knows_the_jobserver(tmp_path: Path) -> None:
    """cargo warns when it is given one that it cannot use; then every build would have its own."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("a jobserver of named pipes is for POSIX")
    if subprocess.run(["cargo", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs cargo")
    subprocess.run(["cargo", "init", "--quiet", "--vcs", "none", "--name", "pebble", str(tmp_path / "p")], check=True)
    with Slots(2).compiling() as shared:
        done = subprocess.run(
            ["cargo", "build", "--offline"], cwd=tmp_path / "p", env={**os.environ, **shared},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert "connect to jobserver" not in done.stderr
    assert "Finished" in done.stderr


# What cargo is told --------------------------------------------------------------------------------------------------

ZIG = {
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER": "/cache/wrappers/zigcc-x86_64-unknown-linux-gnu.2.17-b9e2.sh",
    "CARGO_TARGET_APPLIES_TO_HOST": "false",
    "CARGO_UNSTABLE_TARGET_APPLIES_TO_HOST": "true",
    "__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS": "nightly",
    "HOME": "/home/me",
}
"""The flags that cargo-zigbuild adds if the target is this machine's own triple."""
LINKED = ["-C", f"linker={ZIG['CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER']}"]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [(["--lib"], ["--lib", "--", *LINKED]), (["--lib", "--", "-C", "lto"], ["--lib", "--", "-C", "lto", *LINKED])],
)
def test_zig_for_this_very_machine_links_the_result_alone(words: list[str], arguments: list[str]) -> None:
    started = ["rustc", "--target", LINUX]
    assert limit_zig_linker([*started, *words], ZIG) == ([*started, *arguments], {"HOME": "/home/me"})


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["rustc", "--target", MUSL, "--lib"], {}),  # another triple, whose linker nothing else has
        (["rustc", "--target", LINUX, "--lib"], {"CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER": "clang"}),
        (["rustc", "--target", LINUX, "--lib"], {"CARGO_TARGET_APPLIES_TO_HOST": "true"}),
        (["metadata", "--target", LINUX], {}),
        (["rustc", "--lib", "--target"], {}),
    ],
)
def test_any_other_cargo_is_told_what_maturin_says(arguments: list[str], output: dict[str, str]) -> None:
    assert limit_zig_linker(arguments, ZIG | output) == (arguments, ZIG | output)
