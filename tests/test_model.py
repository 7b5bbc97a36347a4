"""The model: settings, targets and the plan, as values.  These tests need nothing but the installed package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel.inputs.missing_files import missing_inputs
from cartwheel.model import project as model
from cartwheel.model.config import resolve
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project
from cartwheel.model.wheels.artifacts import artifacts
from cartwheel.model.wheels.target import TARGETS, platform_tag
from support.models import crate, manifests, understood


def files(project: Project) -> list[str]:
    """The names of all planned files."""
    return [artifact.file for artifact in artifacts(project)]


def test_an_abi3_package_plans_one_wheel_a_target_and_an_sdist() -> None:
    table = {"targets": ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "aarch64-apple-darwin"]}
    project = understood(manifests(table, cargo=crate("abi3-py311")))
    assert files(project) == [
        "demo-1.2.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "demo-1.2.0-cp311-abi3-musllinux_1_2_aarch64.whl",
        "demo-1.2.0-cp311-abi3-macosx_11_0_arm64.whl",
        "demo-1.2.0.tar.gz",
    ]


def test_the_step_behind_each_file_is_named() -> None:
    project = understood(manifests({"targets": ["x86_64-pc-windows-gnu"]}, cargo=crate("abi3-py311")))
    assert [(a.task, a.path) for a in artifacts(project)] == [
        ("repair:x86_64-pc-windows-gnu:demo:abi3", "dist/demo-1.2.0-cp311-abi3-win_amd64.whl"),
        ("sdist:demo", "dist/demo-1.2.0.tar.gz"),
    ]


def test_a_package_without_a_crate_is_for_any_system() -> None:
    assert files(understood(manifests())) == ["demo-1.2.0-py3-none-any.whl", "demo-1.2.0.tar.gz"]


def test_without_abi3_there_is_a_wheel_for_each_supported_python_that_is_not_too_old() -> None:
    table = {"targets": ["x86_64-pc-windows-msvc"]}
    project = understood(manifests(table, cargo=crate(), project={"requires-python": ">=3.13"}))
    assert files(project)[:-1] == [
        "demo-1.2.0-cp313-cp313-win_amd64.whl",
        "demo-1.2.0-cp314-cp314-win_amd64.whl",
        "demo-1.2.0-cp315-cp315-win_amd64.whl",
    ]


def test_free_threaded_and_pypy_have_their_own_tags() -> None:
    table = {"targets": ["x86_64-pc-windows-msvc"], "python": ["3.14t", "pypy3.11"]}
    assert files(understood(manifests(table, cargo=crate())))[:-1] == [
        "demo-1.2.0-cp314-cp314t-win_amd64.whl",
        "demo-1.2.0-pp311-pypy311_pp73-win_amd64.whl",
    ]


def test_abi3_may_be_asked_for_by_a_feature_of_the_crate() -> None:
    cargo = {
        "package": {"name": "demo", "version": "1.2.0"},
        "dependencies": {"pyo3": "0.29"},
        "features": {"default": ["stable"], "stable": ["pyo3/abi3-py312"]},
    }
    project = understood(manifests({"targets": ["aarch64-apple-darwin"]}, cargo=cargo))
    assert files(project)[0] == "demo-1.2.0-cp312-abi3-macosx_11_0_arm64.whl"


ABI3_312 = {"version": "0.29", "features": ["abi3-py312"]}

ASKING: list[tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], list[str]]] = [
    ("for some systems", {"target": {"cfg(unix)": {"dependencies": {"pyo3": ABI3_312}}}}, {}, {}, ["cp312-abi3"]),
    ("in one of two tables",
     {"dependencies": {"pyo3": ABI3_312}, "target": {"cfg(unix)": {"dependencies": {"pyo3": "0.29"}}}},
     {}, {}, ["cp312-abi3"]),
    ("by another name", {"dependencies": {"py": {**ABI3_312, "package": "pyo3"}}}, {}, {}, ["cp312-abi3"]),
    ("weakly", {"dependencies": {"pyo3": {"optional": True}},
                "features": {"default": ["dep:pyo3", "pyo3?/abi3-py312"]}}, {}, {}, ["cp312-abi3"]),
    ("by the workspace", {"dependencies": {"pyo3": {"workspace": True}}},
     {"workspace": {"dependencies": {"pyo3": ABI3_312}}}, {}, ["cp312-abi3"]),
    ("by a workspace that it takes nothing of", {"dependencies": {"pyo3": "0.29"}},
     {"workspace": {"dependencies": {"pyo3": ABI3_312}}}, {"python": ["3.13"]}, ["cp313-cp313"]),
    ("by our features", {"dependencies": {"pyo3": "0.29"}, "features": {"abi3": ["pyo3/abi3-py312"]}}, {},
     {"features": ["abi3"]}, ["cp312-abi3"]),
    ("by those of a variant", {"dependencies": {"pyo3": "0.29"}, "features": {"abi3": ["pyo3/abi3-py312"]}}, {},
     {"python": ["3.14t"], "variants": [{"name": "a", "features": ["abi3"], "python": ["abi3"]}]},
     ["cp314-cp314t", "cp312-abi3"]),
]  # fmt: skip


@pytest.mark.parametrize(("cargo", "workspace", "table", "tags"), [r[1:] for r in ASKING], ids=[r[0] for r in ASKING])
def test_however_a_crate_asks_for_the_stable_abi(
    cargo: Mapping[str, Any], workspace: Mapping[str, Any], table: Mapping[str, Any], tags: list[str]
) -> None:
    manifest = {"package": {"name": "demo", "version": "1.2.0"}, **cargo}
    read = manifests({"targets": ["aarch64-apple-darwin"], **table}, cargo=manifest)
    project = understood(replace(read, workspace=workspace, workspace_path="Cargo.toml" if workspace else ""))
    assert [name.split("-", 2)[2] for name in files(project)[:-1]] == [f"{tag}-macosx_11_0_arm64.whl" for tag in tags]


def test_a_wheel_is_tested_from_the_python_on_that_our_features_name() -> None:
    cargo = {**crate(), "features": {"stable": ["pyo3/abi3-py312"]}}
    table = {"targets": ["aarch64-apple-darwin"], "features": ["stable"]}
    [package] = understood(manifests(table, cargo=cargo, project={"requires-python": ">=3.9"})).packages
    assert package.minimum_python == "3.12"


@pytest.mark.parametrize(
    ("requirement", "tag"),
    [(">=3.8", "cp38"), ("~=3.12", "cp312"), (">3.11.4", "cp311"), ("==3.12.*", "cp312"), (">=3.10,!=3.10.*", "cp311")],
)
def test_the_stable_abi_begins_with_the_oldest_python_that_is_allowed(requirement: str, tag: str) -> None:
    table = {"targets": ["aarch64-apple-darwin"]}
    project = understood(manifests(table, cargo=crate("abi3"), project={"requires-python": requirement}))
    assert files(project)[0].split("-")[2] == tag


def test_the_profile_is_that_which_maturin_would_take() -> None:
    profiles = {"fat": {"inherits": "release"}}
    read = manifests({"targets": ["aarch64-apple-darwin"]}, cargo={**crate(), "profile": profiles},
                     maturin={"profile": "fat"})  # fmt: skip
    assert {wheel.profile for _, wheel in understood(read).wheels} == {"fat"}
    assert {wheel.profile for _, wheel in understood(read, overrides={"profile": "dev"}).wheels} == {"dev"}


def test_a_target_for_one_run_may_be_that_of_one_package_alone() -> None:
    linux, mac = "x86_64-unknown-linux-gnu", "aarch64-apple-darwin"
    root = manifests({"packages": ["a", "b"], "publish": []}, project={"name": "root"})
    one = manifests({"targets": [linux, mac], "python": ["3.12"]}, folder="a", cargo=crate())
    other = manifests({"targets": [linux], "python": ["3.12"]}, folder="b", cargo=crate(), project={"name": "other"})
    project = resolve.resolve_project(root.pyproject, (one, other), {"targets": mac})
    assert [wheel.target.triple for _, wheel in project.wheels] == [mac]


def test_a_program_is_a_wheel_for_any_python() -> None:
    cargo = {"package": {"name": "demo", "version": "1.2.0"}, "dependencies": {}}
    project = understood(manifests({"targets": ["aarch64-apple-darwin"]}, cargo=cargo))
    assert files(project)[0] == "demo-1.2.0-py3-none-macosx_11_0_arm64.whl"


def test_a_version_in_cargo_is_translated() -> None:
    cargo = {"package": {"name": "demo", "version": "0.3.0-alpha.1"}, "dependencies": {"pyo3": "0.29"}}
    m = manifests({"targets": ["aarch64-apple-darwin"], "python": ["3.13"]}, cargo=cargo)
    m.pyproject["project"].pop("version")
    assert files(understood(m))[0] == "demo-0.3.0a1-cp313-cp313-macosx_11_0_arm64.whl"


def test_later_overrides_win_over_earlier_and_over_the_package() -> None:
    table = {
        "targets": ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"],
        "floor": "manylinux_2_24",
        "overrides": [
            {"select": "*-linux-gnu", "floor": "manylinux_2_28"},
            {"select": "aarch64-*", "floor": "manylinux_2_31", "features": ["small"]},
        ],
    }
    project = understood(manifests(table, cargo=crate("abi3-py311")))
    assert [(w.floor, w.features) for _, w in project.wheels] == [
        ("manylinux_2_28", ()),
        ("manylinux_2_31", ("small",)),
    ]


def test_what_is_set_for_one_run_wins_over_everything() -> None:
    table = {"targets": ["aarch64-apple-darwin"], "profile": "dist", "overrides": [{"select": "*", "profile": "x"}]}
    project = understood(manifests(table, cargo=crate("abi3-py311")), overrides={"profile": "dev"})
    assert [w.profile for _, w in project.wheels] == ["dev"]


def test_targets_named_for_one_run_choose_among_those_of_the_project() -> None:
    table = {"targets": ["aarch64-apple-darwin", "x86_64-apple-darwin"]}
    m = manifests(table, cargo=crate("abi3-py311"))
    project = understood(m, overrides={"targets": "x86_64-apple-darwin,x86_64-pc-windows-gnu"})
    assert [w.target.triple for _, w in project.wheels] == ["x86_64-apple-darwin"]


def test_the_root_gives_defaults_to_every_package() -> None:
    root = manifests({"packages": [".", "sub"], "publish": ["testpypi"]})
    sub = manifests({"publish": []}, folder="sub", project={"name": "other"})
    third = manifests({}, folder="third", project={"name": "third"})
    project = understood(root, sub, third)
    assert [(p.name, p.publish, p.private) for p in project.packages] == [
        ("demo", ("testpypi",), False),
        ("other", (), True),
        ("third", ("testpypi",), False),
    ]


def test_a_setting_for_one_run_publishes_nothing_that_stays_at_home() -> None:
    root = manifests({"packages": [".", "b"]})
    private = manifests({"publish": []}, folder="b", project={"name": "b"})
    project = understood(root, private, overrides={"publish": "testpypi"})
    assert [(p.publish, p.private) for p in project.packages] == [(("testpypi",), False), ((), True)]


def test_what_is_never_published_lies_apart() -> None:
    assert artifacts(understood(manifests({"publish": []})))[0].path == "dist/private/demo-1.2.0-py3-none-any.whl"


def test_tests_are_found_by_their_folder() -> None:
    assert understood(manifests(has_tests=True)).packages[0].test.command == ("pytest", "{package}/tests")
    assert understood(manifests()).packages[0].test.command == ()


def test_the_tag_of_one_package_among_several_names_it() -> None:
    alone = understood(manifests())
    both = understood(manifests({"packages": [".", "b"]}), manifests(folder="b", project={"name": "b"}))
    assert [p.tag_name for p in (*alone.packages, *both.packages)] == ["v1.2.0", "demo-v1.2.0", "b-v1.2.0"]


@pytest.mark.parametrize(
    ("table", "output"),
    [
        ({"targts": []}, "[tool.cartwheel]: unknown key 'targts'; did you mean 'targets'?"),
        (
            {"targets": ["aarch64-aple-darwin"]},
            "[tool.cartwheel] targets: unknown target 'aarch64-aple-darwin'; did you mean 'aarch64-apple-darwin'?",
        ),
        ({"targets": "x"}, '[tool.cartwheel] targets: found a string, expected a list; write targets = ["x"]'),
        (
            {"test": "pytest"},
            'test: found a string, expected a table, such as { command = ["pytest", "{package}/tests"]',
        ),
        ({"test": {"command": "pytest -q"}}, 'found a string, expected a list; write command = ["pytest", "-q"]'),
        ({"sccache": "yes"}, "[tool.cartwheel] sccache: found a string, expected true or false"),
        ({"floor": 2.28}, '[tool.cartwheel] floor: found a number, expected a string, such as "manylinux_2_28"'),
        (
            {"overrides": {}},
            "[tool.cartwheel] overrides: found a table, expected a list of tables; write [[tool.cartwheel.overrides]]",
        ),
        ({"python": [3.12]}, "[tool.cartwheel] python[0]: found a number, expected a string; put it in quotes"),
        ({"index": {"a": {}, "own": {"url": 5}}}, "index.own.url: found a number, expected a string, such as"),
        ({"index": {"own": {"rules": {"size": 1}}}}, "index.own.rules.size: found a number, expected a string; put it"),
        ({"index": {"own": {"url": "x.example/up"}}}, "index.own url: no address that can be requested; expected"),
        ({"overrides": [{"floor": "x"}]}, "overrides[0]: has no 'select'; add it"),
        ({"build": "cp313-*"}, "unknown key 'build'; here that is: python"),
        ({"test-command": "pytest"}, "unknown key 'test-command'; here that is: test.command"),
        ({"skip": "cp38-*"}, "unknown key 'skip'; here that is: overrides with skip = \"why\""),
        ({"build-verbosity": 1}, "unknown key 'build-verbosity'; leave it out: doit build -v shows all output"),
        ({"manylinux-x86_64-image": "x"}, "unknown key 'manylinux-x86_64-image'; here that is: image"),
        ({"python": ["cp313"]}, "unknown interpreter 'cp313'; did you mean '3.13'?"),
        ({"python": ["cp314t-*"]}, "unknown interpreter 'cp314t-*'; did you mean '3.14t'?"),
        ({"python": ["pp311-*"]}, "unknown interpreter 'pp311-*'; did you mean 'pypy3.11'?"),
        ({"python": ["python3.12"]}, "unknown interpreter 'python3.12'; did you mean '3.12'?"),
        ({"python": ["3.12.4"]}, "unknown interpreter '3.12.4'; did you mean '3.12'?"),
        ({"python": ["abi3-py311"]}, "unknown interpreter 'abi3-py311'; did you mean 'abi3'?"),
        ({"targets": ["manylinux_x86_64"]}, "'manylinux_x86_64'; did you mean 'x86_64-unknown-linux-gnu'?"),
        ({"targets": ["musllinux_1_2_aarch64"]}, "'musllinux_1_2_aarch64'; did you mean 'aarch64-unknown-linux-musl'?"),
        ({"targets": ["macosx_arm64"]}, "'macosx_arm64'; did you mean 'aarch64-apple-darwin'?"),
        ({"targets": ["win_amd64"]}, "'win_amd64'; did you mean 'x86_64-pc-windows-msvc'?"),
        ({"targets": ["linux"]}, "'linux'; did you mean 'x86_64-unknown-linux-gnu'?"),
        ({"toolchain": "zigg"}, "[tool.cartwheel] toolchain: unknown value 'zigg'; did you mean 'zig'?"),
        ({"overrides": [{"select": "*", "flor": "x"}]}, "unknown key 'flor'; did you mean 'floor'?"),
        ({"test": {"comand": ["x"]}}, "[tool.cartwheel] test: unknown key 'comand'; did you mean 'command'?"),
        ({"python": ["2.7"]}, "unknown interpreter '2.7'; expected one like 'abi3', '3.13', '3.14t' or 'pypy3.11'"),
        ({"floor": "manylinux_2"}, "floor: 'manylinux_2' for x86_64-unknown-linux-gnu; expected one like"),
        ({"targets": ["any"]}, "targets: 'any' is for pure Python; this package has a crate"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_what_was_expected(table: Mapping[str, Any], output: str) -> None:
    with pytest.raises(ConfigError) as caught:
        understood(manifests({"targets": ["x86_64-unknown-linux-gnu"], **table}, cargo=crate("abi3-py311")))
    assert output in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("requirement", "valid"),
    [(">=3.9", True), (">= 3.9, <4.0,!=3.10.*", True), ("~=3.11", True), ("===3.12", True), ("^3.11", False),
     ("3.11+", False), (">=3.11;", False), ("latest", False)],
)  # fmt: skip
def test_requires_python_is_a_version_specifier(requirement: str, valid: bool) -> None:
    expected = f"pyproject.toml: [project] requires-python '{requirement}' is no version specifier; expected one like"
    with nullcontext() if valid else pytest.raises(ConfigError, match=re.escape(expected)):
        understood(manifests(project={"requires-python": requirement}))


def test_a_readme_that_is_missing_is_named(tmp_path: Path) -> None:
    package = understood(manifests(project={"readme": {"file": "READ.md", "content-type": "text/markdown"}})).packages[
        0
    ]
    assert [*missing_inputs(tmp_path, package)] == ["demo: [project] readme names READ.md, which is missing"]
    (tmp_path / "READ.md").touch()
    assert [*missing_inputs(tmp_path, package)] == []


def test_a_requirements_file_of_the_tests_that_is_missing_is_named(tmp_path: Path) -> None:
    test = {"command": ["pytest"], "requires": ["numpy", "-r dev/tests.txt", "--requirement=there.txt"]}
    (tmp_path / "there.txt").touch()
    [package] = understood(manifests({"test": test})).packages
    assert [*missing_inputs(tmp_path, package)] == ["demo: test.requires names dev/tests.txt, which is missing"]


@pytest.mark.parametrize(
    ("promised", "triple", "planned"),
    [
        ("musllinux_1_1", "x86_64-unknown-linux-musl", "musllinux_1_2"),
        ("manylinux1", "x86_64-unknown-linux-gnu", "manylinux2014"),
        ("2_17", "riscv64gc-unknown-linux-gnu", "manylinux_2_31"),
    ],
)
def test_a_promise_of_maturins_table_that_rust_cannot_keep_is_told(promised: str, triple: str, planned: str) -> None:
    table = {"targets": [triple]}
    [package] = understood(manifests(table, cargo=crate(), maturin={"compatibility": promised})).packages
    [line] = package.left_out
    assert line.startswith("[tool.maturin] promises ")
    assert line.endswith(f"needs a newer system: planned as {planned} for {triple}")
    floor = "musllinux_1_2" if "musl" in triple else "manylinux_2_35"
    read = manifests({**table, "floor": floor}, cargo=crate(), maturin={"compatibility": promised})
    assert understood(read).packages[0].left_out == ()


def test_two_targets_that_would_make_one_file_are_refused() -> None:
    table = {"targets": ["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc"]}
    with pytest.raises(ConfigError, match=r"would both be demo-1\.2\.0-cp311-abi3-win_amd64\.whl"):
        understood(manifests(table, cargo=crate("abi3-py311")))


def test_a_package_without_a_version_is_refused() -> None:
    m = manifests()
    m.pyproject["project"].pop("version")
    with pytest.raises(ConfigError, match=r"no \[project\] version"):
        understood(m)


def test_a_package_without_a_crate_is_never_on_a_registry_of_crates() -> None:
    root = manifests({"packages": ["a", "b"], "publish": ["pypi", "crates-io"]}).pyproject
    crated = manifests({}, folder="a", cargo=crate())
    pure = manifests({}, folder="b", project={"name": "b"})
    inheriting = resolve.resolve_project(root, (crated, pure), {})
    assert [p.publish for p in inheriting.packages] == [("pypi", "crates-io"), ("pypi",)]
    saying = manifests({"publish": ["crates-io"]}, folder="b", project={"name": "b"})
    expected = "b/pyproject.toml [tool.cartwheel] publish: 'crates-io' takes crates, and this package has none"
    with pytest.raises(ConfigError) as caught:
        resolve.resolve_project(root, (crated, saying), {})
    assert expected in str(caught.value)
    with pytest.raises(ConfigError, match="'house' takes crates"):
        understood(manifests({"publish": ["house"], "index": {"house": {"kind": "crates"}}}))


@pytest.mark.parametrize("triple", [t for t in TARGETS if t != "any"])
def test_every_target_has_a_platform_tag_at_its_own_floor(triple: str) -> None:
    target = TARGETS[triple]
    assert target.arch in platform_tag(target, target.floor)


def test_a_rehearsal_changes_the_destinations_and_nothing_else() -> None:
    from cartwheel.model.config.release_settings import IndexSettings

    root = manifests({"packages": [".", "b"], "publish": ["pypi", "testpypi"]})
    project = understood(root, manifests({"publish": []}, folder="b", project={"name": "b"}))
    there = model.rehearsal_project(project, {"pypi": IndexSettings(url="http://127.0.0.1:1/")})
    assert [p.publish for p in there.packages] == [("pypi", "testpypi"), ("rehearsal",)]
    assert {index.url for index in there.indexes.values()} == {"http://127.0.0.1:1/"}
    assert files(there) == files(project)
    for url in ("https://index.example/", "http://127.0.0.1.example/", "http://index.example/127.0.0.1/"):
        with pytest.raises(ConfigError, match="expected the stand-ins of doit rehearse on this machine"):
            model.rehearsal_project(project, {"pypi": IndexSettings(url=url)})


@pytest.mark.parametrize(
    ("table", "output"),
    [
        ({"targets": []}, "targets: found an empty list"),
        ({"python": []}, "python: found an empty list"),
        ({"publish": ["pypi", "pypi"]}, "publish: 'pypi' is listed twice"),
        ({"publish": ["../x"]}, "publish: '../x' is no name of an index"),
        ({"inputs": ["../x"]}, "inputs: '../x' lies outside the package"),
        ({"inputs": ["/etc/hosts"]}, "inputs: '/etc/hosts' lies outside the package"),
        ({"untested": " "}, "untested: found a blank; expected the reason"),
        ({"release": {"branch": "-f"}}, "release.branch: '-f' is no name that git takes"),
        ({"release": {"remote": "-f"}}, "release.remote: '-f' is no name that git takes"),
        ({"index": {"pypi": {"rehearsal": True}}}, "index.pypi: the real index is no place to practise"),
        ({"overrides": [{"select": "x86_64-linux-*"}]}, "'x86_64-linux-*' selects none of the targets"),
        ({"python": ["3.10"]}, "python: '3.10' is older than requires-python ('>=3.11') allows"),
    ],
)
def test_what_can_be_read_and_not_be_meant_is_refused_at_once(table: Mapping[str, Any], output: str) -> None:
    package = manifests(
        {"targets": ["x86_64-pc-windows-msvc"], **table},
        cargo=crate("abi3-py311"),
        project={"requires-python": ">=3.11"},
    )
    with pytest.raises(ConfigError) as caught:
        understood(package)
    assert output in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize("name", ["a$(id)b", "/tmp/x", "a\nb", "-a", "a.", "a b", "ä", "a/../b"])
def test_a_name_that_no_index_takes_is_refused_when_it_is_read(name: str) -> None:
    with pytest.raises(ConfigError, match=r"\[project\] name .*; expected letters, digits"):
        understood(manifests(project={"name": name}))


@pytest.mark.parametrize(
    ("table", "output"),
    [
        ({"publish": ["a$(id)b"]}, "publish: 'a$(id)b' is no name of an index"),
        ({"publish": ["a\nb"]}, r"publish: 'a\nb' is no name of an index"),
        ({"index": {"/tmp/x": {"url": "https://x.example/"}}}, "publish: '/tmp/x' is no name of an index"),
        ({"tag": "v{version}$(id)"}, "tag: 'v{version}$(id)'; expected letters, digits and any of ._/+@-"),
        ({"tag": "v{version}\n"}, r"tag: 'v{version}\n'"),
        ({"targets": ["a$(id)b"]}, "targets: unknown target 'a$(id)b'"),
        ({"packages": ["../x"]}, "packages: '../x' is no folder of the project"),
        ({"packages": ["/tmp/x"]}, "packages: '/tmp/x' is no folder of the project"),
        ({"profile": "a$(id)b", "targets": ["aarch64-apple-darwin"]}, "profile: 'a$(id)b'; expected letters, digits"),
    ],
)
def test_a_name_that_would_reach_a_path_or_a_shell_is_refused(table: Mapping[str, Any], output: str) -> None:
    with pytest.raises(ConfigError) as caught:
        understood(manifests(table))
    assert output in str(caught.value)


def test_names_that_are_set_for_one_run_are_held_to_the_same() -> None:
    with pytest.raises(ConfigError, match="a setting for this run, publish: '/tmp/x' is no name of an index"):
        understood(manifests(), overrides={"publish": "/tmp/x"})


@pytest.mark.parametrize(
    ("key", "value"),
    [("packages", ["x"]), ("index", {"house": {}}), ("release", {"branch": "x"}), ("ci", {"own": True})],
)
def test_a_key_of_the_project_in_a_members_table_says_where_to_go(key: str, value: object) -> None:
    root = manifests({"packages": [".", "b"]})
    member = manifests({key: value}, folder="b", project={"name": "b"})
    words = rf"b/pyproject.toml \[tool.cartwheel\] {key}: belongs to the whole project; move it into the root's"
    with pytest.raises(ConfigError, match=words):
        understood(root, member)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", "scm"), ("version-from", "Cargo.toml"), ("module", "x"),
        ("versions", [{"file": "x", "pattern": "{version}"}]),
    ],
)  # fmt: skip
def test_a_key_of_one_package_in_the_table_of_a_root_that_is_none_says_where_to_go(key: str, value: object) -> None:
    root = manifests({"packages": ["b"], key: value})
    with pytest.raises(ConfigError, match=rf"\[tool.cartwheel\] {key}: belongs to one package; move it into that"):
        resolve.resolve_project(root.pyproject, (manifests(folder="b"),), {})


def test_every_key_has_a_home() -> None:
    """A key of the root alone or of a package alone is refused elsewhere; every other works in both."""
    from cartwheel.model.config.config_checks import PACKAGE_ONLY, ROOT_ONLY
    from cartwheel.model.config.key_docs import key_docs
    from cartwheel.model.config.settings import Settings

    output = {doc.key.replace("-", "_"): doc.text.partition(":")[0] for doc in key_docs(Settings)}
    assert {key for key, home in output.items() if home == "Root only"} == set(ROOT_ONLY)
    assert {key for key, home in output.items() if home == "Package's own table only"} == set(PACKAGE_ONLY)


PYPY_SYSTEMS = [
    ("x86_64-unknown-linux-gnu", True), ("s390x-unknown-linux-gnu", False), ("powerpc64le-unknown-linux-gnu", False),
    ("i686-pc-windows-msvc", False), ("aarch64-pc-windows-msvc", False), ("x86_64-unknown-linux-musl", False),
    ("i686-unknown-linux-gnu", True), ("aarch64-apple-darwin", True), ("x86_64-pc-windows-msvc", True),
]  # fmt: skip


@pytest.mark.parametrize(("triple", "published"), PYPY_SYSTEMS)
def test_pypy_is_left_out_where_it_is_not_published_and_that_is_told(triple: str, published: bool) -> None:
    read = manifests({"targets": [triple], "python": ["3.13", "pypy3.11"]}, cargo=crate())
    [package] = understood(read).packages
    assert any(wheel.python == "pypy3.11" for wheel in package.wheels) == published
    notes = [f"no pypy3.11 for {triple}: it is not published there"]
    assert list(package.left_out) == ([] if published else notes)


def test_an_interpreter_that_an_override_names_for_a_system_without_it_is_refused() -> None:
    override = {"select": "s390x-*", "python": ["pypy3.11"]}
    table = {"targets": ["s390x-unknown-linux-gnu"], "overrides": [override]}
    with pytest.raises(ConfigError, match=r"python 'pypy3.11' is not published for s390x-unknown-linux-gnu; remove it"):
        understood(manifests(table, cargo=crate()))


@pytest.mark.parametrize(
    ("python", "tags"),
    [
        ("pypy3.11", "pp311-pypy311_pp73"), ("pypy3.11-v8", "pp311-pypy311_pp80"), ("pypy3.12", "pp312-pypy312_pp80"),
        ("graalpy3.12", "graalpy312-graalpy250_312_native"), ("3.15t", "cp315-cp315t"), ("3.9", "cp39-cp39"),
    ],
)  # fmt: skip
def test_an_interpreter_has_its_tags(python: str, tags: str) -> None:
    read = manifests({"targets": ["x86_64-unknown-linux-gnu"], "python": [python]}, cargo=crate())
    assert files(understood(read))[0].startswith(f"demo-1.2.0-{tags}-manylinux")


@pytest.mark.parametrize(("python", "platform"), [("3.13", "pyemscripten_2025_0"), ("3.14", "pyemscripten_2026_0")])
def test_the_platform_of_emscripten_follows_the_python(python: str, platform: str) -> None:
    read = manifests({"targets": ["wasm32-unknown-emscripten"], "python": [python]}, cargo=crate())
    assert files(understood(read))[0].endswith(f"-{platform}_wasm32.whl")


def test_what_the_defaults_leave_out_is_told() -> None:
    output = {"classifiers": [f"Programming Language :: Python :: {v}" for v in ("3", "3.9", "3.14", "3.99")]}
    [package] = understood(manifests(cargo=crate(), project=output)).packages
    old, unknown, others = package.left_out
    assert (old, unknown) == (
        "built although past its end, because a classifier names it: 3.9",
        "not built, because there is no release of it: 3.99",
    )
    assert "s390x-unknown-linux-gnu" in others
    assert "i686-pc-windows-msvc" in others
    assert {wheel.python for wheel in package.wheels} == {"3.9", "3.14"}
    [package] = understood(manifests({"python": ["3.14"]}, cargo=crate(), project=output)).packages
    assert package.left_out == (others,), "who names the interpreters knows which"


def test_a_stable_abi_package_for_free_threaded_python_has_their_wheels_too() -> None:
    output = {"classifiers": ["Programming Language :: Python :: Free Threading :: 3 - Stable"]}
    for features, expected in ((("abi3-py311",), ["abi3", "3.14t", "3.15t"]), (("abi3t",), ["abi3t", "3.14t"])):
        read = manifests({"targets": ["aarch64-apple-darwin"]}, cargo=crate(*features), project=output)
        assert [wheel.python for _, wheel in understood(read).wheels] == expected


@pytest.mark.parametrize("floor", ["manylinux_2_42", "manylinux_2_44"])
def test_a_libc_that_auditwheel_has_no_policy_for_is_refused(floor: str) -> None:
    with pytest.raises(ConfigError, match=r"auditwheel has no policy for it; expected 2\.41 or older"):
        understood(manifests({"targets": ["x86_64-unknown-linux-gnu"], "floor": floor}, cargo=crate()))


def test_a_floor_that_maturin_would_overrule_is_refused() -> None:
    table = {"targets": ["x86_64-apple-darwin"], "floor": "11.0", "python": ["3.13"]}
    own = {"target": {"x86_64-apple-darwin": {"macos-deployment-target": "12.0"}}}
    with pytest.raises(ConfigError, match=r"macos-deployment-target is '12.0', and maturin takes that; write one"):
        understood(manifests(table, cargo=crate(), maturin=own))
    same = {"target": {"x86_64-apple-darwin": {"macos-deployment-target": "11.0"}}}
    assert files(understood(manifests(table, cargo=crate(), maturin=same)))[0].endswith("macosx_11_0_x86_64.whl")
