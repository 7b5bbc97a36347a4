"""Backends: what is known of those that are not maturin.

One compiles where `targets` says so; where nothing is said, only what can be read in pyproject.toml decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.target import Target, platform_tag, version_of_floor
from cartwheel.model.wheels.wheel_name import normalised_name

Pyproject = Mapping[str, Any]


class Backend(Struct, frozen=True, kw_only=True):
    """One row of `BACKENDS`."""

    module: str
    """The first part of `build-backend`."""
    compiles: Callable[[Pyproject], bool]
    """Whether its own table says that its wheels hold something compiled."""
    limited: Callable[[Pyproject], str]
    """The tag that its own table asks for in place of an interpreter's: `cp311` for the limited API of 3.11, `py3`;
    empty where it asks for none."""
    debug: Mapping[str, str]
    """Variables with which it compiles for looking into."""


_UNOPTIMISED = {"CFLAGS": "-O0 -g", "CXXFLAGS": "-O0 -g"}


def _scikit_build_compiles(pyproject: Pyproject) -> bool:
    return _at(pyproject, "tool", "scikit-build", "wheel", "cmake") is not False


def _meson_limited(pyproject: Pyproject) -> str:
    """It takes the version of the interpreter that it runs in, which is the oldest that is promised."""
    return _oldest(pyproject) if _at(pyproject, "tool", "meson-python", "limited-api") is True else ""


def _oldest(pyproject: Pyproject) -> str:
    found = re.search(r">=\s*3\.(\d+)", str(_at(pyproject, "project", "requires-python") or ""))
    return f"cp3{found[1]}" if found else ""


BACKENDS = (
    Backend(
        module="scikit_build_core",
        compiles=_scikit_build_compiles,
        limited=lambda pyproject: str(_at(pyproject, "tool", "scikit-build", "wheel", "py-api") or ""),
        debug={"SKBUILD_CMAKE_BUILD_TYPE": "Debug"},
    ),
    Backend(module="mesonpy", compiles=lambda _: True, limited=_meson_limited, debug=_UNOPTIMISED),
    Backend(
        module="setuptools",
        compiles=lambda pyproject: bool(_at(pyproject, "tool", "setuptools", "ext-modules")),
        limited=lambda pyproject: str(_at(pyproject, "tool", "distutils", "bdist_wheel", "py_limited_api") or ""),
        debug=_UNOPTIMISED,
    ),
)
"""Backends that compile and say so in pyproject.toml (the documentation of scikit-build-core 0.11, meson-python 0.18
and setuptools 80, November 2026)."""

_UNKNOWN = Backend(module="", compiles=lambda _: False, limited=lambda _: "", debug=_UNOPTIMISED)


def backend_of(pyproject: Pyproject) -> Backend:
    """The row of a package's backend; where it names none, PEP 517 means setuptools."""
    named = str(_at(pyproject, "build-system", "build-backend") or "setuptools")
    module = re.split(r"[.:]", named)[0]
    return next((row for row in BACKENDS if row.module == module), _UNKNOWN)


def limited_python(pyproject: Pyproject) -> str:
    """The oldest Python of the limited API that the backend's table asks for, `3.11`; empty where it asks for none."""
    found = re.fullmatch(r"cp3(\d+)", backend_of(pyproject).limited(pyproject))
    return f"3.{found[1]}" if found else ""


def raw_name(file: str, target: Target, floor: str) -> str:
    """The name under which a backend leaves a wheel: on Linux it promises nothing (`linux_x86_64`) until it is
    repaired."""
    if target.system != "linux":
        return file
    return file.removesuffix(f"{platform_tag(target, floor)}.whl") + f"linux_{target.arch}.whl"


def compiler_environment(
    target: Target, floor: str, flags: Iterable[str], given: Mapping[str, str]
) -> Mapping[str, str]:
    """What compilers are told of a target, its floor and our flags; `given` are the user's own, which are kept."""
    found: dict[str, str] = {}
    if more := " ".join(flags):
        found |= {name: f"{given.get(name, '')} {more}".strip() for name in ("CFLAGS", "CXXFLAGS")}
    if target.system == "macos":
        major, minor = version_of_floor(target, floor, where="floor")
        arches = ("x86_64", "arm64") if target.arch == "universal2" else (target.arch,)
        found |= {
            "MACOSX_DEPLOYMENT_TARGET": floor,
            "_PYTHON_HOST_PLATFORM": f"macosx-{major}.{minor}-{target.arch}",
            "ARCHFLAGS": " ".join(f"-arch {arch}" for arch in arches),
        }
    return found


BACKENDS_TAKE = ("", "native", "container")
"""Toolchains that a backend can compile with: its own machine's, or a container's."""


def oldest_system(target: Target, python: str) -> str:
    """The floor where nobody says one: the target's, or the oldest macOS that the interpreter itself runs on.

    python.org's installers: 10.13 on x86_64 from 3.12 on, PyPy's 10.15, on arm64 all 11.0 (cibuildwheel 3, `macos.py`,
    November 2026).
    """
    if target.system != "macos" or target.arch == "arm64":
        return target.floor
    if python.startswith("pypy"):
        return "10.15"
    found = re.fullmatch(r"3\.(\d+)t?", python)
    return target.floor if found and int(found[1]) < 12 else "10.13"


def refuse_older_than_python(target: Target, floor: str, python: str, where: str) -> None:
    """Compilers refuse a macOS older than the interpreter's own, and so do we; raises `ConfigError`."""
    oldest = oldest_system(target, python)
    if target.system == "macos" and version_of_floor(target, floor, where=where) < version_of_floor(
        target, oldest, where=where
    ):
        raise ConfigError(
            f"{where}: floor '{floor}' for {target.triple} is older than what Python {python} itself runs on; "
            f"expected '{oldest}' or newer"
        )


# Versions that come from git ------------------------------------------------------------------------------------------

UNVERSIONED = "0.0.0.dev0"
"""What is built where neither the run nor a tag on HEAD says a version: always the same, so that a commit alone is no
reason to build anything again."""

_TOLD_BY_NAME = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}"
_TOLD = {
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
}
"""By a build requirement, the variable that it takes a version from.  hatch-vcs gives setuptools-scm no name, so it
hears the general variable only; where nothing needs that it is not set, for a requirement that is itself built from
source would hear it too.  (Sources of setuptools-scm 10.3, hatch-vcs 0.5, pdm-backend 2.5 and
poetry-dynamic-versioning 1.10, November 2026.)"""


def version_variables(name: str, pyproject: Pyproject, version: str) -> Mapping[str, str]:
    """The variables that tell a backend the version which it would take from git."""
    required = {normalised_name(_distribution(row)).replace("_", "-") for row in _requirements(pyproject)}
    general = (variable for requirement, variable in _TOLD.items() if requirement in required)
    return dict.fromkeys((_TOLD_BY_NAME.format(name=normalised_name(name).upper()), *general), version)


def _requirements(pyproject: Pyproject) -> Iterable[str]:
    found = _at(pyproject, "build-system", "requires")
    return [str(row) for row in found] if isinstance(found, list) else []


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]


def _at(table: object, *keys: str) -> object:
    """What stands there, None where nothing does."""
    for key in keys:
        if not isinstance(table, Mapping):
            return None
        table = table.get(key)
    return table
