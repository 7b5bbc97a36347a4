"""The files that decide what a program of the project does, which cargo compiles and runs during a build."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from cartwheel.cargo.config_files import configuration
from cartwheel.cargo.maturin_layout import programs
from cartwheel.cargo.workspace import Crate, local_packages, members, workspace_root
from cartwheel.filesystem.manifest_files import table, toml
from cartwheel.filesystem.named_files import named_files, source_text, words_of_source
from cartwheel.filesystem.read_set import files_below, relative_name

_NO_FOLDER = re.compile(
    r'(?:[=!]=|\||\bCommand::new\(|\.(?:arg|contains|starts_with|ends_with)\()\s*&?"[\w-]+"|"[\w-]+"\)*\s*(?:=>|\|)'
)
"""A word of a comparison or of a pattern, a program, or an argument of one: no folder of that name."""
_INCLUDED = re.compile(r'\binclude(?:_str|_bytes)?!\s*[({\[]\s*"([^"\n]+)"')


@cache
def program_files(manifest: Path, root: Path) -> tuple[str, ...]:
    """The files of the program's local crates, and those that its sources name elsewhere, relative to `root`.

    Cached: sources are long, and every wheel asks.
    """
    files = dict.fromkeys(path for local in local_packages(manifest, root) for path in _files_of(local, root))
    texts = {path: source_text(root / path) for path in files if path.endswith(".rs")}
    included = ((root / path).parent / name for path, text in texts.items() for name in _INCLUDED.findall(text))
    beside = (relative_name(path, root) for path in included if path.is_file())
    sources, places = "\n".join(texts.values()), (manifest.parent, workspace_root(manifest).parent)
    named = named_files(words_of_source(sources), places, root).files
    folders = named_files(words_of_source(_NO_FOLDER.sub("", sources)), places, root).folders
    below = (path for name in folders for path in files_below(root, name))
    return tuple(dict.fromkeys((*files, *beside, *named, *below)))


def _files_of(crate: Crate, root: Path) -> Iterator[str]:
    """Every file of a crate; its manifest and its sources if its folder is also that of a package for Python, of the
    project or of other crates."""
    name = relative_name(crate.folder, root)
    files = files_below(root, name)
    alone = "workspace" not in crate.toml or len(members(crate.manifest)) < 2
    if alone and not (crate.folder / "pyproject.toml").is_file() and not root.is_relative_to(crate.folder):
        yield from files
        return
    top = "" if name == "." else f"{name}/"
    others = {path.removesuffix("Cargo.toml") for path in files if path.endswith("/Cargo.toml")} - {top}
    others |= {f"{top}tests/", f"{top}benches/"}
    for path in files:
        if path == f"{top}Cargo.toml" or path.endswith(".rs"):
            folders = (path[: slash.end()] for slash in re.finditer("/", path))
            if not others.intersection(folders):
                yield path


def crates_run(words: Collection[str], folder: Path) -> tuple[Path, ...]:
    """The manifests of the crates that a command such as `cargo run -p NAME` or `cargo xtask` runs in `folder`.

    A crate is named by its package, one of its programs, its manifest, or in an alias of cargo's configuration.
    """
    if "cargo" not in words:
        return ()
    named = {*words, *_aliased(words, folder)}
    manifests = [folder / word for word in named if word.endswith("Cargo.toml") and (folder / word).is_file()]
    own = next((place / "Cargo.toml" for place in (folder, *folder.parents) if (place / "Cargo.toml").is_file()), None)
    for manifest in dict.fromkeys((own, *members(workspace_root(own)))) if own else ():
        names = {table(toml(manifest), "package").get("name"), *programs(manifest.parent, toml(manifest))}
        manifests += [manifest] if names & named else []
    return tuple(dict.fromkeys(manifests))


def _aliased(words: Collection[str], folder: Path) -> Iterator[str]:
    for data in configuration(folder, {}).tables:
        for name, value in table(data, "alias").items():
            if name in words:
                yield from value.split() if isinstance(value, str) else map(str, value)
