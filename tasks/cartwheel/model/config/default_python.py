"""The default interpreters of a package's wheels."""

from __future__ import annotations

import re

from cartwheel.model.config.bindings import BIN, CFFI, UNIFFI, StableAbi, binds_python
from cartwheel.model.config.build_backend import limited_python, limited_tag
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.wheels import python as pythons


def minimum_python(manifests: Manifests, abi: StableAbi) -> str:
    """The oldest CPython, `3.11`: of the stable ABI if it names one, else of `requires-python`."""
    if abi.since:
        return abi.since
    if not manifests.cargo_path and (limited := limited_python(manifests.pyproject, manifests.setup_limited)):
        return limited
    return pythons.oldest_python(manifests.requires_python)


def default_python(manifests: Manifests, bindings: str, abi: StableAbi) -> tuple[str, ...]:
    """The default `python` of a package's compiled wheels.

    A program is for every Python, unless PyO3 is in its graph: maturin then builds it for one interpreter each.
    Interpreters that cannot load the stable ABI get wheels too: older ones if a conditional feature asks for the ABI,
    and free-threaded ones if a classifier names them.
    """
    if bindings in (CFFI, UNIFFI) or (bindings == BIN and not binds_python(manifests)):
        return (pythons.PURE,)
    supported = supported_python(manifests)
    if abi.kinds and bindings != BIN:
        free = tuple(v for v in supported if v.endswith("t") and not (pythons.ABI3T in abi.kinds and v >= "3.15"))
        return (*_older(supported, abi.since if abi.conditional else ""), *abi.kinds, *free)
    if bindings:
        return supported
    limited = limited_tag(manifests.pyproject, manifests.setup_limited)
    if limited.startswith("py"):
        return (pythons.PURE,)
    if not limited_python(manifests.pyproject, manifests.setup_limited):
        return supported
    return (*_older(supported, minimum_python(manifests, abi)), pythons.ABI3)


def _older(supported: tuple[str, ...], minimum: str) -> tuple[str, ...]:
    if not minimum:
        return ()
    return tuple(v for v in supported if v[-1] != "t" and pythons.minor(v) < pythons.minor(minimum))


def supported_python(manifests: Manifests) -> tuple[str, ...]:
    """The interpreters that a package is for: those that its classifiers name, else all maintained ones, as far as
    `requires-python` allows; free-threaded ones too if a classifier says so."""
    classifiers = [str(row) for row in manifests.pyproject.get("project", {}).get("classifiers", ())]
    named = {m[1] for row in classifiers if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", row))}
    known = [version for version in pythons.every_version() if version in named] or pythons.SUPPORTED
    requirement = manifests.requires_python
    versions = tuple(version for version in known if not requirement or pythons.allows_python(requirement, version))
    free = any(row.startswith("Programming Language :: Python :: Free Threading") for row in classifiers)
    return (*versions, *(v for v in pythons.FREE_THREADED if free and v.rstrip("t") in versions))
