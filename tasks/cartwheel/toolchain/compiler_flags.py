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
from cartwheel.filesystem.manifest_files import table

Cfg = Callable[[str], frozenset[str]]
"""Maps a triple to the output of `rustc --print cfg`, by line: `unix`, `target_os="linux"`."""


def flags_environment(
    flags: tuple[str, ...],
    triples: Iterable[str],
    folder: Path,
    env: Mapping[str, str],
    cfg: Cfg,
    whole: tuple[str, ...] = (),
) -> dict[str, str]:
    """Variables that pass `flags` to rustc for these triples, in addition to the user's flags.

    `folder` is cargo's working directory. Its configuration files and `env` determine the source of flags in effect.
    `whole`: further flags, each one argument even if it holds spaces.
    """
    if not (flags or whole):
        return {}
    if "CARGO_ENCODED_RUSTFLAGS" in env:
        return {"CARGO_ENCODED_RUSTFLAGS": _encode_flags((env["CARGO_ENCODED_RUSTFLAGS"],), flags, whole)}
    tables = configuration(folder, env).tables
    if any(" " in flag for flag in whole):
        users = {_flags_in_effect(triple, tables, env, cfg) for triple in triples}
        if len(users) == 1:
            return {"CARGO_ENCODED_RUSTFLAGS": _encode_flags(*users, " ".join(flags).split(), whole)}
    flags = (*flags, *(flag for flag in whole if " " not in flag))
    if "RUSTFLAGS" in env:
        return {"RUSTFLAGS": _append("RUSTFLAGS", flags, env)}
    names = (
        _variable(triple) if _has_target_flags(triple, tables, env, cfg) else "CARGO_BUILD_RUSTFLAGS"
        for triple in triples
    )
    return {name: _append(name, flags, env) for name in names}


def _encode_flags(*parts: Iterable[str]) -> str:
    return "\x1f".join(flag for part in parts for flag in part if flag)


def _flags_in_effect(
    triple: str, tables: Iterable[Mapping[str, Any]], env: Mapping[str, str], cfg: Cfg
) -> tuple[str, ...]:
    """The user's flags for a triple, from the source that cargo takes them from; values of several files are joined."""
    if "RUSTFLAGS" in env:
        return tuple(env["RUSTFLAGS"].split())
    tables = tuple(tables)
    if _has_target_flags(triple, tables, env, cfg):
        rows = [row for data in tables for row in _target_rows(triple, data, cfg)]
        name = _variable(triple)
    else:
        rows, name = [table(data, "build") for data in tables], "CARGO_BUILD_RUSTFLAGS"
    values = (row.get("rustflags", ()) for row in rows)
    words = (value.split() if isinstance(value, str) else value for value in values)
    return (*(str(flag) for value in words for flag in value), *env.get(name, "").split())


def _variable(triple: str) -> str:
    return f"CARGO_TARGET_{triple.upper().replace('-', '_')}_RUSTFLAGS"


def _append(name: str, flags: tuple[str, ...], env: Mapping[str, str]) -> str:
    return " ".join((*env.get(name, "").split(), *flags))


def _has_target_flags(triple: str, tables: Iterable[Mapping[str, Any]], env: Mapping[str, str], cfg: Cfg) -> bool:
    """Whether target-specific flags for this triple hide `build.rustflags`."""
    if _variable(triple) in env:
        return True
    return any(_target_rows(triple, data, cfg) for data in tables)


def _target_rows(triple: str, data: Mapping[str, Any], cfg: Cfg) -> list[Mapping[str, Any]]:
    """The `target` tables of a configuration file that set flags for a triple."""
    rows = []
    for name, row in table(data, "target").items():
        if not isinstance(row, Mapping) or "rustflags" not in row:
            continue
        condition = re.fullmatch(r"cfg\((.*)\)", name.strip(), re.DOTALL)
        if name == triple or (condition and holds(condition[1], cfg(triple))):
            rows.append(row)
    return rows


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
