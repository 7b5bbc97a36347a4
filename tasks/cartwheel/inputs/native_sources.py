"""The sources and headers that C compilers name in the output folder of a build script, as CMake and make have it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.cargo.build_output import dep_info
from cartwheel.filesystem.read_set import ReadSet, source_top, there_or_not

if TYPE_CHECKING:
    from cartwheel.inputs.build_reads import BuildEvidence

INCLUDING = frozenset({
    ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".inl", ".m", ".mm", ".s", ".S", ".asm", ".cu", ".proto",
    ".capnp", ".fbs", ".thrift", ".idl", ".rc", ".pest", ".lalrpop",
})  # fmt: skip
"""Suffixes of sources that include other files, which build scripts rarely report."""


def compiled_sources(out_dir: Path, run: BuildEvidence, watched: ReadSet) -> ReadSet:
    """The files of the project's repository in the `.d` files below `out_dir`; `watched`: what cargo watches."""
    top = source_top(run.build.root)
    named = {path for file in out_dir.rglob("*.d") for path in _paths_in(file, out_dir)}
    inside = sorted(path for path in named if path.is_relative_to(top) and path.is_file() and run.counts(path))
    reads = there_or_not(inside, run.build.root)
    known = (*watched.files, *watched.folders)
    return reads | ReadSet(unwatched=tuple(name for name in reads.files if not _is_known(name, known)))


def _is_known(name: str, known: tuple[str, ...]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in known)


def _paths_in(file: Path, out_dir: Path) -> Iterator[Path]:
    """The absolute paths in a `.d` file. A relative one is looked for from its folder upwards to `out_dir`."""
    try:
        text = file.read_text("utf-8", "surrogateescape").replace("\\\n", " ")
    except OSError:
        return
    places = [place for place in file.parents if place.is_relative_to(out_dir)]
    for name in dep_info(text).files:
        yield from (Path(os.path.abspath(place / name)) for place in (places[:1] if os.path.isabs(name) else places))
