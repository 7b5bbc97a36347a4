"""What `doit adopt` reads of a job's steps: outputs and variables of earlier steps, former names of actions, paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cartwheel.adoption.built_wheels import BuildCall, build_calls
from cartwheel.adoption.expressions import UNKNOWN
from cartwheel.adoption.interpreters import set_up_pythons
from cartwheel.adoption.publishers import publishers
from cartwheel.adoption.step_outputs import outputs_and_variables
from cartwheel.adoption.tags_and_changelog import form_in_triggers
from cartwheel.adoption.workflows import JobStep, workflows
from support.adoptions import PACKAGE, adopted

HEAD = "on: { push: { tags: ['v*'] } }\n"
PYPI, TEST = (f"https://{name}.pypi." + "org/legacy/" for name in ("upload", "test"))


def texts_of(steps: str, more: str = "") -> dict[str, str]:
    job = f"jobs:\n  b:\n    runs-on: ${{{{ matrix.os || 'ubuntu-latest' }}}}\n{more}    steps:\n"
    return {".github/workflows/w.yml": HEAD + job + "".join(f"      {line}\n" for line in steps.splitlines())}


def calls(steps: str, more: str = "", **files: str) -> tuple[BuildCall, ...]:
    texts = {**files, **texts_of(steps, more)}
    return build_calls(workflows(texts), texts)


TARGET = """\
- name: only some
  if: matrix.arch == 'aarch64'
  id: target
  run: |
    TARGET=${{ matrix.os == 'macos-14' && 'aarch64-apple-darwin' || 'aarch64-unknown-linux-gnu' }}
    echo "target=$TARGET" >> $GITHUB_OUTPUT
- uses: PyO3/maturin-action@v1
  with:
    target: ${{ steps.target.outputs.target }}
    manylinux: ${{ matrix.arch == 'aarch64' && '2_24' || 'auto' }}
"""
MATRIX = """\
    strategy:
      matrix:
        os: [ubuntu-latest, macos-13, macos-14]
        arch: [x86-64, aarch64]
        exclude: [{ os: macos-13, arch: aarch64 }, { os: macos-14, arch: x86-64 }]
