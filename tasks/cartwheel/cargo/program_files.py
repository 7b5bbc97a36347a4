"""The files that decide what a program of the project does, which cargo compiles and runs during a build."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from cartwheel.cargo.config_files import configuration
from cartwheel.cargo.maturin_layout import programs
from cartwheel.cargo.workspace import local_packages, members, workspace_root
from cartwheel.filesystem.manifest_files import table, toml
from cartwheel.filesystem.named_files import named_files, words_of_source
from cartwheel.filesystem.read_set import files_below, relative_name


def program_files(manifest: Path, root: Path) -> tuple[str, ...]:
    """Every file of the program's local crates, and those that its sources name elsewhere, relative to `root`."""
    names = (relative_name(local.folder, root) for local in local_packages(manifest, root))
    files = dict.fromkeys(path for name in names for path in files_below(root, name))
    sources = "\n".join((root / path).read_text("utf-8", "replace") for path in files if path.endswith(".rs"))
    named = named_files(words_of_source(sources), (manifest.parent, workspace_root(manifest).parent), root)
    beside = (path for name in named.folders for path in files_below(root, name))
    return tuple(dict.fromkeys((*files, *named.files, *beside)))


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
