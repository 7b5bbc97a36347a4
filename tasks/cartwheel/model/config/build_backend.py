"""Build backends other than maturin: which of them compile, and the settings and variables that they get.

`targets` decides whether a package is compiled; without it, pyproject.toml and setup.py do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.target import Target, platform_tag, version_of_floor
from cartwheel.model.wheels.wheel_name import canonical_name, normalised_name

Pyproject = Mapping[str, Any]


class Backend(Struct, frozen=True, kw_only=True):
    """One row of `BACKENDS`."""

    module: str
    """The first part of `build-backend`."""
    compiles: Callable[[Pyproject], bool]
    """Whether pyproject.toml says that the wheels hold compiled code."""
    limited: Callable[[Pyproject], str]
    """The Python tag that pyproject.toml asks for: `cp311` for the limited API of 3.11, `py3`; empty if it asks for
    none."""
    debug: Mapping[str, str]
    """Variables for a debug build."""
    limited_setting: str = ""
    """The config setting (PEP 517) that asks for the limited API, `{tag}` is `cp311`; empty if the backend has none."""


_UNOPTIMISED = {"CFLAGS": "-O0 -g", "CXXFLAGS": "-O0 -g"}


def _scikit_build_compiles(pyproject: Pyproject) -> bool:
    return _at(pyproject, "tool", "scikit-build", "wheel", "cmake") is not False


def _meson_abi3(pyproject: Pyproject) -> str:
    """The oldest Python of `requires-python`: the backend takes the version of the interpreter that it runs in."""
    return _oldest(pyproject) if _at(pyproject, "tool", "meson-python", "limited-api") is True else ""


def _oldest(pyproject: Pyproject) -> str:
    match = re.search(r">=\s*3\.(\d+)", str(_at(pyproject, "project", "requires-python") or ""))
    return f"cp3{match[1]}" if match else ""


def _setuptools_compiles(pyproject: Pyproject) -> bool:
    return bool(_at(pyproject, "tool", "setuptools", "ext-modules") or _setuptools_rust(pyproject))


def _setuptools_limited(pyproject: Pyproject) -> str:
    """The tag in `[tool.distutils.bdist_wheel]`; setuptools takes dashes for underscores."""
    table = _at(pyproject, "tool", "distutils")
    commands = {key.replace("-", "_"): row for key, row in table.items()} if isinstance(table, Mapping) else {}
    row = commands.get("bdist_wheel")
    options = {key.replace("-", "_"): value for key, value in row.items()} if isinstance(row, Mapping) else {}
    return str(options.get("py_limited_api") or "")


def compiles_rust(pyproject: Pyproject) -> bool:
    """Whether a backend other than maturin compiles Rust: setuptools with setuptools-rust."""
    return backend_of(pyproject).module == "setuptools" and _setuptools_rust(pyproject)


def setuptools_rust_manifest(pyproject: Pyproject) -> str:
    """The Cargo.toml of the first crate that setuptools-rust compiles, relative to the package; empty without one."""
    table = _at(pyproject, "tool", "setuptools-rust")
    if not compiles_rust(pyproject):
        return ""
    rows = [row for key in ("ext-modules", "bins") for row in table.get(key, ())] if isinstance(table, Mapping) else []
    return str(rows[0].get("path", "Cargo.toml")) if rows else "Cargo.toml"


def programs_only(pyproject: Pyproject) -> bool:
    """Whether setuptools-rust compiles programs and no extension module (`bins`, `binding = "Exec"`).

    setuptools gives such a wheel the tag of one interpreter all the same (setuptools-rust 1.12, November 2026).
    """
    table = _at(pyproject, "tool", "setuptools-rust")
    if not (compiles_rust(pyproject) and isinstance(table, Mapping)) or _at(
        pyproject, "tool", "setuptools", "ext-modules"
    ):
        return False
    modules = [row for row in table.get("ext-modules", ()) if row.get("binding") != "Exec"]
    return not modules and bool(table.get("ext-modules") or table.get("bins"))


def _setuptools_rust(pyproject: Pyproject) -> bool:
    required = {_distribution(row).lower().replace("_", "-") for row in _requirements(pyproject)}
    return bool(_at(pyproject, "tool", "setuptools-rust")) or "setuptools-rust" in required


BACKENDS = (
    Backend(
        module="scikit_build_core",
        compiles=_scikit_build_compiles,
        limited=lambda pyproject: str(_at(pyproject, "tool", "scikit-build", "wheel", "py-api") or ""),
        debug={"SKBUILD_CMAKE_BUILD_TYPE": "Debug"},
        limited_setting="wheel.py-api={tag}",
    ),
    Backend(module="mesonpy", compiles=lambda _: True, limited=_meson_abi3, debug=_UNOPTIMISED),
    Backend(
        module="poetry",
        compiles=lambda pyproject: bool(_at(pyproject, "tool", "poetry", "build")),
        limited=lambda _: "",
        debug=_UNOPTIMISED,
    ),
    Backend(
        module="pdm",
        compiles=lambda pyproject: _at(pyproject, "tool", "pdm", "build", "run-setuptools") is True,
        limited=lambda _: "",
        debug=_UNOPTIMISED,
    ),
    Backend(
        module="setuptools",
        compiles=_setuptools_compiles,
        limited=_setuptools_limited,
        debug=_UNOPTIMISED,
        limited_setting="--build-option=--py-limited-api={tag}",
    ),
)
"""Backends that compile and say so in pyproject.toml (the documentation of scikit-build-core 0.11, meson-python 0.18,
setuptools 80, setuptools-rust 1.12, poetry-core 2.2 (`build.script`) and pdm-backend 2.5, November 2026)."""

_MATURIN = Backend(module="maturin", compiles=lambda _: True, limited=lambda _: "", debug={})
_UNKNOWN = Backend(module="", compiles=lambda _: False, limited=lambda _: "", debug=_UNOPTIMISED)


def backend_module(pyproject: Pyproject) -> str:
    """The first part of a package's `build-backend`; setuptools if it names none (PEP 517)."""
    return re.split(r"[.:]", str(_at(pyproject, "build-system", "build-backend") or "setuptools"))[0]


