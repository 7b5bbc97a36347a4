"""Packages that others wrote, from their source distributions on the index, as projects of ours."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
from pathlib import Path

from support.projects import DODO
from support.repositories import git, repository
from support.yard import Yard

HOST = "x86_64-unknown-linux-gnu"
MUSL, MAC, WINDOWS = "x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-gnu"


def project_of(name: str, version: str, table: str, base: Path, *, static: bool = False) -> Yard:
    """The source distribution in a repository, with a dodo.py and with `table` at the end of its pyproject.toml.

    `static`: its dynamic version becomes a static one.
    """
    root = unpacked(name, version, base, repository(base / "project"))
    text = (root / "pyproject.toml").read_text("utf-8") + table
    if static:
        assert text.count('\ndynamic = ["version"]\n') == 1
        text = text.replace('\ndynamic = ["version"]\n', f'\nversion = "{version}"\n')
        text = re.sub(r"(?m)^\[tool\.setuptools\.dynamic\]\nversion = .*\n", "", text)
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
    archive = downloaded(name, version, base)
    with tarfile.open(archive) as opened:
        opened.extractall(base / "unpacked", filter="data")
    shutil.copytree(next((base / "unpacked").iterdir()), root, dirs_exist_ok=True)
    (root / "PKG-INFO").unlink()  # of the distribution, and not of the project
    return root


def downloaded(name: str, version: str, base: Path) -> Path:
    """The source distribution in `base`.  uv names its address; pip runs the package's build backend first, which may
    need what a build needs."""
    command = (sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", "-")
    pin = f"{name}=={version}"
    locked = subprocess.run(command, input=pin, cwd=base, check=True, stdout=subprocess.PIPE, text=True).stdout
    (package,) = tomllib.loads(locked)["packages"]
    archive = base / package["sdist"]["url"].rpartition("/")[2]
    with urllib.request.urlopen(package["sdist"]["url"], timeout=60) as response:
        archive.write_bytes(response.read())
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == package["sdist"]["hashes"]["sha256"]
    return archive


def generator(version: str, folder: Path) -> Path:
    """The folder of a `uniffi-bindgen` of that version, made from UniFFI's crate as its manual recommends."""
    (folder / "src").mkdir(parents=True)
    manifest = f"""[package]
name = "uniffi-bindgen"
version = "0.1.0"
edition = "2021"
[dependencies]
uniffi = {{ version = "={version}", features = ["cli"] }}
"""
    (folder / "Cargo.toml").write_text(manifest, "utf-8")
    (folder / "src/main.rs").write_text("fn main() { uniffi::uniffi_bindgen_main() }\n", "utf-8")
    subprocess.run(["cargo", "build", "--quiet"], cwd=folder, check=True)
    return folder / "target/debug"
