"""Wheels of other machines: with which Pythons and where they are tested, and what is built for Windows and macOS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel import toolchain
from cartwheel.commands.doctor import TargetReadiness, as_text
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.machine import emulation, interpreters
from cartwheel.machine.emulation import emulated_interpreter
from cartwheel.machine.host import Host, this_machine
from cartwheel.machine.interpreters import Interpreter, NoInterpreter
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process.environment import tool_environment
from cartwheel.process.run import program_command
from cartwheel.process.step_log import StepLog
from cartwheel.testing import test_environment, test_hosts
from cartwheel.testing.test_hosts import InterpreterRequest, interpreter_for_tests
from cartwheel.toolchain import apple_sdk, xwin
from support import images, wheels
from support.models import crate, manifests, understood
from support.projects import DODO, Project, committed, with_crate
from support.repositories import repository

GNU = Host(system="linux", machine="x86_64", libc="gnu", glibc=(2, 36))
MAC = Host(system="macos", machine="arm64", libc="", glibc=(0, 0))
ARM, MUSL, MSVC = "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "x86_64-pc-windows-msvc"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="qemu emulates programs on Linux alone")


def demo(table: Mapping[str, Any], *, minimum: str = "py311", **more: Any) -> tuple[Package, Wheel]:
    """A package of one abi3 wheel for ARM, unless the table says otherwise."""
    project = understood(manifests({"targets": [ARM], **table}, cargo=crate(f"abi3-{minimum}"), **more))
    return project.wheels[0]


# ---- with which Pythons ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "minimum", "project", "expected", "needed"),
    [
        ({}, "py311", {}, ("3.11", "3.12", "3.13", "3.14", "3.15"), False),
        ({}, "py313", {}, ("3.13", "3.14", "3.15"), False),
        ({}, "py315", {}, ("3.15",), False),
        ({}, "py311", {"requires-python": ">=3.11,<3.13"}, ("3.11", "3.12"), False),
        ({"test": {"python": ["3.12", "3.14"]}}, "py311", {}, ("3.12", "3.14"), True),
        ({"python": ["3.14t"]}, "py311", {}, ("3.14t",), True),
        ({"python": ["pypy3.11"], "test": {"python": ["3.12"]}}, "py311", {}, ("pypy3.11",), True),
        ({"python": ["abi3t"]}, "py311", {}, ("3.15", "3.15t"), False),
    ],
)
def test_a_wheel_is_tested_with_every_supported_python_that_takes_it_or_with_those_that_are_named(
    table: Mapping[str, Any], minimum: str, project: Mapping[str, Any], expected: tuple[str, ...], needed: bool
) -> None:
    package, wheel = demo(table, minimum=minimum, project=project)
    assert test_plan.pythons(package, wheel) == expected
    assert test_plan.every_python_required(wheel) == needed


def test_a_pure_package_is_tested_with_all_of_them_and_a_program_with_any() -> None:
    pure = understood(manifests({}, project={"requires-python": ">=3.12"})).wheels[0]
    assert test_plan.pythons(*pure) == ("3.12", "3.13", "3.14", "3.15")
    program = understood(manifests({"targets": [ARM]}, cargo={"package": {"name": "demo", "version": "1.2.0"}}))
    assert test_plan.pythons(*program.wheels[0]) == ("py3",)


def test_an_override_says_otherwise_for_one_target() -> None:
    override = {"select": "*-linux-*", "test": {"python": ["3.12"], "skip": "no such board here"}}
    table = {"targets": [ARM, "aarch64-apple-darwin"], "test": {"extras": ["test"]}, "overrides": [override]}
    extras = {"optional-dependencies": {"test": []}}
    package = understood(manifests(table, cargo=crate("abi3-py311"), project=extras)).packages[0]
    here, mac = (wheel.test for wheel in package.wheels)
    assert (here.python, here.skip, here.extras) == (("3.12",), "no such board here", ("test",))
    assert (mac.python, mac.skip, mac.extras) == ((), "", ("test",))


@pytest.mark.parametrize(
    ("test", "output"),
    [
        ({"python": ["3"]}, "test.python: unknown interpreter '3'; expected one like '3.13', '3.14t' or 'pypy3.11'"),
        ({"python": ["3.10"]}, "test.python: '3.10' is older than the wheel takes (3.11)"),
        ({"python": ["3.12", "3.12"]}, "test.python: '3.12' is listed twice; name it once"),
        ({"python": ["3.14t"]}, "test.python: '3.14t' takes no wheel for the stable ABI; plan a separate wheel for it"),
        ({"groups": ["tests"]}, "test.groups: there is no [dependency-groups] tests"),
        ({"extras": ["tset"]}, "test.extras: 'tset' is not in [project.optional-dependencies]; did you mean 'test'?"),
    ],
)
def test_what_cannot_be_meant_of_tests_is_refused_when_it_is_read(test: Mapping[str, Any], output: str) -> None:
    with pytest.raises(ConfigError) as refused:
        demo({"test": test}, project={"optional-dependencies": {"test": ["pytest"]}})
    assert str(refused.value) == f"[tool.cartwheel] {output}"


def test_requirements_come_from_dependency_groups_and_a_changed_group_is_a_reason_to_test_again() -> None:
    m = manifests({"targets": [ARM], "test": {"groups": ["Test"], "requires": ["six"]}}, cargo=crate("abi3-py311"))

    def with_groups(**groups: Any) -> Package:
        pyproject = {**m.pyproject, "dependency-groups": groups}
        return understood(manifests_with(m, pyproject)).packages[0]

    one = with_groups(test=["pytest>=8", {"include-group": "more"}], more=["hypothesis"])
    two = with_groups(test=["pytest>=8", {"include-group": "more"}], more=["hypothesis>=6"])
    assert test_plan.requirements_for_tests(one, one.test) == ("pytest>=8", "hypothesis", "six")
    assert test_plan.settings(one, one.test) != test_plan.settings(two, two.test)


def manifests_with(m: Any, pyproject: Mapping[str, Any]) -> Any:
    return replace(m, pyproject=pyproject)


# ---- where -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "triple", "python", "request_"),
    [
        (GNU, "i686-unknown-linux-gnu", "3.11", "cpython-3.11-linux-x86-gnu"),
        (GNU, "i686-unknown-linux-gnu", "3.14t", "cpython-3.14+freethreaded-linux-x86-gnu"),
        (GNU, "i686-unknown-linux-musl", "3.11", ""),
        (GNU, ARM, "3.11", ""),
        (MAC, "x86_64-apple-darwin", "pypy3.11", "pypy-3.11-macos-x86_64-none"),
        (Host(system="windows", machine="amd64", libc="", glibc=(0, 0)), "i686-pc-windows-msvc", "3.13",
         "cpython-3.13-windows-x86-none"),
    ],
)  # fmt: skip
def test_a_machine_runs_some_wheels_of_another_kind_if_such_an_interpreter_is_here(
    host: Host, triple: str, python: str, request_: str
) -> None:
    assert interpreters._compatible_request(TARGETS[triple], python, host) == request_


def program(path: Path, text: str) -> Path:
    """A shell script that can be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def stand_in(folder: Path) -> dict[str, str]:
    """An environment with a file system for ARM, in which python3.11 is this machine's, and a qemu that starts it."""
    root = folder / "root"
    program(folder / "bin" / "qemu-aarch64", f'echo "$3" >> "{folder}/started"; shift 2; exec "$@"')
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "ld-linux-aarch64.so.1").symlink_to("aarch64-linux-gnu/ld-2.36.so")
    (root / "usr" / "bin").mkdir(parents=True)
    base = interpreters.interpreter_path("3.11", tool_environment(os.environ))
    (root / "usr" / "bin" / "python3.11").symlink_to(Path(base).resolve())
    return tool_environment(os.environ) | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", emulation.variable(TARGETS[ARM]): str(root),
    }  # fmt: skip


