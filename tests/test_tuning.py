"""Settings that differ between wheels: precedence of the tables, refusals, and the values that reach the build."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartwheel.backends.maturin import _final_wheel as final_wheel
from cartwheel.backends.maturin import _interpreter as interpreter
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Wheel
from cartwheel.toolchain.compiler_flags import flags_environment, holds
from support.models import crate, manifests, understood
from support.projects import TRIPLE, Project, committed, with_crate

LINUX, MUSL, MAC = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-apple-darwin"


def wheels(table: Mapping[str, Any], once: Mapping[str, str] | None = None, **more: Any) -> dict[str, Wheel]:
    """The wheels of a crate of this name with these settings, by what stands after the stage in their tasks' names."""
    settings = {"targets": [LINUX, MUSL, MAC], "python": ["3.13", "pypy3.11"], "publish": [], **table}
    project = understood(manifests(settings, cargo=crate(), **more), overrides=once or {})
    return {wheel.segments.replace(":demo", ""): wheel for _, wheel in project.wheels}


LAYERS: list[tuple[str, Mapping[str, Any], Mapping[str, str], Mapping[str, object]]] = [
    ("the default", {}, {}, {LINUX: "release", MAC: "release"}),
    ("the table", {"profile": "small"}, {}, {LINUX: "small", MAC: "small"}),
    ("an override", {"profile": "small", "overrides": [{"select": "*-linux-*", "profile": "x"}]}, {},
     {LINUX: "x", MUSL: "x", MAC: "small"}),
    ("the last of two",
     {"overrides": [{"select": "*-linux-*", "profile": "x"}, {"select": "*-musl", "profile": "y"}]}, {},
     {LINUX: "x", MUSL: "y", MAC: "release"}),
    ("one for another key does not count",
     {"overrides": [{"select": "*-linux-*", "profile": "x"}, {"select": "*-musl", "features": ["slow"]}]}, {},
     {MUSL: "x"}),
    ("what is set for this run", {"overrides": [{"select": "*", "profile": "x"}]}, {"profile": "y"}, {LINUX: "y"}),
]  # fmt: skip


@pytest.mark.parametrize(("table", "once", "profiles"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS])
def test_the_last_word_has(table: Mapping[str, Any], once: Mapping[str, str], profiles: Mapping[str, object]) -> None:
    plans = wheels(table, once)
    assert {triple: plans[f"{triple}:3.13"].profile for triple in profiles} == profiles


def test_an_override_may_select_by_interpreter() -> None:
    plans = wheels({"overrides": [{"select": {"target": "*-linux-*", "python": "pypy*"}, "features": ["slow"]}]})
    assert {name for name, wheel in plans.items() if wheel.features} == {f"{LINUX}:pypy3.11"}


def test_interpreters_may_differ_and_be_skipped() -> None:
    musl = {"select": "*-musl", "python": ["3.14t"]}
    mac = {"select": {"target": "*-darwin", "python": "pypy*"}, "skip": "nobody asks for it"}
    plans = wheels({"overrides": [musl, mac]})
    assert list(plans) == [f"{LINUX}:3.13", f"{LINUX}:pypy3.11", f"{MUSL}:3.14t", f"{MAC}:3.13"]


def test_the_way_of_testing_is_overridden_key_by_key() -> None:
    plans = wheels({"test": {"command": ["pytest"], "requires": ["numpy"]},
                   "overrides": [{"select": "*-musl", "test": {"skip": "no numpy there"}},
                                 {"select": "*", "test": {"python": ["3.13"]}}]})  # fmt: skip
    there, not_there = plans[f"{LINUX}:3.13"].test, plans[f"{MUSL}:3.13"].test
    assert (there.skip, there.requires, there.python) == ("", ("numpy",), ("3.13",))
    assert (not_there.skip, not_there.requires, not_there.python) == ("no numpy there", ("numpy",), ("3.13",))


def test_a_variant_is_made_beside_the_usual_wheel_and_its_own_keys_win() -> None:
    plans = wheels({"overrides": [{"select": "*", "profile": "x", "features": ["rayon"]}],
                   "variants": [{"name": "small", "select": {"target": LINUX, "python": "3.*"}, "profile": "tiny",
                                 "build-tag": "1small"}]})  # fmt: skip
    small = plans[f"{LINUX}:3.13:small"]
    assert (small.profile, small.features, small.file.split("-")[2]) == ("tiny", ("rayon",), "1small")
    assert (plans[f"{LINUX}:3.13"].profile, len(plans)) == ("x", 6)