def backend_of(pyproject: Pyproject) -> Backend:
    """The row of a package's backend."""
    module = backend_module(pyproject)
    return next((row for row in (*BACKENDS, _MATURIN) if row.module == module), _UNKNOWN)


def limited_tag(pyproject: Pyproject, setup: str = "") -> str:
    """The Python tag that pyproject.toml asks for, or that setup.py and setup.cfg ask for (`setup`); else empty."""
    return backend_of(pyproject).limited(pyproject) or setup


def limited_python(pyproject: Pyproject, setup: str = "") -> str:
    """The oldest Python of the limited API of `limited_tag`, `3.11`; empty if none is asked for."""
    match = re.fullmatch(r"cp3(\d+)", limited_tag(pyproject, setup))
    return f"3.{match[1]}" if match else ""


def limited_settings(pyproject: Pyproject, python: str, setup: str = "") -> tuple[str, ...]:
    """The config settings for a wheel with the limited API of `python` (`3.11`), if no file asks for one.

    setuptools gives the wheel that tag whatever the extension uses; only setuptools-rust compiles for it as well
    (`py-limited-api = "auto"`, its default).
    """
    row = backend_of(pyproject)
    if limited_tag(pyproject, setup) or (row.module == "setuptools" and not _setuptools_rust(pyproject)):
        return ()
    return (row.limited_setting.format(tag=f"cp{python.replace('.', '')}"),) if row.limited_setting else ()


