"""The source distribution builds the planned wheel, and has the same bytes in every clone."""

from __future__ import annotations

import io
import os
import re
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cartwheel.backends.checkout import refuse_incomplete
from cartwheel.backends.normalised_sdist import normalise
from cartwheel.backends.sdist_check import variables_not_packed
from cartwheel.checks.same_files import PackageSource, file_differences
from cartwheel.filesystem.distribution import Distribution, unpack_sdist
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.inputs.folder_sources import TreeSources, package_files
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package
from cartwheel.pipeline import read_project
from support.projects import Project, committed, pure, with_crate
from support.repositories import git, repository

WHEEL = "pebble-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"
SDIST = "pebble-1.0.tar.gz"


def compared(
    planned: set[str],
    built: set[str],
    sdist: set[str],
    root: Path = Path(),
    pyproject: Mapping[str, Any] | None = None,
    ignored: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """The differences of two wheels and their reasons."""
    return file_differences(
        Distribution(file=WHEEL, kind="wheel", size=0, names=tuple(planned)),
        built,
        Distribution(file=SDIST, kind="sdist", size=0, names=tuple(f"pebble-1.0/{name}" for name in sdist)),
        PackageSource(root=root, folder=".", pyproject=pyproject or {}, ignored=lambda: ignored),
    )


INFO = "pebble-1.0.dist-info"


def test_suffixes_grafts_and_bills_of_materials_are_not_compared() -> None:
    planned = {"pebble/__init__.py", "pebble/_pebble.abi3.so", "pebble.libs/libz-1a2b.so.1", f"{INFO}/sboms/a.json"}
    built = {"pebble/__init__.py", "pebble/_pebble.cpython-313-x86_64-linux-gnu.so"}
    assert compared(planned, built, {"python/pebble/__init__.py"}) == ()


def test_a_licence_is_the_same_where_an_older_backend_puts_it() -> None:
    assert compared({f"{INFO}/LICENSE"}, {f"{INFO}/licenses/LICENSE"}, {"LICENSE"}) == ()
    assert compared({f"{INFO}/LICENSE"}, {f"{INFO}/licenses/NOTICE"}, {"LICENSE"}) != ()


def test_a_file_that_the_sdist_lacks_is_named_with_the_reason() -> None:
    (output,) = compared({"pebble/page.html"}, set(), {"Cargo.toml"})
    assert output == (
        f"pebble/page.html is in {WHEEL}, and a wheel built from {SDIST} lacks it: "
        "the sdist does not hold it; name it in the backend's include for the sdist"
    )
    (output,) = compared({"pebble/page.html"}, set(), set(), ignored=("python/pebble/page.html",))
    assert "git ignores it" in output
    include = {"tool": {"maturin": {"include": [{"path": "python/pebble/page.html", "format": "wheel"}]}}}
    (output,) = compared({"pebble/page.html"}, set(), set(), pyproject=include, ignored=("python/pebble/page.html",))
    assert 'include gives python/pebble/page.html to the wheel alone; write format = ["sdist", "wheel"]' in output


def test_a_stub_that_the_sdist_holds_elsewhere_is_named_with_its_place() -> None:
    (output,) = compared({"pebble/__init__.pyi"}, set(), {"py/pebble/__init__.pyi"})
    assert output.endswith("the sdist holds it as pebble-1.0/py/pebble/__init__.pyi, where its build does not look")


def test_a_file_behind_a_link_is_named_with_the_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "python" / "pebble").mkdir(parents=True)
    (tmp_path / "python" / "pebble" / "data").symlink_to(tmp_path / "outside")
    (output,) = compared(set(), {"pebble/data/x.txt"}, {"python/pebble/data/x.txt"}, tmp_path)
    assert output == (
        f"a wheel built from {SDIST} holds pebble/data/x.txt, and {WHEEL} lacks it: "
        "python/pebble/data is a link, which a build from the project does not follow; replace it by its files"
    )


