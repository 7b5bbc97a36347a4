"""What differs by system, on real wheels: names, python3.dll, programs, data files, grafted libraries."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.filesystem.binaries import binaries
from support import musl, wine
from support.bridge import bridge
from support.lattice import GRAIN, lattice
from support.projects import Project
from support.repositories import git, repository
from support.windows_project import Installed
from support.wine import windows_path

MUSL, MUSL_ARM, WINDOWS = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "x86_64-pc-windows-gnu"
WHERE = {MUSL: "musl here", MUSL_ARM: "emulated by qemu-aarch64-static", WINDOWS: "under Wine"}


def written(root: Path, files: Mapping[str, str]) -> Project:
    """The project in a repository, with its lockfile."""
    repository(root)
    project = Project(root)
    for name, text in files.items():
        project.write(name, text)
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=root, check=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    return project


def with_a_dll(root: Path) -> Path:
    """Give the project a library of its own, `grain.dll`, in the repository; returns its folder."""
    native = root / "native"
    native.mkdir()
    (native / "grain.h").write_text("int grain(void);\n")
    (native / "grain.c").write_text(GRAIN)
    gcc = ("x86_64-w64-mingw32-gcc", "-shared", "-nostdlib", "-Wl,-e,0", "-o", "grain.dll", "grain.c")
    subprocess.run([*gcc, "-Wl,--out-implib,libgrain.dll.a"], cwd=native, check=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a library")
    return native


def grafted_library(wheel: Path) -> str:
    """The name of `grain.dll` in the wheel, which the extension loads."""
    images = {image.path: image for image in binaries(wheel)}
    (extension,) = (image for path, image in images.items() if path.endswith(".pyd"))
    (grafted,) = (path.removeprefix("lattice.libs/") for path in images if not path.endswith(".pyd"))
    assert grafted in extension.needed
    assert re.fullmatch(r"grain-[0-9a-f]+\.dll", grafted)
    return grafted


def runs(root: Path, triple: str) -> list[dict[str, object]]:
    """The test runs of the report on the target's only wheel."""
    (report,) = (root / ".cartwheel/checks" / triple).rglob("*.json")
    assert json.loads(report.read_bytes())["problems"] == []
    return [run for run in json.loads(report.read_bytes())["tests"] if "ran" in run]


def environment(triple: str) -> dict[str, str]:
    """The variables by which the target's interpreters are found."""
    if triple == WINDOWS:
        machine = wine.windows()
        return {**machine.environment, **machine.variables}
    if triple == MUSL_ARM:
        return {"CARTWHEEL_SYSROOT_AARCH64_UNKNOWN_LINUX_MUSL": str(musl.sysroot_aarch64())}
    return {"CARTWHEEL_SYSROOT_X86_64_UNKNOWN_LINUX_MUSL": str(musl.sysroot())}


def check_the_lattice(triple: str, python: str, extension: str, library: str, folder: Path) -> None:
    """Build and check the wheel, and look at its parts and at the report."""
    env = environment(triple)
    project = written(folder / "lattice", lattice(triple, python))
    if triple == WINDOWS:
        env["PATH"] = os.pathsep.join((str(with_a_dll(project.root)), env["PATH"]))
    project.doit(f"check:{triple}", env=env)
    (wheel,) = (project.root / "dist/private").glob("*.whl")
    if triple == WINDOWS:
        assert grafted_library(wheel)
    image = next(image for image in binaries(wheel) if not image.path.endswith(".dll"))
    assert image.path == f"basalt/lattice/{extension}"
    assert [name for name in image.needed if name.startswith("python")] == ([library] if library else [])
    stable = ["3.11", "3.12", "3.13", "3.14"] if triple == WINDOWS else ["3.11"]
    ran = runs(project.root, triple)
    assert [str(run["python"])[:4] for run in ran] == (stable if python == "abi3" else [python])
    assert [(run["by"], run["ran"]) for run in ran] == [(WHERE[triple], 5)] * len(ran)


SAMPLED = pytest.mark.full(sample=0.12)


@pytest.mark.parametrize(
    ("triple", "python", "extension", "library"),
    [
        pytest.param(WINDOWS, "abi3", "_lattice.pyd", "python3.dll", marks=SAMPLED),
        pytest.param(WINDOWS, "3.13", "_lattice.cp313-win_amd64.pyd", "python313.dll", marks=SAMPLED),
        pytest.param(MUSL, "abi3", "_lattice.abi3.so", "", marks=SAMPLED),
        pytest.param(MUSL, "3.11", "_lattice.cpython-311-x86_64-linux-musl.so", "", marks=SAMPLED),
        pytest.param(MUSL_ARM, "abi3", "_lattice.abi3.so", "", marks=pytest.mark.full(sample=0.0)),
    ],
)
def test_the_wheel_is_tested_where_it_belongs(
    triple: str, python: str, extension: str, library: str, tmp_path: Path
) -> None:
    check_the_lattice(triple, python, extension, library, tmp_path)


@SAMPLED
def test_a_build_on_windows_grafts_a_dll_of_ones_own(installed: Installed, tmp_path: Path) -> None:
    root = tmp_path / "größe" / "lattice"  # no blank: dlltool of binutils splits paths for crates with raw-dylib
    native = with_a_dll(written(root, lattice(WINDOWS, "abi3", oldest="3.13")).root)
    with bridge() as linux:
        paths = f"{linux['WINEPATH']};{windows_path(native)}"
        output = installed.doit(f"check:{WINDOWS}", cwd=root, env={**linux, "WINEPATH": paths})
    (wheel,) = (root / "dist/private").glob("*.whl")
    images = {image.path: image for image in binaries(wheel)}
    assert {"python3.dll", grafted_library(wheel)} <= set(images["basalt/lattice/_lattice.pyd"].needed)
    with zipfile.ZipFile(wheel) as archive:
        assert "basalt/lattice/py.typed" in archive.namelist()
    ran = runs(root, WINDOWS)
    assert [run["ran"] for run in ran] == [5, 5], output