@pytest.mark.parametrize(
    ("features", "python"), [(("abi3",), "python3.9"), (("abi3", "abi3-py311"), ""), (("abi3-py310",), "")]
)
def test_where_the_stable_abi_names_no_version_the_oldest_python_says_it(
    features: tuple[str, ...], python: str
) -> None:
    read = manifests({"targets": [LINUX]}, cargo=crate(*features), project={"requires-python": ">=3.9"})
    [(package, wheel)] = understood(read).wheels
    assert interpreter(package, wheel) == python


def test_a_stable_abi_that_no_manifest_of_ours_asks_for_is_told(tmp_path: Path) -> None:
    plans = wheels({"targets": [LINUX]})[f"{LINUX}:3.13"]
    (tmp_path / plans.file.replace("cp313-cp313", "cp311-abi3")).touch()
    with pytest.raises(StepFailed, match=r'with "abi3-py311" among the features of pyo3 in Cargo.toml'):
        final_wheel(tmp_path, plans)


def test_an_image_alone_means_a_container() -> None:
    plans = wheels({"overrides": [{"select": "*-musl", "image": "ours"}]})
    assert {wheel.toolchain for name, wheel in plans.items() if name.startswith(MUSL)} == {"container"}
    assert plans[f"{LINUX}:3.13"].toolchain == ""


NATIVE = f"CARGO_TARGET_{LINUX.upper().replace('-', '_')}_RUSTFLAGS"
UNIX = frozenset({"unix", 'target_os="linux"', "debug_assertions"})


@pytest.mark.parametrize(
    ("own", "config", "expected"),
    [
        ({}, "", {"CARGO_BUILD_RUSTFLAGS": "-g"}),
        ({}, '[build]\nrustflags = ["-C", "x"]\n', {"CARGO_BUILD_RUSTFLAGS": "-g"}),
        ({"CARGO_BUILD_RUSTFLAGS": "-v"}, "", {"CARGO_BUILD_RUSTFLAGS": "-v -g"}),
        ({"RUSTFLAGS": "-v"}, f"[target.{LINUX}]\nrustflags = '-C x'\n", {"RUSTFLAGS": "-v -g"}),
        ({"CARGO_ENCODED_RUSTFLAGS": "-v\x1f-C x"}, "", {"CARGO_ENCODED_RUSTFLAGS": "-v\x1f-C x\x1f-g"}),
        ({NATIVE: "-v"}, "", {NATIVE: "-v -g"}),
        ({}, f"[target.{LINUX}]\nrustflags = '-C x'\n", {NATIVE: "-g"}),
        ({}, f"[target.{MUSL}]\nrustflags = '-C x'\n", {"CARGO_BUILD_RUSTFLAGS": "-g"}),
        ({}, f"[target.{LINUX}]\nlinker = 'cc'\n", {"CARGO_BUILD_RUSTFLAGS": "-g"}),
        ({}, "[target.'cfg(all(unix, not(target_os = \"macos\")))']\nrustflags = ['-v']\n", {NATIVE: "-g"}),
        ({}, "[target.'cfg(windows)']\nrustflags = ['-v']\n", {"CARGO_BUILD_RUSTFLAGS": "-g"}),
    ],
)
def test_flags_are_added_to_the_source_that_cargo_takes_them_from(
    tmp_path: Path, own: Mapping[str, str], config: str, expected: Mapping[str, str]
) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text(config)
    env = {"CARGO_HOME": str(tmp_path / "home"), **own}
    assert flags_environment(("-g",), (LINUX,), tmp_path, env, lambda triple: UNIX) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("unix", True),
        ("windows", False),
        ('target_os = "linux"', True),
        ('any(windows, target_os = "linux")', True),
        ('all(unix, target_os = "macos")', False),
        ("not(any(windows, target_family))", True),
        ("all()", True),
        ("any()", False),
    ],
)
def test_a_condition_of_a_target_table_is_judged_as_cargo_does(condition: str, expected: bool) -> None:
    assert holds(condition, UNIX) == expected


def test_a_universal_wheel_is_told_them_for_each_of_its_parts(tmp_path: Path) -> None:
    env = {"CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS": "-v", "CARGO_HOME": str(tmp_path / "home")}
    triples = ("aarch64-apple-darwin", "x86_64-apple-darwin")
    expected = flags_environment(("-g",), triples, tmp_path, env, lambda triple: frozenset())
    assert expected == {"CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS": "-v -g", "CARGO_BUILD_RUSTFLAGS": "-g"}


