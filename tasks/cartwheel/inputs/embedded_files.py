"""Files that macros of well-known crates compile in without telling cargo."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cartwheel.cargo.workspace import Crate, workspace_root
from cartwheel.filesystem.read_set import ReadSet, files_below, relative_name, there_or_not

_MACROS = {
    "dotenvy_macro": "dotenvy_macro",
    "fluent_template_macros": "fluent-templates",
    "i18n_embed_fl": "i18n-embed-fl",
    "include_dir_macros": "include_dir",
    "include_flate_codegen": "include-flate",
    "migrations_macros": "diesel_migrations",
    "refinery_macros": "refinery",
    "rust_embed_impl": "rust-embed",
    "rust_i18n_macro": "rust-i18n",
    "sqlx_macros": "sqlx",
}
"""The macro's crate, and the dependency that brings it (their documentation on docs.rs, November 2026).  They open
files by themselves on a stable compiler; askama, pest and others include theirs, so that the compiler names them."""

_NAMED = re.compile(r"""\b(?:folder\s*=|(?:include_dir|migrate|embed_migrations|i18n|flate)!\s*\()[^")]*"([^"]+)\"""")


def embedded_by_macros(compiled: Iterable[str], packages: Iterable[Crate], root: Path) -> ReadSet:
    """The whole local packages that use such a macro, and the folders and files that their sources name for it.

    `compiled`: the names of all crates of the build.
    """
    names = {_MACROS[name] for name in _MACROS.keys() & {name.replace("-", "_") for name in compiled}}
    if not names:
        return ReadSet()
    reads = ReadSet()
    uses = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(names)))})(?![\w-])")
    for package in packages:
        if uses.search(package.manifest.read_text("utf-8", "replace")):
            places = [package.folder, *_named_in_sources(package)]
            folders = tuple(sorted({relative_name(path, root) for path in places if not path.is_file()}))
            files = there_or_not((path for path in places if path.is_file()), root)
            reads |= files | ReadSet(folders=folders, unwatched=(*folders, *files.files))
    return reads


def _named_in_sources(package: Crate) -> Iterator[Path]:
    """The paths in the macros' attributes and calls, wherever they lie; relative to the package or its workspace."""
    for file in files_below(package.folder, "."):
        if file.endswith(".rs"):
            for name in _NAMED.findall((package.folder / file).read_text("utf-8", "replace")):
                plain = re.sub(r"\$\{?CARGO_MANIFEST_DIR\}?/?", "", name)
                for top in (package.folder, workspace_root(package.manifest).parent):
                    if (path := Path(os.path.normpath(top / plain))).exists():
                        yield path