@ON_LINUX
def test_a_file_system_that_is_named_is_looked_at_before_anything_is_started(tmp_path: Path) -> None:
    env = stand_in(tmp_path)
    root, target = tmp_path / "root", TARGETS[ARM]
    assert isinstance(emulated_interpreter(target, "", "3.11", env), Interpreter)
    assert emulated_interpreter(target, "", "3.12", env) == NoInterpreter(why=f"Python 3.12 is not in {root}")
    old = emulated_interpreter(target, "manylinux_2_99", "3.11", env)
    assert isinstance(old, NoInterpreter)
    assert old.why.startswith(f"{root} has glibc ")
    assert old.why.endswith("the wheel is for 2.99 and newer")
    (root / "usr" / "bin" / "python3.13").symlink_to("/bin/false")
    assert emulated_interpreter(target, "", "3.13", env) == NoInterpreter(
        why=f"{root}/usr/bin/python3.13 makes no environments: exit 1", all=True
    )
    assert emulated_interpreter(target, "", "3.11", {**env, "PATH": str(root)}) == NoInterpreter(
        why=f"qemu-aarch64 is missing; {emulation.QEMU}", all=True
    )
    assert emulated_interpreter(TARGETS[MUSL], "", "3.11", env) is None
    wrong = {**env, emulation.variable(TARGETS[MUSL]): str(root)}
    interpreter = emulated_interpreter(TARGETS[MUSL], "", "3.11", wrong)
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why == f"{root} has no lib/ld-musl-aarch64.so.1, so it is no file system of {MUSL}"


