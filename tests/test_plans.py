"""Configurations modelled on real projects, and the exact names of the files that each plans: `plans/NAME.toml` and, a
line a file, `plans/NAME.txt`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartwheel.model.config import resolve
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.project import Project
from cartwheel.model.wheels.artifacts import artifacts
from cartwheel.model.wheels.wheel_name import WheelName

PLANS = Path(__file__).with_name("plans")
NAMES = sorted(path.stem for path in PLANS.glob("*.toml"))


def project(name: str) -> Project:
    """The project of a configuration."""
    table = tomllib.loads((PLANS / f"{name}.toml").read_text("utf-8"))
    packages = table.get("package", {".": table})
    read = tuple(_manifests(folder, each) for folder, each in packages.items())
    return resolve.resolve_project(table.get("root", table.get("pyproject")), read, {})


def _manifests(folder: str, table: Mapping[str, Any]) -> Manifests:
    crate = table.get("cargo", {})
    return Manifests(
        folder=folder, pyproject=table["pyproject"], cargo=crate,
        cargo_path="Cargo.toml" if crate and folder == "." else f"{folder}/Cargo.toml" if crate else "",
        workspace={}, workspace_path="", has_tests=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_exactly_these_files_are_planned(name: str) -> None:
    assert [artifact.file for artifact in artifacts(project(name))] == (PLANS / f"{name}.txt").read_text().split()


@pytest.mark.parametrize("name", NAMES)
def test_their_names_are_what_installers_read(name: str) -> None:
    from packaging.utils import parse_sdist_filename, parse_wheel_filename

    for artifact in artifacts(project(name)):
        if artifact.kind == "sdist":
            parse_sdist_filename(artifact.file)
            continue
        _, _, build, tags = parse_wheel_filename(artifact.file)
        assert (build != ()) == bool(WheelName.parse(artifact.file).build)
        assert {str(tag) for tag in tags} == WheelName.parse(artifact.file).tags


def test_no_two_plans_are_equal() -> None:
    assert len({(PLANS / f"{name}.txt").read_text() for name in NAMES}) == len(NAMES)
