"""Files that are compiled in and that cargo does not watch: what macros open, and vendored crates without checksums."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cartwheel.cargo.build_output import CompilerArtifact
from cartwheel.cargo.workspace import Crate, workspace_root
from cartwheel.filesystem.read_set import ReadSet, files_below, relative_name, source_top, there_or_not

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


def unwatched_files(artifacts: Iterable[CompilerArtifact], packages: Iterable[Crate], root: Path) -> ReadSet:
    """What a build compiles in although cargo would not run again for it; `artifacts`: all that it made."""
    compiled = tuple(artifacts)
    return _opened_by_macros({artifact.name for artifact in compiled}, packages, root) | _vendored(compiled, root)


def _vendored(artifacts: Iterable[CompilerArtifact], root: Path) -> ReadSet:
    """Crates of a directory source in the project. cargo compares their files with `.cargo-checksum.json`, so that file
    counts; the whole crate where it lists no file."""
    reads = ReadSet()
    for manifest in {a.manifest for a in artifacts if "path+file:" not in a.package}:
        listing = manifest.with_name(".cargo-checksum.json")
        if manifest.is_relative_to(source_top(root)) and listing.is_file():
            folder, name = relative_name(manifest.parent, root), relative_name(listing, root)
            whole = not json.loads(listing.read_text("utf-8")).get("files")
            reads |= ReadSet(files=(name,), folders=(folder,) if whole else (), unwatched=(folder,))
    return reads


def _opened_by_macros(compiled: Iterable[str], packages: Iterable[Crate], root: Path) -> ReadSet:
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
