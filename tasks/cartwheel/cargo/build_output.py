"""Parsers for the output of cargo and rustc: dep-info files, build scripts' directives and JSON messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct


class DepInfo(Struct, frozen=True, kw_only=True):
    """A `.d` file: the files that its targets are made from, and the variables that rustc looked up."""

    files: tuple[str, ...]
    env: tuple[str, ...]


class Directives(Struct, frozen=True, kw_only=True):
    """A build script's directives: when to run it again, and arguments for the linker."""

    changed: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    link_args: tuple[str, ...] = ()


class CompilerArtifact(Struct, frozen=True, kw_only=True):
    """A `compiler-artifact` message. Paths in `files` are absolute."""

    package: str
    manifest: Path
    kinds: tuple[str, ...]
    name: str
    source: Path
    files: tuple[Path, ...]


class BuildScriptRun(Struct, frozen=True, kw_only=True):
    """A `build-script-executed` message; `sets` are the variables that it passes to rustc."""

    package: str
    out_dir: Path
    sets: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    """In the syntax of rustc's `-l`: `static=foo`."""
    library_folders: tuple[str, ...] = ()
    """In the syntax of rustc's `-L`: `native=/usr/lib`."""


class CargoMessages(Struct, frozen=True, kw_only=True):
    """Cargo's messages about one build; `complete` if the build succeeded and every line was readable."""

    artifacts: tuple[CompilerArtifact, ...] = ()
    scripts: tuple[BuildScriptRun, ...] = ()
    complete: bool = False


def dep_info(text: str) -> DepInfo:
    """Parse a `.d` file as cargo does: `\\ ` is a space, any other backslash is itself (Windows)."""
    files: dict[str, None] = {}
    env: dict[str, None] = {}
    for line in text.splitlines():
        if line.startswith("# env-dep:"):
            env[line.removeprefix("# env-dep:").partition("=")[0]] = None
        elif not line.startswith("#"):
            for name in _words(line.partition(": ")[2]):
                files[name] = None
    return DepInfo(files=tuple(files), env=tuple(env))


def _words(text: str) -> list[str]:
    words: list[str] = []
    open_end = False
    for word in text.split(" "):
        if open_end:
            words[-1] = words[-1][:-1] + " " + word
        elif word:
            words.append(word)
        else:
            continue
        open_end = words[-1].endswith("\\")
    return words


def directives(output: str) -> Directives:
    """The directives about files, variables and the linker in a build script's output (`cargo:` and `cargo::`)."""
    kinds: dict[str, dict[str, None]] = {"rerun-if-changed": {}, "rerun-if-env-changed": {}, "link-arg": {}}
    for line in output.splitlines():
        if not line.startswith("cargo:"):
            continue
        key, _, value = line.removeprefix("cargo:").removeprefix(":").partition("=")
        kind = "link-arg" if key.startswith("rustc-") and "link-arg" in key else key
        if kind in kinds:
            kinds[kind][value.rstrip()] = None
    changed, env, link_args = map(tuple, kinds.values())
    return Directives(changed=changed, env=env, link_args=link_args)


def messages(text: str) -> CargoMessages:
    """Parse cargo's `--message-format=json` lines. The messages of several builds in one text are merged."""
    artifacts: list[CompilerArtifact] = []
    scripts: list[BuildScriptRun] = []
    ended: list[bool] = []
    try:
        for line in text.splitlines():
            if not line.startswith("{"):
                continue
            message = json.loads(line)
            match message.get("reason"):
                case "compiler-artifact":
                    artifacts.append(_artifact(message))
                case "build-script-executed":
                    scripts.append(_script(message))
                case "build-finished":
                    ended.append(message["success"] is True)
    except (ValueError, KeyError, TypeError, AttributeError):
        ended.append(False)
    return CargoMessages(artifacts=tuple(artifacts), scripts=tuple(scripts), complete=bool(ended) and all(ended))


def _artifact(message: Mapping[str, Any]) -> CompilerArtifact:
    return CompilerArtifact(
        package=message["package_id"],
        manifest=Path(message["manifest_path"]),
        kinds=tuple(message["target"]["kind"]),
        name=message["target"]["name"],
        source=Path(message["target"]["src_path"]),
        files=tuple(Path(f) for f in message["filenames"]),
    )


def _script(message: Mapping[str, Any]) -> BuildScriptRun:
    return BuildScriptRun(
        package=message["package_id"],
        out_dir=Path(message["out_dir"]),
        sets=tuple(k for k, _ in message["env"]),
        libraries=tuple(message.get("linked_libs", ())),
        library_folders=tuple(message.get("linked_paths", ())),
    )
