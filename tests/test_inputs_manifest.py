"""The parts of pyproject.toml that reach a wheel."""

from __future__ import annotations

import tomllib

from cartwheel.inputs.manifest import parts

_BASE = """
[build-system]
requires = ["maturin>=1.9,<2"]
[project]
name = "p"
dependencies = ["a", "b"]
urls = { home = "h", docs = "d" }
[tool.maturin]
features = ["x"]
include = ["a", { path = "b", format = "sdist" }, { path = "c", format = ["sdist", "wheel"] }]
target.x86_64-apple-darwin.macos-deployment-target = "11.0"
"""


def _changed(edit: str, by: str) -> set[str]:
    assert edit in _BASE
    before, after = parts(tomllib.loads(_BASE)), parts(tomllib.loads(_BASE.replace(edit, by)))
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_each_key_is_a_part_of_its_own() -> None:
    assert set(parts(tomllib.loads(_BASE))) == {
        "build-system.requires",
        "project.name",
        "project.dependencies",
        "project.urls",
        "tool.maturin.features",
        "tool.maturin.include",
        "tool.maturin.target.x86_64-apple-darwin",
    }
    assert _changed('["a", "b"]', '["a"]') == {"project.dependencies"}
    assert _changed('"11.0"', '"12.0"') == {"tool.maturin.target.x86_64-apple-darwin"}


def test_other_tools_comments_and_what_is_for_source_distributions_do_not_count() -> None:
    assert _changed("[tool.maturin]", "[tool.ruff]\nline-length = 9\n[tool.cartwheel]\n# x\n[tool.maturin]") == set()
    assert _changed('"b", format', '"other", format') == set()
    assert _changed("[tool.maturin]", '[tool.maturin]\nsdist-generator = "git"') == set()


def test_the_order_within_a_value_counts_as_metadata_keeps_it() -> None:
    assert _changed('home = "h", docs = "d"', 'docs = "d", home = "h"') == {"project.urls"}


def test_an_empty_file_has_no_parts() -> None:
    assert parts({}) == {}
