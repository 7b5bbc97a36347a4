"""Compiler flags that replace this machine's folders in compiled files by fixed names.

With them the same commit gives the same bytes in any folder, with any CARGO_HOME and any toolchain folder. The names
are constants, so no record depends on the machine. The value of `--remap-path-prefix` is not part of cargo's hashes,
its presence is (cargo 1.95, tried November 2026): it is always passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

PROJECT, CARGO, PYTHON = "/project", "/cargo", "/python"
"""The names of the repository, of CARGO_HOME and of the interpreter's headers in compiled files."""

Remaps = tuple[tuple[str, str], ...]
"""Folders and their names, longest last: rustc, GCC and clang use the last match."""


def remaps(folders: Mapping[Path, str]) -> Remaps:
    """The folders in the order that compilers need. A link is replaced under both of its paths."""
    pairs = {str(path): name for path, name in folders.items()}
    pairs |= {str(path.resolve()): name for path, name in folders.items()}
    return tuple(sorted(pairs.items(), key=lambda pair: (len(pair[0]), pair[0])))


def standard_library(sysroot: Path, commit: str) -> dict[Path, str]:
    """The sources of Rust's standard library, under the name that they have if they are not installed."""
    return {sysroot / "lib" / "rustlib" / "src" / "rust": f"/rustc/{commit}"} if commit else {}


def rust_flags(pairs: Remaps) -> tuple[str, ...]:
    """rustc's flags, each one argument; a path may hold spaces."""
    return tuple(f"--remap-path-prefix={path}={name}" for path, name in pairs)


def c_flags(pairs: Remaps) -> tuple[str, ...]:
    """The flags of GCC and clang. Paths with spaces are left out, since CFLAGS is split at spaces."""
    return tuple(f"-ffile-prefix-map={path}={name}" for path, name in pairs if " " not in path)


def crate_c_variables(triples: Iterable[str], pairs: Remaps, env: Mapping[str, str]) -> dict[str, str]:
    """Variables that pass `c_flags` to the cc crate, in addition to the user's flags.

    The variable of the triple is set, since programs other than cc, such as configure scripts, read CFLAGS. Older
    versions of cc take the first variable that is set, newer ones join all (cc 1.0 and 1.2, `envflags`); so the value
    starts with the user's flags from the variable that it hides.
    """
    more = " ".join(c_flags(pairs))
    variables = {}
    for triple in triples:
        if triple.endswith("-msvc"):  # cl.exe has no such flag
            continue
        for kind in ("CFLAGS", "CXXFLAGS"):
            exact, plain = f"{kind}_{triple}", f"{kind}_{triple.replace('-', '_').replace('.', '_')}"
            hidden = (exact, plain, f"TARGET_{kind}", f"HOST_{kind}", kind)
            users = next((env[name] for name in hidden if name in env), "")
            variables[exact if exact in env else plain] = f"{users} {more}".strip()
    return variables
