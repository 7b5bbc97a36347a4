"""The plan is what plain `maturin build` makes: the file's name, its files, its metadata, what it exports."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from cartwheel.inputs.missing_files import refused_folders
from cartwheel.inputs.wheel_tree import packed_files
from cartwheel.machine.host import this_machine
from cartwheel.model.config.bindings import module_name
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Wheel
from cartwheel.pipeline import read_project
from support.maturin_habits import FOLDERS, HABITS, REFUSED
from support.maturin_projects import CASES as USUAL
from support.maturin_projects import Case, plain, pyproject
from support.projects import DODO, Project

CASES = {**USUAL, **HABITS}
LINUX = "x86_64-unknown-linux-gnu"
PYTHON = "3.11"

needs_linux = pytest.mark.skipif(this_machine().triple != LINUX, reason="its cases are for x86_64 Linux with glibc")


def written(case: Case, root: Path) -> tuple[Package, tuple[Wheel, ...]]:
    """The project in a folder, and its wheels that CPython 3.11 builds."""
    table = f'\n[tool.cartwheel]\ntargets = ["{case.target or LINUX}"]\npublish = []\n'
    for path, text in case.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text + (table if path == "pyproject.toml" else ""), encoding="utf-8")
    [package] = read_project(root, {}).packages
    return package, tuple(wheel for wheel in package.wheels if wheel.python in (PYTHON, "abi3", "py3"))


@needs_linux
@pytest.mark.parametrize("name", CASES)
def test_the_plan_names_the_wheel(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    package, wheels = written(case, tmp_path)
    tags = ["-".join(wheel.file.removesuffix(".whl").split("-")[2:4]) for wheel in wheels]
    if "later" in name:  # 3.11 has its own wheel, newer ones share another
        assert tags == [case.tags, "cp312-abi3"]
    else:
        assert tags == [case.tags]
    if case.platform:
        assert {wheel.file.removesuffix(".whl").split("-")[4] for wheel in wheels} == {case.platform}
    folder, _, last = case.extension.rpartition(".")
    assert module_name(package.manifests.pyproject, package.manifests.cargo).split(".")[-1] == last or not last
    python = any(path.endswith("demo/__init__.py") for path in case.files)
    assert package.module == (folder or ("demo" if python else ""))


@pytest.fixture(scope="session")
def target_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything is compiled, so that PyO3 is once for each set of its features."""
    return tmp_path_factory.mktemp("compiled")


@needs_linux
@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
@pytest.mark.full(sample=0.1)
@pytest.mark.parametrize("name", CASES)
def test_maturin_makes_what_is_planned(name: str, tmp_path: Path, target_dir: Path) -> None:
    case = CASES[name]
    package, wheels = written(case, tmp_path)
    wheel = wheels[0]
    oldest = "3.9" if case.tags.startswith("cp39") else PYTHON
    out = tmp_path / "out"
    zig = ("--zig",) if case.target else ()
    env = {
        **os.environ,
        "CARGO_NET_OFFLINE": "true",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    command = ("maturin", "build", "--target", case.target or LINUX, "--target-dir", str(target_dir), "--out", str(out),
               "--auditwheel", "skip", "--interpreter", f"python{oldest}", *zig)  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [path] = out.iterdir()
    platform = -1 if case.platform else -2
    assert path.name.split("-")[: platform or None] == wheel.file.split("-")[: platform or None]
    if case.platform:
        assert path.name == wheel.file
    with zipfile.ZipFile(path) as archive:
        holds = {entry for entry in archive.namelist() if not entry.endswith("/")}
        metadata = message_from_string(
            archive.read(next(e for e in holds if e.endswith(".dist-info/METADATA"))).decode()
        )
        binaries = {entry: archive.read(entry) for entry in holds if case.extension and is_extension(entry, case)}
    assert (metadata["Name"], metadata["Version"]) == (package.name, package.version)
    assert metadata["Requires-Python"] == package.manifests.requires_python
    assert holds_planned(holds, package, tmp_path) == set()
    if case.extension:
        last = case.extension.rpartition(".")[2]
        [content] = binaries.values()
        assert f"PyInit_{last}".encode() in content
    if case.refused:
        project, task = own_project(wheel, tmp_path)
        assert case.refused in project.doit(task, env={"CARGO_NET_OFFLINE": "true"}, code=1)
    elif not case.target:
        assert texts_of(our_wheel(wheel, tmp_path, target_dir)) == texts_of(path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_maturin_refuses_is_said_when_the_configuration_is_read(name: str, tmp_path: Path) -> None:
    files, message = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        written(Case(files=files, extension="", tags=""), tmp_path)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_maturin_refuses_is_named_by_plan(name: str, tmp_path: Path) -> None:
    files, message = FOLDERS[name]
    package, _ = written(Case(files=files, extension="", tags=""), tmp_path)
    [line] = refused_folders(tmp_path, package)
    assert line.startswith(message)


@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
@pytest.mark.full(sample=0.2)
@pytest.mark.parametrize("name", [*REFUSED, *FOLDERS])
def test_maturin_refuses_it_indeed(name: str, tmp_path: Path, target_dir: Path) -> None:
    files, _ = {**REFUSED, **FOLDERS}[name]
    with contextlib.suppress(ConfigError):
        written(Case(files=files, extension="", tags=""), tmp_path)
    command = ("maturin", "build", "--target-dir", str(target_dir), "--out", str(tmp_path / "out"))
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "CARGO_NET_OFFLINE": "true", "PATH": path}
    assert subprocess.run(command, cwd=tmp_path, env=env, capture_output=True).returncode != 0


def test_python_files_outside_the_packages_folder_are_not_packed_and_that_is_told(tmp_path: Path) -> None:
    top = '[tool.cartwheel]\npackages = ["native"]\n'
    files = plain(**{"pyproject.toml": pyproject('python-source = "../python"')})
    for path, text in {f"native/{path}": text for path, text in files.items()}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "python" / "demo").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(top)
    [package] = read_project(tmp_path, {}).packages
    [line] = refused_folders(tmp_path, package)
    assert line.startswith("demo: maturin packs nothing of python/demo, because python-source leads out of the folder")


