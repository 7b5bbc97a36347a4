"""Adds a wheel's compiler flags to the flags that the user's cargo configuration sets.

Cargo takes flags from one source only: CARGO_ENCODED_RUSTFLAGS, RUSTFLAGS, the `target` tables with their variables, or
`build.rustflags` with its variable. Each hides those after it (the Cargo book, "Configuration", November 2026). Flags
are therefore added to the source in effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cartwheel.cargo.config_files import configuration
from cartwheel.filesystem.manifest_files import table, toml

Cfg = Callable[[str], frozenset[str]]
"""Maps a triple to the output of `rustc --print cfg`, by line: `unix`, `target_os="linux"`."""


def flags_environment(
    flags: tuple[str, ...], triples: Iterable[str], folder: Path, env: Mapping[str, str], cfg: Cfg
) -> dict[str, str]:
    """Variables that pass `flags` to rustc for these triples, in addition to the user's flags.

    `folder` is cargo's working directory. Its configuration files and `env` determine the source of flags in effect.
    """
    if not flags:
        return {}
    if "CARGO_ENCODED_RUSTFLAGS" in env:
        return {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(filter(None, (env["CARGO_ENCODED_RUSTFLAGS"], *flags)))}
    if "RUSTFLAGS" in env:
        return {"RUSTFLAGS": _append("RUSTFLAGS", flags, env)}
    tables = [toml(file) for file in configuration(folder, env).files if not file.name.startswith("rust-toolchain")]
    names = (
        _variable(triple) if _has_target_flags(triple, tables, env, cfg) else "CARGO_BUILD_RUSTFLAGS"
        for triple in triples
    )
    return {name: _append(name, flags, env) for name in names}


def _variable(triple: str) -> str:
    return f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUSTFLAGS"


def _append(name: str, flags: tuple[str, ...], env: Mapping[str, str]) -> str:
    return " ".join((*env.get(name, "").split(), *flags))


def _has_target_flags(triple: str, tables: Iterable[Mapping[str, Any]], env: Mapping[str, str], cfg: Cfg) -> bool:
    """Whether target-specific flags for this triple hide `build.rustflags`."""
    if _variable(triple) in env:
        return True
    names = {name for data in tables for name, row in table(data, "target").items() if "rustflags" in row}
    conditions = [match[1] for name in names if (match := re.fullmatch(r"cfg\((.*)\)", name.strip(), re.DOTALL))]
    return triple in names or any(holds(condition, cfg(triple)) for condition in conditions)


def holds(condition: str, facts: frozenset[str]) -> bool:
    """Whether a `cfg(...)` condition holds; `facts` are the lines of `rustc --print cfg`."""
    tokens = re.findall(r'"[^"]*"|\w+|[(),=]', condition)

    def term() -> bool:
        name = tokens.pop(0)
        if tokens[:1] == ["("]:
            tokens.pop(0)
            values = []
            while tokens and tokens[0] != ")":
                values.append(term())
                if tokens[:1] == [","]:
                    tokens.pop(0)
            del tokens[:1]
            return {"all": all(values), "any": any(values), "not": not any(values)}.get(name, False)
        if tokens[:1] == ["="]:
            value = tokens[1]
            del tokens[:2]
            return f"{name}={value}" in facts
        return name == "true" or name in facts

    return term() if tokens else False
