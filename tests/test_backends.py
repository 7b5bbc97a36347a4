"""Packages that maturin does not build as extensions: C and C++ by their own backends, programs, libraries for C, and
versions that come from git."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartwheel.backends import pep517
from cartwheel.cargo.package_manifests import read_package
from cartwheel.ci import build_matrix
from cartwheel.machine.host import Host
from cartwheel.machine.interpreters import interpreter_path as path_of
from cartwheel.model.config import build_backend
from cartwheel.model.config.bindings import bindings_of, module_of
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.resolve import resolve_project
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project as Values
from cartwheel.model.wheels.artifacts import artifacts
from cartwheel.model.wheels.target import TARGETS, platform_tag
from cartwheel.pipeline import read_project
from cartwheel.toolchain import Toolchain, choose_backend_toolchain
from support import images
from support.projects import DODO, FLOOR, TRIPLE, Project, committed, environment, pure
from support.repositories import git, repository

DEMO = {"name": "demo", "version": "1.2.0"}
EXAMPLE = Path(__file__).parents[1] / "examples" / "plumbline"
LINUX, MAC, INTEL, WINDOWS = (
    "x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-apple-darwin", "x86_64-pc-windows-msvc",
)  # fmt: skip
_FLOOR = f'floor = "{FLOOR}"' if FLOOR else ""

# ---- as values -------------------------------------------------------------------------------------------------------


def manifests(
    table: Mapping[str, Any] | None = None,
    *,
    by: str = "setuptools.build_meta",
    requires: tuple[str, ...] = (),
    cargo: Mapping[str, Any] | None = None,
    folder: str = ".",
    project: Mapping[str, Any] | None = None,
    **tool: Any,
) -> Manifests:
    """Those of a package named demo; without `cargo` its own backend builds it."""
    output = {"name": "demo", "version": "1.2.0", "requires-python": ">=3.11", **(project or {})}
    return Manifests(
        folder=folder,
        pyproject={
            "build-system": {"build-backend": by, "requires": list(requires)},
            "project": {key: value for key, value in output.items() if value is not None},
            "tool": {"cartwheel": dict(table or {}), **tool},
        },
        cargo=cargo or {},
        cargo_path="Cargo.toml" if cargo is not None else "",
        workspace={},
        workspace_path="",
        has_tests=False,
    )


def planned(read: Manifests, *, tags: tuple[str, ...] = (), **overrides: str) -> Values:
    """The project of that one package."""
    return resolve_project(read.pyproject, (read,), overrides, tags=tags)


def files(project: Values) -> list[str]:
    """The names of all planned wheels."""
    return [artifact.file for artifact in artifacts(project) if artifact.kind == "wheel"]


def refusal(read: Manifests, *, tags: tuple[str, ...] = (), **overrides: str) -> str:
    """Why the configuration is refused."""
    with pytest.raises(ConfigError) as error:
        planned(read, tags=tags, **overrides)
    assert len(str(error.value).splitlines()) <= 2
    return str(error.value)


def test_one_wheel_for_each_interpreter_and_target() -> None:
    plan = planned(manifests({"targets": [LINUX, MAC, WINDOWS], "python": ["3.12", "3.13", "3.14t", "pypy3.11"]}))
    assert files(plan) == [
        f"demo-1.2.0-{tags}-{platform}.whl"
        for platform in ("manylinux2014_x86_64.manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64")
        for tags in ("cp312-cp312", "cp313-cp313", "cp314-cp314t", "pp311-pypy311_pp73")
    ]


def test_on_linux_a_wheel_promises_nothing_until_it_is_repaired() -> None:
    plan = planned(manifests({"targets": [LINUX, MAC], "python": ["3.12"]}))
    assert [wheel.raw for _, wheel in plan.wheels] == [
        "demo-1.2.0-cp312-cp312-linux_x86_64.whl",
        "demo-1.2.0-cp312-cp312-macosx_11_0_arm64.whl",
    ]


def test_a_variant_keeps_its_build_tag_until_it_is_repaired() -> None:
    table = {"targets": [LINUX], "python": ["3.12"], "variants": [{"name": "small", "build-tag": "1small"}]}
    assert [wheel.raw for _, wheel in planned(manifests(table)).wheels][1] == (
        "demo-1.2.0-1small-cp312-cp312-linux_x86_64.whl"
    )


def test_a_pure_wheel_may_go_with_the_compiled_ones() -> None:
    plan = planned(manifests({"targets": ["any", MAC], "python": ["3.12"]}))
    assert files(plan) == ["demo-1.2.0-py3-none-any.whl", "demo-1.2.0-cp312-cp312-macosx_11_0_arm64.whl"]


@pytest.mark.parametrize(
    ("by", "tool", "compiles"),
    [
        ("hatchling.build", {}, False),
        ("setuptools.build_meta", {}, False),
        ("setuptools.build_meta", {"setuptools": {"ext-modules": [{"name": "demo.x", "sources": ["x.c"]}]}}, True),
        ("scikit_build_core.build", {}, True),
        ("scikit_build_core.build", {"scikit-build": {"wheel": {"cmake": False}}}, False),
        ("mesonpy", {}, True),
    ],
)
def test_what_pyproject_says_of_compiling_decides_where_targets_do_not(
    by: str, tool: Mapping[str, Any], compiles: bool
) -> None:
    kinds = {wheel.target.triple == "any" for _, wheel in planned(manifests(by=by, **tool)).wheels}
    assert kinds == {not compiles}
    assert files(planned(manifests({"targets": ["any"]}, by=by, **tool))) == ["demo-1.2.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("table", "only"),
    [
        ({"bins": [{"target": "demo"}]}, True),
        ({"ext-modules": [{"target": "demo", "binding": "Exec"}]}, True),
        ({"bins": [{"target": "demo"}], "ext-modules": [{"target": "demo._demo"}]}, False),
        ({"ext-modules": [{"target": "demo._demo", "binding": "NoBinding"}]}, False),
        ({"debug": False}, False),
    ],
)
def test_programs_of_setuptools_rust_are_told_from_extension_modules(table: Mapping[str, Any], only: bool) -> None:
    inputs = manifests(by="setuptools.build_meta", **{"setuptools-rust": table})
    assert build_backend.programs_only(inputs.pyproject) == only
    assert module_of(inputs, "demo") == ("" if only else "demo")
    with_c = {"ext-modules": [{"name": "demo.x", "sources": ["x.c"]}]}
    both = manifests(by="setuptools.build_meta", **{"setuptools-rust": table, "setuptools": with_c})
    assert not build_backend.programs_only(both.pyproject)


@pytest.mark.parametrize(
    ("setup", "only"),
    [
        ("rust_extensions=[RustBin('demo')]", True),
        ("rust_extensions=[RustBin('demo'), RustExtension('demo._demo')]", False),
        ("rust_extensions=[RustBin('demo')], ext_modules=[Extension('demo.x', ['x.c'])]", False),
        ("rust_extensions=[RustExtension('demo._demo')]", False),
    ],
)
def test_programs_of_a_setup_script_are_told_from_extension_modules(tmp_path: Path, setup: str, only: bool) -> None:
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "setuptools.build_meta"\n')
    (tmp_path / "setup.py").write_text(f"from setuptools_rust import *\nsetup(name='demo', {setup})\n")
    inputs = read_package(tmp_path, ".")
    assert inputs.setup_compiles
    assert inputs.programs_only == only


CLASSIFIER = "Programming Language :: Python :: "


@pytest.mark.parametrize(
    ("requires", "classifiers", "expected"),
    [
        (">=3.11", [], ["3.11", "3.12", "3.13", "3.14", "3.15"]),
        (">=3.12", [], ["3.12", "3.13", "3.14", "3.15"]),
        (">=3.8", [], ["3.11", "3.12", "3.13", "3.14", "3.15"]),
        (">=3.11,<3.14", [], ["3.11", "3.12", "3.13"]),
        (">=3.11,!=3.12.*", [], ["3.11", "3.13", "3.14", "3.15"]),
        (None, [], ["3.11", "3.12", "3.13", "3.14", "3.15"]),
        (">=3.11", ["3", "3.12", "3.13"], ["3.12", "3.13"]),
        (">=3.13", ["3.12", "3.13"], ["3.13"]),
        (">=3.11", ["3.14", "3.15"], ["3.14", "3.15"]),
        (">=3.9", ["3.9", "3.14", "Free Threading :: 2 - Beta"], ["3.9", "3.14", "3.14t"]),
        (">=3.8", ["3.8", "3.9", "3.10"], ["3.8", "3.9", "3.10"]),
        (">=3.9", ["3.14", "3.15", "Free Threading"], ["3.14", "3.15", "3.14t", "3.15t"]),
        (">=3.9", ["3.12", "Free Threading"], ["3.12"]),
    ],
)
@pytest.mark.parametrize("cargo", [None, {"package": DEMO, "dependencies": {"pyo3": "1"}}])
def test_the_default_interpreters_are_those_that_the_package_says_it_is_for(
    cargo: Mapping[str, Any] | None, requires: str | None, classifiers: list[str], expected: list[str]
) -> None:
    metadata = {"requires-python": requires, "classifiers": [CLASSIFIER + row for row in classifiers]}
    plan = planned(manifests({"targets": [MAC]}, project=metadata, cargo=cargo))
    assert [wheel.python for _, wheel in plan.wheels] == expected


@pytest.mark.parametrize(
    ("by", "tool", "expected"),
    [
        ("scikit_build_core.build", {"scikit-build": {"wheel": {"py-api": "cp312"}}}, ["cp311-cp311", "cp312-abi3"]),
        ("scikit_build_core.build", {"scikit-build": {"wheel": {"py-api": "py3"}}}, ["py3-none"]),
        ("mesonpy", {"meson-python": {"limited-api": True}}, ["cp311-abi3"]),
        (
            "setuptools.build_meta",
            {
                "setuptools": {"ext-modules": [{"name": "x", "sources": []}]},
                "distutils": {"bdist_wheel": {"py_limited_api": "cp311"}},
            },
            ["cp311-abi3"],
        ),
    ],
)
def test_a_backend_told_to_keep_to_the_limited_api_makes_one_wheel_for_all(
    by: str, tool: Mapping[str, Any], expected: list[str]
) -> None:
    planned_files = files(planned(manifests({"targets": [MAC]}, by=by, **tool)))
    assert planned_files == [f"demo-1.2.0-{tags}-macosx_11_0_arm64.whl" for tags in expected]


@pytest.mark.parametrize(
    ("by", "requires", "tool", "expected"),
    [
        ("setuptools.build_meta", ("setuptools-rust",), {}, ("--build-option=--py-limited-api=cp311",)),
        ("setuptools.build_meta", (), {"setuptools": {"ext-modules": [{"name": "x", "sources": []}]}}, ()),
        (
            "setuptools.build_meta",
            ("setuptools-rust",),
            {"distutils": {"bdist_wheel": {"py_limited_api": "cp312"}}},
            (),
        ),
        ("scikit_build_core.build", (), {}, ("wheel.py-api=cp311",)),
        ("scikit_build_core.build", (), {"scikit-build": {"wheel": {"py-api": "cp312"}}}, ()),
        ("mesonpy", (), {}, ()),
    ],
)
def test_a_backend_is_asked_for_the_limited_api_where_only_our_table_plans_it(
    by: str, requires: tuple[str, ...], tool: Mapping[str, Any], expected: tuple[str, ...]
) -> None:
    inputs = manifests({"targets": [MAC], "python": ["abi3"]}, by=by, requires=requires, **tool)
    assert build_backend.limited_settings(inputs.pyproject, "3.11") == expected


@pytest.mark.parametrize(
    ("files", "pythons"),
    [
        (
            {"setup.py": 'setup(options={"bdist_wheel": {"py_limited_api": "cp312"}}, ext_modules=[1])\n'},
            ["3.11", "abi3"],
        ),
        ({"setup.py": "setup(ext_modules=[1])\n", "setup.cfg": "[bdist_wheel]\npy-limited-api = cp311\n"}, ["abi3"]),
        ({"setup.py": "setup(ext_modules=[Extension(py_limited_api=True)])\n"}, ["3.11", "3.12"]),
        ({"setup.py": 'setup(ext_modules=[1])  \n# py_limited_api = "cp39"\n'}, ["3.11", "3.12"]),
        ({"setup.py": '"""py_limited_api = "cp312" is not set."""\nsetup(ext_modules=[1])\n'}, ["3.11", "3.12"]),
        (
            {
                "setup.py": "options = {}\nif os.environ.get('ABI3'):\n"
                "    options['bdist_wheel'] = {'py_limited_api': 'cp312'}\nsetup(ext_modules=[1], options=options)\n"
            },
            ["3.11", "3.12"],
        ),
        (
            {
                "setup.py": "STABLE = '--abi3' in sys.argv\n"
                "setup(ext_modules=[1], options={'bdist_wheel': {'py_limited_api': 'cp312'}} if STABLE else {})\n"
            },
            ["3.11", "3.12"],
        ),
        (
            {
                "setup.py": "TAG = 'cp312'\nif sys.implementation.name == 'cpython':\n"
                "    options['bdist_wheel']['py_limited_api'] = TAG\nsetup(ext_modules=[1], options=options)\n"
            },
            ["3.11", "abi3"],
        ),
        (
            {
                "setup.py": "class Wheel(bdist_wheel):\n    def finalize_options(self):\n"
                "        self.py_limited_api = 'cp312'\nsetup(ext_modules=[1])\n"
            },
            ["3.11", "abi3"],
        ),
        (
            {"setup.py": "setup(ext_modules=[1], options=dict(bdist_wheel=dict(py_limited_api='cp311')))\n"},
            ["abi3"],
        ),
        ({"setup.py": "setup(ext_modules=[1])\n", "setup.cfg": "[mine]\npy_limited_api = cp311\n"}, ["3.11", "3.12"]),
        (
            {
                "setup.py": "setup(ext_modules=[1])\n",
                "more": '[tool.distutils.bdist-wheel]\npy-limited-api = "cp311"\n',
            },
            ["abi3"],
        ),
    ],
)
def test_setuptools_is_told_of_the_limited_api_in_three_files(
    tmp_path: Path, files: Mapping[str, str], pythons: list[str]
) -> None:
    pyproject = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11,<3.13"\n' + files.get("more", "")
    table = f'[tool.cartwheel]\ntargets = ["{MAC}"]\npublish = []\n'
    for name, text in {**files, "pyproject.toml": pyproject + table}.items():
        (tmp_path / name).write_text(text)
    [package] = read_project(tmp_path, {}).packages
    assert [wheel.python for wheel in package.wheels] == pythons
    assert all("-cp39-" not in wheel.file for wheel in package.wheels)


def test_an_older_limited_api_than_requires_python_is_built_by_an_interpreter_that_it_allows(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("setup(ext_modules=[1])\n")
    (tmp_path / "setup.cfg").write_text("[bdist_wheel]\npy_limited_api = cp36\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.12"\n'
        f'[tool.cartwheel]\ntargets = ["{MAC}"]\npublish = []\n'
    )
    [package] = read_project(tmp_path, {}).packages
    [wheel] = package.wheels
    assert wheel.file == "demo-1-cp36-abi3-macosx_11_0_arm64.whl"
    assert build_matrix._interpreters(package, wheel)[0] == "3.12"
    assert pep517._tools(package, wheel, Toolchain(name="native", builds=lambda *_: True))[0] == "python >=3.12"


def test_the_oldest_macos_is_the_interpreters_own() -> None:
    table = {"targets": [INTEL, MAC], "python": ["3.11", "3.12", "pypy3.11"]}
    assert [name.rsplit("-", 1)[1] for name in files(planned(manifests(table)))] == [
        "macosx_10_12_x86_64.whl",
        "macosx_10_13_x86_64.whl",
        "macosx_10_15_x86_64.whl",
        *["macosx_11_0_arm64.whl"] * 3,
    ]
    output = refusal(manifests({"targets": [INTEL], "python": ["3.12"], "floor": "10.12"}))
    assert output == (
        "[tool.cartwheel] floor: '10.12' for x86_64-apple-darwin is older than what Python 3.12 itself runs on; "
        "expected '10.13' or newer"
    )


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({"targets": [MAC], "features": ["fast"]}, "features: is for crates"),
        ({"targets": [MAC], "profile": "thin"}, "profile: is for crates"),
        ({"targets": [MAC], "sccache": True}, "sccache: is for crates"),
        ({"targets": [MAC], "cargo-directory": "triple"}, "cargo-directory: is for crates"),
        ({"targets": [LINUX], "toolchain": "zig"}, "toolchain: 'zig' compiles crates"),
        ({"targets": [LINUX], "overrides": [{"select": "*", "features": ["fast"]}]}, "features: is for crates"),
        ({"python": ["3.12"]}, "python: a wheel for 'any' is for every Python 3"),
        ({"targets": [LINUX], "python": ["3.10"]}, "'3.10' is older than requires-python"),
    ],
)
def test_what_only_cargo_understands_is_refused(table: Mapping[str, Any], part: str) -> None:
    assert part in refusal(manifests(table))


def test_what_the_root_says_for_crates_passes_others_by() -> None:
    crate = {"package": {"name": "rusty", "version": "1.0.0"}, "dependencies": {"pyo3": "1"}, "features": {"fast": []}}
    root = {"packages": ["a", "b"], "toolchain": "zig", "features": ["fast"], "profile": "thin", "python": ["3.12"]}
    packages = (
        manifests({"targets": [LINUX]}, folder="a"),
        manifests({"targets": [LINUX]}, folder="b", cargo=crate, project={"name": "rusty"}),
    )
    project = resolve_project({"tool": {"cartwheel": root}}, packages, {})
    ours, rusty = (wheel for _, wheel in project.wheels)
    assert (ours.toolchain, ours.features, ours.profile, ours.python) == ("", (), "", "3.12")
    assert (rusty.toolchain, rusty.features, rusty.profile) == ("zig", ("fast",), "thin")


def test_a_compiler_hears_of_the_floor_and_of_our_flags() -> None:
    flags = {"CFLAGS": "-pipe"}
    assert build_backend.compiler_environment(TARGETS[LINUX], "manylinux2014", (), flags) == {}
    assert build_backend.compiler_environment(TARGETS[LINUX], "manylinux2014", ("-O3", "-DX"), flags) == {
        "CFLAGS": "-pipe -O3 -DX",
        "CXXFLAGS": "-O3 -DX",
    }
    assert build_backend.compiler_environment(TARGETS["universal2-apple-darwin"], "10.13", (), {}) == {
        "MACOSX_DEPLOYMENT_TARGET": "10.13",
        "_PYTHON_HOST_PLATFORM": "macosx-10.13-universal2",
        "ARCHFLAGS": "-arch x86_64 -arch arm64",
    }


# ---- what makes a crate importable -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cargo", "expected"),
    [
        ({"dependencies": {"pyo3": "1"}, "lib": {"crate-type": ["cdylib"]}}, "pyo3"),
        ({"dependencies": {"pyo3-ffi": "1"}}, "pyo3"),
        ({"dependencies": {"python": {"package": "pyo3", "version": "1"}}}, "pyo3"),
        ({"target": {"cfg(unix)": {"dependencies": {"pyo3": "1"}}}}, "pyo3"),
        ({"dependencies": {"uniffi": "1"}, "lib": {"crate-type": ["cdylib"]}}, "uniffi"),
        ({"lib": {"crate-type": ["cdylib", "rlib"]}}, "cffi"),
        ({"lib": {"crate_type": ["cdylib"]}}, "cffi"),
        ({}, "bin"),
    ],
)
def test_bindings_are_found_by_maturins_own_rule(cargo: Mapping[str, Any], expected: str) -> None:
    inputs = manifests({"targets": [LINUX]}, cargo={"package": DEMO, **cargo})
    assert bindings_of(inputs) == expected
    tags = {name.split("-")[2] for name in files(planned(inputs))}
    assert (tags == {"py3"}) == (expected != "pyo3")


# ---- versions from git -----------------------------------------------------------------------------------------------

SCM = {"name": "demo", "version": None, "dynamic": ["version"]}


def from_git(table: Mapping[str, Any] | None = None, **more: Any) -> Manifests:
    return manifests({"version": "scm", **(table or {})}, project=SCM, **more)


def version(read: Manifests, *tags: str, **overrides: str) -> str:
    (package,) = planned(read, tags=tags, **overrides).packages
    return package.version


def test_a_version_comes_from_the_run_or_from_heads_tag_or_is_always_the_same() -> None:
    assert version(from_git()) == "0.0.0.dev0"
    assert version(from_git(), "v1.2.0", "v1.10.0rc1", "latest", "other-v3.0") == "1.10.0rc1"
    assert version(from_git(), "v1.2.0", version="1.3") == "1.3"
    assert version(from_git({"tag": "demo/{version}"}), "v1.2.0", "demo/1.1") == "1.1"
    (package,) = resolve_project(
        from_git().pyproject, (from_git(),), {}, tags=("v1.2", "v1.3"), started_by="v1.2"
    ).packages
    assert package.version == "1.2"


def test_the_tag_that_is_made_is_the_version_that_was_said() -> None:
    (package,) = planned(from_git(), version="2.0.0-rc.1").packages
    assert (package.tag_name, package.sdist) == ("v2.0.0rc1", "demo-2.0.0rc1.tar.gz")


@pytest.mark.parametrize(
    ("read", "output", "part"),
    [
        (manifests(), "1.3", "every version here stands in a file; change it with: doit bump 1.3"),
        (from_git(), "one", "version for this run: version 'one'"),
        (manifests({"version": "scm"}), "", "[project] version says '1.2.0'; remove one of the two"),
        (manifests({"version": "scm"}, project={"version": None}), "", "dynamic does not name 'version'; add it"),
        (manifests({"version": "scm"}, cargo={"package": {"name": "d"}}), "", "takes the version from Cargo.toml"),
        (from_git({"version-from": "pyproject.toml"}), "", "version-from: the version comes from git"),
        (from_git({"versions": [{"file": "a", "pattern": "{version}"}]}), "", "versions: the version comes from git"),
        (manifests({"version": "1.2"}), "", "version: unknown value '1.2'"),
    ],
)
def test_two_homes_of_a_version_are_refused(read: Manifests, output: str, part: str) -> None:
    assert part in refusal(read, **({"version": output} if output else {}))


def test_a_backend_is_told_the_version_by_the_variables_that_it_reads() -> None:
    def told(*requires: str) -> set[str]:
        return set(build_backend.version_variables("My.demo-X", from_git(requires=requires).pyproject, "1.3"))

    versions = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_DEMO_X"
    assert told("setuptools", "setuptools_scm[toml]>=8") == {versions}
    assert told("hatchling", "hatch_vcs>=0.4; python_version>'3'") == {versions, "SETUPTOOLS_SCM_PRETEND_VERSION"}
    assert told("pdm-backend") == {versions, "PDM_BUILD_SCM_VERSION"}


# ---- C++, really built -----------------------------------------------------------------------------------------------


def interpreters() -> tuple[str, str]:
    """Two that are on this machine."""
    here = [v for v in ("3.11", "3.12", "3.13", "3.14") if path_of(v, environment({}))]
    if len(here) < 2:
        pytest.skip("needs two of CPython 3.11 to 3.14")
    return here[0], here[1]


def tags_of(python: str) -> str:
    return "cp" + python.replace(".", "")


def wheel_name(python: str, package: str = "plumbline-0.1.0") -> str:
    """The finished wheel's for this machine."""
    tag = tags_of(python)
    return f"{package}-{tag}-{tag}-{platform_tag(TARGETS[TRIPLE], FLOOR or TARGETS[TRIPLE].floor)}.whl"


