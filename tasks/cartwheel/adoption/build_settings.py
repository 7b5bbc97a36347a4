"""Compiler flags, variables and commands of a workflow's builds as keys of `[tool.cartwheel]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.build_scripts import LINUX_PACKAGES, before_build, dockerfile
from cartwheel.adoption.built_wheels import OFF, BuildCall
from cartwheel.adoption.command_lines import split_words
from cartwheel.model.wheels.architecture import BY_NAME
from cartwheel.model.wheels.target import ANY, TARGETS

_VARIABLE = re.compile(
    r"(?:HOST_|TARGET_)?(?:C|CXX|CPP|LD)FLAGS(?:_\w+)?|CARGO_(?:PROFILE|FEATURE|TARGET)_\w+|PYO3_\w+|CMAKE_\w+"
    r"|\w+_(?:STATIC|NO_PKG_CONFIG|NO_VENDOR|SYS_\w+|VENDORED|FORCE_\w+|DIR|LIB_DIR|INCLUDE_DIR)|MATURIN_PEP517_ARGS"
    r"|SETUPTOOLS_\w+|JEMALLOC_\w+|LIBSQLITE3_\w+|OPENSSL_\w+"
)
"""Variables that compilers and build scripts of crates read; others of a workflow are for its own steps."""
_OF_THE_MACHINE = re.compile(
    r"PYO3_PYTHON|PYO3_CONFIG_FILE|PYO3_CROSS\w*|CARGO_TARGET_DIR|\w*(?:TEMP|CACHE|HOME|WORKSPACE)_DIR"
)


class BuildSettings(Struct, frozen=True, kw_only=True):
    """Keys for a package's builds."""

    table: Mapping[str, Any]
    """Keys that all targets share."""
    overrides: tuple[Mapping[str, Any], ...]
    comments: Mapping[str, str]
    files: Mapping[str, str]
    """New Dockerfiles by path relative to the package."""
    steps: tuple[str, ...]
    """Shell lines for `ci.steps.before.build`: packages that the jobs install on the machine itself."""


def build_settings(
    calls: Iterable[BuildCall], wheels: Iterable[tuple[str, str]], targets: Iterable[str]
) -> BuildSettings:
    """The settings of the workflows' builds of `targets`.

    `wheels`: triple and interpreter of each wheel, for builds that differ between the interpreters of a target.
    """
    every = [triple for triple in targets if triple != ANY]
    planned = set(wheels)
    keys_of: dict[str, dict[str, Any]] = {}
    source: dict[str, str] = {}
    files: dict[str, str] = {}
    steps: dict[str, None] = {}
    of_some: list[dict[str, Any]] = []
    for call in sorted(calls, key=lambda call: -len(call.pythons) if call.tool == "cibuildwheel" else 0):
        for triple in (triple for triple in call.triples if triple in every):
            keys = _keys(call, triple, files, steps)
            if triple not in keys_of:
                keys_of[triple], source[triple] = keys, f"{call.workflow}, job {call.job}"
            elif all((triple, python) in planned for python in call.pythons) and call.pythons:
                of_some += _of_some_interpreters(triple, call.pythons, keys, keys_of[triple])
    table: dict[str, Any] = {}
    comments: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    ordered = {triple: keys_of[triple] for triple in every if triple in keys_of}
    for key, triples, value in shared_values(("flags", "environment", "before", "image"), ordered):
        if len(triples) == len(every) and key != "image":
            table[key] = value
            comments[key] = f"from {source[triples[0]]}"
        else:
            rows.append({"select": " ".join(triples), key: value})
    overrides = (*_merge_rows(rows), *of_some)
    return BuildSettings(table=table, overrides=overrides, comments=comments, files=files, steps=tuple(steps))


def shared_values(
    keys: Iterable[str], keys_of: Mapping[str, Mapping[str, Any]]
) -> Iterable[tuple[str, list[str], Any]]:
    """Each value of each of `keys`, with the key and the targets that have it; `keys_of`: the keys of each target."""
    for key in keys:
        groups: dict[str, list[str]] = {}
        for triple, values in keys_of.items():
            if key in values:
                groups.setdefault(repr(values[key]), []).append(triple)
        yield from ((key, triples, keys_of[triples[0]][key]) for triples in groups.values())