"""


def test_a_target_that_an_earlier_step_computes_is_the_targets_of_the_build() -> None:
    assert {(call.triples[0], call.floor) for call in calls(TARGET, MATRIX)} == {
        ("x86_64-unknown-linux-gnu", ""),
        ("aarch64-unknown-linux-gnu", "manylinux_2_24"),
        ("x86_64-apple-darwin", ""),
        ("aarch64-apple-darwin", ""),
    }


@pytest.mark.parametrize(
    "script",
    ["echo \"target=$(rustc -vV | grep host)\" >> $GITHUB_OUTPUT", "./choose >> $GITHUB_OUTPUT",
     "if x; then echo target=a >> $GITHUB_OUTPUT; else echo target=b >> $GITHUB_OUTPUT; fi"],
)  # fmt: skip
def test_a_target_that_only_a_run_knows_is_told_and_no_other_takes_its_place(tmp_path: Path, script: str) -> None:
    steps = f"- id: t\n  run: {script!r}\n- uses: PyO3/maturin-action@v1\n"
    steps += "  with: { target: '${{ steps.t.outputs.target }}' }\n"
    (call,) = calls(steps)
    assert call.triples == ()
    adoption, _ = adopted(tmp_path / "x", **texts_of(steps))
    assert [
        note for note in adoption.notes if note.startswith(".github/workflows/w.yml, job b: its target is known only")
    ]


@pytest.mark.parametrize(
    ("script", "outputs", "variables"),
    [
        ('echo "a=1" >> $GITHUB_OUTPUT', {"a": "1"}, {}),
        ("echo a=1 >> \"$GITHUB_OUTPUT\"\necho 'b=x y' >> ${GITHUB_ENV}", {"a": "1"}, {"b": "x y"}),
        ('X=1\necho "a=$X-${KNOWN}" >> $GITHUB_OUTPUT', {"a": "1-k"}, {}),
        ('echo "a=$UNKNOWN" >> $GITHUB_OUTPUT', {"a": UNKNOWN}, {}),
        ('X=1\nX=2\necho "a=$X" >> $GITHUB_OUTPUT', {"a": UNKNOWN}, {}),
        ('echo "a=`date`" | tee -a $GITHUB_OUTPUT', {"a": UNKNOWN}, {}),
        ('X=1\nX=$(git describe --tags)\necho "a=$X" >> $GITHUB_OUTPUT', {"a": UNKNOWN}, {}),
        ('X="1"; Y=\'2\' # X=3\necho "a=$X$Y" >> $GITHUB_OUTPUT', {"a": "12"}, {}),
        ('$env:X = "1"\necho "a=$env:X" >> $env:GITHUB_OUTPUT', {"a": "1"}, {}),
        ('"b=1" | Out-File -FilePath $Env:GITHUB_ENV -Append', {}, {"b": "1"}),
        ('echo "a=1" >> $env:GITHUB_OUTPUT', {"a": "1"}, {}),
        ('echo CIBW_BUILD="cp312-*" >> "$GITHUB_ENV"', {}, {"CIBW_BUILD": "cp312-*"}),
        ("echo a=1", {}, {}),
    ],
)
def test_what_a_script_writes_for_later_steps(script: str, outputs: Any, variables: Any) -> None:
    assert outputs_and_variables(script, {"KNOWN": "k"}) == (outputs, variables)


def test_a_variable_that_an_earlier_step_exports_is_seen_by_later_ones() -> None:
    steps = "- run: echo 'RUSTFLAGS=-C lto=fat' >> $GITHUB_ENV\n- uses: PyO3/maturin-action@v1\n"
    (call,) = calls(steps)
    assert call.environment["RUSTFLAGS"] == "-C lto=fat"
    steps = "- run: echo 'CIBW_BUILD=cp312-macosx*' >> $GITHUB_ENV\n- uses: joerick/cibuildwheel@v4.1.0\n"
    (call,) = calls(steps, "    strategy: { matrix: { os: [macos-14] } }\n")
    assert call.pythons == ("3.12",)


@pytest.mark.parametrize(
    ("first", "second", "index"),
    [(PYPI, TEST, "pypi"), (TEST, PYPI, "pypi"), (PYPI, PYPI, "pypi"), (TEST, TEST, "testpypi"),
     (PYPI, "https://pkgs.example/up", "an index known only at run time")],
)  # fmt: skip
def test_an_address_that_conditional_steps_choose_is_pypi_or_unknown(first: str, second: str, index: str) -> None:
    steps = f"- if: inputs.x\n  run: echo 'URL={first}' >> $GITHUB_ENV\n"
    steps += f"- if: inputs.y\n  run: echo 'URL={second}' >> $GITHUB_ENV\n"
    steps += "- uses: pypa/gh-action-pypi-publish@v1\n  with: { repository-url: '${{ env.URL }}' }\n"
    text = texts_of(steps)
    text = {path: body.replace(HEAD, "on: { workflow_dispatch: }\n") for path, body in text.items()}
    assert {row.index for row in publishers(workflows(text))} == {index}


@pytest.mark.parametrize("action", ["messense/maturin-action", "PyO3/maturin-action", "Messense/Maturin-Action"])
def test_a_former_name_of_an_action_is_that_action(action: str) -> None:
    (call,) = calls(f"- uses: {action}@v1\n  with: {{ target: i686 }}\n")
    assert call.triples == ("i686-unknown-linux-gnu",)


def test_a_variable_of_a_workflow_is_a_text_in_conditions() -> None:
    text = "env: { upload: \"${{ startsWith(github.ref, 'refs/tags') }}\" }\n"
    steps = "- if: env.upload == 'true'\n  run: twine upload dist/*\n- if: env.upload == 'false'\n  run: uv publish\n"
    texts = {path: body.replace("jobs:", f"{text}jobs:", 1) for path, body in texts_of(steps).items()}
    assert [row.step for row in publishers(workflows(texts))] == ["twine upload dist/*"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo "/opt/python/cp310-cp310/bin" >> $GITHUB_PATH', ("3.10",)),
        ("echo /opt/python/cp313-cp313t/bin >> ${GITHUB_PATH}", ("3.13t",)),
        ("export PATH=/opt/python/cp312-cp312/bin:$PATH", ("3.12",)),
        ("ls /opt/python/cp312-cp312/bin", ()),
    ],
)
def test_an_interpreter_of_an_image_that_is_put_on_path_is_the_wheels(script: str, expected: tuple[str, ...]) -> None:
    assert set_up_pythons([JobStep(run=script)]) == expected


def test_variables_and_options_of_a_plain_build_are_read() -> None:
    option = "--config-settings=build-args=--features=pyo3/abi3-py311"
    (call,) = calls(f"- run: |\n    LIMITED='{option}'\n    OPENSSL_STATIC=1 uv build --wheel $LIMITED\n")
    assert call.environment["OPENSSL_STATIC"] == "1"
    (note,) = call.notes
    assert note.startswith(f"'{option}' is not taken over; ")
    (call,) = calls("- run: CFLAGS=-O3 python -m build -w\n")
    assert (call.environment["CFLAGS"], call.notes) == ("-O3", ())


@pytest.mark.parametrize(
    ("backend", "table", "compiled"),
    [
        ("poetry.core.masonry.api", '[tool.poetry.build]\nscript = "build.py"\n', True),
        ("poetry.core.masonry.api", '[tool.poetry]\nbuild = "build.py"\n', True),
        ("poetry.core.masonry.api", "[tool.poetry]\n", False),
        ("pdm.backend", "[tool.pdm.build]\nrun-setuptools = true\n", True),
        ("pdm.backend", "", False),
    ],
)
def test_a_backend_with_a_build_script_compiles(tmp_path: Path, backend: str, table: str, compiled: bool) -> None:
    text = PACKAGE.replace('"maturin"', f'"{backend}"').replace("maturin>=1.9", backend.split(".")[0] + "-core")
    text = text.replace('dynamic = ["version"]', 'version = "1.0.0"') + table
    steps = "- uses: actions/setup-python@v5\n  with: { python-version: '3.12' }\n- run: uv build --wheel\n"
    adoption, _ = adopted(tmp_path / "x", **{"pyproject.toml": text, "Cargo.toml": "", **texts_of(steps)})
    (wheel,) = [name for name in adoption.packages[0].planned if name.endswith(".whl")]
    assert ("cp312-cp312" in wheel) == compiled


@pytest.mark.parametrize(
    ("patterns", "single", "expected"),
    [
        (["python-v*"], True, "python-v{version}"),
        (["v[0-9]+.*"], True, "v{version}"),
        (["agate-v*", "v*"], False, "agate-v{version}"),
        (["v*"], False, ""),
        (["js-v*"], True, ""),
        (["*"], True, ""),
        (["[0-9]*"], True, ""),
        (["!v*"], True, ""),
        (["v1.0"], True, ""),
        ([], True, ""),
    ],
)
def test_without_tags_the_triggers_tell_their_form(patterns: list[str], single: bool, expected: str) -> None:
    assert form_in_triggers(patterns, "agate", single=single) == expected


def test_a_shallow_clone_has_the_tags_and_the_rival_of_its_workflow(tmp_path: Path) -> None:
    steps = "- uses: PyO3/maturin-action@v1\n  env: { MATURIN_PYPI_TOKEN: x }\n  with: { command: publish }\n"
    texts = {path: text.replace("['v*']", "['python-v*']") for path, text in texts_of(steps).items()}
    adoption, table = adopted(tmp_path / "x", **texts)
    assert (table["tag"], table["index"]) == ("python-v{version}", {"pypi": {"auth": "token"}})
    assert len(adoption.rivals) == 1


def test_builds_of_a_called_workflow_count_once() -> None:
    called = HEAD.replace("push: { tags: ['v*'] }", "workflow_call:")
    job = "jobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: PyO3/maturin-action@v1\n"
    caller = f"{HEAD}jobs:\n  a: {{ uses: ./.github/workflows/build.yml }}\n"
    texts = {".github/workflows/build.yml": called + job, ".github/workflows/release.yml": caller}
    assert [call.job for call in build_calls(workflows(texts), texts)] == ["a / b"]
    del texts[".github/workflows/release.yml"]
    assert [call.job for call in build_calls(workflows(texts), texts)] == ["b"]


@pytest.mark.parametrize(
    ("image", "noted"),
    [
        ("ghcr.io/pyca/cryptography-manylinux_2_28:x86_64", True),
        ("registry.corp/builder", True),
        ("quay.io/pypa/manylinux_2_28_x86_64", False),
        ("ghcr.io/rust-cross/manylinux2014-cross:aarch64", False),
        ("python:3.12", False),
        ("rust:1.90-bookworm", False),
    ],
)
def test_an_image_of_the_project_is_told(image: str, noted: bool) -> None:
    (call,) = calls("- run: maturin build\n", f"    container: {image}\n")
    assert any(f"its image {image} is not taken over" in note for note in call.notes) == noted


def test_paths_of_a_cross_image_are_not_taken_over(tmp_path: Path) -> None:
    steps = (
        "- run: maturin build -i python3.12\n  env: { PYO3_CROSS_LIB_DIR: /opt/python/cp312-cp312/lib, CFLAGS: -O3 }\n"
    )
    _, table = adopted(tmp_path / "x", **texts_of(steps))
    assert table["environment"] == {"CFLAGS": "-O3"}
