"""Repair: who repairs what, by which command, and what comes out of it."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.checks.candidate import examine
from cartwheel.checks.rules import RULES, problems
from cartwheel.filesystem.digests import sha256_of
from cartwheel.machine.host import Host
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.target import TARGETS, platform_tag
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.process.environment import tool_environment
from cartwheel.process.step_log import StepLog
from cartwheel.toolchain.repairers import REPAIRERS, RepairOrder, repair, repairer_for, retag
from support import wheels

GNU = Host(system="linux", machine="x86_64", libc="gnu", glibc=(2, 36))
ALPINE = replace(GNU, libc="musl", glibc=(0, 0))
MAC = Host(system="macos", machine="arm64", libc="", glibc=(0, 0))
WINDOWS = Host(system="windows", machine="amd64", libc="", glibc=(0, 0))

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="auditwheel runs on Linux")


@pytest.mark.parametrize(
    ("triple", "host", "name"),
    [
        ("any", GNU, "copy"),
        ("any", WINDOWS, "copy"),
        ("x86_64-unknown-linux-gnu", GNU, "auditwheel"),
        ("aarch64-unknown-linux-musl", GNU, "auditwheel"),
        ("x86_64-unknown-linux-gnu", MAC, "repairwheel"),
        ("aarch64-apple-darwin", MAC, "delocate"),
        ("x86_64-apple-darwin", GNU, "repairwheel"),
        ("x86_64-pc-windows-msvc", WINDOWS, "delvewheel"),
        ("x86_64-pc-windows-gnu", GNU, "delvewheel"),
    ],
)
def test_the_first_row_that_fits_repairs(triple: str, host: Host, name: str) -> None:
    assert repairer_for(TARGETS[triple], host).name == name


def test_every_target_has_a_repairer_on_every_system() -> None:
    for target in TARGETS.values():
        for host in (GNU, ALPINE, MAC, WINDOWS):
            assert repairer_for(target, host) in REPAIRERS


def ordered(triple: str, host: Host, *, floor: str = "", raw: str = "") -> tuple[str, ...]:
    """The command for a wheel, without the interpreter and the paths that every one has."""
    target = TARGETS[triple]
    expected = f"tide-0.1.0-cp311-abi3-{platform_tag(target, floor or target.floor)}.whl"
    order = RepairOrder(
        raw=Path(raw or expected), expected=expected, target=target, floor=floor or target.floor, host=host,
        out=Path("out"), nothing=Path("nothing"),
    )  # fmt: skip
    return repairer_for(target, host).command(order)[3:]


@linux_only
@pytest.mark.parametrize(
    ("triple", "host", "floor", "options"),
    [
        ("x86_64-unknown-linux-gnu", GNU, "", ("--plat", "manylinux_2_17_x86_64")),
        ("x86_64-unknown-linux-gnu", GNU, "manylinux_2_28", ("--plat", "manylinux_2_28_x86_64")),
        ("x86_64-unknown-linux-gnu", GNU, "manylinux_2_30", ("--plat", "auto")),
        ("x86_64-unknown-linux-gnu", ALPINE, "", ("--plat", "auto")),
        ("aarch64-unknown-linux-gnu", GNU, "", ("--plat", "auto")),
        ("x86_64-unknown-linux-musl", ALPINE, "", ("--exclude", "libc.so", "--no-update-tags")),
        ("x86_64-unknown-linux-musl", GNU, "", ("--exclude", "libc.so", "--ldpaths", "nothing", "--no-update-tags")),
    ],
)
def test_auditwheel_is_asked_for_the_floor_where_it_knows_it(
    triple: str, host: Host, floor: str, options: tuple[str, ...]
) -> None:
    command = ordered(triple, host, floor=floor)
    assert command[:2] == ("auditwheel", "repair")
    assert " ".join(options) in " ".join(command)


@linux_only
def test_a_musl_wheel_without_a_promise_is_given_one() -> None:
    command = ordered("x86_64-unknown-linux-musl", GNU, raw="tide-0.1.0-cp311-abi3-linux_x86_64.whl")
    assert "--no-update-tags" not in command


def test_the_tools_of_other_systems_are_given_the_folder_and_the_wheel() -> None:
    assert ordered("aarch64-apple-darwin", MAC)[:3] == ("delocate.cmd.delocate_wheel", "--require-archs", "arm64")
    assert ordered("x86_64-apple-darwin", GNU)[:2] == ("repairwheel", "--no-sys-paths")
    assert "--exclude" in ordered("x86_64-unknown-linux-musl", MAC)
    assert ordered("any", GNU) == ()


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"tide/__init__.py": "", "tide/inner/__init__.py": ""}, ()),
        ({"basalt/tide/__init__.py": ""}, ("--namespace-pkg", "basalt")),
        ({"a/b/c/__init__.py": "", "a/d/__init__.py": ""}, ("--namespace-pkg", f"a{os.pathsep}a.b")),
    ],
)
def test_delvewheel_is_told_the_namespace_packages(
    tmp_path: Path, files: dict[str, str], options: tuple[str, ...]
) -> None:
    raw = wheels.wheel(tmp_path, "tide-0.1.0-cp311-abi3-win_amd64.whl", files)
    command = ordered("x86_64-pc-windows-msvc", WINDOWS, raw=str(raw))
    assert command == ("delvewheel", "repair", "--wheel-dir", "out", *options, str(raw))


@pytest.fixture
def fix(tmp_path: Path) -> Callable[..., Path]:
    """Repair a raw wheel into `tmp_path/dist`; returns where it is."""

    def fixed(
        raw: Path, triple: str, *, floor: str = "", expected: str = "", env: dict[str, str] | None = None
    ) -> Path:
        target = TARGETS[triple]
        name = expected or f"tide-0.1.0-cp311-abi3-{platform_tag(target, floor or target.floor)}.whl"
        log = StepLog(tmp_path / "repair.log", shown_as="repair.log")
        shown = tool_environment(os.environ) | {"SOURCE_DATE_EPOCH": "1700000000"} | (env or {})
        scratch = tmp_path / "scratch"
        repair(raw, tmp_path / "dist", expected=name, target=target, floor=floor, log=log, env=shown, scratch=scratch)
        assert not list(scratch.iterdir())
        return tmp_path / "dist" / name

    return fixed


def raw_wheel(tmp_path: Path, platform: str, extension: bytes, *, file: str = "_tide.abi3.so") -> Path:
    files: dict[str, bytes | str] = {"tide/__init__.py": "", f"tide/{file}": extension}
    return wheels.wheel(tmp_path / "raw", f"tide-0.1.0-cp311-abi3-{platform}.whl", files)


ABI3 = {"PyList_New": ""}
INIT = ("PyInit__tide",)
RAW = [
    ("x86_64-unknown-linux-gnu", "linux_x86_64", wheels.elf(imports={"memcpy": "GLIBC_2.14", **ABI3}, exports=INIT)),
    ("x86_64-unknown-linux-gnu", "", wheels.elf(imports={"memcpy": "GLIBC_2.2.5", **ABI3}, exports=INIT)),
    ("aarch64-unknown-linux-gnu", "", wheels.elf(machine=183, imports={"memcpy": "GLIBC_2.17"}, exports=INIT)),
    ("aarch64-unknown-linux-gnu", "linux_aarch64", wheels.elf(machine=183, imports={"m": "GLIBC_2.17"}, exports=INIT)),
    ("i686-unknown-linux-gnu", "", wheels.elf(machine=3, bits=32, imports={"memcpy": "GLIBC_2.0"}, exports=INIT)),
    ("x86_64-unknown-linux-musl", "", wheels.elf(needed=("libc.so",), imports=ABI3, exports=INIT)),
    ("aarch64-unknown-linux-musl", "", wheels.elf(machine=183, needed=("libc.so",), imports=ABI3, exports=INIT)),
    ("aarch64-apple-darwin", "", wheels.macho(imports=("PyList_New",), exports=INIT)),
]


@linux_only
@pytest.mark.parametrize(("triple", "platform", "extension"), RAW)
def test_a_repaired_wheel_has_the_planned_name_and_the_same_bytes_each_time(
    tmp_path: Path, fix: Callable[..., Path], triple: str, platform: str, extension: bytes
) -> None:
    target = TARGETS[triple]
    raw = raw_wheel(tmp_path, platform or platform_tag(target, target.floor), extension)
    fixed = fix(raw, triple)
    first = sha256_of(fixed)
    assert sha256_of(fix(raw, triple)) == first
    examined = examine(fixed, expected=fixed.name, target=target, python="abi3")
    assert problems(examined) == ()


@linux_only
def test_a_windows_wheel_is_repaired_elsewhere(tmp_path: Path, fix: Callable[..., Path]) -> None:
    content = wheels.pe(imports={"python3.dll": ("PyList_New",), "KERNEL32.dll": ("Sleep",)}, exports=INIT)
    raw = raw_wheel(tmp_path, "win_amd64", content, file="_tide.pyd")
    fixed = fix(raw, "x86_64-pc-windows-gnu")
    examined = examine(fixed, expected=fixed.name, target=TARGETS["x86_64-pc-windows-gnu"], python="abi3")
    assert problems(examined) == ()


@linux_only
def test_a_dll_of_ones_own_is_grafted_on_linux_from_a_folder_of_path(tmp_path: Path, fix: Callable[..., Path]) -> None:
    (folder := tmp_path / "größe und wert").mkdir()
    (folder / "Grain.dll").write_bytes(wheels.pe(exports=("grain",)))
    content = wheels.pe(imports={"python3.dll": ("PyList_New",), "grain.dll": ("grain",)}, exports=INIT)
    files: dict[str, bytes | str] = {"basalt/tide/__init__.py": "", "basalt/tide/_tide.pyd": content}
    raw = wheels.wheel(tmp_path / "raw", "tide-0.1.0-cp311-abi3-win_amd64.whl", files)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    fixed = fix(raw, "x86_64-pc-windows-gnu", env={"PATH": path})
    first = sha256_of(fixed)
    assert sha256_of(fix(raw, "x86_64-pc-windows-gnu", env={"PATH": path})) == first
    examined = examine(fixed, expected=fixed.name, target=TARGETS["x86_64-pc-windows-gnu"], python="abi3")
    assert problems(examined) == ()
    images = {image.path: image for image in examined.binaries}
    (grafted,) = (name for name in images if name.startswith("tide.libs/"))
    assert set(images["basalt/tide/_tide.pyd"].needed) == {"python3.dll", grafted.rpartition("/")[2]}
    with zipfile.ZipFile(fixed) as archive:
        assert "basalt/__init__.py" not in archive.namelist(), "basalt is a namespace"
    with pytest.raises(StepFailed, match=r"delvewheel cannot repair tide-.*grain\.dll"):
        fix(raw, "x86_64-pc-windows-gnu")


def test_a_pure_wheel_is_copied_byte_for_byte(tmp_path: Path, fix: Callable[..., Path]) -> None:
    raw = wheels.wheel(tmp_path / "raw", "tide-0.1.0-py3-none-any.whl", {"tide.py": ""})
    assert sha256_of(fix(raw, "any", expected=raw.name)) == sha256_of(raw)


def test_a_symbol_newer_than_the_floor_is_named_before_anything_is_made(
    tmp_path: Path, fix: Callable[..., Path]
) -> None:
    raw = raw_wheel(tmp_path, "linux_x86_64", wheels.elf(imports={"dlopen": "GLIBC_2.34"}, exports=INIT))
    expected = r"needs GLIBC_2\.34 \(symbol dlopen\), the floor is manylinux2014 \(2\.17\): build with zig or raise"
    with pytest.raises(StepFailed, match=expected):
        fix(raw, "x86_64-unknown-linux-gnu")
    assert not (tmp_path / "dist").exists()


@linux_only
def test_versions_of_other_libraries_are_held_against_the_floor_too(tmp_path: Path, fix: Callable[..., Path]) -> None:
    content = wheels.elf(machine=183, needed=("libstdc++.so.6",), imports={"f": "GLIBCXX_3.4.30"}, exports=INIT)
    raw = raw_wheel(tmp_path, platform_tag(TARGETS["aarch64-unknown-linux-gnu"], "manylinux2014"), content)
    with pytest.raises(StepFailed, match=r"manylinux_2_3|too-recent versioned symbols"):
        fix(raw, "aarch64-unknown-linux-gnu")


@linux_only
def test_another_name_than_planned_is_refused_with_both(tmp_path: Path, fix: Callable[..., Path]) -> None:
    raw = raw_wheel(tmp_path, "manylinux2014_x86_64.manylinux_2_17_x86_64", wheels.elf(exports=INIT))
    planned = raw.name.replace("cp311-abi3", "cp312-cp312")
    with pytest.raises(StepFailed, match=r"tide-0\.1\.0-cp311-abi3.*; expected tide-0\.1\.0-cp312-cp312"):
        fix(raw, "x86_64-unknown-linux-gnu", expected=planned)


@linux_only
def test_a_library_that_the_floor_does_not_promise_is_grafted(tmp_path: Path, fix: Callable[..., Path]) -> None:
    if not (compiler := shutil.which("cc")) or os.uname().machine != "x86_64":
        pytest.skip("cc for x86_64")
    inner, outer = tmp_path / "libinner.so.1", tmp_path / "_tide.abi3.so"
    (tmp_path / "inner.c").write_text("int inner(void) { return 1; }\n")
    (tmp_path / "outer.c").write_text("int inner(void); int PyInit__tide(void) { return inner(); }\n")
    plain = (compiler, "-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=none")
    subprocess.run((*plain, "-Wl,-soname,libinner.so.1", "-o", inner, tmp_path / "inner.c"), check=True)
    subprocess.run((*plain, "-o", outer, tmp_path / "outer.c", inner), check=True)
    raw = raw_wheel(tmp_path, "linux_x86_64", outer.read_bytes())
    fixed = fix(raw, "x86_64-unknown-linux-gnu", env={"LD_LIBRARY_PATH": str(tmp_path)})
    examined = examine(fixed, expected=fixed.name, target=TARGETS["x86_64-unknown-linux-gnu"], python="abi3")
    grafted = {b.path for b in examined.binaries if b.path.startswith("tide.libs/libinner-")}
    assert len(grafted) == 1
    assert problems(examined) == ()
    with pytest.raises(
        StepFailed, match=r"auditwheel cannot repair tide-.*libinner\.so\.1.*could not be located.*\n.*repair\.log"
    ):
        fix(raw, "x86_64-unknown-linux-gnu")


def test_retagging_changes_the_tags_and_the_record_and_nothing_else(tmp_path: Path) -> None:
    raw = raw_wheel(tmp_path, "manylinux_2_5_i686", wheels.elf(machine=3, bits=32))
    name = WheelName.parse("tide-0.1.0-cp311-abi3-manylinux2014_i686.manylinux_2_17_i686.whl")
    retag(raw, tmp_path / str(name), name)
    target = TARGETS["i686-unknown-linux-gnu"]
    examined = examine(tmp_path / str(name), expected=str(name), target=target, python="abi3")
    rows = {row.name: row.judge for row in RULES}
    assert [p for name in ("tags", "record", "hashes", "name") for p in rows[name](examined)] == []
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(tmp_path / str(name)) as new:
        changed = {e.filename for e in old.infolist() if old.read(e) != new.read(e.filename)}
        assert [e.filename for e in old.infolist()] == [e.filename for e in new.infolist()]
    assert changed == {"tide-0.1.0.dist-info/WHEEL", "tide-0.1.0.dist-info/RECORD"}
