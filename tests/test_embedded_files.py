"""Files that macros open by themselves: those that they look for above a package, and those that its sources name."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartwheel.cargo.build_output import CompilerArtifact
from cartwheel.cargo.workspace import local_packages
from cartwheel.filesystem.read_set import ReadSet
from cartwheel.inputs.embedded_files import unwatched_files


def read(root: Path, macro: str, dependency: str, source: str) -> ReadSet:
    """What counts for crates/app, of a workspace, that a macro of another crate is compiled for."""
    texts = {
        "Cargo.toml": '[workspace]\nmembers = ["crates/app"]\n', "crates/app/src/lib.rs": source,
        "crates/app/Cargo.toml": f'[package]\nname = "app"\nversion = "1.0.0"\n[dependencies]\n{dependency} = "1"\n',
        ".env": "", "i18n.toml": "", "diesel.toml": "", ".sqlx/a.json": "", "migrations/a.sql": "", "locales/a.yml": "",
        "docs/a.md": "",
    }  # fmt: skip
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    compiled = CompilerArtifact(
        package=f"registry+https://host#{macro}@1.0.0", manifest=Path("/registry/Cargo.toml"), kinds=("proc-macro",),
        name=macro, source=Path("/registry/src/lib.rs"), files=(),
    )  # fmt: skip
    return unwatched_files([compiled], local_packages(root / "crates/app/Cargo.toml", root), root)


@pytest.mark.parametrize(
    ("macro", "dependency", "above"),
    [
        ("include_dir_macros", "include_dir", set()),
        ("rust_embed_impl", "rust-embed", set()),
        ("dotenvy_macro", "dotenvy_macro", {".env"}),
        ("sqlx_macros", "sqlx", {".env", ".sqlx", "migrations"}),
        ("migrations_macros", "diesel_migrations", {"diesel.toml", "migrations"}),
        ("rust_i18n_macro", "rust-i18n", {"locales"}),
        ("i18n_embed_fl", "i18n-embed-fl", {"i18n.toml", "locales"}),
    ],
)
def test_above_the_package_counts_what_the_macro_looks_for(
    tmp_path: Path, macro: str, dependency: str, above: set[str]
) -> None:
    reads = read(tmp_path, macro, dependency, "")
    assert {*reads.files, *reads.folders} == {"crates/app", *above}


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ('static DOCS: Dir = include_dir!("docs");', True),
        ('#[derive(Embed)]\n#[folder = "docs"]\nstruct Docs;', True),
        ('load! { path = "docs" }', True),
        ('let all = include_dir!("docs");', True),
        ('fn f() { println!("docs"); }', False),
        ('fn f() { log::info!("docs"); assert!("docs" == name, "docs"); }', False),
        ('fn f() { let mut name: &str = "docs"; if name != "docs" { panic!("docs") } }', False),
    ],
)
def test_a_folder_named_to_a_macro_counts_and_not_a_text(tmp_path: Path, source: str, counts: bool) -> None:
    assert ("docs" in read(tmp_path, "include_dir_macros", "include_dir", source).folders) is counts


def test_sources_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "crates/app/src/gen.rs").mkdir(parents=True)
    (tmp_path / "crates/app/src/.#lib.rs").symlink_to("me@host.1")
    assert "docs" in read(tmp_path, "include_dir_macros", "include_dir", 'include_dir!("docs")').folders