REFUSED: list[tuple[Mapping[str, Any], str]] = [
    ({"overrides": [{"select": "*-windows-*", "profile": "x"}]}, "'*-windows-*' selects none of the targets"),
    ({"variants": [{"name": "small", "select": "*-windows-*"}]}, "variants: '*-windows-*' selects none of the targets"),
    ({"overrides": [{"select": {"python": "pypy*"}, "python": ["3.14"]}]}, "so it cannot say which there are"),
    ({"overrides": [{"select": {"targets": "x"}}]}, "unknown key 'targets'; did you mean 'target'"),
    ({"overrides": [{"select": "*", "skip": " "}]}, "skip: found a blank; expected the reason"),
    ({"overrides": [{"select": "*", "python": []}]}, "overrides python: found an empty list"),
    ({"overrides": [{"select": "*", "test": {"pythons": []}}]}, "unknown key 'pythons'"),
    ({"variants": [{"name": "Small!"}]}, "variants: name 'Small!'; expected lower-case letters"),
    ({"variants": [{"name": "a"}, {"name": "a"}]}, "variants: two are named 'a'"),
    ({"variants": [{"name": "a", "build-tag": "small"}]}, "build-tag 'small'; expected a digit"),
    ({"variants": [{"name": "a", "features": ["small"]}]}, "would both be demo-1.2.0-cp313-cp313-"),
    ({"before": [{"run": []}]}, "before: run begins with a blank"),
    ({"before": [{"run": ["make"], "inputs": ["../x"]}]}, "before: inputs: '../x' lies outside the package"),
    ({"environment": {"A": {"secrets": "x"}}}, "unknown key 'secrets'"),
    ({"environment": {"A": 1}}, "environment"),
    ({"environment": {"A": {"secret": "MY SECRET"}}}, "environment: A: secret 'MY SECRET'; expected a variable's name"),
    ({"environment": {"A": {"secret": ""}}}, "environment: A: secret ''; expected a variable's name"),
    ({"environment": {"A": {"secret": "2ND"}}}, "environment: A: secret '2ND'; expected a variable's name"),
    ({"environment": {"A=B": "x"}}, "environment: 'A=B' is no name of a variable"),
    ({"environment": {"": "x"}}, "environment: '' is no name of a variable"),
    ({"environment": {"A\0": "x"}}, "is no name of a variable"),
    ({"environment": {"A": "x\0y"}}, "environment: A: found a NUL in its value"),
    ({"overrides": [{"select": "*", "environment": {"A=B": "x"}}]}, "overrides environment: 'A=B' is no name"),
    ({"variants": [{"name": "a", "environment": {"A": {"secret": "$B"}}}]}, "variants environment: A: secret '$B'"),
    ({"environment-pass": ["OURS_*", "A=B"]}, "environment-pass: 'A=B' is no name of a variable"),
    ({"environment-pass": [""]}, "environment-pass: '' is no name of a variable"),
    ({"runner": "x\ny"}, "runner: 'x\\ny'; expected a plain name"),
    ({"runner": "${{ secrets.X }}"}, "runner: '${{ secrets.X }}'; expected a plain name: no '${{'"),
    ({"runner": " ours"}, "runner: ' ours'; expected a plain name"),
    ({"overrides": [{"select": "*", "runner": "a\x1b[0m"}]}, "overrides runner: "),
    (
        {"index": {"pypi": {"environment": "${{ vars.X }}"}}},
        "index.pypi environment: '${{ vars.X }}'; expected a plain",
    ),
    ({"index": {"pypi": {"environment": " "}}}, "index.pypi environment: ' '; expected a plain name"),
    ({"toolchain": "mingw"}, f"toolchain: 'mingw' makes no wheels for {LINUX}; put it into an override"),
    ({"overrides": [{"select": "*-darwin", "toolchain": "xwin"}]}, f"'xwin' makes no wheels for {MAC}"),
    ({"targets": ["x86_64-pc-windows-gnu"], "toolchain": "zig"}, "'zig' makes no wheels for x86_64-pc-windows-gnu"),
    ({"toolchain": "gcc"}, "unknown value 'gcc'"),
    ({"floor": "manylinux_2_5", "targets": [LINUX]}, "is older than Rust's standard library for it"),
    ({"floor": "manylinux_2_99", "targets": [LINUX]}, "there is no such libc yet"),
    ({"floor": "musllinux_1_3", "targets": [MUSL]}, "there is no such libc yet"),
    ({"floor": "musllinux_2_17", "targets": [MUSL]}, "expected one like 'musllinux_1_2'"),
    ({"features": ["seen"]}, "demo has no feature 'seen'"),
    ({"features": ["smal"]}, "features: demo has no feature 'smal'; did you mean 'small'?"),
    ({"overrides": [{"select": "*-musl", "features": ["demo-x"]}]}, "demo has no feature 'demo-x'; expected one of"),
    (
        {"variants": [{"name": "a", "features": ["none"]}]},
        "demo has no feature 'none'; expected one of bindgen, default",
    ),
    ({"targets": [MAC], "floor": "10.15"}, "is older than Rust's standard library for it; expected '11.0'"),
    ({"targets": [MAC], "floor": "12.3"}, "names no minor version"),
    ({"targets": ["x86_64-pc-windows-gnu"], "floor": "10"}, "x86_64-pc-windows-gnu, which has none"),
    ({"targets": ["loongarch64-unknown-linux-gnu"], "publish": ["pypi"]}, "pypi takes no wheel with the platform tag"),
    ({"overrides": [{"select": {"python": "3.14T"}, "profile": "x"}]}, "overrides: python '3.14T' selects none of the"),
    (
        {
            "overrides": [
                {"select": {"target": "*-musl", "python": "3.14"}, "skip": "x"},
                {"select": "*-gnu", "python": ["3.14"]},
            ]
        },
        "python '3.14' selects none of the",
    ),
    ({"variants": [{"name": "a", "select": {"python": "3.12"}}]}, "variants: python '3.12' selects none of the"),
    ({"toolchain": "zig", "targets": [LINUX], "image": "ours"}, "image: 'ours' is for toolchain 'container', and"),
    ({"toolchain": "zig", "overrides": [{"select": "*-musl", "image": "ours"}]}, f"and {MUSL} has 'zig'"),
    ({"targets": [LINUX], "image": "quay.io/pypa/manylinux2014_aarch64:latest"}, f"is not for {LINUX} from"),
    ({"targets": [LINUX], "image": "quay.io/pypa/manylinux_2_28_x86_64"}, "from manylinux2014 on; expected one"),
    ({"packages": []}, "packages: found an empty list; name at least one folder"),
    ({"overrides": [{"select": "*", "skip": "none"}]}, "overrides: no wheel is left of demo"),
    ({"module": "stone-core"}, "module: 'stone-core' cannot be imported"),
    ({"module": "stone..core"}, "module: 'stone..core' cannot be imported"),
    ({"test": {"requires": ["numpy >> 2"]}}, "test.requires: 'numpy >> 2' is no requirement"),
    ({"overrides": [{"select": "*", "test": {"requires": [""]}}]}, "test.requires: '' is no requirement"),
    ({"test": {"command": ["pytest", "{pakage}/tests"]}}, "did you mean '{package}'?"),
    ({"profile": "dev", "publish": ["pypi"]}, "makes debug wheels, which are never published"),
]


