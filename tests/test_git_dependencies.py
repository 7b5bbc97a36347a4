"""A dependency from a git repository: the wheel is what a build from nothing makes, whichever commit is locked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.projects import TRIPLE
from support.repositories import commit, git, repository
from support.yard import CRATE, Yard, judge_edits

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif("linux" not in TRIPLE, reason="the folder's address is written for Linux"),
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo"),
]

SCRIPT = """fn main() {
    println!("cargo:rerun-if-changed=text.txt");
    println!("cargo:rustc-env=SAID={}", std::fs::read_to_string("text.txt").unwrap().trim());
}
"""
LIBRARY = 'pub const SAID: &str = env!("SAID");\n'
MAIN = 'fn main() { println!("{}", dep::SAID); }\n'


def test_each_change_of_a_git_dependency_reaches_the_wheel(tmp_path: Path) -> None:
    source = repository(tmp_path / "dep")
    (source / "src").mkdir()
    first = commit(
        source, **{"Cargo__toml": CRATE.format("dep"), "src/lib__rs": LIBRARY, "build__rs": SCRIPT, "text__txt": "one"}
    )
    address = source.as_uri()
    yard = Yard.laid_out(tmp_path / "project", {"app/src/main.rs": MAIN})
    yard.env |= {"CARGO_HOME": str(tmp_path / "cargo")}
    del yard.env["CARGO_NET_OFFLINE"]

    def cargo(*arguments: str) -> None:
        subprocess.run(["cargo", *arguments], cwd=yard.root, env=os.environ | yard.env, check=True, capture_output=True)

    def depend(which: str) -> None:
        yard.write("app/Cargo.toml", f'{CRATE.format("app")}[dependencies]\ndep = {{ git = "{address}", {which} }}\n')
        cargo("update", "--package", "app")

    def patched() -> None:
        shutil.copytree(source, yard.path("vendored/dep"), ignore=shutil.ignore_patterns(".git"))
        yard.write("vendored/dep/text.txt", "three")
        workspace = (
            yard.path("Cargo.toml").read_text("utf-8").replace("[workspace]", '[workspace]\nexclude = ["vendored"]')
        )
        yard.write("Cargo.toml", f'{workspace}[patch."{address}"]\ndep = {{ path = "vendored/dep" }}\n')
        cargo("update", "--package", "dep")

    def edited_long_ago(name: str, text: str) -> Callable[[], None]:
        def edit() -> None:
            yard.write(name, text)
            os.utime(yard.path(name), (1_000_000_000, 1_000_000_000))

        return edit

    depend('branch = "main"')
    assert yard.build()
    assert not yard.build(), "what was just built is up to date"
    commit(source, text__txt="two")
    assert not yard.build(), "the branch moves, but the lockfile still names the old commit"
    edits = {
        "the branch's new commit in the lockfile": lambda: cargo("update", "--package", "dep"),
        "another revision": lambda: depend(f'rev = "{first}"'),
        "a patch by a path": patched,
        "an edit of the patch with an old time": edited_long_ago("vendored/dep/text.txt", "four"),
        "an edit of its code with an old time": edited_long_ago(
            "vendored/dep/src/lib.rs", 'pub const SAID: &str = concat!(env!("SAID"), "five");\n'
        ),
    }
    judge_edits(yard, edits)
    assert git(source, "status", "--porcelain") == ""