@ON_LINUX
def test_a_sysroot_for_musl_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env, own = stand_in(tmp_path), TARGETS[f"{this_machine().machine}-unknown-linux-musl"]
    missing = {**env, emulation.variable(own): str(tmp_path / "missing")}
    assert emulated_interpreter(own, "", "3.11", missing) == NoInterpreter(
        why=f"{emulation.variable(own)} names {tmp_path}/missing, which is no folder", all=True
    )
    root = tmp_path / "root"
    monkeypatch.setattr(emulation, "_loader", lambda target: "bin/true")
    interpreter = emulated_interpreter(own, "", "3.11", {**env, emulation.variable(own): str(root)})
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why.startswith(f"{root}/usr/bin/python3.11 is linked with glibc ")
    monkeypatch.setattr(emulation, "_loader", lambda target: "lib/ld-none.so.1")
    (root / "lib" / "ld-none.so.1").touch()
    interpreter = emulated_interpreter(TARGETS[MUSL], "", "3.11", {**env, emulation.variable(TARGETS[MUSL]): str(root)})
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why.startswith(
        "installers start /lib/ld-none.so.1 to see the version of musl, and this machine cannot"
    )


@ON_LINUX
def test_the_folder_that_qemu_is_told_of_is_taken_where_it_is_for_such_a_machine(tmp_path: Path) -> None:
    env = stand_in(tmp_path)
    qemu = {"QEMU_LD_PREFIX": env.pop(emulation.variable(TARGETS[ARM])), "PATH": env["PATH"]}
    assert isinstance(emulated_interpreter(TARGETS[ARM], "", "3.11", qemu), Interpreter)
    assert emulated_interpreter(TARGETS["s390x-unknown-linux-gnu"], "", "3.11", qemu) is None
    assert emulated_interpreter(TARGETS["aarch64-apple-darwin"], "", "3.11", qemu) is None


@ON_LINUX
def test_where_none_can_be_started_the_place_at_hand_says_why(tmp_path: Path) -> None:
    package, wheel = demo({})
    env = stand_in(tmp_path)
    interpreter = interpreter_for_tests(package, wheel, "3.12", env)
    assert interpreter == NoInterpreter(why=f"Python 3.12 is not in {tmp_path / 'root'}")
    del env[emulation.variable(TARGETS[ARM])]
    if not this_machine().runs(wheel.target):
        elsewhere = interpreter_for_tests(package, wheel, "3.12", env)
        assert isinstance(elsewhere, NoInterpreter)
        assert elsewhere.why.endswith("the wheel is for aarch64 Linux with glibc")


