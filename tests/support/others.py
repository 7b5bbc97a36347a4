"""Packages that others wrote, from their source distributions on the index, as projects of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from support.projects import DODO
from support.repositories import git, repository
from support.yard import Yard

HOST = "x86_64-unknown-linux-gnu"
MUSL, MAC, WINDOWS = "x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-gnu"


def project_of(name: str, version: str, table: str, base: Path) -> Yard:
    """The source distribution in a repository, with a dodo.py and with `table` at the end of its pyproject.toml."""
    root = unpacked(name, version, base, repository(base / "project"))
    text = (root / "pyproject.toml").read_text("utf-8") + table
    (root / "pyproject.toml").write_text(text, "utf-8")
    assert "cartwheel" in tomllib.loads(text)["tool"]
    project = Yard(root)
    del project.env["CARGO_NET_OFFLINE"]
    project.write("dodo.py", DODO)
    with (root / ".gitignore").open("a") as ignored:
        ignored.write("\n.cartwheel/\ndist/\n")
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "as it is on the index")
    return project


def unpacked(name: str, version: str, base: Path, root: Path) -> Path:
    """`root` with the files of the source distribution, which is downloaded to `base`."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name,
         "--dest", str(base), f"{name}=={version}"],
        check=True,
    )  # fmt: skip
    with tarfile.open(next(base.glob("*.tar.gz"))) as archive:
        archive.extractall(base / "unpacked", filter="data")
    shutil.copytree(next((base / "unpacked").iterdir()), root, dirs_exist_ok=True)
    (root / "PKG-INFO").unlink()  # of the distribution, and not of the project
    return root
