"""Packages that others wrote, as they are on the index: nothing is changed, a dodo.py and a table are added, each is
built, repaired and checked for four systems, or taken through the check of its source distribution.  CI builds a
sample, another each time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from support.projects import DODO, TRIPLE, Project
from support.repositories import git, repository

PACKAGES = {
    "rtoml": ("0.14.0", "3.13"),
    "ormsgpack": ("1.13.1", "3.13"),
    "blake3": ("1.0.11", "3.13"),
    "nh3": ("0.3.2", "abi3"),
}
"""A parser, a serialiser, a hash with assembly and C in it, and a sanitiser for the stable ABI."""

FROM_SDIST = {
    "fastuuid": ("0.14.0", "3.13", ""),
    "jellyfish": ("1.2.1", "3.13", ""),
    "rpds-py": ("0.29.0", "3.13", ""),
    "uuid-utils": ("0.12.0", "abi3", ""),
}
"""Version, Python and floor: stubs beside the module (fastuuid, rpds-py) or in the package, one for the stable ABI."""

TARGETS = (
    "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-gnu",
)  # fmt: skip

TABLE = """
[tool.cartwheel]
targets = {targets}
python = ["{python}"]{floor}
publish = []
test = {{ skip = "their tests are not in what they send to the index" }}
"""


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Projects that were made already, by the name of the package."""
    return {}


def _project(
    name: str, version: str, python: str, base: Path, targets: tuple[str, ...] = TARGETS, floor: str = ""
) -> Project:
    """The source distribution in a repository, with what a user would add to it."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name,
         "--dest", str(base), f"{name}=={version}"],
        check=True,
    )  # fmt: skip
    with tarfile.open(next(base.glob("*.tar.gz"))) as archive:
        archive.extractall(base / "unpacked", filter="data")
    root = repository(base / "project")
    shutil.copytree(next((base / "unpacked").iterdir()), root, dirs_exist_ok=True)
    (root / "PKG-INFO").unlink()  # of the distribution, and not of the project
    text = (root / "pyproject.toml").read_text("utf-8")
    added = TABLE.format(targets=json.dumps(targets), python=python, floor=f'\nfloor = "{floor}"' if floor else "")
    (root / "pyproject.toml").write_text(text + added, "utf-8")
    assert tomllib.loads(text + added)["tool"]["cartwheel"]["python"] == [python]
    project = Project(root)
    project.write("dodo.py", DODO)
    with (root / ".gitignore").open("a") as ignored:
        ignored.write("\n.cartwheel/\ndist/\n")
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "as it is on the index")
    return project


@pytest.mark.full(sample=0.12)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_that_others_wrote_is_built_for(
    name: str, target: str, theirs: dict[str, Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for program in ("cargo", "x86_64-w64-mingw32-gcc"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if name not in theirs:
        theirs[name] = _project(name, *PACKAGES[name], tmp_path_factory.mktemp(name))
    project = theirs[name]
    version, python = PACKAGES[name]
    project.doit(f"check:{target}:{name}:{python}")
    report = json.loads((project.root / f".cartwheel/checks/{target}/{name}/{python}.json").read_text("utf-8"))
    assert report["file"].startswith(f"{name}-{version}-cp3")
    assert (project.root / "dist/private" / report["file"]).is_file()
    assert git(project.root, "status", "--porcelain") == ""


@pytest.mark.full(sample=0.1)
@pytest.mark.skipif(TRIPLE != "x86_64-unknown-linux-gnu", reason="the floors are of that machine")
@pytest.mark.parametrize("name", sorted(FROM_SDIST))
def test_the_source_distribution_of_a_package_that_others_wrote_builds_its_planned_wheel(
    name: str, tmp_path: Path
) -> None:
    version, python, floor = FROM_SDIST[name]
    project = _project(name, version, python, tmp_path, (TRIPLE,), floor)
    project.doit(f"check:{TRIPLE}", "check:sdist")
    report = json.loads((project.root / f".cartwheel/checks/sdist/{name}.json").read_text("utf-8"))
    assert report["built_for"] == TRIPLE
    assert any(file.endswith("/METADATA") for file in report["built"])
    assert git(project.root, "status", "--porcelain") == ""
