"""Cargo profiles: which are declared, and which compile without optimisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cartwheel.model.config.manifests import Manifests


def profiles(manifests: Manifests) -> Mapping[str, Any]:
    """The profiles that the manifests declare, by name: those of the workspace's manifest, if there is one."""
    declared: Mapping[str, Any] = (manifests.workspace or manifests.cargo).get("profile", {})
    return declared


def is_debug(profile: str, declared: Mapping[str, Any]) -> bool:
    """Whether a profile is for debugging: cargo's own for that, or one that inherits from it (the Cargo book,
    "Profiles", November 2026).  `declared`: the tables of the declared profiles, by name."""
    return any(name in ("dev", "test", "debug") for name in with_inherited(profile, declared))


def with_inherited(profile: str, declared: Mapping[str, Any]) -> Iterator[str]:
    """The profile, the one that it inherits from, and so on; ends where profiles inherit from each other."""
    for _ in range(len(declared) + 1):
        yield profile
        if not (profile := declared.get(profile, {}).get("inherits", "")):
            return
