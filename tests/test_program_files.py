"""The files of the crates whose programs run before a build, and sources that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cartwheel.cargo import program_files as module
from cartwheel.cargo.program_files import crates_run, program_files
from cartwheel.inputs.tree_looks import files_of_crates_run, forget_cached_state, git_of_commands

ROOT = '[package]\nname = "quartz"\nversion = "1.0.0"\n[[bin]]\nname = "stub_gen"\npath = "src/bin/stub_gen.rs"\n'


def written(root: Path, texts: Mapping[str, str]) -> Path:
    """The folder, with these files."""
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_program_of_the_package_s_own_crate_counts_with_its_sources_and_what_they_name(tmp_path: Path) -> None:
    """Not with the rest of the repository, nor with a folder that a text happens to name."""
    source = (
        'fn main() {\n    let t = include_str!("../header.txt");\n    let d = top.join("stubs");\n'
        '    match lang { "python" => (), Some("swift") | None => (), _ => () }\n'
        '    if lang == "docs" { Command::new("examples").arg("scripts"); }\n}\n'
    )
    counted = {
        "Cargo.toml": ROOT + '[workspace]\nmembers = ["crates/other"]\n', "build.rs": "fn main() {}\n",
        "src/lib.rs": "", "src/bin/stub_gen.rs": source, "src/header.txt": "", "stubs/a.pyi": "",
    }  # fmt: skip
    rest = {
        "pyproject.toml": "", "README.md": "", "python/quartz/__init__.py": "", "swift/a.swift": "", "docs/a.md": "",
        "examples/a.py": "", "scripts/a.sh": "", "tests/it.rs": "", "benches/b.rs": "",
        "crates/other/Cargo.toml": '[package]\nname = "other"\nversion = "1.0.0"\n', "crates/other/src/lib.rs": "",
    }  # fmt: skip
    root = written(tmp_path, {**counted, **rest})
    words = ("cargo", "run", "--bin", "stub_gen")
    assert crates_run(words, root) == (root / "Cargo.toml",)
    assert {*files_of_crates_run(words, ".", root)} == {*counted}


def test_a_program_s_own_crate_counts_whole(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            "Cargo.toml": '[workspace]\nmembers = ["xtask"]\n', "pyproject.toml": "",
            "xtask/Cargo.toml": '[package]\nname = "xtask"\nversion = "1.0.0"\n', "xtask/src/main.rs": "fn main() {}\n",
            "xtask/templates/a.j2": "",
        },
    )  # fmt: skip
    files = program_files(root / "xtask/Cargo.toml", root)
    assert {*files} == {"xtask/Cargo.toml", "xtask/src/main.rs", "xtask/templates/a.j2"}


def test_sources_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """An editor's lock is a broken link, and a folder may be called like a source."""
    root = written(
        tmp_path,
        {
            "xtask/Cargo.toml": '[package]\nname = "xtask"\nversion = "1.0.0"\n',
            "xtask/src/main.rs": 'fn main() { Command::new("git").arg("describe"); }\n', "xtask/src/gen.rs/a.txt": "",
        },
    )  # fmt: skip
    (root / "xtask/src/.#main.rs").symlink_to("me@host.1")
    words = ("cargo", "run", "--manifest-path", "xtask/Cargo.toml")
    assert {"xtask/src/main.rs", "xtask/src/gen.rs/a.txt"} <= {*files_of_crates_run(words, ".", root)}
    assert "git describe" in git_of_commands(words, ".", root)


def test_the_sources_of_a_program_are_read_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = written(tmp_path, {"Cargo.toml": ROOT, "src/bin/stub_gen.rs": "fn main() {}\n"})
    read: list[Path] = []
    monkeypatch.setattr(module, "source_text", lambda path: read.append(path) or "")
    for _ in range(3):
        program_files(root / "Cargo.toml", root)
    assert read == [root / "src/bin/stub_gen.rs"]
    forget_cached_state()
    program_files(root / "Cargo.toml", root)
    assert len(read) == 2
