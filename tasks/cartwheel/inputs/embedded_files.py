"""Files that are compiled in and that cargo does not watch: what macros open, and vendored crates without checksums."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.cargo.build_output import CompilerArtifact
from cartwheel.cargo.workspace import Crate, workspace_root
from cartwheel.filesystem.manifest_files import table
from cartwheel.filesystem.named_files import named_files, source_text
from cartwheel.filesystem.read_set import ReadSet, files_below, relative_name, source_top, there_or_not

_MACROS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dotenv_codegen": ("dotenv_codegen", (".env",)),
    "dotenvy_macro": ("dotenvy_macro", (".env",)),
    "fluent_template_macros": ("fluent-templates", ("locales",)),
    "i18n_embed_fl": ("i18n-embed-fl", ("i18n.toml", "locales")),
    "include_dir_macros": ("include_dir", ()),
    "include_flate_codegen": ("include-flate", ()),
    "migrations_macros": ("diesel_migrations", ("migrations", "diesel.toml")),
    "refinery_macros": ("refinery", ("migrations",)),
    "rust_embed_impl": ("rust-embed", ()),
    "rust_i18n_macro": ("rust-i18n", ("locales",)),
    "sqlx_macros": ("sqlx", (".sqlx", "sqlx-data.json", "migrations", ".env")),
}
"""The macro's crate, the dependency that brings it, and what it also looks for above the package (their documentation
on docs.rs, November 2026).  They open files by themselves on a stable compiler; askama, pest and others include theirs,
so that the compiler names them."""

_MESSAGES = (
    r"e?print(?:ln)?|write(?:ln)?|format(?:_args)?|panic|todo|unreachable|unimplemented|(?:debug_)?assert\w*|bail|anyhow|"
    r"ensure|trace|debug|info|warn|error|log|env|option_env|vec|matches"
)
"""Macros whose first literal is a text, and no path."""

_LITERAL = re.compile(
    rf"""(?:\blet\b[^="\n;]*=\s*|\b(?:{_MESSAGES})!\s*[({{\[]\s*"""
    r"""|((?<![=!<>+])=\s*|\b\w+!\s*[({\[]\s*))?"(?=([^"\\\n]{2,200})")"""
)
"""A string literal, and what says that it may be a folder of any name: an attribute or a macro before it."""

OPENS_FILES = re.compile(r"\b(?:File::open|fs::read\w*|read_to_string|read_dir|WalkDir|glob)\b")
"""What a source holds that opens files."""


def unwatched_files(artifacts: Iterable[CompilerArtifact], packages: Iterable[Crate], root: Path) -> ReadSet:
    """Files that a build compiles in and cargo does not watch; `artifacts`: everything that the build made."""
    compiled = tuple(artifacts)
    return _opened_by_macros({artifact.name for artifact in compiled}, packages, root) | _vendored_files(compiled, root)


def _vendored_files(artifacts: Iterable[CompilerArtifact], root: Path) -> ReadSet:
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


def opening_macros(packages: Iterable[Crate]) -> tuple[Crate, ...]:
    """The procedural macros among local crates that open files."""
    return tuple(
        crate
        for crate in packages
        if table(crate.toml, "lib").keys() & {"proc-macro", "proc_macro"}
        and any(OPENS_FILES.search(source_text(path)) for path in (crate.folder / "src").rglob("*.rs"))
    )


def _opened_by_macros(compiled: Iterable[str], packages: Iterable[Crate], root: Path) -> ReadSet:
    """What packages name for macros that open files.

    The whole package counts if the macro is a known one.  Of a macro of the project itself only what is named in string
    literals is known.  `compiled`: the names of all crates of the build.
    """
    local = tuple(packages)
    known = dict(_MACROS[name] for name in _MACROS.keys() & {name.replace("-", "_") for name in compiled})
    own = {name for macro in opening_macros(local) for name in {macro.name, *_users(macro.name, local)}}
    reads = ReadSet()
    for package in local:
        manifest = source_text(package.manifest)
        used = [name for name in sorted(known) if _uses({name}, manifest)]
        if used:
            above = (file for name in used for file in known[name])
            reads |= ReadSet(folders=(relative_name(package.folder, root),)) | _found_above(package, above, root)
        if used or _uses(own, manifest):
            reads |= _literal_paths(package, root)
    return reads | ReadSet(unwatched=(*reads.folders, *reads.files))


def _users(macro: str, packages: Iterable[Crate]) -> set[str]:
    """The crates that may pass a macro on to those that depend on them."""
    return {package.name for package in packages if _uses({macro}, source_text(package.manifest))}


def _uses(names: Iterable[str], manifest: str) -> bool:
    pattern = "|".join(map(re.escape, sorted(names)))
    return bool(pattern and re.search(rf"(?<![\w-])(?:{pattern})(?![\w-])", manifest))


def _found_above(package: Crate, names: Iterable[str], root: Path) -> ReadSet:
    """What macros look for by these names in the folders from the package to its workspace."""
    top = workspace_root(package.manifest).parent
    places = [place for place in package.folder.parents if place.is_relative_to(top)]
    paths = [place / name for name in dict.fromkeys(names) for place in places]
    folders = tuple(relative_name(path, root) for path in paths if path.is_dir())
    return there_or_not((path for path in paths if not path.is_dir()), root) | ReadSet(folders=folders)


def _literal_paths(package: Crate, root: Path) -> ReadSet:
    """The files and folders that string literals name, relative to the package or its workspace."""
    words: set[str] = set()
    for file in files_below(package.folder, "."):
        if file.endswith(".rs"):
            for sign, name in _LITERAL.findall(source_text(package.folder / file)):
                if sign or "/" in name or "." in name:
                    words.add(re.sub(r"\$\{?CARGO_MANIFEST_DIR\}?/?", "", name))
    return named_files(words, (package.folder, workspace_root(package.manifest).parent), root)