@ON_LINUX
@pytest.mark.parametrize(
    "command", [("pytest", "{package}/tests"), ("tide", "--loud"), ("python", "-c", "import tide")]
)
def test_everything_of_an_emulated_environment_is_started_by_the_emulator(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    env = stand_in(tmp_path)
    base = emulated_interpreter(TARGETS[ARM], "", "3.11", env)
    assert isinstance(base, Interpreter)
    (tmp_path / "package" / "tests").mkdir(parents=True)
    (tmp_path / "package" / "tests" / "test_tide.py").write_text("import tide\ndef test_tide():\n    assert tide.x\n")
    files: dict[str, bytes | str] = {
        "tide.py": "import sys\nx = 1\ndef main():\n    sys.exit('quiet' if '--loud' not in sys.argv else 0)\n",
        "tide-0.1.0.dist-info/entry_points.txt": "[console_scripts]\ntide = tide:main\n",
    }
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", files)
    run = test_environment.run_wheel_tests(
        path, base=base, module="tide", requirements=(), extras=(), command=command, may_compile=False,
        tests_from=tmp_path / "package", scratch=tmp_path / "scratch",
        log=StepLog(tmp_path / "log", shown_as="log"), env=env,
    )  # fmt: skip
    assert run.by == "emulated by qemu-aarch64"
    assert run.count == (1 if command[0] == "pytest" else 0)
    started = (tmp_path / "started").read_text().split()
    inner = str(tmp_path / "scratch" / "env" / "bin" / "python")
    assert started[0] == str(tmp_path / "root" / "usr" / "bin" / "python3.11")
    assert set(started[2:]) == {inner}, "the first asks for the libc, the second makes the environment"


@ON_LINUX
def test_what_has_no_wheel_for_another_machine_is_not_compiled_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    with tarfile.open(folder / "slow-1.0.tar.gz", "w:gz") as archive:
        for name, text in (("PKG-INFO", "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n"), ("setup.py", "exit(1)")):
            (tmp_path / name).write_text(text)
            archive.add(tmp_path / name, f"slow-1.0/{name}")
    env = stand_in(tmp_path) | {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(folder)}
    base = emulated_interpreter(TARGETS[ARM], "", "3.11", env)
    assert isinstance(base, Interpreter)
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", {"tide.py": ""})
    with pytest.raises(StepFailed) as failed:
        test_environment.run_wheel_tests(
            path, base=base, module="tide", requirements=("slow",), extras=(), command=(), may_compile=False,
            tests_from=tmp_path, scratch=tmp_path / "scratch", log=StepLog(tmp_path / "log", shown_as="log"), env=env,
        )  # fmt: skip
    assert str(failed.value).startswith(
        "a requirement of the tests has no wheel for the machine that is emulated by qemu-"
    )
    assert "test.compile = true" in str(failed.value)


@pytest.mark.lab
@ON_LINUX
def test_a_32_bit_interpreter_on_the_path_runs_32_bit_wheels(tmp_path: Path) -> None:
    """One of Debian's, told where its own libraries lie."""
    if this_machine().machine != "x86_64":
        pytest.skip("32-bit programs are tried on x86_64")
    root = images.root("i386")
    python = tmp_path / "usr" / "bin" / "python3.11"
    python.parent.mkdir(parents=True)
    shutil.copy(root / "usr" / "bin" / "python3.11", python)
    (tmp_path / "usr" / "lib").symlink_to(root / "usr" / "lib")
    libraries = f"{root}/lib/i386-linux-gnu:{root}/usr/lib/i386-linux-gnu"
    arguments = ("--set-interpreter", str(root / "lib" / "ld-linux.so.2"), "--force-rpath", "--set-rpath", libraries)
    subprocess.run((*program_command("patchelf"), *arguments, str(python)), check=True)
    env = tool_environment(os.environ) | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    base = interpreters.native_interpreter(TARGETS["i686-unknown-linux-gnu"], "", "3.11", env)
    assert base == Interpreter(path=str(python), by="i686 here")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_tide.py").write_text(
        "import sys, tide\ndef test_tide():\n    assert sys.maxsize == 2**31 - 1\n"
    )
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", {"tide.py": ""})
    run = test_environment.run_wheel_tests(
        path, base=base, module="tide", requirements=(), extras=(), command=("pytest", "{package}/tests"),
        may_compile=False, tests_from=tmp_path, scratch=tmp_path / "scratch",
        log=StepLog(tmp_path / "log", shown_as="log"), env=env,
    )  # fmt: skip
    assert (run.count, run.by) == (1, "i686 here")


