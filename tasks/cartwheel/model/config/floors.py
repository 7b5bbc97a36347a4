"""The default floor of a wheel, and floors that contradict maturin's settings."""

from __future__ import annotations

import re

from cartwheel.model.config.build_backend import oldest_system
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import Target, version_of_floor

_PYEMSCRIPTEN = {"3.13": "2025_0", "3.14": "2026_0"}
"""The platform of each Python on Emscripten (PEP 783, November 2026)."""


def default_floor(manifests: Manifests, target: Target, python: str) -> str:
    """The floor that `[tool.maturin]` promises, else the target's own.

    A promise older than the target's own floor, or for another libc, is ignored: it cannot be kept.
    """
    if target.system == "emscripten":
        return _PYEMSCRIPTEN.get(pythons.version(python), max(_PYEMSCRIPTEN.values()))
    if not manifests.cargo_path:
        return oldest_system(target, python)
    if too_old_promise(manifests, target):
        return target.floor
    return maturin_floor(manifests, target) or target.floor


def too_old_promise(manifests: Manifests, target: Target) -> str:
    """The floor that `[tool.maturin]` promises if Rust's standard library needs a newer system; else empty."""
    promised = maturin_floor(manifests, target) if manifests.cargo_path else ""
    return promised if promised and _version(target, promised) < _version(target, target.floor) else ""


def maturin_floor(manifests: Manifests, target: Target) -> str:
    """`compatibility` or `macos-deployment-target` of `[tool.maturin]` as a floor; empty if it names none for
    the target (`PlatformTag` and `TargetConfig` of maturin 1.16)."""
    if target.system == "macos":
        named = {_deployment_target(manifests, triple) for triple in target.triples} - {""}
        return max(named, key=lambda floor: _version(target, floor), default="")
    if target.system != "linux":
        return ""
    text = str(manifests.maturin.get("compatibility", manifests.maturin.get("manylinux", ""))).lower()
    if target.libc == "musl":
        return text if re.fullmatch(r"musllinux_1_\d+", text) else ""
    if text in _LEGACY:
        return _LEGACY[text]
    match = re.fullmatch(r"(?:manylinux_)?2_(\d+)", text)
    return f"manylinux_2_{match[1]}" if match else ""


_LEGACY = {name: f"manylinux{number}" for number in ("1", "2010", "2014") for name in (number, f"manylinux{number}")}


def _deployment_target(manifests: Manifests, triple: str) -> str:
    table = manifests.maturin.get("target", {}).get(triple, {})
    text = str(table.get("macos-deployment-target", table.get("macosx-deployment-target", "")))
    return text if "." in text or not text else f"{text}.0"


def refuse_other_deployment_target(manifests: Manifests, target: Target, floor: str, where: str) -> None:
    """Raises `ConfigError` if maturin would name another macOS than the floor: its table wins over our variable."""
    if target.system != "macos" or not manifests.cargo_path:
        return
    for triple in target.triples:
        named = _deployment_target(manifests, triple)
        if named and _version(target, named) != _version(target, floor):
            raise ConfigError(
                f"{where} floor: '{floor}' for {target.triple}, but [tool.maturin.target.{triple}] "
                f"macos-deployment-target is '{named}', and maturin takes that; write one of them"
            )


def _version(target: Target, floor: str) -> tuple[int, int]:
    return version_of_floor(target, floor, where="[tool.maturin]")