def archive(path: Path, members: Mapping[str, tuple[bytes, int]], *, owner: int, moment: int) -> Path:
    """A source distribution whose members have these contents and modes."""
    with tarfile.open(path, "w:gz") as archive:
        for name, (content, mode) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime, member.uid = len(content), mode, moment, owner
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_normalised_sdist_has_the_same_bytes_whoever_made_it(tmp_path: Path) -> None:
    one = {"a-1/PKG-INFO": (b"Name: a\n", 0o644), "a-1/run.sh": (b"#!/bin/sh\n", 0o755)}
    two = {"a-1/run.sh": (b"#!/bin/sh\n", 0o700), "a-1/PKG-INFO": (b"Name: a\n", 0o600)}
    first = archive(tmp_path / "one.tar.gz", one, owner=1000, moment=1)
    second = archive(tmp_path / "two.tar.gz", two, owner=0, moment=2)
    for path in (first, second):
        normalise(path, 1580601600)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as sdist:
        assert [(m.name, m.mode, m.mtime, m.uid) for m in sdist] == [
            ("a-1/PKG-INFO", 0o644, 1580601600, 0),
            ("a-1/run.sh", 0o755, 1580601600, 0),
        ]
        content = sdist.extractfile("a-1/run.sh")
        assert content is not None
        assert content.read() == b"#!/bin/sh\n"


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def package(folder: str, backend: str = "setuptools", **project: object) -> Package:
    """A package in that folder, with a `[project]` table."""
    manifests = SimpleNamespace(pyproject={"project": project})
    return cast(
        Package, SimpleNamespace(folder=folder, manifest=f"{folder}/Cargo.toml", backend=backend, manifests=manifests)
    )


@pytest.mark.parametrize(
    ("project", "cargo", "message"),
    [
        ({"readme": "R.md"}, "", "py/pyproject.toml: readme names py/R.md"),
        ({"readme": {"file": "docs/R.md", "content-type": "text/markdown"}}, "", "names py/docs/R.md"),
        ({"license": {"file": "LICENSE"}}, "", "py/pyproject.toml: license names py/LICENSE"),
        ({}, 'readme = "R.md"', "py/Cargo.toml: readme names py/R.md"),
        ({}, "readme.workspace = true", "py/Cargo.toml: readme names W.md"),
        ({}, 'license-file = "../L"', "py/Cargo.toml: license-file names L"),
        ({"license": "MIT", "readme": {"text": "x"}}, "readme = false", ""),
        ({"license": {"text": "MIT"}, "readme": "pyproject.toml"}, 'license = "MIT"', ""),
    ],
)
def test_documents_that_maturin_cannot_read_are_refused_before_building(
    tmp_path: Path, project: dict[str, object], cargo: str, message: str
) -> None:
    (tmp_path / "py").mkdir()
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["py"]\n[workspace.package]\nreadme = "W.md"\n')
    (tmp_path / "py/Cargo.toml").write_text(f'[package]\nname = "a"\nversion = "1.0.0"\n{cargo}\n')
    (tmp_path / "py/pyproject.toml").write_text("")
    refuse_incomplete(package("py", "setuptools", **project), (), tmp_path)
    if not message:
        refuse_incomplete(package("py", "maturin", **project), (), tmp_path)
        return
    with pytest.raises(StepFailed, match=f"{re.escape(message)}, which is missing; write the file"):
        refuse_incomplete(package("py", "maturin", **project), (), tmp_path)


@pytest.mark.parametrize("attributes", [".gitattributes", "py/.gitattributes"])
def test_a_pointer_of_git_lfs_is_refused_before_building(tmp_path: Path, attributes: str) -> None:
    (tmp_path / "py").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "py/data.bin").write_text(POINTER)
    paths = ("py/data.bin", "py/.gitattributes", "py/gone.bin")
    refuse_incomplete(package("py"), paths, tmp_path)  # nothing here says that git-lfs is used
    (tmp_path / attributes).write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    with pytest.raises(StepFailed, match=r"py/data\.bin is a pointer of Git LFS.*; run 'git lfs pull'"):
        refuse_incomplete(package("py"), paths, tmp_path)
    (tmp_path / "py/data.bin").write_bytes(b"\0" * 4000)
    refuse_incomplete(package("py"), paths, tmp_path)