_NOTHING: Mapping[str, Any] = {"flags": [], "environment": {}, "before": []}


def _of_some_interpreters(
    triple: str, pythons: tuple[str, ...], keys: Mapping[str, Any], usual: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    """An override with what differs for these interpreters from the usual build of the target."""
    other = {key: keys.get(key, none) for key, none in _NOTHING.items() if keys.get(key, none) != usual.get(key, none)}
    if other:
        yield {"select": {"target": triple, "python": " ".join(pythons)}, **other}


def _merge_rows(rows: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """One row for each selection."""
    joined: dict[str, dict[str, Any]] = {}
    for row in rows:
        joined.setdefault(row["select"], {"select": row["select"]}).update(row)
    return joined.values()


_UNAME = {"linux": "Linux", "macos": "Darwin", "windows": "MINGW*"}


def _keys(call: BuildCall, triple: str, files: dict[str, str], steps: dict[str, None]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if flags := compiler_flags(call.environment.get("RUSTFLAGS", "")):
        keys["flags"] = list(flags)
    variables = {name: value for name, value in call.environment.items() if _is_of_build(name, value)}
    if variables:
        keys["environment"] = variables
    script = before_build(call.before)
    if script.commands:
        keys["before"] = [{"run": list(command)} for command in script.commands]
    system = TARGETS[triple].system
    if call.setup and system in _UNAME:
        steps |= dict.fromkeys(_on_machine(call.setup.splitlines(), system), None)
    if script.image and system in _UNAME and not (system == "linux" and _has_image(call, triple)):
        steps |= dict.fromkeys(_on_machine(script.image, system), None)
    elif script.image and system == "linux":
        text = dockerfile(script.image)
        name = next((name for name, known in files.items() if known == text), "")
        name = name or f"wheels{f'-{len(files) + 1}' if files else ''}.Dockerfile"
        files[name] = text
        keys["image"] = f"dockerfile:{name}"
    return keys


def _on_machine(lines: Iterable[str], system: str) -> Iterable[str]:
    """The lines as a step of build jobs that acts on machines of one system.  GitLab's images have no sudo."""
    words = [re.sub(r"\bsudo\s+", "", line) for line in lines]
    if system == "linux":
        words = [re.sub(LINUX_PACKAGES, r"$(command -v sudo) \g<0>", line) for line in words]
    if any(re.match(r"(?:if|for|while|case|fi|done|esac|else|elif|then)\b", line) for line in words):
        yield "\n".join((f'case "$(uname -s)" in {_UNAME[system]})', *(f"  {line}" for line in words), ";; esac"))
    else:
        yield from (f'case "$(uname -s)" in {_UNAME[system]}) {line} ;; esac' for line in words)


def _has_image(call: BuildCall, triple: str) -> bool:
    """Whether the build runs in an image of the Python Packaging Authority, or in one like it."""
    target = TARGETS[triple]
    return call.container != OFF and target.arch in BY_NAME


def _is_of_build(name: str, value: str) -> bool:
    return bool(
        value
        and _VARIABLE.fullmatch(name)
        and not _OF_THE_MACHINE.fullmatch(name)
        and not re.search(r"[$`]|^/(?:root|home|github)/", value)
    )


_TAKES_VALUE = r"-[CLlADFWZ]|--(?:cfg|check-cfg|extern|codegen|remap-path-prefix|allow|warn|deny|forbid|cap-lints)"
"""Options of rustc whose value may be the next word (rustc 1.96, `--help`)."""


def compiler_flags(text: str) -> tuple[str, ...]:
    """RUSTFLAGS as `flags` has them: an option and its value together, without levels of lints."""
    flags: list[str] = []
    for word in split_words(text):
        if flags and re.fullmatch(_TAKES_VALUE, flags[-1]):
            flags[-1] += f" {word}"
        else:
            flags.append(word)
    return tuple(
        flag for flag in flags if not re.match(r"-[ADFW]\b|-[ADFW]\w|--(?:allow|warn|deny|forbid|cap-lints)\b", flag)
    )