def example(root: Path, *lines: str, floor: str = _FLOOR) -> Project:
    """The example in a new repository, for this machine alone; `lines` are further ones of its table."""
    repository(root)
    shutil.copytree(
        EXAMPLE, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".cartwheel", "dist", "__pycache__")
    )
    project = Project(root)
    pyproject = (root / "pyproject.toml").read_text("utf-8").partition("[tool.cartwheel]")[0]
    table = ["[tool.cartwheel]", f'targets = ["{TRIPLE}"]', floor, "publish = []", *lines, ""]
    project.write("pyproject.toml", pyproject + "\n".join(table))
    project.write("dodo.py", DODO)
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    return project


@pytest.fixture(scope="module")
def plumbline(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Built, repaired and checked for two interpreters."""
    one, two = interpreters()
    project = example(tmp_path_factory.mktemp("plumbline") / "project", f'python = ["{one}", "{two}"]')
    project.doit("-n", "2", f"check:{TRIPLE}")
    return project


def stale(project: Project, **env: str) -> dict[str, list[str]]:
    """The builds that would run, with the reasons."""
    tasks = json.loads(project.doit("plan", "--json", "build", env=env))["tasks"]
    return {t["name"].rsplit(":", 1)[1]: t["why"] for t in tasks if t["state"] == "run" and t["name"] != "version-sync"}


def test_a_cpp_package_becomes_one_checked_wheel_for_each_interpreter(plumbline: Project) -> None:
    both = interpreters()
    assert {path.name for path in (plumbline.root / "dist/private").iterdir()} == set(map(wheel_name, both))
    for python in both:
        place = plumbline.root / f".cartwheel/checks/{TRIPLE}/plumbline/{python}.json"
        (tests,) = json.loads(place.read_bytes())["tests"]
        assert tests["ran"] == 4
        assert tests["python"].startswith(f"{python}.")


def test_building_leaves_nothing_in_the_tree(plumbline: Project) -> None:
    assert git(plumbline.root, "status", "--porcelain") == ""
    assert not (plumbline.root / "build").exists()
    assert not (plumbline.root / "plumbline.egg-info").exists()


@pytest.mark.parametrize("place", ["hatch_build.py", "tools/hook.py"])
def test_a_commit_is_a_reason_where_a_hook_of_the_backend_asks_git(tmp_path: Path, place: str) -> None:
    project = pure(tmp_path / "project")
    project.write(
        place,
        "import subprocess\n\nfrom hatchling.builders.hooks.plugin.interface import BuildHookInterface\n\n\n"
        "class CustomBuildHook(BuildHookInterface):\n    def initialize(self, version, build_data):\n"
        '        head = subprocess.check_output(["git", "rev-parse", "HEAD"])\n'
        '        open("gravel/commit.txt", "wb").write(head)\n'
        '        build_data["artifacts"].append("gravel/commit.txt")\n',
    )
    path = "" if place == "hatch_build.py" else f'path = "{place}"\n'
    project.edit("pyproject.toml", "[tool.cartwheel]", f"[tool.hatch.build.hooks.custom]\n{path}\n[tool.cartwheel]")
    committed(project)
    build = "build:any:gravel:py3"
    assert f"ok  {build}" in project.doit(build)
    assert f"ok  {build}" not in project.doit(build)
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", "another")
    assert f"ok  {build}" in project.doit(build)
    (wheel,) = project.root.glob(".cartwheel/wheels/**/*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert opened.read("gravel/commit.txt").decode().strip() == git(project.root, "rev-parse", "HEAD")


def test_a_commit_alone_is_no_reason_to_build(plumbline: Project) -> None:
    git(plumbline.root, "commit", "--quiet", "--allow-empty", "--message", "nothing")
    assert stale(plumbline) == {}


def test_what_may_change_a_wheel_builds_it_again_and_nothing_else_does(plumbline: Project, tmp_path: Path) -> None:
    project = plumbline.copy(tmp_path / "project")
    for path, more in (
        ("src/line.hpp", "// a remark\n"),
        ("setup.py", "\n"),
        ("src/new.hpp", "\n"),
        ("build/notes.py", "\n"),
        ("build/lib/plumbline/left.py", "\n"),
        ("plumbline.egg-info/SOURCES.txt", "\n"),
        (
            "pyproject.toml",
            'flags = ["-DFAST"]\n[tool.ruff]\nline-length = 100\n[tool.distutils.build_ext]\nforce = true\n',
        ),
    ):
        before = (project.root / path).read_text("utf-8") if (project.root / path).is_file() else ""
        project.write(path, before + more)
    reasons = stale(project, CXXFLAGS="-O1", CMAKE_ARGS="-DX=1", UNRELATED="1")
    assert list(reasons) == list(interpreters())
    for why in reasons.values():
        assert sorted(why) == [
            "CMAKE_ARGS is now set",
            "CXXFLAGS is now set",
            "build/notes.py is new",
            "flags unset → -DFAST",
            "pyproject.toml: tool.distutils is new",
            "setup.py changed",
            "src/line.hpp changed",
            "src/new.hpp is new",
        ]


def test_an_interpreter_that_is_not_here_is_named_with_what_mends_it(plumbline: Project) -> None:
    output = plumbline.refused("build", "python=3.16", but=f"build:{TRIPLE}:plumbline:3.16")
    assert "Python 3.16 is missing, and plumbline is compiled with it; uv python install 3.16" in output


def test_how_a_backend_compiles_follows_from_the_machine() -> None:
    debian = Host(system="linux", machine="x86_64", libc="gnu", glibc=(2, 36))
    mac = Host(system="macos", machine="arm64", libc="", glibc=(0, 0))
    windows = Host(system="windows", machine="amd64", libc="", glibc=(0, 0))

    def how(triple: str, floor: str, host: Host, declared: str = "") -> str:
        return choose_backend_toolchain(TARGETS[triple], floor, declared, host).name

    assert how(LINUX, "manylinux_2_36", debian) == "native"
    assert how(LINUX, "manylinux_2_28", debian) == "container"
    assert how(LINUX, "manylinux_2_28", debian, "native") == "native"
    assert how("aarch64-unknown-linux-gnu", "manylinux_2_28", debian) == "container"
    assert how("x86_64-unknown-linux-musl", "musllinux_1_2", debian) == "container"
    assert how(LINUX, "manylinux_2_28", mac) == "container"
    assert {how(triple, "11.0", mac) for triple in (MAC, INTEL, "universal2-apple-darwin")} == {"native"}
    assert how(WINDOWS, "", windows) == "native"
    for triple, host in ((MAC, debian), (WINDOWS, mac), ("aarch64-pc-windows-msvc", windows), (LINUX, windows)):
        with pytest.raises(ConfigError, match="build it on a machine of its own kind"):
            how(triple, TARGETS[triple].floor, host)


def test_the_doctor_names_the_interpreters_that_are_missing(plumbline: Project) -> None:
    one, _ = interpreters()
    targets = json.loads(plumbline.doit("doctor", "--json", f"python={one},3.16", code=1))["targets"]
    assert [(t["target"], t["missing"], t["fix"]) for t in targets] == [
        (TRIPLE, ["Python 3.16"], ["uv python install 3.16"])
    ]


# ---- versions from git, really built ---------------------------------------------------------------------------------

BALLAST = """[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"

[project]
name = "ballast"
dynamic = ["version"]
description = "a version that comes from git"
readme = "README.md"
requires-python = ">=3.11"

[tool.hatch.version]
source = "vcs"

[tool.hatch.build.hooks.vcs]
version-file = "ballast/_version.py"

[tool.cartwheel]
version = "scm"
publish = ["shelf"]
test = { skip = "nothing to test" }

[tool.cartwheel.index.shelf]
url = "http://127.0.0.1:9/"
"""


@pytest.fixture(scope="module")
def ballast(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A pure package of hatch-vcs, its wheel and source distribution made of an untagged commit."""
    project = Project(repository(tmp_path_factory.mktemp("ballast") / "project"))
    project.write("pyproject.toml", BALLAST)
    project.write("dodo.py", DODO)
    project.write("README.md", "# ballast\n")
    project.write("ballast/__init__.py", '"""Ballast."""\n')
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n_version.py\n")
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "first")
    project.doit("repair", "sdist")
    return project


def finished(project: Project) -> set[str]:
    return {path.name for path in (project.root / "dist").iterdir()}


def test_without_a_tag_a_commit_alone_builds_nothing(ballast: Project) -> None:
    assert finished(ballast) == {"ballast-0.0.0.dev0-py3-none-any.whl", "ballast-0.0.0.dev0.tar.gz"}
    git(ballast.root, "commit", "--quiet", "--allow-empty", "--message", "second")
    states = ballast.states("repair", "sdist")
    assert set(states.values()) == {"up-to-date"}, states
    assert not (ballast.root / "ballast/_version.py").exists(), "the backend wrote into its copy alone"


def test_nothing_is_tagged_or_published_under_no_version(ballast: Project) -> None:
    for task in ("tag", "publish:shelf"):
        output = ballast.refused(task)
        assert "HEAD has no tag of the form 'v{version}'; say which it is: doit release version=1.2.0" in output


def test_bump_says_where_the_version_comes_from(ballast: Project) -> None:
    assert "so no file holds one; say it when it is released: doit release version=" in ballast.refused("bump", "minor")


def test_heads_tag_is_the_version_that_the_backend_is_told(ballast: Project, tmp_path: Path) -> None:
    project = ballast.copy(tmp_path / "project")
    git(project.root, "tag", "v2.0.0rc1")
    project.doit("repair")
    assert "ballast-2.0.0rc1-py3-none-any.whl" in finished(project)
    with zipfile.ZipFile(project.root / "dist" / "ballast-2.0.0rc1-py3-none-any.whl") as wheel:
        assert "version = '2.0.0rc1'" in wheel.read("ballast/_version.py").decode()
    states = project.states("repair", "version-sync")
    assert set(states.values()) == {"up-to-date"}, states


def test_the_tag_is_made_of_the_version_that_is_said(ballast: Project, tmp_path: Path) -> None:
    project = ballast.copy(tmp_path / "project")
    project.edit("pyproject.toml", 'url = "http', 'simple = "http://127.0.0.1:9/simple/"\nurl = "http')
    git(project.root, "commit", "--quiet", "--all", "--message", "where it is read")
    project.doit("ready:ballast", "version=1.3", env={"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"})
    ci = {"CI": "true", "GITHUB_REF": "refs/tags/v1.4"}
    assert json.loads(project.doit("plan", "--json", env=ci))["artifacts"][0]["file"] == "ballast-1.4-py3-none-any.whl"


# ---- a library for C -------------------------------------------------------------------------------------------------

SEXTANT = f"""[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "sextant"
dynamic = ["version"]
description = "a library for C"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["cffi"]

[tool.cartwheel]
targets = ["{TRIPLE}"]
{_FLOOR}
publish = []
test = {{ command = ["python", "{{package}}/proof.py"] }}
"""

SEXTANT_CRATE = """[package]
name = "sextant"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]
"""


@pytest.mark.lab
def test_a_library_for_c_is_one_wheel_for_every_python_of_a_system(tmp_path: Path) -> None:
    project = Project(repository(tmp_path / "project"))
    project.write("pyproject.toml", SEXTANT)
    project.write("dodo.py", DODO)
    project.write("README.md", "# sextant\n")
    project.write("Cargo.toml", SEXTANT_CRATE)
    project.write("Cargo.lock", 'version = 4\n\n[[package]]\nname = "sextant"\nversion = "1.0.0"\n')
    project.write("src/lib.rs", '#[no_mangle]\npub extern "C" fn angle() -> u32 {\n    42\n}\n')
    project.write("sextant.h", "uint32_t angle(void);\n")
    project.write("proof.py", "from sextant import lib\n\nassert lib.angle() == 42\n")
    project.write(".gitignore", ".cartwheel/\ndist/\ntarget/\n")
    project.doit(f"check:{TRIPLE}")
    (wheel,) = (project.root / "dist/private").iterdir()
    assert wheel.name == f"sextant-1.0.0-py3-none-{platform_tag(TARGETS[TRIPLE], FLOOR or TARGETS[TRIPLE].floor)}.whl"


# ---- in a container --------------------------------------------------------------------------------------------------


def prefixes() -> dict[str, Path]:
    """The folders of two interpreters of this machine that a container can use too: not the system's."""
    there = {}
    for version in ("3.11", "3.12", "3.13", "3.14"):
        path = path_of(version, environment({}))
        prefix = Path(path).resolve().parents[1] if path else Path("/usr")
        if prefix != Path("/usr") and any(prefix.glob("include/python3*/Python.h")):
            there[version] = prefix
    if len(there) < 2:
        pytest.skip("needs two interpreters outside /usr, such as pyenv's")
    return dict(list(there.items())[-2:])


def image_with(interpreters: Mapping[str, Path]) -> tuple[images.Images, str]:
    """Debian with a compiler and these interpreters, where the Python Packaging Authority's images have theirs."""
    engine = images.podman()
    base = engine.debian("amd64")
    known = f"{interpreters} {inspect.getsource(image_with)}"
    name = f"{base}-{hashlib.sha256(known.encode()).hexdigest()[:8]}"
    if not engine.answers("image", "inspect", name):
        container = engine.run("create", base, "true").strip()
        left_out = shutil.ignore_patterns("test", "__pycache__", "share")
        with tempfile.TemporaryDirectory(dir=images.CACHE) as folder:
            for version, prefix in interpreters.items():  # under their own paths: they look there for their library
                shutil.copytree(prefix, Path(f"{folder}{prefix}"), symlinks=True, ignore=left_out)
                link = Path(folder) / "opt" / "python" / f"{tags_of(version)}-{tags_of(version)}"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(prefix)
            engine.run("cp", f"{folder}/.", f"{container}:/")
        engine.run("commit", container, name)
        engine.run("rm", container)
    return engine, name


@pytest.mark.lab
def test_a_cpp_package_is_compiled_in_the_image_for_each_interpreter_in_it(tmp_path: Path) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the images for containers are of x86_64")
    there = prefixes()
    engine, image = image_with(there)
    versions = ", ".join(f'"{version}"' for version in there)
    project = example(
        tmp_path / "project", f"python = [{versions}]", f'image = "{image}"', floor=f'floor = "{images.FLOOR}"'
    )
    project.doit("-n", "2", f"check:{TRIPLE}", env=engine.env)
    tags = [f"{tags_of(v)}-{tags_of(v)}" for v in there]
    wheels = {f"plumbline-0.1.0-{tag}-{images.FLOOR}_x86_64.whl" for tag in tags}
    assert {path.name for path in (project.root / "dist/private").iterdir()} == wheels
    for version in there:
        log = (project.root / f".cartwheel/logs/build-{TRIPLE}-plumbline-{version}.log").read_text()
        assert f"/opt/python/{tags_of(version)}-{tags_of(version)}/" in log
        record = json.loads((project.root / f".cartwheel/records/build/{TRIPLE}/plumbline/{version}.json").read_bytes())
        assert any(name.startswith("image ") for name in record["record"]["tools"])
        report = json.loads((project.root / f".cartwheel/checks/{TRIPLE}/plumbline/{version}.json").read_bytes())
        assert [run["ran"] for run in report["tests"]] == [4]
    assert git(project.root, "status", "--porcelain") == ""
    assert all(path.stat().st_uid == os.getuid() for path in (project.root / "dist/private").iterdir())
    assert engine.none_left(project.root)
    assert stale(project, **engine.env) == {}


# ---- other backends, and what else they make -------------------------------------------------------------------------

PLAIN = """#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *depth(PyObject *self, PyObject *ignored) {
    return PyLong_FromLong(42);
}

static PyMethodDef methods[] = {{"depth", depth, METH_NOARGS, "The depth."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_lead", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__lead(void) {
    return PyModule_Create(&module);
}
"""

LEAD = """[project]
name = "lead-line"
version = "1.0"
description = "a depth"
readme = "README.md"
requires-python = ">=3.11"
classifiers = ["Programming Language :: Python :: {version}"]

[tool.cartwheel]
targets = ["{triple}"]
module = "lead"
publish = []
test = {{ command = ["python", "-c", "import lead; assert lead.depth() == 42"] }}
{floor}
"""

BACKENDS = {
    "scikit-build-core": (
        '[build-system]\nrequires = ["scikit-build-core"]\nbuild-backend = "scikit_build_core.build"\n\n'
        '[tool.scikit-build]\nwheel.py-api = "cp311"\nwheel.packages = ["lead"]\n\n',
        {
            "CMakeLists.txt": """cmake_minimum_required(VERSION 3.26)
project(lead LANGUAGES C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.SABIModule)
python_add_library(_lead MODULE plain.c WITH_SOABI USE_SABI 3.11)
install(TARGETS _lead DESTINATION lead)
""",
        },
        "cp311-abi3",
    ),
    "meson-python": (
        '[build-system]\nrequires = ["meson-python", "ninja"]\nbuild-backend = "mesonpy"\n\n',
        {
            "meson.build": """project('lead', 'c')
python = import('python').find_installation(pure: false)
python.install_sources('lead/__init__.py', subdir: 'lead')
python.extension_module('_lead', 'plain.c', install: true, subdir: 'lead')
""",
        },
        "",
    ),
    "setuptools": (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n\n'
        '[tool.setuptools]\npackages = ["lead"]\n\n'
        '[[tool.setuptools.ext-modules]]\nname = "lead._lead"\nsources = ["plain.c"]\npy-limited-api = true\n'
        'define-macros = [["Py_LIMITED_API", "0x030B0000"]]\n\n'
        '[tool.distutils.bdist_wheel]\npy_limited_api = "cp311"\n\n',
        {},
        "cp311-abi3",
    ),
}


@pytest.mark.lab
@pytest.mark.parametrize("name", BACKENDS)
def test_any_backend_that_compiles_makes_the_planned_wheel(name: str, tmp_path: Path) -> None:
    head, files, tag = BACKENDS[name]
    two = interpreters()[1]
    project = Project(repository(tmp_path / "project"))
    lead = LEAD.format(version=two, triple=TRIPLE, floor=_FLOOR)
    project.write("pyproject.toml", head + lead)
    project.write("dodo.py", DODO)
    project.write("README.md", "# lead\n")
    project.write("plain.c", PLAIN)
    project.write("lead/__init__.py", 'from lead._lead import depth\n\n__all__ = ["depth"]\n')
    project.write(".gitignore", ".cartwheel/\ndist/\n")
    for path, text in files.items():
        project.write(path, text)
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "first")
    project.doit(f"check:{TRIPLE}", "check:sdist")
    tags = tag or f"{tags_of(two)}-{tags_of(two)}"
    platform = platform_tag(TARGETS[TRIPLE], FLOOR or TARGETS[TRIPLE].floor)
    names = {path.name for path in (project.root / "dist/private").iterdir()}
    assert names == {f"lead_line-1.0-{tags}-{platform}.whl", "lead_line-1.0.tar.gz"}
    assert git(project.root, "status", "--porcelain") == ""