@pytest.mark.parametrize(
    ("folder", "submodule", "refused"),
    [
        (".", "vendor", True),
        ("py", "py/vendor/zlib", True),
        ("py", "crates/native-sys/zlib", True),
        ("py", "docs/theme", False),
        ("py", "vendor", False),
    ],
)
def test_a_submodule_that_is_not_checked_out_is_refused_where_its_content_counts(
    tmp_path: Path, folder: str, submodule: str, refused: bool
) -> None:
    root = names_submodule(repository(tmp_path / "project"), submodule)
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{COMMIT},{submodule}")
    paths = ("py/pyproject.toml", "crates/native-sys/build.rs")
    for exists in (False, True):
        if exists:
            (root / submodule).mkdir(parents=True)
        if refused:
            with pytest.raises(StepFailed, match=f"{submodule} is a submodule that is not checked out"):
                refuse_incomplete(package(folder), paths, root)
    (root / submodule / "file.c").write_text("")
    refuse_incomplete(package(folder), paths, root)


COMMIT = "0123456789012345678901234567890123456789"


def names_submodule(root: Path, path: str) -> Path:
    """The folder, with a `.gitmodules` that names a path."""
    (root / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = {path}\n\turl = https://x.example/x\n')
    return root


def test_a_submodule_is_what_git_tracks(tmp_path: Path) -> None:
    root = names_submodule(repository(tmp_path / "project"), "vendor")
    refuse_incomplete(package("."), (), root)  # as after `git rm` by an older git
    (root / "vendor").mkdir()
    refuse_incomplete(package("."), (), root)


def test_outside_a_repository_an_empty_folder_is_a_submodule_that_is_missing(tmp_path: Path) -> None:
    root = names_submodule(tmp_path, "vendor")
    refuse_incomplete(package("."), (), root)  # as in a source distribution
    (root / "vendor").mkdir()  # as in an archive of the repository
    with pytest.raises(StepFailed, match="vendor is a submodule that is not checked out"):
        refuse_incomplete(package("."), (), root)


def test_the_state_folder_ignores_itself(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    (project.root / ".gitignore").write_text("dist/\n__pycache__/\n")
    project.doit("version-sync")
    assert (project.root / ".cartwheel/.gitignore").read_text() == "*\n"
    assert ".cartwheel" not in git(project.root, "status", "--short")
    project.doit("run", "clean")
    assert (project.root / ".cartwheel/.gitignore").is_file()


# Whole builds --------------------------------------------------------------------------------------------------------


def with_python(root: Path) -> Project:
    """A program in Rust with a Python package beside it."""
    project = with_crate(root)
    project.edit("pebble/pyproject.toml", 'bindings = "bin"\n', 'bindings = "bin"\npython-source = "python"\n')
    project.edit("pebble/pyproject.toml", "publish = []\n", 'publish = []\ntest = { skip = "no tests" }\n')
    project.write("pebble/python/pebble/__init__.py", "")
    return project


@pytest.mark.lab
def test_data_behind_a_link_is_an_error_that_names_the_files(tmp_path: Path) -> None:
    project = with_python(tmp_path / "project")
    project.write("shared/table.txt", "1 2 3\n")
    (project.root / "pebble/python/pebble/data").symlink_to("../../../shared")
    committed(project)
    output = project.doit("check:sdist:pebble", code=1)
    assert "pebble/data/table.txt" in output
    assert "pebble/python/pebble/data is a link" in output


@pytest.mark.lab
def test_a_generated_file_that_only_the_wheel_includes_is_an_error_with_the_reason(tmp_path: Path) -> None:
    project = with_python(tmp_path / "project")
    include = 'include = [{ path = "python/pebble/page.html", format = "wheel" }]\n'
    project.edit("pebble/pyproject.toml", 'python-source = "python"\n', f'python-source = "python"\n{include}')
    project.write("pebble/.gitignore", "page.html\n")
    project.write("pebble/python/pebble/page.html", "<p>\n")
    committed(project)
    output = project.doit("check:sdist:pebble", code=1)
    assert "pebble/page.html is in pebble-1.0.0" in output
    assert "include gives python/pebble/page.html to the wheel alone" in output
    project.edit("pebble/pyproject.toml", 'format = "wheel"', 'format = ["sdist", "wheel"]')
    project.doit("check:sdist:pebble")


@pytest.mark.parametrize(("text", "files", "noted"), [
    ('[env]\nDATA = "1"\n', set(), True),
    ('[env]\nDATA = "1"\n', {".cargo/config.toml"}, False),
    ('[build]\nrustflags = ["-Cdebuginfo=0"]\n', set(), False),
])  # fmt: skip
def test_a_variable_for_builds_that_the_sdist_lacks_is_told(
    tmp_path: Path, text: str, files: set[str], noted: bool
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text(text)
    sdist = Distribution(file=SDIST, kind="sdist", size=0, names=tuple(f"pebble-1.0/{name}" for name in files))
    environ = {"CARGO_HOME": str(tmp_path / "none")}
    note = variables_not_packed(package("py"), sdist, tmp_path, environ)
    assert bool(note) == noted
    assert not noted or note.startswith(f".cargo/config.toml sets DATA for builds, and {SDIST} does not hold it")


@pytest.mark.lab
def test_nothing_of_the_project_is_seen_and_the_set_compares_what_a_pipeline_built_elsewhere(tmp_path: Path) -> None:
    project = with_python(tmp_path / "project")
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\nwords.txt\n")
    project.write("pebble/src/words.txt", "tracked although git ignores it\n")
    project.write("pebble/src/main.rs", 'fn main() {\n    println!(include_str!("words.txt"));\n}\n')
    git(project.root, "add", "--force", "pebble/src/words.txt")
    project.write("shared/table.txt", "1 2 3\n")
    (project.root / "pebble/python/pebble/data").symlink_to("../../../shared")
    with (project.root / "pyproject.toml").open("a") as file:
        file.write('\n[tool.cartwheel.release]\nfrom = "ci"\n')
    committed(project)
    project.doit("check:sdist:pebble")
    assert "pebble/data/table.txt" in project.doit("check:set:pebble", code=1)


SETUPTOOLS = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "gravel"
version = "1.0"
description = "a pure package"
readme = "README.md"
requires-python = ">=3.11"

[tool.setuptools]
packages = ["gravel"]

[tool.cartwheel]
publish = []
test = { skip = "nothing to test" }
"""


@pytest.mark.lab
def test_setuptools_gives_the_same_sdist_in_every_clone(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.write("pyproject.toml", SETUPTOOLS)
    committed(project)
    git(tmp_path, "clone", "--quiet", str(project.root), str(tmp_path / "clone"))
    project.doit("sdist")
    before = os.umask(0o077)
    try:
        clone = Project(tmp_path / "clone")
        clone.doit("sdist")
    finally:
        os.umask(before)
    ours, theirs = (next(path.rglob("gravel-1.0.tar.gz")) for path in (project.root, clone.root))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.lab
def test_setuptools_packs_nothing_of_an_earlier_build_in_the_tree(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.write("pyproject.toml", SETUPTOOLS)
    project.write("MANIFEST.in", "include gravel/one.txt\n")
    for name in ("one", "two"):
        project.write(f"gravel/{name}.txt", name)
    committed(project)
    project.write("build/lib/gravel/old.py", "OLD = 1\n")
    project.write("gravel.egg-info/SOURCES.txt", "gravel/__init__.py\ngravel/one.txt\ngravel/two.txt\n")
    project.doit("build", "sdist")
    (wheel,) = project.root.glob(".cartwheel/wheels/**/*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if name.startswith("gravel/")}
    assert names == {"gravel/__init__.py", "gravel/one.txt"}
    with tarfile.open(next(project.root.rglob("gravel-1.0.tar.gz"))) as archive:
        assert "gravel-1.0/gravel/two.txt" not in archive.getnames()


def test_what_git_tracks_or_setuptools_never_writes_is_packed(tmp_path: Path) -> None:
    """Package data may have the names of what setuptools leaves in the tree."""
    project = pure(tmp_path / "project")
    project.write("pyproject.toml", SETUPTOOLS)
    tracked = ("gravel/fixtures/gravel.egg-info/PKG-INFO", "build/lib/shipped.txt")
    written = ("build/templates/a.txt", "build/libfoo/a.c", "build/library/a.txt", "gravel/demo.egg-info/PKG-INFO")
    left = ("build/lib/old.py", "build/lib.linux-x86_64-cpython-311/old.py", "build/temp.linux-x86_64/old.o",
            "build/bdist.linux-x86_64/old.py", "gravel.egg-info/SOURCES.txt", ".eggs/old.py")  # fmt: skip
    for name in tracked:
        project.write(name, "")
    committed(project)
    for name in (*written, *left):
        project.write(name, "")
    (package,) = read_project(project.root, {}).packages
    packed = package_files(package, None, project.root)
    assert {*tracked, *written} <= set(packed)
    assert not {*left} & set(packed)


def test_a_long_setting_that_ends_like_a_script_s_name_names_none(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    command = "pytest " + "tests/test_words.py " * 20
    project.edit(
        "pyproject.toml", "[tool.cartwheel]", f'[tool.taskipy.tasks]\ntest = "{command.strip()}"\n\n[tool.cartwheel]'
    )
    (package,) = read_project(project.root, {}).packages
    snapshot = DiskSnapshot(project.root, {}, lambda name, _: "")
    assert "gravel/__init__.py" in TreeSources(package=package, folders=(".",)).dependencies(snapshot, None).listing


def test_hatchling_packs_no_file_that_git_ignores(tmp_path: Path) -> None:
    """It drops all patterns if one of them names the folder in which it builds."""
    project = pure(tmp_path / "project")
    project.write(".gitignore", ".cartwheel/\ndist/\nlocal.txt\n")
    committed(project)
    project.write("gravel/local.txt", "mine")
    project.doit("build", "sdist")
    (wheel,) = project.root.glob(".cartwheel/wheels/**/*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert "gravel/local.txt" not in opened.namelist()
    with tarfile.open(next(project.root.rglob("gravel-1.0.tar.gz"))) as archive:
        names = archive.getnames()
    assert "gravel-1.0/gravel/local.txt" not in names
    assert "gravel-1.0/.hgignore" not in names


# Unpacking ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["filter", "without"])
def unpacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """tarfile of this Python, and of Python before 3.11.4, which has no filters."""
    if request.param == "without":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def archive_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member_of(name: str, kind: bytes = tarfile.REGTYPE, *, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, 1_700_000_000
    member.size, member.linkname = (1, "") if kind == tarfile.REGTYPE else (0, "../../outside")
    return member


@pytest.mark.usefixtures("unpacking")
def test_a_source_distribution_is_unpacked_by_every_python(tmp_path: Path) -> None:
    path = archive_of(
        tmp_path / "a.tar.gz", member_of("a/", tarfile.DIRTYPE, mode=0o755), member_of("a/b/c.sh", mode=0o755)
    )
    unpack_sdist(path, tmp_path / "to")
    assert (tmp_path / "to/a/b/c.sh").read_bytes() == b"x"
    assert (tmp_path / "to/a/b/c.sh").stat().st_mtime == 1_700_000_000
    assert os.name == "nt" or (tmp_path / "to/a/b/c.sh").stat().st_mode & 0o777 == 0o755


@pytest.mark.usefixtures("unpacking")
@pytest.mark.parametrize(
    "member", [member_of("../outside"), member_of("a/link", tarfile.SYMTYPE)], ids=["path", "link"]
)
def test_a_source_distribution_leaves_its_folder_in_no_python(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises((StepFailed, tarfile.TarError)):
        unpack_sdist(archive_of(tmp_path / "a.tar.gz", member), tmp_path / "to")
    assert not (tmp_path / "outside").exists()
