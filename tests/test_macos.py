"""What is decided on a Mac and for one, covered by values on every system; and a grafted library, made by zig."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cartwheel.filesystem.binaries import binaries
from cartwheel.machine import host
from cartwheel.model.wheels.binary_facts import signature_problems
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process.step_log import StepLog
from cartwheel.toolchain import apple_sdk, requirements, xwin
from cartwheel.toolchain.repairers import repair
from support import wheels

ARM = TARGETS["aarch64-apple-darwin"]


def seen(**environ: str) -> Any:
    """A snapshot of which only the variables are looked at."""
    return cast(Any, SimpleNamespace(environ=environ))


@pytest.mark.parametrize(("reported", "machine"), [("arm64", "arm64"), ("x86_64", "x86_64")])
def test_a_mac_is_known_by_its_machine(monkeypatch: pytest.MonkeyPatch, reported: str, machine: str) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(host, "_uname", lambda: ("mac", reported))
    here = host.this_machine.__wrapped__()
    assert (here.system, here.machine, here.libc, here.glibc) == ("macos", machine, "", (0, 0))
    assert here.runs(TARGETS["universal2-apple-darwin"])
    assert here.runs(ARM) == (machine == "arm64")


def test_a_mac_without_the_command_line_tools_is_told_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(apple_sdk, "_TOOLS", ())
    (need,) = requirements._linker(ARM, seen(), "", lambda: ())
    assert (need.name, need.fix) == ("Xcode's command line tools", "xcode-select --install")
    (tmp_path / "usr/bin").mkdir(parents=True)
    assert [*requirements._linker(ARM, seen(DEVELOPER_DIR=str(tmp_path)), "", lambda: ())] == []


def test_the_download_cache_of_a_mac_is_in_its_library_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert xwin.cache({"HOME": str(tmp_path)}) == tmp_path / "Library" / "Caches" / "cargo-xwin"


@pytest.mark.lab
@pytest.mark.skipif(sys.platform != "linux", reason="zig and repairwheel on Linux")
def test_a_library_of_ones_own_is_grafted_into_a_wheel_for_macos(tmp_path: Path) -> None:
    def zig(name: str, text: str, *more: str) -> Path:
        source, binary = tmp_path / f"{name}.c", tmp_path / name
        source.write_text(text)
        command = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-macos.11.0", "-dynamiclib", "-o", binary)
        subprocess.run((*command, source, *more), check=True, capture_output=True)
        return binary

    inner = zig("libgrain.dylib", "int grain(void) { return 7; }\n", f"-Wl,-install_name,{tmp_path}/libgrain.dylib")
    outer = zig("_tide.abi3.so", "int grain(void); int PyInit__tide(void) { return grain(); }\n", str(inner))
    name = "tide-0.1.0-cp311-abi3-macosx_11_0_arm64.whl"
    (tmp_path / "raw").mkdir()
    raw = wheels.wheel(tmp_path / "raw", name, {"tide/__init__.py": "", "tide/_tide.abi3.so": outer.read_bytes()})
    (tmp_path / "scratch").mkdir()
    repair(
        raw, tmp_path / "dist", expected=name, target=ARM, floor="11.0", env=os.environ, scratch=tmp_path / "scratch",
        log=StepLog(tmp_path / "log.txt", shown_as="log.txt"),
    )  # fmt: skip
    images = {image.path: image for image in binaries(tmp_path / "dist" / name)}
    assert sorted(images) == ["tide/.dylibs/libgrain.dylib", "tide/_tide.abi3.so"]
    assert "@loader_path/.dylibs/libgrain.dylib" in images["tide/_tide.abi3.so"].needed
    assert {image.architecture for image in images.values()} == {"arm64"}
    assert {image.signature for image in images.values()} == {"valid"}, "changed install names need a new signature"
    assert signature_problems(tuple(images.values())) == ()
