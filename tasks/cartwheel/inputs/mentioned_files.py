"""What the sources of programs that run during a build name: files of the project, the lockfile, git."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cartwheel.cargo.workspace import workspace_root
from cartwheel.filesystem.named_files import named_in
from cartwheel.filesystem.read_set import ReadSet, there_or_not
from cartwheel.inputs import git_reads

_LITERAL = re.compile(r'"([^"\\\s]{2,200})"')


def mentioned_by_sources(sources: Iterable[tuple[Path, Path]], manifest: Path, root: Path, watched: ReadSet) -> ReadSet:
    """What these sources name in string literals, as far as it exists, and what they ask git for.

    A build script may open a file that its directives do not name, and that lies outside its package.  `sources`: each
    package's folder with a file of it; `watched`: what cargo watches for build scripts.
    """
    reads, texts = ReadSet(), []
    for folder, path in sources:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        texts.append(text)
        words = (re.sub(r"^/(?=\.\.)", "", word) for word in _LITERAL.findall(text))
        reads |= named_in(words, (folder, workspace_root(folder / "Cargo.toml").parent), root)
    if any("built::" in text for text in texts):
        reads |= there_or_not([workspace_root(manifest).with_name("Cargo.lock")], root)
    unwatched = {*reads.files, *reads.folders} - {*watched.files, *watched.folders}
    return reads | ReadSet(git=git_reads.named_in_sources(texts), unwatched=tuple(sorted(unwatched)))
