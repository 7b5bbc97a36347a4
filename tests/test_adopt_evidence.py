"""What `doit adopt` reads of builds in workflows: interpreters that a job sets up, loops, arguments of cargo, pins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartwheel.adoption import cibuildwheel_options
from cartwheel.adoption.built_wheels import HOST, BuildCall, build_calls
from cartwheel.adoption.cibuildwheel_tests import shell_test, wheel_tests
from cartwheel.adoption.interpreters import named_python, set_up_pythons
from cartwheel.adoption.proposal import planned_files
from cartwheel.adoption.shell_loops import unroll_loops
from cartwheel.adoption.workflows import JobStep, workflows
from cartwheel.commands.adopt import Adoption
from cartwheel.pipeline import read_project
from support.adoptions import CRATE, PACKAGE, adopted

PLAIN = f'{CRATE}[features]\nsimd = []\ngpu = []\n[dependencies]\npyo3 = "0.29"\n'
LINUX, MACOS, WINDOWS = "x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"


def job(runner: str, *steps: str, more: str = "") -> str:
    """A workflow of one job with these steps, each a YAML mapping in one line."""
    rows = "".join(f"      - {step}\n" for step in steps)
    return f"on: {{ push: {{ tags: ['v*'] }} }}\njobs:\n  b:\n    runs-on: {runner}\n{more}    steps:\n{rows}"


def calls(text: str, **files: str) -> tuple[BuildCall, ...]:
    texts = {".github/workflows/wheels.yml": text, **files}
    return build_calls(workflows(texts), texts)


MATRIX = '    strategy: { matrix: { os: [windows-latest, macos-14], python: ["3.10", "3.12"] } }\n'
SET_UP = 'uses: actions/setup-python@v5\n        with: { python-version: "${{ matrix.python }}" }'


@pytest.mark.parametrize("build", ["maturin build -i python --out dist", "maturin build", "python -m build --wheel"])
def test_interpreters_that_the_job_sets_up_are_those_of_the_wheels(build: str) -> None:
    commands = calls(job("${{ matrix.os }}", SET_UP, f"run: pip install maturin build && {build}", more=MATRIX))
    assert {(call.triples[0], call.pythons) for call in commands} == {
        (triple, (version,)) for triple in (WINDOWS, MACOS) for version in ("3.10", "3.12")
    }


def test_only_interpreters_that_the_job_sets_up_are_planned(tmp_path: Path) -> None:
    text = job("${{ matrix.os }}", SET_UP, "uses: PyO3/maturin-action@v1", more=MATRIX)
    adoption, table = adopted(tmp_path / "x", workflow=text, **{"Cargo.toml": PLAIN})
    assert table["python"] == ["3.10", "3.12"]
    assert not [note for note in adoption.notes if "interpreter" in note]


def test_a_stable_abi_wheel_stays_one_wheel_for_all_interpreters_set_up(tmp_path: Path) -> None:
    text = job("${{ matrix.os }}", SET_UP, "run: maturin build", more=MATRIX)
    text = text.replace('"3.10"', '"3.11"')
    _, table = adopted(tmp_path / "x", workflow=text)
    assert "python" not in table
    assert "overrides" not in table


def test_an_interpreter_that_only_the_run_knows_is_noted(tmp_path: Path) -> None:
    text = job("macos-14", "run: maturin build -i python")
    adoption, _ = adopted(tmp_path / "x", workflow=text, **{"Cargo.toml": PLAIN})
    (note,) = [note for note in adoption.notes if "interpreter" in note]
    assert note.startswith(
        ".github/workflows/wheels.yml, job b: found no interpreter that the build names; planned for "
    )


@pytest.mark.parametrize(
    ("versions", "more", "expected"),
    [
        ("3.12", {}, ("3.12",)),
        ("3.9\n3.13", {}, ("3.13",)),
        ('["3.9", "3.12"]', {}, ("3.12",)),
        ("3.13t", {}, ("3.13t",)),
        ("3.14", {"freethreaded": "true"}, ("3.14t",)),
        ("pypy-3.11", {}, ("pypy3.11",)),
        ("pypy3.11-v7.3", {}, ("pypy3.11",)),
        ("3.12.4", {}, ("3.12",)),
        ("3.15-dev", {}, ("3.15",)),
        ("3.14.0-rc.1", {}, ("3.14",)),
        ("3.12.x", {}, ("3.12",)),
        ("3.x", {}, ()),
        ("3.1", {}, ()),
        (">=3.9 <3.13", {}, ()),
        ("", {}, ()),
    ],
)
def test_setup_pythons_last_version_is_python_on_path(
    versions: str, more: dict[str, str], expected: tuple[str, ...]
) -> None:
    step = JobStep(uses="actions/setup-python", with_={"python-version": versions, **more})
    assert set_up_pythons([step]) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/python/cp39-cp39/bin/python -m build --wheel", "3.9"),
        ("/opt/python/cp313-cp313t/bin/pip wheel .", "3.13t"),
        ("python3.12 -m build", "3.12"),
        ("py -3.11 -m build", "3.11"),
        ("uv build --python 3.10", "3.10"),
        ("uv build -p python3.13", "3.13"),
        ("python -m build", ""),
        ("uv build --wheel", ""),
    ],
)
def test_an_interpreter_that_a_build_names_is_the_wheels(command: str, expected: str) -> None:
    assert named_python(command, {}) == expected
    (call,) = calls(job("ubuntu-latest", f"run: {command}"))
    assert call.pythons == (expected or HOST,)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/python/cp38-cp38/bin/python -m venv .venv", ("3.8",)),
        ("/opt/python/cp314-cp314t/bin/python -m venv .venv && .venv/bin/pip install build", ("3.14t",)),
        ("python3.12 -m venv env", ("3.12",)),
        ("virtualenv -p python3.11 env", ("3.11",)),
        ("uv venv --python 3.13 .venv", ("3.13",)),
        ("python -m venv .venv", ("3.10",)),
    ],
)
def test_a_virtual_environment_has_the_interpreter_that_makes_it(command: str, expected: tuple[str, ...]) -> None:
    before = JobStep(uses="actions/setup-python", with_={"python-version": "3.10"})
    assert set_up_pythons([before, JobStep(run=command)]) == expected


def test_the_python_of_a_virtual_environment_builds_its_wheels() -> None:
    matrix = "    strategy: { matrix: { py: [cp38-cp38, cp314-cp314t] } }\n"
    steps = ("run: /opt/python/${{ matrix.py }}/bin/python -m venv .venv", "run: .venv/bin/python -m pip wheel .")
    assert [call.pythons for call in calls(job("ubuntu-latest", *steps, more=matrix))] == [("3.8",), ("3.14t",)]


@pytest.mark.parametrize(
    ("flags", "triple", "floor"),
    [
        ("-arch x86_64 -arch arm64", "universal2-apple-darwin", "10.13"),
        ("-arch x86_64", "x86_64-apple-darwin", "10.13"),
        ("-arch arm64", MACOS, ""),
        ("", MACOS, ""),
    ],
)
def test_a_plain_build_for_macos_has_the_processors_and_the_system_of_its_variables(
    flags: str, triple: str, floor: str
) -> None:
    env = f'env: {{ ARCHFLAGS: "{flags}", MACOSX_DEPLOYMENT_TARGET: "10.13" }}'
    (call,) = calls(job("macos-14", f"run: python -m build --wheel\n        {env}"))
    assert (call.triples, call.floor) == ((triple,), floor)


def test_each_interpreter_of_a_container_is_read_from_its_path() -> None:
    more = "    container: quay.io/pypa/manylinux_2_28_x86_64\n"
    more += "    strategy: { matrix: { py: [cp39-cp39, cp312-cp312] } }\n"
    run = "run: /opt/python/${{ matrix.py }}/bin/python -m build --wheel && auditwheel repair dist/*.whl"
    commands = calls(job("ubuntu-latest", run, more=more))
    assert [(call.pythons, call.floor) for call in commands] == [
        (("3.9",), "manylinux_2_28"),
        (("3.12",), "manylinux_2_28"),
    ]


def test_uv_builds_with_its_own_interpreter_first() -> None:
    steps = (SET_UP.replace("${{ matrix.python }}", "3.9"), "run: uv python install 3.12", "run: uv build --wheel")
    (call,) = calls(job("macos-14", *steps))
    assert call.pythons == ("3.12",)


def test_a_loop_over_plain_words_is_one_build_for_each_word() -> None:
    script = "run: |\n          for t in x86_64-apple-darwin aarch64-apple-darwin; do\n"
    script += "            maturin build --release --target $t\n          done"
    commands = calls(job("macos-14", script))
    assert [call.triples for call in commands] == [("x86_64-apple-darwin",), ("aarch64-apple-darwin",)]
    assert not any(call.left_out for call in commands)


def test_a_loop_over_packages_builds_each_in_its_folder() -> None:
    script = "run: |\n          for p in alpha beta; do\n"
    script += "            (cd py/$p && maturin build --target i686-unknown-linux-gnu)\n"
    commands = calls(job("ubuntu-latest", f"{script}          done"))
    assert [(call.folder, call.triples[0]) for call in commands] == [
        ("py/alpha", "i686-unknown-linux-gnu"), ("py/beta", "i686-unknown-linux-gnu"),
    ]  # fmt: skip


def test_a_line_that_powershell_continues_is_one_command() -> None:
    script = "run: |\n          maturin build --release `\n            --target i686-pc-windows-msvc"
    (call,) = calls(job("windows-latest", script))
    assert call.triples == ("i686-pc-windows-msvc",)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("for v in 9 {10,11}; do a ${v}; done", "a 9\na 10\na 11"),
        ("for v in $LIST; do a $v; done", "for v in $LIST; do a $v; done"),
        ("for f in dist/*; do a $f; done", "for f in dist/*; do a $f; done"),
        ("for a in 1 2; do for b in x y; do c $a $b; done; done", "c 1 x\nc 1 y\nc 2 x\nc 2 y"),
        ("echo `date`\nmake", "echo `date`\nmake"),
    ],
)
def test_only_loops_over_words_of_the_script_are_written_out(script: str, expected: str) -> None:
    assert unroll_loops(script) == expected


def build(arguments: str, target: str = "x86_64") -> str:
    return f'uses: PyO3/maturin-action@v1\n        with: {{ target: {target}, args: "{arguments}" }}'


def test_features_and_profiles_that_differ_by_target_are_overrides(tmp_path: Path) -> None:
    steps = (build("--release --features simd"), build("--profile dist --features gpu", "aarch64"))
    files = {"Cargo.toml": f'{PLAIN}[profile.dist]\ninherits = "release"\n'}
    _, table = adopted(tmp_path / "x", workflow=job("ubuntu-latest", *steps), **files)
    rows: dict[str, dict[str, Any]] = {}
    for row in table["overrides"]:
        rows.setdefault(row["select"], {}).update(row)
    assert rows[LINUX]["features"] == ["simd"]
    assert rows["aarch64-unknown-linux-gnu"]["features"] == ["gpu"]
    assert rows["aarch64-unknown-linux-gnu"]["profile"] == "dist"
    assert "features" not in table
    assert "profile" not in table


def test_a_feature_of_pyo3_in_the_arguments_makes_one_wheel_for_all_interpreters(tmp_path: Path) -> None:
    steps = (build("--features pyo3/abi3-py39"), build("--features pyo3/abi3-py39,simd", "aarch64"))
    adoption, table = adopted(tmp_path / "x", workflow=job("ubuntu-latest", *steps), **{"Cargo.toml": PLAIN})
    assert table["features"] == ["pyo3/abi3-py39"]
    (row,) = table["overrides"]
    assert row == {"select": "aarch64-unknown-linux-gnu", "features": ["pyo3/abi3-py39", "simd"]}
    assert not notes(adoption, "abi3")
    planned = planned_files(read_project(tmp_path / "x", {}))["."]
    assert sorted(planned) == [
        "agate-1.0.0-cp39-abi3-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        "agate-1.0.0-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "agate-1.0.0.tar.gz",
    ]


def notes(adoption: Adoption, word: str) -> list[str]:
    return [note for note in adoption.notes if word in note]


def test_arguments_of_a_build_that_no_key_takes_over_are_noted(tmp_path: Path) -> None:
    arguments = "--release --no-default-features -- -C target-cpu=native"
    adoption, table = adopted(tmp_path / "x", workflow=job("ubuntu-latest", build(arguments)))
    assert notes(adoption, "--no-default-features")
    assert notes(adoption, "'-C target-cpu=native' for rustc")
    assert "flags" not in table


ACTION, SHELL = "uses: PyO3/maturin-action@v1", "run: maturin build"
DTOLNAY = "uses: dtolnay/rust-toolchain@"


@pytest.mark.parametrize(
    ("runner", "steps", "rust"),
    [
        ("ubuntu-latest", (f"{ACTION}\n        with: {{ rust-toolchain: nightly-2026-01-05 }}",), "nightly-2026-01-05"),
        ("ubuntu-latest", (f"{ACTION}\n        with: {{ rust-toolchain: stable }}",), ""),
        ("ubuntu-latest", (f"{DTOLNAY}nightly", ACTION), ""),  # the action builds in a container
        ("macos-14", (f"{DTOLNAY}nightly", ACTION), "nightly"),
        ("macos-14", (f"{DTOLNAY}stable", ACTION), ""),
        ("macos-14", (f"{DTOLNAY}master\n        with: {{ toolchain: 1.75.0 }}", SHELL), "1.75.0"),
        ("macos-14", (f"{DTOLNAY}b95584d\n        with: {{ toolchain: '1.90' }}", SHELL), "1.90"),
        (
            "windows-latest",
            ("run: rustup toolchain install --profile minimal beta-2026-03-01", SHELL),
            "beta-2026-03-01",
        ),
        ("windows-latest", ("run: rustup default nightly-x86_64-pc-windows-gnu", SHELL), "nightly"),
        ("macos-14", ("run: rustup default stable", SHELL), ""),
        ("macos-14", ("run: rustup target add x86_64-apple-darwin", SHELL), ""),
        ("macos-14", (f"{SHELL}\n        env: {{ RUSTUP_TOOLCHAIN: nightly }}",), "nightly"),
    ],
)
def test_another_rust_than_the_newest_stable_one_is_noted(runner: str, steps: tuple[str, ...], rust: str) -> None:
    (call,) = calls(job(runner, *steps))
    assert [note for note in call.notes if "Rust" in note] == (
        [
            f"its Rust is {rust}, and other machines take the newest stable one; if the wheels need it, write a "
            f'rust-toolchain.toml: [toolchain] channel = "{rust}"'
        ]
        if rust
        else []
    )
    for path in ("rust-toolchain", "rust-toolchain.toml"):
        (call,) = calls(job(runner, *steps), **{path: "nightly"})
        assert not [note for note in call.notes if "Rust" in note]


def test_a_second_build_of_a_target_with_other_features_is_noted(tmp_path: Path) -> None:
    text = job("ubuntu-latest", build("--features simd"), build("--features gpu"))
    adoption, table = adopted(tmp_path / "x", workflow=text, **{"Cargo.toml": PLAIN})
    assert table["features"] == ["simd"]
    (note,) = notes(adoption, "second build")
    assert "with features gpu" in note


def cibuildwheel(build: str, version: str = "v2.21.3", **env: str) -> str:
    variables = ", ".join(f"{name}: '{value}'" for name, value in {"CIBW_BUILD": build, **env}.items())
    return f"uses: pypa/cibuildwheel@{version}\n        env: {{ {variables} }}"


def test_a_release_of_cibuildwheel_before_3_has_its_own_image_and_a_note() -> None:
    text = job("ubuntu-latest", cibuildwheel("cp312-* pp39-manylinux* cp313t-*"))
    commands = calls(text)
    assert {call.floor for call in commands} == {"manylinux2014", "musllinux_1_2"}
    assert {python for call in commands for python in call.pythons} == {"3.12", "3.13t", "pypy3.9"}
    assert [note for call in commands for note in call.notes if note.startswith("cibuildwheel 2 builds there")]


def test_a_release_that_pip_installs_is_a_pin() -> None:
    run = "run: pip install cibuildwheel==2.21.3"
    commands = calls(job("ubuntu-latest", run, "run: python -m cibuildwheel --output-dir x"))
    assert "manylinux2014" in {call.floor for call in commands}


@pytest.mark.parametrize(("enable", "expected"), [("cpython-freethreading", {"3.13t"}), ("pypy", set())])
def test_release_3_builds_free_threaded_3_13_where_it_is_enabled(enable: str, expected: set[str]) -> None:
    commands = calls(job("ubuntu-latest", cibuildwheel("cp313t-*", "v3.1", CIBW_ENABLE=enable)))
    assert {python for call in commands for python in call.pythons} == expected
    notes = [note for call in commands for note in call.notes if "'cp313t-*' selects no wheel" in note]
    assert bool(notes) == (not expected)


def test_a_pattern_for_another_platform_of_the_matrix_is_not_noted() -> None:
    commands = calls(job("macos-14", cibuildwheel("cp312-manylinux* cp312-macosx*", "v4.1.0")))
    assert [call.notes for call in commands] == [()]


def test_tests_in_the_variables_of_a_workflow_are_those_of_the_wheels(tmp_path: Path) -> None:
    more = "    env: { RUN: 'pytest {project}/tests', NEEDS: '-r {project}/needs.txt pytest' }\n"
    more += "    strategy: { matrix: { os: [macos-14, ubuntu-latest, windows-latest] } }\n"
    step = cibuildwheel(
        "cp312-* cp313-*", "v4.1.0", CIBW_TEST_COMMAND="${{ env.RUN }}", CIBW_TEST_REQUIRES="${{ env.NEEDS }}",
        CIBW_TEST_SKIP="*-musllinux_* cp313-win*", CIBW_TEST_COMMAND_MACOS="cd {project}/py && pytest -q",
        CIBW_REPAIR_WHEEL_COMMAND="x", CIBW_TEST_EXTRAS="test,more",
    )  # fmt: skip
    adoption, table = adopted(
        tmp_path / "x",
        workflow=job("${{ matrix.os }}", step, more=more),
        **{"Cargo.toml": PLAIN, "pyproject.toml": PACKAGE + "[project.optional-dependencies]\ntest = []\n"},
    )
    assert table["test"] == {
        "command": ["pytest", "{package}/tests"],
        "requires": ["-r needs.txt", "pytest"],
        "extras": ["test"],
    }
    rows = [(row["select"], row["test"]) for row in table["overrides"] if "test" in row]
    skipped = {"skip": "skipped by cibuildwheel's test-skip"}
    assert (
        rows
        == [
            ("x86_64-unknown-linux-musl", skipped),
            (MACOS, {"cwd": "py", "command": ["pytest", "-q"]}),
            ({"target": "i686-pc-windows-msvc x86_64-pc-windows-msvc", "python": "3.13"}, skipped),
        ]
        or rows
    )
    assert [note for note in adoption.notes if "CIBW" in note] == [
        ".github/workflows/wheels.yml, job b: CIBW_REPAIR_WHEEL_COMMAND not taken over; how wheels are tested is the "
        "key test"
    ]


def test_a_test_command_of_a_matrix_that_needs_a_shell_is_told(tmp_path: Path) -> None:
    more = "    strategy: { matrix: { include: [{ os: macos-14, run: pytest && true }, { os: ubuntu-24.04-arm }] } }\n"
    step = cibuildwheel("cp312-*", "v4.1.0", CIBW_TEST_COMMAND="${{ matrix.run }}")
    adoption, table = adopted(
        tmp_path / "x", workflow=job("${{ matrix.os }}", step, more=more), **{"Cargo.toml": PLAIN}
    )
    assert "test" not in table
    assert [note for note in adoption.notes if "shell" in note] == [
        ".github/workflows/wheels.yml, job b: the test command 'pytest && true' needs a shell and is not taken over; "
        "write it as test"
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pytest -k 'not slow' {package}/tests", ("pytest", "-k", "not slow", "{package}/tests")),
        (["pytest"], ("pytest",)),
        (["pytest", "python -m agate"], None),
        ("pytest && python -m agate", None),
        ("pytest 'unclosed", None),
        ("", None),
    ],
)
def test_a_test_command_is_one_command_or_a_note(command: Any, expected: tuple[str, ...] | None) -> None:
    table = {"tool": {"cibuildwheel": {"test-command": command}}}
    options = cibuildwheel_options.Options(JobStep(), "linux", table)
    assert cibuildwheel_options.test_settings(table).get("command") == expected
    assert wheel_tests(options, "cp312-macosx_arm64", ".").get("command") == (list(expected) if expected else None)
    assert bool(shell_test(options)) == (expected is None and bool(command))


@pytest.mark.parametrize(
    ("command", "folder", "expected"),
    [
        ("cd {project} && pytest", ".", {"command": ["pytest"], "cwd": "."}),
        ("cd {project}/py/tests && pytest -x", "py", {"command": ["pytest", "-x"], "cwd": "tests"}),
        ("cd {package}/tests && pytest", "py", {"command": ["pytest"], "cwd": "tests"}),
        ("cd {project} && pytest", "py/a", {"command": ["pytest"], "cwd": "../.."}),
        ("pytest {project}/tests", "py", {"command": ["pytest", "{package}/../tests"]}),
        ("cd {project} && make && pytest", ".", {}),
    ],
)
def test_a_test_command_that_changes_the_folder_has_it_as_cwd(
    command: str, folder: str, expected: dict[str, Any]
) -> None:
    options = cibuildwheel_options.Options(JobStep(env={"CIBW_TEST_COMMAND": command}), "linux", {})
    assert wheel_tests(options, "cp312-macosx_arm64", folder) == expected
