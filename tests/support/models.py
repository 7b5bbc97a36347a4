"""Configurations as values: manifests of a package named demo, and the project that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cartwheel.model.config import resolve
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.project import Project


def manifests(
    table: Mapping[str, Any] | None = None,
    *,
    folder: str = ".",
    project: Mapping[str, Any] | None = None,
    cargo: Mapping[str, Any] | None = None,
    maturin: Mapping[str, Any] | None = None,
    has_tests: bool = False,
) -> Manifests:
    """Those of a package named demo; with `cargo` it is built by maturin."""
    tool: dict[str, Any] = {"cartwheel": dict(table or {})}
    if maturin is not None:
        tool["maturin"] = dict(maturin)
    return Manifests(
        folder=folder,
        pyproject={"project": {"name": "demo", "version": "1.2.0", **(project or {})}, "tool": tool},
        cargo=cargo or {},
        cargo_path="Cargo.toml" if cargo is not None else "",
        workspace={},
        workspace_path="",
        has_tests=has_tests,
    )


def crate(*features: str) -> Mapping[str, Any]:
    """The manifest of a PyO3 crate."""
    return {
        "package": {"name": "demo", "version": "1.2.0"},
        "dependencies": {
            "pyo3": {"version": "0.29", "features": list(features)},
            "rayon": {"optional": True},
            "seen": {"optional": True},
        },
        "build-dependencies": {"bindgen": {"optional": True}},
        "features": {"small": [], "slow": ["dep:seen"]},
    }


def understood(*packages: Manifests, overrides: Mapping[str, str] | None = None) -> Project:
    """The project of these packages; the first one's pyproject.toml is the root's."""
    return resolve.resolve_project(packages[0].pyproject, packages, overrides or {})
