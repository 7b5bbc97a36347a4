"""`doit adopt`: what it shows of wheels that it cannot plan, and how it writes files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.adoption.file_sets import compare, with_reasons
from cartwheel.commands.adopt import adopt, write
from cartwheel.commands.adopt_report import as_text
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.pipeline import read_project
from support.repositories import repository

PYPROJECT = """[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "{name}"
version = "1.0.0"
requires-python = ">=3.9"
"""

CARGO = """[package]
name = "{name}"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
pyo3 = "0.29"
"""


def workflow(*steps: str) -> str:
    """A workflow with one maturin build for each of `steps`, the inputs of maturin-action."""
    rows = "".join(f"      - uses: PyO3/maturin-action@v1\n        with: {{{step}}}\n" for step in steps)
    return (
        f'on: {{push: {{tags: ["v*"]}}}}\njobs:\n  wheels:\n    runs-on: ubuntu-latest\n    steps:\n{rows}'
        "  publish:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: pypa/gh-action-pypi-publish@release/v1\n"
    )


def project(root: Path, files: Mapping[str, str], *packages: str) -> Path:
    """A repository with `files` and a maturin package in each of the folders, the root without any."""
    repository(root)
    for folder in packages or (".",):
        name = "acme" if folder == "." else folder.rpartition("/")[2]
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "pyproject.toml").write_text(PYPROJECT.format(name=name))
        (root / folder / "Cargo.toml").write_text(CARGO.format(name=name))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


MIXED = workflow(
    'target: "x86_64", args: "--release -i 3.12", manylinux: "auto"',
    'target: "loongarch64", args: "--release -i 3.12", manylinux: "auto"',
    'target: "aarch64-linux-android", args: "--release -i 3.12"',
)


def test_each_wheel_of_a_workflow_that_is_not_planned_is_listed_with_its_reason(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {".github/workflows/release.yml": MIXED})
    adoption = adopt(root, offline=True)
    (package,) = adoption.packages
    assert [(row.state, row.what, row.why) for row in package.rows] == [
        (
            "lost",
            "loongarch64-unknown-linux-gnu:3.12",
            "pypi takes no wheel with the platform tag manylinux_2_36_loongarch64",
        ),
        ("lost", "aarch64-linux-android:3.12", "no 3.12 is published for this system, so nobody can install it"),
    ]
    text = as_text(adoption, written=False)
    assert "acme: 2 files planned as .github/workflows/release.yml builds them" in text
    assert "; not compared with an index (--offline); 2 lost\n  lost     loongarch64" in text


def test_a_target_that_no_index_checks_is_planned(tmp_path: Path) -> None:
    text = MIXED.replace(
        "pypa/gh-action-pypi-publish@release/v1", "softprops/action-gh-release@v2\n        with: {files: dist/*.whl}"
    )
    adoption = adopt(project(tmp_path / "x", {".github/workflows/release.yml": text}), offline=True)
    (package,) = adoption.packages
    assert any("loongarch64" in file for file in package.planned)
    assert [row.what for row in package.rows] == ["aarch64-linux-android:3.12"]


def test_an_unasked_index_is_not_said_to_lack_the_files(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {})
    asked = adopt(root, offline=False, released=lambda *_: ("", (), ""))
    silent = adopt(root, offline=False, released=lambda *_: ("", (), "it did not answer"))
    assert "none of it is on an index yet" in as_text(asked, written=False)
    assert "not compared with an index (it did not answer)" in as_text(silent, written=False)


KILLED = """
import os, sys
from pathlib import Path
from cartwheel.adoption.file_sets import compare, with_reasons
from cartwheel.commands.adopt import adopt, write
from cartwheel.filesystem import files
left, replace = [int(sys.argv[2])], files.replace_file
def killed(source, path):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    replace(source, path)
files.replace_file = killed
write(adopt(Path(sys.argv[1]), offline=True))
"""
"""Adopts a project; the process ends without any cleanup after the given number of written files."""


def contents(root: Path) -> dict[str, bytes]:
    """All files outside hidden folders by path."""
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {
        path.as_posix(): (root / path).read_bytes() for path in paths if path.parts[0] not in (".git", ".cartwheel")
    }


def test_a_killed_write_is_repeated_in_full_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    script = MIXED.replace('manylinux: "auto"', 'manylinux: "auto", before-script-linux: "yum install -y nasm"', 1)
    files = {".github/workflows/release.yml": script}
    whole = project(tmp_path / "whole", files, "py/alpha", "py/beta")
    write(adopt(whole, offline=True))
    changed = [path for path, data in contents(whole).items() if b"cartwheel" in data]
    assert {"dodo.py", "pyproject.toml", ".gitignore"} <= set(changed)
    for count in range(1, len(changed) + 1):
        root = project(tmp_path / str(count), files, "py/alpha", "py/beta")
        ended = subprocess.run([sys.executable, "-c", KILLED, str(root), str(count)], check=False)
        assert ended.returncode == 9
        assert not (root / "pyproject.toml").exists()
        write(adopt(root, offline=True))
        assert contents(root) == contents(whole)


def test_a_dockerfile_of_a_killed_write_is_taken_and_another_one_is_refused(tmp_path: Path) -> None:
    script = MIXED.replace('manylinux: "auto"', 'manylinux: "auto", before-script-linux: "yum install -y nasm"', 1)
    root = project(tmp_path / "x", {".github/workflows/release.yml": script})
    (edit,) = [edit for edit in adopt(root, offline=True).edits if edit.path.endswith("Dockerfile")]
    (root / edit.path).write_bytes(edit.new.encode())
    assert edit.path not in [row.path for row in adopt(root, offline=True).edits]
    (root / edit.path).write_text("FROM scratch\n")
    with pytest.raises(ConfigError, match=f"{edit.path} exists already"):
        adopt(root, offline=True)


def test_a_table_that_stays_is_what_is_planned(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {".github/workflows/release.yml": MIXED})
    path = root / "pyproject.toml"
    path.write_text(f'{path.read_text()}\n[tool.cartwheel]\ntargets = ["x86_64-pc-windows-msvc"]\npython = ["3.13"]\n')
    adoption = adopt(root, offline=True)
    (package,) = adoption.packages
    assert package.planned == ("acme-1.0.0-cp313-cp313-win_amd64.whl", "acme-1.0.0.tar.gz")
    assert package.source == ""
    assert [edit.path for edit in adoption.edits] == ["dodo.py", ".gitignore"]


def test_a_package_that_is_excluded_later_leaves_the_list(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {}, "py/alpha", "py/beta")
    write(adopt(root, offline=True))
    write(adopt(root, offline=True, excluded=("py/beta",)))
    text = (root / "pyproject.toml").read_text()
    assert 'packages = ["py/alpha"]' in text
    assert 'excluded-packages = ["py/beta"]' in text
    assert adopt(root, offline=True).edits == ()


def test_an_exclusion_that_matches_nothing_is_refused_with_the_folders(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {}, "py/alpha", "py/beta")
    with pytest.raises(ConfigError, match=r"--exclude py/gamma: no folder .* expected one of: py/alpha, py/beta"):
        adopt(root, offline=True, excluded=("py/gamma",))


def test_a_gitignore_in_another_encoding_stays(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {})
    (root / ".gitignore").write_bytes("caf\xe9/\n".encode("latin-1"))
    adoption = adopt(root, offline=True)
    write(adoption)
    assert (root / ".gitignore").read_bytes() == b"caf\xe9/\n"
    assert ".gitignore is not UTF-8 and stays as it is; it has to name .cartwheel/ and dist/" in adoption.notes


@pytest.mark.skipif(os.name == "nt", reason="modes and links of POSIX")
def test_a_linked_file_is_written_through_the_link_with_its_mode(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {".github/workflows/release.yml": MIXED})
    real = root / "real.toml"
    (root / "pyproject.toml").rename(real)
    real.chmod(0o600)
    (root / "pyproject.toml").symlink_to("real.toml")
    write(adopt(root, offline=True))
    assert (root / "pyproject.toml").is_symlink()
    assert "[tool.cartwheel]" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600


SHIPPED = (
    "acme-0.9.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "acme-0.9.0-cp38-cp38-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "acme-0.9.0.tar.gz",
)
WHY = "requires-python ('>=3.9') has excluded it since"


def test_a_loss_that_adoption_explains_is_written_as_dropped(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {})
    first = adopt(root, offline=False, released=lambda *_: ("0.9.0", SHIPPED, ""))
    assert [row.why for row in first.packages[0].rows if row.state == "lost"] == [WHY]
    write(first)
    (package,) = read_project(root, {}).packages
    change = compare(SHIPPED, [artifact.file for artifact in package_artifacts(package)])
    assert with_reasons(change, package.dropped).unexplained == ()
    assert package.dropped == (("*-cp38-cp38-manylinux_2_17_x86_64.manylinux2014_x86_64", WHY),)
    assert adopt(root, offline=False, released=lambda *_: ("0.9.0", SHIPPED, "")).edits == ()


def test_a_later_loss_that_adoption_explains_is_added_to_dropped(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {})
    write(adopt(root, offline=False, released=lambda *_: ("0.9.0", SHIPPED[::2], "")))
    for files in (SHIPPED, (*SHIPPED, SHIPPED[1].replace("38", "37"))):
        write(adopt(root, offline=False, released=lambda *_, files=files: ("0.9.0", files, "")))
        (package,) = read_project(root, {}).packages
        change = compare(files, [artifact.file for artifact in package_artifacts(package)])
        assert with_reasons(change, package.dropped).unexplained == ()
    assert len(package.dropped) == 2


def test_a_second_run_names_what_it_compares_and_the_forge_of_the_first(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {".gitlab-ci.yml": "build:\n  script: [maturin build]\n"})
    write(adopt(root, offline=True))
    offline = as_text(adopt(root, offline=True), written=False)
    assert (
        "nothing has changed since this project was adopted; not compared: the index and the workflows (the" in offline
    )
    assert "doit ci gitlab" in offline
    asked = as_text(adopt(root, offline=False, released=lambda *_: ("", (), "")), written=False)
    uncommitted = "not compared: the workflows (the adoption is not committed)"
    assert f"nothing has changed since this project was adopted; {uncommitted}\n" in asked


def test_an_inline_tool_table_is_refused_with_what_to_write(tmp_path: Path) -> None:
    root = project(tmp_path / "x", {".github/workflows/release.yml": MIXED})
    path = root / "pyproject.toml"
    path.write_text(f"tool = {{ ruff = {{ line-length = 100 }} }}\n{path.read_text()}")
    with pytest.raises(ConfigError, match=r"found the inline table 'tool = .*; write it as \[tool.NAME\] sections"):
        adopt(root, offline=True)
