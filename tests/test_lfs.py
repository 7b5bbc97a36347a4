"""Files in Git LFS, by the real git-lfs: their content is released, and never a pointer."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from cartwheel.repository.clones import clean_checkout, local_clone, scratch_clone
from support.projects import Project, committed, pure
from support.repositories import ENVIRONMENT, git

pytestmark = pytest.mark.skipif(not shutil.which("git-lfs"), reason="needs git-lfs")

CONTENT = b"heavy" * 1000
DATA = "gravel/data.bin"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A pure package with a file in Git LFS, which is set up for this repository alone, and its remote."""
    project = pure(tmp_path / "project")
    git(project.root, "lfs", "install", "--local")
    git(project.root, "lfs", "track", "*.bin")
    (project.root / DATA).write_bytes(CONTENT)
    committed(project)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", (tmp_path / "remote.git").as_uri())
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    assert "size 5000" in git(project.root, "show", f"HEAD:{DATA}")
    return project


def without_content(project: Project, place: Path) -> Project:
    """A clone of the remote with pointers in place of the content."""
    remote = git(project.root, "remote", "get-url", "origin")
    env = {**ENVIRONMENT, "GIT_LFS_SKIP_SMUDGE": "1"}
    subprocess.run(["git", "clone", "--quiet", remote, str(place)], env=env, check=True)
    git(place, "lfs", "install", "--local", "--skip-smudge")
    assert (place / DATA).read_bytes().startswith(b"version https://git-lfs")
    return Project(place)


@pytest.mark.lab
def test_a_pointer_is_refused_before_building_and_the_content_is_packed(project: Project, tmp_path: Path) -> None:
    clone = without_content(project, tmp_path / "clone")
    for task in ("build:any:gravel:py3", "sdist:gravel"):
        assert f"{DATA} is a pointer of Git LFS, not the content it stands for; run 'git lfs pull'" in clone.doit(
            task, code=1
        )
    git(clone.root, "lfs", "pull")
    clone.doit("check:any", "check:sdist:gravel")
    with zipfile.ZipFile(next((clone.root / "dist").glob("*.whl"))) as wheel:
        assert wheel.read(DATA) == CONTENT
    with tarfile.open(next((clone.root / "dist").glob("*.tar.gz"))) as sdist:
        (name,) = (name for name in sdist.getnames() if name.endswith(DATA))
        packed = sdist.extractfile(name)
        assert packed is not None
        assert packed.read() == CONTENT


def test_clones_and_clean_checkouts_hold_the_content(project: Project, tmp_path: Path) -> None:
    scratch_clone(project.root, remote=tmp_path / "scratch.git", clone=tmp_path / "scratch", branch="main")
    local_clone(project.root, tmp_path / "local")
    clean_checkout(project.root, tmp_path / "clean")
    for name in ("scratch", "local", "clean"):
        assert (tmp_path / name / DATA).read_bytes() == CONTENT, name
        assert git(tmp_path / name, "status", "--porcelain") == "", name


def test_a_clone_of_a_repository_without_the_content_holds_the_pointer(project: Project, tmp_path: Path) -> None:
    clone = without_content(project, tmp_path / "clone")
    scratch_clone(clone.root, remote=tmp_path / "scratch.git", clone=tmp_path / "scratch", branch="main")
    assert (tmp_path / "scratch" / DATA).read_bytes() == (clone.root / DATA).read_bytes()


@pytest.mark.lab
def test_a_rehearsal_releases_the_content(project: Project) -> None:
    assert "rehears" in project.doit("rehearse")
