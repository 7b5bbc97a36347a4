"""The pipeline of a project with crates and private feeds, really run by act: push, tag, and a person's choice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cartwheel.stand_ins.crates import CrateShelf
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.act_forge import ACT, Forge, builds, succeeded
from support.boulder import TOKEN, on, shared
from support.projects import CARGO, DODO, FLOOR, LOCK, TRIPLE, Project, committed
from support.repositories import git, repository

pytestmark = pytest.mark.lab
needs_act = pytest.mark.skipif(not ACT, reason="needs act")
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")

INSTALL = 'install = ["--no-index", "--no-deps", "cartwheel"]\n'


def tagged(project: Project, tag: str) -> None:
    git(project.root, "tag", "--annotate", "--message", tag, tag)
    git(project.root, "push", "--quiet", "origin", tag)


# Crates and wheels to feeds of one's own, and targets without a toolchain (fizzbuzz) ----------------------------------

FEEDS = """[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "pebble"
dynamic = ["version"]
description = "a program in Rust"
readme = "README.md"
requires-python = ">=3.11"

[tool.maturin]
bindings = "bin"

[tool.cartwheel]
targets = ["{triple}", "aarch64-pc-windows-msvc"]
{floor}publish = ["feed", "crate-feed"]
test = {{ command = ["pebble"] }}

[[tool.cartwheel.overrides]]
select = "*-windows-*"
skip = "no toolchain"

[tool.cartwheel.index.feed]
url = "{url}"
simple = "{simple}"
user = "az"

[tool.cartwheel.index.crate-feed]
url = "{crates}"
kind = "crates"

[tool.cartwheel.ci]
{install}
[tool.cartwheel.ci.steps.before]
build = [{{ run = ["echo our hook before a build"] }}]
"""
CORE = '[package]\nname = "pebble-core"\nversion = "1.0.0"\nedition = "2021"\ndescription = "core"\nlicense = "MIT"\n'


@needs_act
@needs_cargo
def test_crates_and_wheels_go_to_feeds_of_ones_own_and_a_target_without_a_toolchain_is_skipped(tmp_path: Path) -> None:
    feed = LoopbackIndex(tmp_path / "feed", name="feed", password=TOKEN, private=True)
    with feed, CrateShelf(token=TOKEN).open() as crates:
        project = workspace_of_crates(tmp_path / "project", feed, crates)
        secrets = {"CARTWHEEL_INDEX_FEED_TOKEN": TOKEN, "CARTWHEEL_INDEX_CRATE_FEED_TOKEN": TOKEN}
        forge = Forge(project, tmp_path / "forge", secrets=secrets)
        made = ("Plan", *builds(TRIPLE), "Source distributions")
        pushed = forge.run("push", "refs/heads/main")
        assert pushed.results == succeeded(*made, "All files"), pushed.said
        assert "our hook before a build" in pushed.said
        tagged(project, "v1.0.0")
        released = forge.run("push", "refs/tags/v1.0.0")
        sent = ("Publish to feed", "Verify feed", "Publish to crate-feed", "Verify crate-feed")
        assert released.results == succeeded(*made, *sent), released.said
        assert [name.endswith((".whl", ".tar.gz")) for name in on(feed)] == [True, True]
        assert crates.holds() == ("pebble-core 1.0.0",)
        again = forge.run("workflow_dispatch", "refs/tags/v1.0.0", to="feed")
        assert again.results == succeeded(*made, "Publish to feed", "Verify feed"), again.said
        assert TOKEN not in again.said


def workspace_of_crates(folder: Path, feed: LoopbackIndex, crates: CrateShelf) -> Project:
    repository(folder)
    project = Project(folder)
    floor = f'floor = "{FLOOR}"\n' if FLOOR else ""
    texts = {
        "dodo.py": DODO,
        "pyproject.toml": FEEDS.format(
            triple=TRIPLE, floor=floor, url=feed.url, simple=feed.simple, crates=crates.index, install=INSTALL
        ),
        "Cargo.toml": f'{CARGO}publish = false\n\n[workspace]\nmembers = ["core"]\n',
        "Cargo.lock": f'{LOCK}\n[[package]]\nname = "pebble-core"\nversion = "1.0.0"\n',
        "README.md": "# pebble\n",
        "src/main.rs": 'fn main() {\n    println!("pebble");\n}\n',
        "core/Cargo.toml": CORE,
        "core/src/lib.rs": "",
        ".gitignore": ".cartwheel/\ndist/\ntarget/\n__pycache__/\n",
    }
    for path, text in texts.items():
        project.write(path, text)
    project.doit("ci", "github")
    return shared(committed(project))
