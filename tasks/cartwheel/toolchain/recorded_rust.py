"""The Rust compiler that a published wheel was built with, and the installed toolchain that is the same."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from cartwheel.filesystem.distribution import wheel_contents
from cartwheel.model.errors import CartwheelError
from cartwheel.process import run
from cartwheel.toolchain.installed_rust import compiler_commit

_COMMIT = re.compile(rb"rustc version [\w.-]+ \(([0-9a-f]{9,40}) |/rustc/([0-9a-f]{40})[/\\]")
"""ELF files have the compiler's version and commit in `.comment`; programs of every format have the commit in the paths
of the standard library (rustc 1.95, November 2026)."""


def recorded_commit(wheel: Path) -> str:
    """The start of the commit that a wheel's compiler was built from; empty if no member tells it."""
    for _, content in wheel_contents(wheel):
        if found := _COMMIT.search(content):
            return (found[1] or found[2]).decode()
    return ""


def toolchain_of(commit: str, cwd: Path, env: Mapping[str, str]) -> str:
    """rustup's name of an installed toolchain whose compiler was built from a commit; empty without one."""
    if not shutil.which("rustup", path=env.get("PATH")):
        return ""
    rows = run.capture(("rustup", "toolchain", "list"), cwd=cwd, env=env).splitlines()
    for name in (row.split()[0] for row in rows if row[:1].isalnum()):
        try:
            if compiler_commit(cwd, {**env, "RUSTUP_TOOLCHAIN": name}).startswith(commit):
                return name
        except run.Interrupted:
            raise
        except CartwheelError:  # a damaged toolchain, or one for another machine
            continue
    return ""