def raw_name(file: str, target: Target, floor: str) -> str:
    """The file name of a wheel before repair: on Linux its platform tag is `linux_x86_64`."""
    if target.system != "linux":
        return file
    return file.removesuffix(f"{platform_tag(target, floor)}.whl") + f"linux_{target.arch}.whl"


def compiler_environment(
    target: Target, floor: str, flags: Iterable[str], environment: Mapping[str, str]
) -> Mapping[str, str]:
    """The variables that tell a compiler its target, floor and flags; `environment`: the user's own, which are kept."""
    variables: dict[str, str] = {}
    if more := " ".join(flags):
        variables |= {name: f"{environment.get(name, '')} {more}".strip() for name in ("CFLAGS", "CXXFLAGS")}
    if target.system == "macos":
        major, minor = version_of_floor(target, floor, where="floor")
        arches = ("x86_64", "arm64") if target.arch == "universal2" else (target.arch,)
        variables |= {
            "MACOSX_DEPLOYMENT_TARGET": floor,
            "_PYTHON_HOST_PLATFORM": f"macosx-{major}.{minor}-{target.arch}",
            "ARCHFLAGS": " ".join(f"-arch {arch}" for arch in arches),
        }
    return variables


BACKEND_TOOLCHAINS = ("", "native", "container")
"""Toolchains that a backend can compile with: this machine's, or a container's."""


def oldest_system(target: Target, python: str) -> str:
    """The default floor: the target's, or the oldest macOS that the interpreter itself runs on.

    python.org's installers: 10.13 on x86_64 from 3.12 on, PyPy's 10.15, on arm64 all 11.0 (cibuildwheel 3, `macos.py`,
    November 2026).
    """
    if target.system != "macos" or target.arch == "arm64":
        return target.floor
    if python.startswith("pypy"):
        return "10.15"
    match = re.fullmatch(r"3\.(\d+)t?", python)
    return target.floor if match and int(match[1]) < 12 else "10.13"


def refuse_older_than_python(target: Target, floor: str, python: str, where: str) -> None:
    """Raises `ConfigError` for a macOS older than the interpreter's own, which compilers refuse."""
    oldest = oldest_system(target, python)
    if target.system == "macos" and version_of_floor(target, floor, where=where) < version_of_floor(
        target, oldest, where=where
    ):
        raise ConfigError(
            f"{where}: '{floor}' for {target.triple} is older than what Python {python} itself runs on; "
            f"expected '{oldest}' or newer"
        )


# Versions that come from git ------------------------------------------------------------------------------------------

UNVERSIONED = "0.0.0.dev0"
"""The version if neither the run nor a tag on HEAD names one: constant, so that a commit alone rebuilds nothing."""

_NAMED_VARIABLE = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}"
_GENERAL_VARIABLES = {
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
}
"""The variable that a build requirement takes a version from.  hatch-vcs passes setuptools-scm no name, so it reads
the general variable only.  That one is not set for others: a requirement that is itself built from source would read
it too.  (Sources of setuptools-scm 10.3, hatch-vcs 0.5, pdm-backend 2.5 and
poetry-dynamic-versioning 1.10, November 2026.)"""


def version_variables(name: str, pyproject: Pyproject, version: str) -> Mapping[str, str]:
    """The variables that set the version a backend would otherwise take from git."""
    required = {canonical_name(_distribution(row)) for row in _requirements(pyproject)}
    general = (variable for requirement, variable in _GENERAL_VARIABLES.items() if requirement in required)
    return dict.fromkeys((_NAMED_VARIABLE.format(name=normalised_name(name).upper()), *general), version)


def _requirements(pyproject: Pyproject) -> Iterable[str]:
    rows = _at(pyproject, "build-system", "requires")
    return [str(row) for row in rows] if isinstance(rows, list) else []


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]


def _at(table: object, *keys: str) -> object:
    """The value at a path of keys, None if missing."""
    for key in keys:
        if not isinstance(table, Mapping):
            return None
        table = table.get(key)
    return table