@pytest.mark.lab
@ON_LINUX
def test_the_tests_of_a_wheel_made_in_a_container_run_in_it(tmp_path: Path) -> None:
    """Asked of that place alone: where this machine's own Python can run a wheel, that is preferred."""
    engine = images.podman()
    image = engine.debian("amd64")
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    (root / "tests" / "test_tide.py").write_text(
        "import os, sys, tide\ndef test_tide():\n    assert tide.x\n    assert os.path.exists('/run/.containerenv')\n"
        f"    assert not os.path.exists({sys.executable!r})\n"
    )
    table = {"targets": ["x86_64-unknown-linux-gnu"], "image": image, "floor": images.FLOOR}
    package, wheel = demo(table)
    env = tool_environment(os.environ) | engine.env
    work = Work(
        root=root, scratch=tmp_path / "project" / "scratch", log=StepLog(tmp_path / "log", shown_as="log"),
        snapshot=DiskSnapshot(root, env, lambda name, snapshot: ""), before=None, named=(), announce=print,
    )  # fmt: skip
    work.scratch.mkdir()
    request = InterpreterRequest(package=package, wheel=wheel, python="3.11", env=env, work=work)
    base = test_hosts._container(request)
    assert isinstance(base, Interpreter)
    path = wheels.wheel(tmp_path / "project", "tide-0.1.0-py3-none-any.whl", {"tide.py": "x = 1\n"})
    run = test_environment.run_wheel_tests(
        path, base=base, module="tide", requirements=(), extras=(), command=("pytest", "{package}/tests"),
        may_compile=False, tests_from=root, scratch=work.scratch / "tests", log=work.log, env=env,
    )  # fmt: skip
    assert (run.count, run.by) == (1, f"in {image}")
    missing = test_hosts._container(replace(request, python="3.12"))
    assert missing == NoInterpreter(why=f"Python 3.12 is not in {image}")
    assert engine.none_left(root)


# ---- xwin --------------------------------------------------------------------------------------------------------


def fetched(cache: Path, *architectures: str) -> dict[str, str]:
    """Microsoft's libraries, as far as they are looked at before a build."""
    (cache / "xwin" / "crt" / "include").mkdir(parents=True)
    (cache / "xwin" / "crt" / "include" / "crtversion.h").write_text("#define _VC_CRT_BUILD_VERSION 35207\n")
    (cache / "xwin" / "DONE").write_text(" ".join(architectures))
    return {"XWIN_CACHE_DIR": str(cache)}


@pytest.mark.parametrize(
    ("triple", "host", "name"),
    [
        (MSVC, GNU, "xwin"),
        ("i686-pc-windows-msvc", MAC, "xwin"),
        ("aarch64-pc-windows-msvc", GNU, "xwin"),
        ("x86_64-pc-windows-gnu", GNU, "mingw"),
        (MSVC, Host(system="windows", machine="amd64", libc="", glibc=(0, 0)), "native"),
    ],
)
def test_windows_wheels_of_the_kind_msvc_are_made_by_xwin_where_there_is_no_windows(
    triple: str, host: Host, name: str
) -> None:
    assert toolchain.choose_toolchain(TARGETS[triple], "", "", host).name == name