@pytest.mark.parametrize(("table", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_be_meant_is_refused_when_it_is_read(table: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        wheels(table)
    assert words in str(refusal.value)
    assert len(str(refusal.value).splitlines()) <= 2


MEANT: list[tuple[Mapping[str, Any], Mapping[str, str]]] = [
    ({"overrides": [{"select": {"python": "pypy*"}, "profile": "x"}]}, {"python": "3.13"}),
    ({"overrides": [{"select": {"python": "pypy*"}, "profile": "x"}]}, {"targets": LINUX}),
    ({"overrides": [{"select": {"target": "*-musl"}, "skip": "none"}]}, {"targets": LINUX}),
    ({"variants": [{"name": "a", "python": ["3.14"]}], "overrides": [{"select": {"python": "3.14"}, "profile": "x"}]},
     {}),
    ({"targets": [LINUX], "image": "ours"}, {"toolchain": "zig"}),
    ({"targets": [LINUX, "x86_64-pc-windows-gnu"]}, {"toolchain": "zig"}),
    ({"toolchain": "native"}, {}),
    ({"targets": [LINUX, MUSL], "image": "ours", "overrides": [{"select": "*-musl", "toolchain": "zig"}]}, {}),
    ({"targets": [LINUX], "image": "quay.io/pypa/manylinux_2_28_x86_64", "floor": "manylinux_2_34"}, {}),
    ({"targets": [LINUX], "image": "quay.io/pypa/manylinux_2_28:latest"}, {}),
    ({"test": {"requires": ["numpy[all]>=2; python_version > '3.11'", "x @ https://example.invalid/x.whl"]}}, {}),
    ({"test": {"command": ["python", "-c", "print(f'{path}')", "{package}/x"]}, "module": "stone.core"}, {}),
    ({"module": ""}, {}),
    ({"features": ["small", "rayon", "default", "pyo3/macros", "bindgen"]}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("table", "once"), MEANT, ids=[f"{one} {other}" for one, other in MEANT])
def test_what_can_be_meant_is_not_refused(table: Mapping[str, Any], once: Mapping[str, str]) -> None:
    wheels(table, once)


OF_PYTHON: list[tuple[str, tuple[str, ...], list[str], str]] = [
    (">=3.12", (), ["3.11"], "is older than requires-python"),
    (">=3.11,<3.14", (), ["3.14"], "is not what requires-python"),
    (">=3.11", ("abi3-py311",), ["3.13"], "the crate's feature abi3 makes it a wheel for all from 3.11 on"),
    (">=3.11", (), ["pypy3.13"], "unknown interpreter 'pypy3.13'"),
    (">=3.11", (), ["3.12t"], "unknown interpreter '3.12t'"),
]


@pytest.mark.parametrize(("requirement", "features", "python", "words"), OF_PYTHON, ids=[row[3] for row in OF_PYTHON])
def test_an_interpreter_that_cannot_be_is_refused(
    requirement: str, features: tuple[str, ...], python: list[str], words: str
) -> None:
    table = {"targets": [LINUX], "python": python, "publish": []}
    with pytest.raises(ConfigError, match=words):
        understood(manifests(table, cargo=crate(*features), project={"requires-python": requirement}))


def test_what_has_no_stable_abi_may_be_built_beside_it() -> None:
    table = {"targets": [LINUX], "python": ["abi3", "3.14t", "pypy3.11"], "publish": []}
    project = understood(manifests(table, cargo=crate("abi3-py311")))
    assert [wheel.python for _, wheel in project.wheels] == ["abi3", "3.14t", "pypy3.11"]


def test_a_secret_is_named_and_not_held() -> None:
    plans = wheels({"environment": {"TOKEN": {"secret": "OUR_TOKEN"}, "PLAIN": "x"}})
    assert plans[f"{LINUX}:3.13"].environment == {"TOKEN": Secret(secret="OUR_TOKEN"), "PLAIN": "x"}


PROFILES = """
[profile.tiny]
inherits = "release"

[profile.look]
inherits = "dev"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A program in Rust for this machine, with what may differ from wheel to wheel."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    return with_crate(tmp_path / "project")


TUNED = """
before = [{ run = ["python3", "gen.py"], inputs = ["words.txt"] }]
environment = { SECRET_WORD = { secret = "OUR_WORD" } }
flags = ["--cfg", "pebbled"]

[[tool.cartwheel.variants]]
name = "small"
profile = "tiny"
build-tag = "1small"
"""
GENERATOR = """import os, pathlib
print("the word is", os.environ["SECRET_WORD"])
pathlib.Path("src/word.txt").write_text(pathlib.Path("words.txt").read_text())
with open("ran.log", "a") as log:
    log.write("once\\n")
"""
MAIN = """fn main() {
    println!("{} {}", include_str!("word.txt"), if cfg!(pebbled) { "pebbled" } else { "plain" });
}
"""


def _tuned(project: Project) -> None:
    project.edit("pebble/pyproject.toml", "publish = []\n", f"publish = []\n{TUNED}")
    project.write("pebble/gen.py", GENERATOR)
    project.write("pebble/words.txt", "granite")
    project.write("pebble/src/main.rs", MAIN)
    project.write("pebble/Cargo.toml", (project.root / "pebble/Cargo.toml").read_text() + PROFILES)
    project.write(".gitignore", "ran.log\nword.txt\n.cartwheel/\ndist/\n")


def _says(project: Project, wheel: Path) -> str:
    """The output of the program in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(entry for entry in archive.namelist() if ".data/scripts/pebble" in entry)
        program = Path(archive.extract(name, project.root / ".cartwheel" / "unpacked"))
    program.chmod(0o755)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def test_flags_secrets_commands_and_variants_reach_the_build(project: Project) -> None:
    _tuned(project)
    project.write("pebble/.cargo/config.toml", '[build]\nrustflags = ["--cfg", "users"]\n')
    project.edit("pebble/src/main.rs", "cfg!(pebbled)", "cfg!(all(pebbled, users))")
    builds = (f"build:{TRIPLE}:pebble:py3", f"build:{TRIPLE}:pebble:py3:small")
    output = project.doit(*builds, code=1)
    assert "SECRET_WORD is to be what $OUR_WORD holds, and that is not set" in output
    word = {"OUR_WORD": "obsidian-and-more"}
    output = project.doit("-n", "2", f"repair:{TRIPLE}:pebble:*", env=word)
    wheels = sorted((project.root / "dist/private").glob("pebble-*.whl"))
    assert [wheel.name.split("-")[2] for wheel in wheels] == ["1small", "py3"]
    assert {_says(project, wheel) for wheel in wheels} == {"granite pebbled"}
    with zipfile.ZipFile(wheels[0]) as archive:
        assert b"Build: 1small" in archive.read("pebble-1.0.0.dist-info/WHEEL")
    assert (project.root / "pebble/ran.log").read_text() == "once\n"
    mentions = [p for p in (project.root / ".cartwheel").rglob("*") if p.is_file() and b"obsidian" in p.read_bytes()]
    assert (mentions, "obsidian" in output) == ([], False)
    assert "up to date" in project.doit(f"repair:{TRIPLE}:pebble:*", env={"OUR_WORD": "another"})
    project.write("pebble/words.txt", "basalt")
    assert "words.txt changed" in project.doit("plan", env=word)
    project.doit(f"repair:{TRIPLE}:pebble:*", env=word)
    assert {_says(project, wheel) for wheel in wheels} == {"basalt pebbled"}
    project.doit(f"check:{TRIPLE}:pebble:py3:small", env=word)


def test_what_is_made_before_a_build_is_missed_by_no_clone(project: Project, tmp_path: Path) -> None:
    _tuned(project)
    committed(project)
    word, both = {"OUR_WORD": "obsidian"}, (f"build:{TRIPLE}:pebble:py3", "sdist:pebble")
    assert "that is not set" in project.doit("sdist:pebble", code=1)
    project.doit(*both, env=word)
    clone = project.copy(tmp_path / "clone")
    (clone.root / "pebble/src/word.txt").unlink()
    (clone.root / "pebble/ran.log").unlink()
    clone.doit(*both, env={"CARTWHEEL_FROZEN": "1"})
    assert not (clone.root / "pebble/src/word.txt").exists()
    project.write("pebble/src/word.txt", "edited by hand")
    project.doit(*both, env={"CARTWHEEL_FROZEN": "1"})
    project.write("pebble/src/main.rs", MAIN.replace("{} {}", "{}, {}"))  # git holds it, so it counts
    assert "pebble/src/main.rs changed" in project.doit("plan", env=word)


def test_a_wheel_from_the_source_distribution_has_the_variables_of_its_build(project: Project) -> None:
    project.edit("pebble/pyproject.toml", "publish = []\n", 'publish = []\nenvironment = { STAMP = "one" }\n')
    project.write("pebble/src/main.rs", 'fn main() {\n    println!(env!("STAMP"));\n}\n')
    project.doit("check:sdist:pebble")
    project.edit("pebble/pyproject.toml", '"one"', '"two"')
    assert "STAMP changed" in project.doit("plan", "check:sdist:pebble")


@pytest.mark.parametrize("profile", ["dev", "look"])
def test_debug_wheels_lie_apart_and_are_never_published(project: Project, profile: str) -> None:
    project.write("pebble/Cargo.toml", (project.root / "pebble/Cargo.toml").read_text() + PROFILES)
    project.doit(f"repair:{TRIPLE}:pebble:py3")
    before = {p: p.read_bytes() for p in (project.root / "dist").rglob("*.whl")}
    asked: tuple[str, ...] = (f"repair:{TRIPLE}:pebble:py3", f"profile={profile}")
    assert "3 done" in project.doit(*asked)
    assert "up to date" in project.doit(f"repair:{TRIPLE}:pebble:py3", env={"CARTWHEEL_PROFILE": profile})
    assert len(list((project.root / "dist/debug").glob("*.whl"))) == 1
    assert {p: p.read_bytes() for p in before} == before
    assert "3 up to date" in project.doit(f"repair:{TRIPLE}:pebble:py3")
    for stage in ("publish", "tag", "release"):
        assert "debug wheels are never published" in project.doit(stage, f"profile={profile}", code=3)
    project.doit("run", "clean")
    assert not list((project.root / "dist").rglob("*.whl"))
    assert (project.root / "pebble" / "src").is_dir()
