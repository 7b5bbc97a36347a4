"""The libraries that a build script has linked, by its directives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.cargo.workspace import workspace_root
from cartwheel.filesystem.named_files import named_files
from cartwheel.filesystem.read_set import ReadSet, source_top, there_or_not

if TYPE_CHECKING:
    from cartwheel.cargo.build_output import BuildScriptRun, Directives
    from cartwheel.inputs.build_reads import BuildEvidence

_LIBRARY_NAMES = ("lib{}.a", "lib{}.so", "lib{}.dylib", "lib{}.tbd", "lib{}.dll.a", "{}.lib", "{}.dll", "{}.o", "{}")
_LIBRARY_SUFFIXES = frozenset(Path(form).suffix for form in _LIBRARY_NAMES) - {""}


def link_reads(script: BuildScriptRun, printed: Directives, folder: Path, run: BuildEvidence) -> ReadSet:
    """The libraries in the folders that a build script names, and the files in its linker flags.

    All libraries in the project's folders count: `#[link]` in a source names some, and no message of cargo does.
    """
    root, top = run.build.root, source_top(run.build.root)
    names = {name.rpartition("=")[2].partition(":")[0] for name in script.libraries}
    folders = {place for name in script.library_folders if run.counts(place := folder_of(name))}
    places = [place / form.format(name) for place in folders for name in names for form in _LIBRARY_NAMES]
    places += [path for place in folders if place.is_relative_to(top) for path in _libraries_in(place)]
    flags = named_files(printed.link_args, (folder, workspace_root(folder / "Cargo.toml").parent), root)
    reads = there_or_not([path for path in places if not path.is_dir()], root) | flags
    return reads | ReadSet(unwatched=(*reads.files, *reads.absent))


def _libraries_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in _LIBRARY_SUFFIXES] if folder.is_dir() else []


def folder_of(name: str) -> Path:
    """The path in a value such as `native=/usr/lib`."""
    kind, sign, path = name.partition("=")
    return Path(path if sign and kind in ("dependency", "crate", "native", "framework", "all") else name)