def test_libraries_that_are_not_here_are_fetched_by_who_agrees_to_their_licence(tmp_path: Path) -> None:
    path = {"PATH": str(program(tmp_path / "bin" / "lld-link", "").parent)}
    env = fetched(tmp_path / "cache", "x86_64", "aarch64") | path
    assert list(xwin.missing_libraries(TARGETS[MSVC], (), env)) == []
    ((name, fix),) = xwin.missing_libraries(TARGETS["i686-pc-windows-msvc"], (), env)
    assert name == "Microsoft's SDK"
    assert "XWIN_ARCH=x86_64,aarch64,x86 " in fix, "those that are here stay"
    assert fix.endswith("cargo-xwin xwin cache xwin (from Microsoft, under its licence)")
    none = {**path, "XWIN_CACHE_DIR": str(tmp_path / "none")}
    ((_, fix),) = xwin.missing_libraries(TARGETS["aarch64-pc-windows-msvc"], (), none)
    assert "XWIN_ARCH" not in fix
    assert xwin.libraries_id(none) == ""


def test_a_crate_that_compiles_c_needs_clang_and_one_with_cmake_ninja(tmp_path: Path) -> None:
    env = fetched(tmp_path / "cache", "x86_64") | {"PATH": str(program(tmp_path / "bin" / "lld-link", "").parent)}
    assert [name for name, _ in xwin.missing_libraries(TARGETS[MSVC], ("libz-sys", "cc"), env)] == ["clang"]
    assert [name for name, _ in xwin.missing_libraries(TARGETS[MSVC], ("cmake",), env)] == ["clang", "ninja"]
    clang = {**env, "XWIN_CROSS_COMPILER": "clang"}
    assert [name for name, _ in xwin.missing_libraries(TARGETS[MSVC], (), clang)] == ["Microsoft's SDK", "clang"]


def test_other_libraries_are_another_toolchain_and_one_more_architecture_is_not(tmp_path: Path) -> None:
    env = fetched(tmp_path / "cache", "x86_64")
    one = xwin.libraries_id(env)
    (tmp_path / "cache" / "xwin" / "DONE").write_text("x86_64 x86")
    assert xwin.libraries_id(env) == one
    (tmp_path / "cache" / "xwin" / "crt" / "include" / "crtversion.h").write_text("#define _VC_CRT_BUILD_VERSION 1\n")
    assert xwin.libraries_id(env) != one


def test_without_the_libraries_a_build_is_refused_in_one_line_before_anything_is_fetched(
    crate_for_windows: Project, tmp_path: Path
) -> None:
    none = {"XWIN_CACHE_DIR": str(tmp_path / "none")}
    output = crate_for_windows.refused(f"build:{MSVC}", env=none, but="version-sync")
    assert f"Microsoft's SDK is missing, and {MSVC} needs it; " in output
    assert not (tmp_path / "none").exists()
    row = json.loads(crate_for_windows.doit("doctor", "--json", env=none))["targets"][-1]
    assert (row["toolchain"], row["ready"], row["missing"]) == ("xwin", False, ["Microsoft's SDK"])