def own_project(wheel: Wheel, root: Path) -> tuple[Project, str]:
    """The project as one of ours, and the task that builds the wheel."""
    project = Project(root)
    project.write("dodo.py", DODO)
    return project, ":".join(("build", wheel.target.triple, wheel.package, wheel.python))


def our_wheel(wheel: Wheel, root: Path, target_dir: Path) -> Path:
    """The raw wheel of our own build, which finds the crates of a registry compiled by the builds before it."""
    compiled, own = target_dir.with_name("ours") / wheel.python, root / ".cartwheel" / "cargo"
    if compiled.is_dir():
        shutil.copytree(compiled, own, symlinks=True)
    project, task = own_project(wheel, root)
    project.doit(task, env={"CARGO_NET_OFFLINE": "true"})
    shutil.rmtree(compiled, ignore_errors=True)
    shutil.copytree(own, compiled, symlinks=True)
    [path] = (root / ".cartwheel" / "wheels").rglob("*.whl")
    return path


def texts_of(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel with their content; without that of compiled files and of those that name or count them."""
    changing = ("/RECORD", "/WHEEL")
    with zipfile.ZipFile(wheel) as archive:
        entries = [entry for entry in archive.namelist() if not entry.endswith("/") and "/sboms/" not in entry]
        texts = {entry: archive.read(entry) for entry in entries}
    return {e: b"" if t.startswith(b"\x7fELF") or e.endswith(changing) else t for e, t in texts.items()}


def is_extension(entry: str, case: Case) -> bool:
    """Whether an entry of the wheel is the extension."""
    return entry.startswith(case.extension.replace(".", "/") + ".") and entry.endswith(".so")


def holds_planned(holds: set[str], package: Package, root: Path) -> set[str]:
    """Files that are packed and not counted, or counted for their content and not packed."""
    manifests = package.manifests
    counted = packed_files(root, root, pyproject=manifests.pyproject, cargo=manifests.cargo)
    python = manifests.maturin.get("python-source", "src" if (root / "rust").is_dir() else "")
    places = {path.removeprefix(f"{python}/") if python else path for path in counted}
    sources = {entry for entry in holds if ".dist-info/" not in entry and not entry.endswith((".so", "/__init__.py"))}
    name = module_name(manifests.pyproject, manifests.cargo).rpartition(".")[2]
    made_of_stub = {f"{name}/__init__.pyi", f"{name}/py.typed"} if f"{name}.pyi" in counted else set()
    own = {entry for entry in sources - made_of_stub if ".data/scripts/" not in entry}
    return {entry for entry in own if not any(entry.endswith(place.rpartition("/")[2]) for place in places)}
