"""The parts of pyproject.toml that reach a wheel."""

from __future__ import annotations

import tomllib

import pytest

from cartwheel.inputs.pyproject_parts import parts
from cartwheel.model.config.cargo_features import Features, features

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


def _parts(text: str, triple: str = "x86_64-apple-darwin", python: str = "3.12") -> dict[str, str]:
    return parts(tomllib.loads(text), triple, python)


def _changed(edit: str, by: str) -> set[str]:
    assert edit in _BASE
    before, after = _parts(_BASE), _parts(_BASE.replace(edit, by))
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_each_key_is_a_part_of_its_own() -> None:
    assert set(_parts(_BASE)) == {
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
    assert _parts("") == {}


def test_what_is_said_of_one_target_is_part_of_that_one() -> None:
    key = "tool.maturin.target.x86_64-apple-darwin"
    assert key in _parts(_BASE, "universal2-apple-darwin")
    assert key not in _parts(_BASE, "aarch64-apple-darwin")


_BY_INTERPRETER = """
[tool.maturin]
features = ["a", { feature = "b" }, { feature = "new", python-version = ">=3.12" },
            { feature = "other", python-implementation = "pypy" }]
no-default-features = true
"""


@pytest.mark.parametrize(
    ("python", "conditional"),
    [("3.11", ()), ("3.12", ("new",)), ("3.14t", ("new",)), ("pypy3.11", ("other",)), ("abi3", ("new", "other"))],
)
def test_a_feature_may_depend_on_the_interpreter(python: str, conditional: tuple[str, ...]) -> None:
    enabled = features(tomllib.loads(_BY_INTERPRETER), python, ("a", "mine"))
    assert enabled == Features(unconditional=("a", "b", "mine"), conditional=conditional, default=False, every=False)


def test_a_feature_of_other_interpreters_is_no_part() -> None:
    without = _BY_INTERPRETER.replace("new", "newer")
    assert _parts(_BY_INTERPRETER, python="3.11") == _parts(without, python="3.11")
    assert _parts(_BY_INTERPRETER, python="3.12") != _parts(without, python="3.12")


@pytest.mark.parametrize("python", ["abi3", "py3"])
def test_without_one_interpreter_a_features_conditions_are_parts(python: str) -> None:
    plain, edge = (
        _BY_INTERPRETER.replace('"a"', text) for text in ('"a"', '{ feature = "a", python-version = ">=4" }')
    )
    assert _parts(plain, python=python) != _parts(edge, python=python)
    assert _parts(edge, python=python) != _parts(edge.replace(">=4", ">=5"), python=python)
