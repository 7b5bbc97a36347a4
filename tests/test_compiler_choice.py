"""Which compiler a package's builds use is recorded as rustup and cargo choose it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.toolchain.tool_versions import rustc_tool, version_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def compiler(path: Path, version: str) -> Path:
    """A program that says it is a version of rustc."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'rustc {version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def snapshot(tmp_path: Path) -> DiskSnapshot:
    """A project with a package in a folder, and a rustup that goes by variables and by files."""
    root = tmp_path / "project"
    (root / "py").mkdir(parents=True)
    bin_ = compiler(tmp_path / "bin/rustc", "0.0.0 (the proxy)").parent
    for name in ("usual", "named", "folder"):
        compiler(tmp_path / name, f"1.{len(name)}.0 (abc 2026-11-26)")
    (bin_ / "rustup").write_text(
        f'#!/bin/sh\nname="${{RUSTUP_TOOLCHAIN:-usual}}"\n'
        f'[ -f rust-toolchain.toml ] && [ -z "$RUSTUP_TOOLCHAIN" ] && name=folder\necho "{tmp_path}/$name"\n'
    )
    (bin_ / "rustup").chmod(0o755)
    environ = {"PATH": os.pathsep.join((str(bin_), os.environ["PATH"])), "HOME": str(tmp_path)}
    return DiskSnapshot(root, environ, version_of)


def test_a_variable_of_the_configuration_chooses_the_toolchain(snapshot: DiskSnapshot) -> None:
    assert snapshot.tool(rustc_tool(".", {})) == "1.5.0"
    assert snapshot.tool(rustc_tool("py", {"RUSTUP_TOOLCHAIN": "named"})) == "1.5.0"
    assert snapshot.tool(rustc_tool("py", {"RUSTUP_TOOLCHAIN": "folder"})) == "1.6.0"


def test_a_toolchain_file_in_the_package_chooses_the_toolchain(snapshot: DiskSnapshot) -> None:
    (snapshot.root / "py/rust-toolchain.toml").write_text("[toolchain]\n")
    assert snapshot.tool(rustc_tool("py", {})) == "1.6.0"
    assert snapshot.tool(rustc_tool(".", {})) == "1.5.0"


def test_a_toolchain_that_was_updated_has_another_version(snapshot: DiskSnapshot) -> None:
    tool = rustc_tool("py", {"RUSTUP_TOOLCHAIN": "named"})
    before = snapshot.tool(tool)
    compiler(snapshot.root.parent / "named", "1.99.0 (def 2026-11-27)")
    again = DiskSnapshot(snapshot.root, snapshot.environ, version_of)
    assert (before, again.tool(tool)) == ("1.5.0", "1.99.0")


def test_a_nightly_is_known_by_its_commit(snapshot: DiskSnapshot, tmp_path: Path) -> None:
    nightly = compiler(tmp_path / "nightly", "1.99.0-nightly (abc 2026-11-26)")
    assert snapshot.tool(rustc_tool(".", {"RUSTC": str(nightly)})) == "1.99.0-nightly (abc 2026-11-26)"


@pytest.mark.skipif(not shutil.which("rustup"), reason="needs rustup")
def test_rustup_itself_is_asked_in_the_folder_of_the_package(tmp_path: Path) -> None:
    output = subprocess.run(["rustup", "toolchain", "list"], capture_output=True, text=True, check=True).stdout
    nightly = next((line.split()[0] for line in output.splitlines() if "nightly" in line), "")
    if not nightly:
        pytest.skip("needs a nightly toolchain")
    (tmp_path / "py").mkdir()
    (tmp_path / "py/rust-toolchain").write_text(f"{nightly}\n")
    snapshot = DiskSnapshot(tmp_path, dict(os.environ), version_of)
    assert "-nightly (" in snapshot.tool(rustc_tool("py", {}))
    assert "nightly" not in snapshot.tool(rustc_tool(".", {}))
