"""What the sources of programs that run during a build name: files of the project, the lockfile, git."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cartwheel.cargo.workspace import workspace_root
from cartwheel.filesystem.named_files import named_in
from cartwheel.filesystem.read_set import ReadSet, files_below, there_or_not
from cartwheel.inputs import git_reads

if TYPE_CHECKING:
    from cartwheel.cargo.build_output import BuildScriptRun
    from cartwheel.inputs.build_reads import BuildEvidence

_LITERAL = re.compile(r'"([^"\\\s]{2,200})"')


def mentioned_by_sources(run: BuildEvidence, sources: Iterable[tuple[Path, Path]], watched: ReadSet) -> ReadSet:
    """What these sources name in string literals, as far as it exists, and what they ask git for.

    A build script may open a file that its directives do not name, and that lies outside its package.  What a script
    wrote itself is left out.  `sources`: each package's folder with a file of it; `watched`: what cargo watches for
    build scripts.
    """
    root, reads, texts = run.build.root, ReadSet(), []
    for folder, path in sources:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        texts.append(text)
        words = (re.sub(r"^/(?=\.\.)", "", word) for word in _LITERAL.findall(text))
        reads |= named_in(words, (folder, workspace_root(folder / "Cargo.toml").parent), root)
    spans = [_span(script) for script in run.messages.scripts]
    files = [name for name in reads.files if not _written(root / name, spans)]
    if any("built::" in text for text in texts):
        files += there_or_not([workspace_root(run.build.manifest).with_name("Cargo.lock")], root).files
    folders = [
        name
        for name in reads.folders
        if not any(_written(root / name / path, spans) for path in files_below(root / name, "."))
    ]
    unwatched = {*files, *folders} - {*watched.files, *watched.folders}
    return ReadSet(
        files=tuple(sorted(files)),
        folders=tuple(sorted(folders)),
        unwatched=tuple(sorted(unwatched)),
        git=git_reads.named_in_sources(texts),
    )


def _span(script: BuildScriptRun) -> tuple[float, float]:
    """When a build script ran, from files that cargo writes before and after it (`output` gets the earlier time)."""
    folder = script.out_dir.parent
    return _moment(folder / "invoked.timestamp"), _moment(folder / "root-output")


def _written(path: Path, spans: Iterable[tuple[float, float]]) -> bool:
    moment = _moment(path)
    return any(start <= moment <= end for start, end in spans)


def _moment(path: Path) -> float:
    from cartwheel.inputs.last_build import modification_time

    return modification_time(path)