@pytest.mark.lab
def test_a_backend_that_asks_git_for_its_files_finds_them(tmp_path: Path) -> None:
    project = Project(repository(tmp_path / "project"))
    project.write(
        "pyproject.toml",
        BALLAST.replace('"hatchling", "hatch-vcs"', '"setuptools>=77", "setuptools-scm>=8"')
        .replace("hatchling.build", "setuptools.build_meta")
        .partition("[tool.hatch.version]")[0]
        + '[tool.setuptools]\npackages = ["ballast"]\n\n[tool.setuptools_scm]\n\n'
        + BALLAST[BALLAST.index("[tool.cartwheel]") :],
    )
    project.write("dodo.py", DODO)
    project.write("README.md", "# ballast\n")
    project.write("ballast/__init__.py", '"""Ballast."""\n')
    project.write("ballast/table.txt", "known to git alone\n")
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n")
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "first")
    index = (project.root / ".git/index").read_bytes()
    project.doit("repair", "version=1.5")
    with zipfile.ZipFile(project.root / "dist" / "ballast-1.5-py3-none-any.whl") as wheel:
        assert "ballast/table.txt" in wheel.namelist()
    assert (project.root / ".git/index").read_bytes() == index


@pytest.mark.lab
def test_a_version_that_is_said_is_tagged_published_and_verified(ballast: Project, tmp_path: Path) -> None:
    project = ballast.copy(tmp_path / "project")
    output = project.doit("rehearse", "version=1.6", env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert "ballast-1.6-py3-none-any.whl" in output
    assert "ballast-1.6.tar.gz" in output
    assert git(project.root, "tag") == ""
