"""The Rust compiler that builds in a folder: its sysroot, its commit, and its standard libraries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cartwheel.model.errors import StepFailed
from cartwheel.model.step import Work
from cartwheel.process import run


def sysroot(cwd: Path, env: Mapping[str, str]) -> Path:
    """The folder of the compiler's toolchain."""
    return Path(_answer(("rustc", "--print", "sysroot"), cwd, _rustup_choice(env)).strip())


def llvm_profdata(cwd: Path, env: Mapping[str, str]) -> Path | None:
    """The program that merges profiles, of rustup's component `llvm-tools`; None if it is missing."""
    programs = sysroot(cwd, env).glob("lib/rustlib/*/bin/llvm-profdata*")
    return next(iter(sorted(programs)), None)


def compiler_commit(cwd: Path, env: Mapping[str, str]) -> str:
    """The commit that the compiler was built from; empty if it names none."""
    text = _answer(("rustc", "-vV"), cwd, _rustup_choice(env))
    match = re.search(r"^commit-hash: ([0-9a-f]+)$", text, re.MULTILINE)
    return match[1] if match else ""


def target_cfg(triple: str, cwd: Path, env: Mapping[str, str]) -> frozenset[str]:
    """The output of `rustc --print cfg`, by line, for `cfg(...)` tables in cargo's configuration."""
    return frozenset(run.capture(("rustc", "--print", "cfg", "--target", triple), cwd=cwd, env=env).splitlines())


@cache
def _answer(argv: tuple[str, ...], cwd: Path, env: tuple[tuple[str, str], ...]) -> str:
    """Cached because rustup's proxy takes 50 ms."""
    return run.capture(argv, cwd=cwd, env=dict(env))


_FOR_RUSTC = ("PATH", "HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME", "SYSTEMROOT", "USERPROFILE", "TEMP")
"""The variables that decide which sysroot is found.  Windows starts no program without SYSTEMROOT."""


def _rustup_choice(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables by which rustup chooses a compiler."""
    return tuple((name, env[name]) for name in _FOR_RUSTC if name in env)


def need_standard_library(triple: str, cwd: Path, env: Mapping[str, str], work: Work) -> None:
    """Installs the standard library for a triple if it is missing. Raises `StepFailed` if that is impossible."""
    if (sysroot(cwd, env) / "lib" / "rustlib" / triple / "lib").is_dir():
        return
    if not shutil.which("rustup", path=env["PATH"]):
        raise StepFailed(
            f"the standard library for {triple} is missing, and there is no rustup to add it; install rustup"
        )
    work.announce(f"adding the Rust standard library for {triple}")
    try:
        work.log.run(("rustup", "target", "add", triple), cwd=cwd, env=env)
    except run.Interrupted:
        raise
    except StepFailed as error:
        raise StepFailed(f"the standard library for {triple} could not be added: {error}") from None
