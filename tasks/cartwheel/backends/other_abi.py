"""How a build's stable ABI differs from the plan, known before the build if crates are fetched."""

from __future__ import annotations

import re

from cartwheel.model.config.bindings import StableAbi, has_uncounted_abi, stable_abi
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels import python as pythons


def other_abi(package: Package, wheel: Wheel, resolved: StableAbi) -> str:
    """How the stable ABI that cargo resolves for the target differs from the planned wheel's; empty if it does not.

    The plan follows the project's own manifests, as maturin names a wheel by the features of all targets.  Crates of a
    registry may ask for more, and `cfg(...)` tables for less on one target.
    """
    if wheel.python == pythons.ABI3:
        planned = stable_abi(package.manifests, wheel.features, wheel.python)
        if pythons.ABI3 not in resolved.kinds:
            return (
                "only other targets or tests ask PyO3 for the stable ABI: maturin would name the wheel for "
                f"{wheel.target.triple} abi3, and it is not; ask for it in [dependencies] of Cargo.toml"
            )
        if resolved.since and planned.since and resolved.since != planned.since:
            return _ask_for(resolved.since)
        return ""
    version = pythons.version(wheel.python)
    compared = version and version == wheel.python and pythons.ABI3 in resolved.kinds
    if not compared or has_uncounted_abi(package.manifests, wheel.features, version):
        return ""
    if pythons.minor(version) < pythons.minor(resolved.since or package.minimum_python):
        return ""
    return _ask_for(resolved.since or package.minimum_python)


def _ask_for(version: str) -> str:
    feature = f"abi3-py{version.replace('.', '')}"
    return (
        f'a crate of a registry asks PyO3 for the stable ABI: ask for it too, with "{feature}" among the '
        'features of pyo3 in Cargo.toml, and write python = ["abi3"]'
    )


def advice(error: str, wheel: Wheel) -> str:
    """How to change the configuration so that the plan matches maturin's wheel; empty if unknown."""
    if abi := re.search(r"but \S*-cp3(\d+)-abi3-", error):
        return _ask_for(f"3.{abi[1]}")
    if match := re.search(r"but \S*-pp\d+-pypy3(\d+)_pp(73|80)-", error):
        suffix = "-v8" if match[2] == "80" and match[1] == "11" else ""
        return f"that PyPy is another release; write 'pypy3.{match[1]}{suffix}' in place of '{wheel.python}'"
    return ""