@pytest.fixture
def crate_for_windows(tmp_path: Path) -> Project:
    """A program in Rust for Windows on x86_64."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    project = committed(with_crate(tmp_path / "project"))
    text = (project.root / "pebble" / "pyproject.toml").read_text()
    lines = [line for line in text.replace(this_machine().triple, MSVC).splitlines() if not line.startswith("floor")]
    project.write("pebble/pyproject.toml", "\n".join(lines))
    return project


@pytest.mark.lab
@ON_LINUX
def test_a_build_comes_to_the_command_line_that_links_with_microsofts_libraries(
    crate_for_windows: Project, tmp_path: Path
) -> None:
    linker = f'printf "%s\\n" "$@" > "{tmp_path}/argv"; env > "{tmp_path}/env"; echo stopped here >&2; exit 7'
    env = fetched(tmp_path / "cache", "x86_64", "x86") | {
        "PATH": f"{program(tmp_path / 'bin' / 'lld-link', linker).parent}{os.pathsep}{os.environ['PATH']}",
        "RUSTFLAGS": "--cfg tide -C link-arg=/tide",
    }
    crate_for_windows.doit(f"build:{MSVC}", env=env, code=1)
    (log,) = (crate_for_windows.root / ".cartwheel" / "logs").glob(f"build-{MSVC}*")
    assert f"xwin for cross-compiling to {MSVC}" in log.read_text("utf-8")
    argv = (tmp_path / "argv").read_text().splitlines()
    libraries = tmp_path / "cache" / "xwin"
    folders = [part.removeprefix("/LIBPATH:") for part in argv if part.startswith("/LIBPATH:")]
    assert folders[:3] == [f"{libraries}/{name}/x86_64" for name in ("crt/lib", "sdk/lib/um", "sdk/lib/ucrt")]
    assert {"kernel32.lib", "/defaultlib:msvcrt", "/tide"} <= set(argv)
    (out,) = (part for part in argv if part.startswith("/OUT:"))
    assert f".cartwheel/cargo/{MSVC}/pebble/py3-xwin/{MSVC}/release/" in out
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert seen["XWIN_ARCH"] == "x86_64"
    assert seen["XWIN_CACHE_DIR"] == str(tmp_path / "cache")
    assert seen["CC_x86_64_pc_windows_msvc"] == seen["TARGET_CC"] == "clang-cl"
    assert seen["AR_x86_64_pc_windows_msvc"] == "llvm-lib"
    assert (libraries / "DONE").read_text() == "x86_64 x86", "nothing was fetched"


# ---- doctor ------------------------------------------------------------------------------------------------------


def test_crates_that_link_frameworks_are_known_by_name() -> None:
    resolved = ("pyo3", "core-foundation-sys", "objc2-io-kit", "objc2-encode", "objc2 0.5.2", "core-foundation")
    assert apple_sdk.frameworks(resolved) == ("core-foundation-sys", "objc2-io-kit", "objc2")


def test_an_sdk_is_one_that_holds_frameworks(tmp_path: Path) -> None:
    assert apple_sdk.sdk({}) == "SDKROOT is not set"
    assert apple_sdk.sdk({"SDKROOT": str(tmp_path)}) == f"SDKROOT is {tmp_path}, which has no System/Library/Frameworks"
    (tmp_path / "System" / "Library" / "Frameworks").mkdir(parents=True)
    assert apple_sdk.sdk({"SDKROOT": str(tmp_path)}) == ""


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has its own SDK")
def test_doctor_asks_for_an_sdk_where_what_is_locked_links_frameworks(crate_for_windows: Project) -> None:
    project = crate_for_windows
    project.edit("pebble/pyproject.toml", MSVC, "aarch64-apple-darwin")
    project.edit(
        "pebble/Cargo.toml", 'edition = "2021"', 'edition = "2021"\n[dependencies]\ncore-foundation-sys = "0.8"'
    )
    project.edit("pebble/Cargo.lock", 'version = "1.0.0"', 'version = "1.0.0"\ndependencies = ["core-foundation-sys"]')
    source = '"registry+https://github.com/rust-lang/crates.io-index"'
    project.write(
        "pebble/Cargo.lock", (project.root / "pebble/Cargo.lock").read_text()
        + f'\n[[package]]\nname = "core-foundation-sys"\nversion = "0.8.7"\nsource = {source}\nchecksum = "773648"\n',
    )  # fmt: skip
    row = json.loads(project.doit("doctor", "--json", env={"SDKROOT": ""}))["targets"][-1]
    assert (row["toolchain"], row["missing"]) == ("zig", ["the SDK of macOS"])
    assert row["fix"][0].startswith("core-foundation-sys link frameworks of macOS, and SDKROOT is not set; ")
    output = project.refused("build:aarch64-apple-darwin", env={"SDKROOT": ""}, but="version-sync")
    assert "the SDK of macOS is missing, and aarch64-apple-darwin needs it" in output


def test_a_target_is_a_row_with_what_fixes_it_and_where_its_tests_run() -> None:
    row = TargetReadiness(
        target=ARM, toolchain="zig", ready=False, own=False, missing=("zig",), fix=("pip install it",),
        tests="emulated by qemu-aarch64: 3.11; Python 3.12 is not in /arm",
    )  # fmt: skip
    assert as_text((row,)).splitlines() == [
        "aarch64-unknown-linux-gnu       zig       needs zig",
        "    pip install it",
        "    tests emulated by qemu-aarch64: 3.11; Python 3.12 is not in /arm",
    ]


# ---- a real machine of another kind ------------------------------------------------------------------------------


TIDE = """[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "tide"
dynamic = ["version"]
readme = "README.md"
requires-python = ">=3.11"

[project.optional-dependencies]
fast = ["msgspec"]

[dependency-groups]
test = ["pytest"]

[tool.maturin]
bindings = "pyo3-ffi"
module-name = "tide"

[tool.cartwheel]
targets = ["{triple}"]
python = ["abi3"]
publish = []
test = {{ command = ["pytest", "{{package}}/tests"], groups = ["test"], extras = ["fast"] }}
"""

TIDE_CARGO = """[package]
name = "tide"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3-ffi = { version = "0.29", features = ["abi3-py311", "extension-module"] }
"""

TIDE_SOURCE = """use pyo3_ffi::*;
use std::ptr;

static mut MODULE: PyModuleDef = PyModuleDef {
    m_base: PyModuleDef_HEAD_INIT,
    m_name: c"tide".as_ptr(),
    m_doc: ptr::null(),
    m_size: 0,
    m_methods: ptr::null_mut(),
    m_slots: ptr::null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

/// # Safety
/// Called by the interpreter.
#[no_mangle]
pub unsafe extern "C" fn PyInit_tide() -> *mut PyObject {
    let module = PyModule_Create(&raw mut MODULE);
    let machine = if cfg!(target_arch = "aarch64") { c"aarch64" } else { c"another" };
    PyModule_AddStringConstant(module, c"machine".as_ptr(), machine.as_ptr());
    module
}
"""

TIDE_TEST = """import platform, sys
import msgspec, tide

def test_machine():
    assert tide.machine == {machine!r}
    assert msgspec.json.encode(sys.version_info[:2]) == b"[3,11]"
"""


@pytest.mark.lab
@pytest.mark.parametrize(("arch", "triple", "machine"), [("arm64", ARM, "aarch64")])
def test_a_wheel_of_another_machine_is_built_and_its_tests_pass_where_it_is_emulated(
    tmp_path: Path, arch: str, triple: str, machine: str
) -> None:
    if not (shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")):
        pytest.skip("needs qemu-aarch64")
    root = images.root(arch)
    project = Project(tmp_path / "tide")
    repository(project.root)
    project.write("dodo.py", DODO)
    project.write("pyproject.toml", TIDE.format(triple=triple))
    project.write("Cargo.toml", TIDE_CARGO)
    project.write("src/lib.rs", TIDE_SOURCE)
    project.write("tests/test_tide.py", TIDE_TEST.format(machine=machine))
    project.write("README.md", "# tide\n")
    project.write(".gitignore", ".cartwheel/\ndist/\n")
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=project.root, check=True)
    committed(project)
    output = project.doit(f"check:{triple}")
    assert "tests not run: this machine is" in output
    env = {emulation.variable(TARGETS[triple]): str(root)}
    planned = json.loads(project.doit("plan", "--json", f"check:{triple}", env=env))["tasks"]
    (stale,) = (task for task in planned if task["name"].startswith(f"check:{triple}"))
    assert stale["why"] == ["its tests were not run where it was checked, and this machine can run them"]
    output = project.doit(f"check:{triple}", env=env)
    assert "1 test passed (emulated by qemu-aarch64" in output
    assert "), not with 3.12, 3.13, 3.14" in output
    (report,) = (project.root / ".cartwheel" / "checks").rglob("*.json")
    ran, *missed = json.loads(report.read_bytes())["tests"]
    assert (ran["python"], ran["ran"]) == ("3.11.2", 1)
    assert [run["not_run"] for run in missed] == [f"Python 3.{minor} is not in {root}" for minor in (12, 13, 14, 15)]
    assert " ok " not in project.doit(f"check:{triple}", env=env), "and then it is up to date"
    assert f"tests emulated by qemu-aarch64-static: 3.11; Python 3.12 is not in {root}" in project.doit(
        "doctor", env=env
    )
