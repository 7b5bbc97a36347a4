"""Reads the files of a repository that define how it is built, tested and published."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SKIPPED = frozenset(
    ("target", "node_modules", "__pycache__", "venv", "dist", "build", "site-packages", "vendor", "third_party")
)
_HIDDEN = frozenset((".github", ".cargo"))
_READ = re.compile(
    r"(?:.*/)?(?:pyproject\.toml|Cargo\.toml|setup\.(?:py|cfg)|dist(?:-workspace)?\.toml|action\.ya?ml"
    r"|__init__\.py|_*(?:version|about)_*\.py|VERSION(?:\.txt)?)"
    r"|\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|(?:.*/)?[^/]*gitlab-ci[^/]*\.yml|\.gitlab/.*\.yml"
    r"|(?:[^/]+/){0,2}[^/]+\.toml|dodo\.py|\.gitignore"
    r"|(?:[^/]+/){0,2}(?:tox\.ini|noxfile\.py|\.?[jJ]ustfile|JUSTFILE|(?:GNU)?[mM]akefile|tasks\.py|Taskfile\.ya?ml)"
    r"|(?:[\w-]+/)?[\w-]*(?:release|publish|upload|deploy)[\w-]*(?:\.(?:sh|bash|py))?"
)
_RUNNERS = ("tox.ini", "tox.toml", "noxfile.py", "[jJ]ustfile", ".justfile", "*akefile", "tasks.py", "Taskfile.y*ml",
            "dodo.py", "hatch.toml", "pixi.toml", "pyproject.toml")  # fmt: skip
"""Files in the root whose tasks a pipeline may run, as patterns."""
_NAMED = re.compile(r"(?:[\w.-]+/)+[\w.-]+|[\w-]+\.(?:sh|bash|py|ps1|bat|cmd|mk)\b")
"""What may be the path of a script in a pipeline."""
_DEEPEST = 6
_LARGEST = 1_000_000


def repository_root(root: Path) -> Path:
    """The folder of the repository that contains a project; the project's folder if no repository contains it."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def read_repository(root: Path) -> dict[str, str]:
    """All files of a repository by path relative to `root`: the text of those about a release, an empty text for
    others.

    Left out are generated folders (`target`, `node_modules`), hidden ones except `.github`, `.gitlab` and `.cargo`, and
    nested repositories.
    """
    texts: dict[str, str] = {}
    for folder, names, files in os.walk(root):
        here = Path(folder).relative_to(root)
        names[:] = sorted(name for name in names if _may_enter(Path(folder, name), name, len(here.parts)))
        for file in files:
            path = (here / file).as_posix()
            texts[path] = _text(Path(folder, file)) if _READ.fullmatch(path) else ""
    _add_included(root, texts)
    _add_scripts(root, texts)
    return texts


def read_workflows(root: Path) -> dict[str, str]:
    """The files of `read_repository` that define pipelines: workflows, actions, GitLab's files, and what they run."""
    texts: dict[str, str] = {}
    files = [*root.glob(".github/**/*.y*ml"), *root.glob(".gitlab/**/*.yml"), *root.glob("*gitlab-ci*.yml")]
    files += [path for pattern in _RUNNERS for path in root.glob(pattern)]
    for path in files:
        name = path.relative_to(root).as_posix()
        if path.is_file() and _READ.fullmatch(name):
            texts[name] = _text(path)
    _add_included(root, texts)
    _add_scripts(root, texts)
    return texts


def _add_included(root: Path, texts: dict[str, str]) -> None:
    """Reads the YAML files that GitLab's pipeline names, and those that these name."""
    pending = [".gitlab-ci.yml"]
    while pending:
        for pattern in re.findall(r"[\w./*-]+\.ya?ml\b", texts.get(pending.pop(), "")):
            relative = pattern.lstrip("/")
            for path in root.glob(relative) if ".." not in relative.split("/") else ():
                name = path.relative_to(root).as_posix()
                if path.is_file() and not path.is_symlink() and not texts.get(name):
                    texts[name] = _text(path)
                    pending += [name] if texts[name] else []


def _add_scripts(root: Path, texts: dict[str, str]) -> None:
    """Reads the scripts that pipelines and files of tasks name, and those that these name."""
    files = re.compile(r"\.git(?:hub|lab)/.*|[^/]*gitlab-ci[^/]*\.yml|(?:.*/)?(?:[^/]*akefile|[^/]*ustfile|tox\.ini)")
    pending = [name for name, text in texts.items() if text and (files.fullmatch(name) or not name.count("/"))]
    while pending:
        for mention in set(_NAMED.findall(texts.get(pending.pop(), ""))):
            parts = [part for part in mention.split("/") if part != "."]
            for name in ("/".join(parts[start:]) for start in range(min(len(parts), 3))) if ".." not in parts else ():
                path = root / name
                if not texts.get(name) and path.is_file() and not path.is_symlink():
                    texts[name] = _text(path)
                    pending += [name] if texts[name] else []


def _may_enter(path: Path, name: str, depth: int) -> bool:
    hidden = name.startswith(".") and name not in _HIDDEN and name != ".gitlab"
    skipped = name in _SKIPPED and ".github" not in path.parts
    return not (hidden or skipped or depth >= _DEEPEST or (path / ".git").exists() or path.is_symlink())


def _text(path: Path) -> str:
    """The text with its original line endings; empty if it is not UTF-8 or larger than `_LARGEST` bytes."""
    try:
        return path.read_bytes().decode() if path.stat().st_size <= _LARGEST else ""
    except (OSError, UnicodeDecodeError):
        return ""
