"""Files of the project, the lockfile and facts of git that the sources of build-time programs mention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.cargo.workspace import workspace_root
from cartwheel.filesystem.named_files import named_files, source_text, words_of_source
from cartwheel.filesystem.read_set import ReadSet, files_below, relative_name, source_top, there_or_not
from cartwheel.inputs import git_reads
from cartwheel.model.wheels.target import TARGETS

if TYPE_CHECKING:
    from cartwheel.cargo.build_output import BuildScriptRun, CompilerArtifact
    from cartwheel.inputs.build_reads import BuildEvidence, CargoBuild

_OF_THE_PACKAGE = re.compile(r'"(?:\./)?\*\*?(?:/[\w*]|\.\w)')
"""A pattern that starts in the package's own folder: `"*.proto"`; `"*/"` ends a comment of C."""
_CLIMBS = re.compile(r'\.(?:parent|ancestors|pop)\(|"\.\."')
"""Ways to reach a folder above the package that leave no path in one piece."""
_JOINED = re.compile(
    r'\b(?:join|push|with_file_name)\(\s*&?("[^"\n]*")'
    r'|(?:\bin|\bextend\(|(?<![=!<>+])=)\s*&?("[^"\n]*"|\[[^\]]*\])|(\[[^\]]*"\.\."[^\]]*\])'
)
"""What is joined to a path, or is the value of a name, which may be joined: a literal, or a list."""


def mentioned_by_sources(
    run: BuildEvidence, sources: Iterable[tuple[Path, Path]], watched: Mapping[Path, ReadSet]
) -> ReadSet:
    """The existing files and folders that these sources name in string literals, and the facts that they read from git.

    A build script may open a file that its directives do not name, and that lies outside its package.  What a script
    wrote itself is left out.  `sources`: each package's folder with a file of it; `watched`: what cargo watches for a
    build script, by its package's folder.  A file that one script watches can be read by another one that does not.
    """
    root, texts, spans = run.build.root, [], [_span(script) for script in run.messages.scripts]
    files: set[str] = set()
    folders: set[str] = set()
    unwatched: set[str] = set()
    for folder, path in sources:
        text = source_text(path)
        texts.append(text)
        reads = _named(text, folder, root)
        if _OF_THE_PACKAGE.search(text):
            reads |= ReadSet(folders=(relative_name(folder, root),))
        known = watched.get(folder, ReadSet())
        files |= (own := {name for name in reads.files if not _is_written(root / name, spans)})
        folders |= (below := {name for name in reads.folders if not _holds_written(root / name, spans)})
        unwatched |= (own | below) - {*known.files, *known.folders}
    if any("built::" in text for text in texts):
        lock = there_or_not([workspace_root(run.build.manifest).with_name("Cargo.lock")], root).files
        files.update(lock)
        unwatched.update(lock)
    return ReadSet(
        files=tuple(sorted(files)),
        folders=tuple(sorted(folders)),
        unwatched=tuple(sorted(unwatched)),
        git=git_reads.facts_in_sources(texts),
    )


def _named(text: str, folder: Path, root: Path) -> ReadSet:
    """What a source names: in its package, in its workspace, and in the folders above if it climbs.

    There a word without a slash is a folder only if it is joined to a path: `"python"` may be a program.
    """
    words = words_of_source(text)
    own = (folder, workspace_root(folder / "Cargo.toml").parent)
    reads = named_files(words, own, root)
    if not _CLIMBS.search(text):
        return reads
    top = source_top(root)
    places = tuple(dict.fromkeys((*own, *(parent for parent in folder.parents if parent.is_relative_to(top)))))
    joined = {word for found in _JOINED.findall(text) for word in re.findall(r'"/?([^"\n]+?)/?"', "".join(found))}
    joined.update(words_of_source("\n".join(re.findall(r'(?=("[^"\n]*/[^"\n]*"))', text))))
    paths = (word for word in words if word in joined or "/" in word or "." in word)
    files = named_files(words, places, root).files
    return reads | ReadSet(files=files, folders=named_files(paths, places, root).folders)


def runs_at_build_time(artifact: CompilerArtifact, build: CargoBuild) -> bool:
    """Whether cargo compiled it for this machine: with `--target`, all else lies in a folder `TRIPLE/PROFILE`."""
    folder = build.profile_dir.name
    parts = (pair for file in artifact.files for pair in pairwise(file.parts))
    return not any(triple in TARGETS and profile == folder for triple, profile in parts)


def _holds_written(folder: Path, spans: Iterable[tuple[float, float]]) -> bool:
    return any(_is_written(folder / path, spans) for path in files_below(folder, "."))


def _span(script: BuildScriptRun) -> tuple[float, float]:
    """When a build script ran, from files that cargo writes before and after it (`output` gets the earlier time)."""
    folder = script.out_dir.parent
    return _moment(folder / "invoked.timestamp"), _moment(folder / "root-output")


def _is_written(path: Path, spans: Iterable[tuple[float, float]]) -> bool:
    moment = _moment(path)
    return any(start <= moment <= end for start, end in spans)


def _moment(path: Path) -> float:
    from cartwheel.inputs.last_build import modification_time

    return modification_time(path)
