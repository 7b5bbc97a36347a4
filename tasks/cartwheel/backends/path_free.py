"""Builds that leave no path of this machine in a wheel."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from cartwheel.filesystem.read_set import source_top
from cartwheel.model.project import Wheel
from cartwheel.model.wheels.container_image import CONTAINER
from cartwheel.process.environment import cargo_home
from cartwheel.provenance.path_remaps import (
    CARGO,
    PROJECT,
    PYTHON,
    c_flags,
    crate_c_variables,
    remaps,
    rust_flags,
    standard_library,
)
from cartwheel.toolchain import Toolchain
from cartwheel.toolchain.compiler_flags import flags_environment
from cartwheel.toolchain.installed_rust import compiler_commit, sysroot, target_cfg


def cargo_remaps(
    wheel: Wheel, chain: Toolchain, folder: Path, env: Mapping[str, str], root: Path, *, sccache: bool
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """rustc's flags, each one argument, and the cc crate's variables; `folder`: cargo's working directory.

    `sccache`: compilers' results come from sccache, whose keys hold the flags as they are written (0.16; its issue
    2652, November 2026). The repository's folder is no flag then, so that clones in other folders share results; cargo
    passes its own sources by relative paths, so only generated sources keep a path.

    zig's linker for macOS writes an identifier of the file that covers the paths of object files; `-S` omits them. In a
    container the compiler is another one, so its standard library keeps its paths.
    """
    folders = {cargo_home(env): CARGO} if sccache else {source_top(root): PROJECT, cargo_home(env): CARGO}
    if chain.name != CONTAINER:
        folders |= standard_library(sysroot(folder, env), compiler_commit(folder, env))
    pairs = remaps(folders)
    linker = ("-Clink-arg=-Wl,-S",) if chain.name == "zig" and wheel.target.system == "macos" else ()
    return (*rust_flags(pairs), *linker), crate_c_variables(wheel.target.triples, pairs, env)


def rust_variables(wheel: Wheel, chain: Toolchain, source: Path, top: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Variables for setuptools-rust, which compiles the package at `source` in the isolated copy `top`.

    For musl setuptools-rust sets RUSTFLAGS and keeps the flags in it, which hides other sources of flags (1.12).
    """
    folders = {top: PROJECT, cargo_home(env): CARGO}
    if chain.name != CONTAINER:
        folders |= standard_library(sysroot(source, env), compiler_commit(source, env))
    pairs, triples = remaps(folders), wheel.target.triples
    flags = rust_flags(pairs)
    if wheel.target.libc == "musl":
        joined = {"RUSTFLAGS": " ".join((*env.get("RUSTFLAGS", "").split(), *(f for f in flags if " " not in f)))}
    else:
        joined = flags_environment((), triples, source, env, lambda triple: target_cfg(triple, source, env), flags)
    return joined | crate_c_variables(triples, pairs, env)


def backend_variables(wheel: Wheel, source: Path, env: Mapping[str, str], interpreter: str) -> dict[str, str]:
    """CFLAGS and CXXFLAGS for a backend that compiles the copy of the package in `source`; the user's flags are kept.

    `interpreter`: the path of the Python whose headers are read; empty if it is in a container. Microsoft's compiler
    has no such flag.
    """
    if wheel.target.system == "windows":
        return {}
    folders = {source: PROJECT}
    if interpreter:
        folders |= {Path(interpreter).resolve().parent.parent: PYTHON, Path(sysconfig.get_path("include")): PYTHON}
    more = " ".join(c_flags(remaps(folders)))
    return {name: f"{env.get(name, '')} {more}".strip() for name in ("CFLAGS", "CXXFLAGS")} if more else {}
