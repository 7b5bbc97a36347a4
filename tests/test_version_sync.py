"""One version in every place, and nothing but the version changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440
from cartwheel.versions import version_places
from cartwheel.versions.version_places import places, version_disagreements
from support.version_workspace import WORKSPACE, contents, project, written_version


def write(root: Path, folder: str) -> tuple[str, ...]:
    return version_places.write_versions(root, places(root, folder))


def bump(root: Path, version: str) -> None:
    path = root / "Cargo.toml"
    path.write_bytes(path.read_bytes().replace(b'version = "1.2.0" #', f'version = "{version}" #'.encode()))


def test_every_place_is_found_and_all_agree(tmp_path: Path) -> None:
    rows = places(project(tmp_path, WORKSPACE), ".")
    assert [(place.path, place.what) for place in rows] == [
        ("Cargo.toml", "[workspace.package] version"),
        ("crates/demo-macros/Cargo.toml", "package.version"),
        ("Cargo.toml", "workspace.dependencies.demo-core.version"),
        ("crates/demo-py/Cargo.toml", "dependencies.demo-macros.version"),
        ("crates/demo-py/Cargo.toml", "target.'cfg(unix)'.dependencies.renamed.version"),
        ("Cargo.lock", "package.version of demo-core"),
        ("Cargo.lock", "package.version of demo-macros"),
        ("Cargo.lock", "package.version of demo-py"),
        ("Cargo.lock", "package.dependencies of demo-py on demo-core"),
        ("pyproject.toml", "project.version"),
        ("uv.lock", "package.version of demo"),
        ("python/demo/__init__.py", "__version__"),
    ]
    assert version_disagreements(rows) == ()
    assert write(tmp_path, ".") == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_writing_moves_the_package_s_own_places_and_no_other_byte(tmp_path: Path, newline: str) -> None:
    root = project(tmp_path, WORKSPACE, newline)
    bump(root, "1.3.0-alpha.1")
    before = contents(root)
    assert len(version_disagreements(places(root, "."))) == 11
    changed = write(root, ".")
    assert "crates/demo-macros/Cargo.toml: package.version 1.2.0 → 1.3.0-alpha.1" in changed
    assert "pyproject.toml: project.version 1.2.0 → 1.3.0a1" in changed
    assert len(changed) == 11
    after = contents(root)
    rust, python = b"1.3.0-alpha.1", b"1.3.0a1"
    expected = dict(before)
    expected["Cargo.toml"] = before["Cargo.toml"].replace(b"=1.2.0", b"=" + rust)
    path = "crates/demo-py/Cargo.toml"
    expected[path] = before[path].replace(b"=1.2.0", b"=" + rust)
    path = "crates/demo-macros/Cargo.toml"
    expected[path] = before[path].replace(b"1.2.0", rust)
    lock = before["Cargo.lock"]
    for name in (b"demo-core", b"demo-macros", b"demo-py"):
        at = lock.index(b'name = "' + name)
        lock = lock[:at] + lock[at:].replace(b"1.2.0", rust, 1)
    expected["Cargo.lock"] = lock.replace(b"demo-core 1.2.0", b"demo-core " + rust)
    expected["uv.lock"] = before["uv.lock"].replace(b"1.2.0", python, 1)
    for path in ("pyproject.toml", "python/demo/__init__.py"):
        expected[path] = before[path].replace(b"1.2.0", python)
    assert after == expected
    assert version_disagreements(places(root, ".")) == ()
    assert pep440(written_version(root, ".")) == "1.3.0a1"
    assert written_version(root, ".") == "1.3.0-alpha.1"


def test_the_example_package_agrees_and_moves_as_one(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "tidemark"
    root = tmp_path / "tidemark"
    shutil.copytree(example, root, ignore=shutil.ignore_patterns("target", ".cartwheel", "dist"))
    assert version_disagreements(places(root, ".")) == ()
    version = written_version(root, ".")
    manifest = root / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace(f'version = "{version}"', 'version = "9.8.7"', 1))
    assert len(write(root, ".")) == 3
    assert version_disagreements(places(root, ".")) == ()


def test_a_disagreement_says_where_what_and_what_was_expected(tmp_path: Path) -> None:
    files = {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"].replace("1.2.0", "1.1.0")}
    assert version_disagreements(places(project(tmp_path, files), ".")) == (
        "pyproject.toml: project.version is '1.1.0', expected '1.2.0'",
    )


def test_another_spelling_of_the_same_version_stays(tmp_path: Path) -> None:
    files = {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"].replace("1.2.0", "1.2.0-alpha.1")}
    files["Cargo.toml"] = files["Cargo.toml"].replace('version = "1.2.0" #', 'version = "1.2.0-alpha.1" #')
    project(tmp_path, files)
    write(tmp_path, ".")
    assert 'version = "1.2.0-alpha.1"' in (tmp_path / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("requirement", "version", "expected"),
    [
        ("=1.2.0", "1.3.0", "=1.3.0"),
        ("= 1.2.0", "1.3.0", "= 1.3.0"),
        ("1.2", "1.3.0", "1.2"),
        ("^1.2.0", "2.0.0", "^2.0.0"),
        ("0.1", "0.2.0", "0.2.0"),
        ("0.1.3", "0.1.4", "0.1.3"),
        ("0.0.3", "0.0.4", "0.0.4"),
        ("~1.2.0", "1.3.0", "~1.3.0"),
        ("~1.2", "1.2.9", "~1.2"),
        ("1.2.0", "1.3.0-rc.1", "1.3.0-rc.1"),
        ("1.3.0-alpha.1", "1.3.0-rc.1", "1.3.0-alpha.1"),
        (">=1, <2", "1.3.0", ">=1, <2"),
        (">=1, <2", "3.0.0", "3.0.0"),
        (">= 0.1.0,<=0.1", "0.1.7", ">= 0.1.0,<=0.1"),
        (">0.1, <0.3", "0.2.0", ">0.1, <0.3"),
        (">0.1, <0.3", "0.1.9", "0.1.9"),
        (">=0.2.0-rc.1, <0.3", "0.2.0-rc.2", ">=0.2.0-rc.1, <0.3"),
        ("0.1.*", "0.1.4", "0.1.*"),
        ("0.1.*", "0.2.0", "0.2.0"),
        ("*", "3.0.0", "*"),
        ("*", "3.0.0-rc.1", "3.0.0-rc.1"),
        ("^1.2, ~1.2.3", "1.3.0", "1.3.0"),
        ("no requirement", "1.3.0", "no requirement"),
    ],
)
def test_a_requirement_moves_where_it_is_a_pin_or_would_not_admit_the_version(
    tmp_path: Path, requirement: str, version: str, expected: str
) -> None:
    files = {
        "pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n[project]\nname = "demo"\n',
        "Cargo.toml": f'[workspace]\nmembers = ["app"]\n[package]\nname = "demo"\nversion = "{version}"\n',
        "app/Cargo.toml": f'[package]\nname = "app"\nversion = "7.0.0"\n[dependencies]\n'
        f'demo = {{ path = "..", version = "{requirement}" }}\n',
    }
    (place,) = places(project(tmp_path, files), ".")[1:]
    assert place.expected == expected


def test_a_pinned_crate_that_shared_the_old_version_moves_with_it(tmp_path: Path) -> None:
    root = project(tmp_path, WORKSPACE)
    bump(root, "2.0.0")
    changed = write(root, ".")
    assert any("crates/demo-macros/Cargo.toml: package.version" in line for line in changed)
    assert not any(line.startswith("crates/other/") for line in changed)


def test_a_pure_python_package_has_its_version_in_pyproject(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "demo-kit"\nversion = "2.0.0.post1"\n',
        "src/demo_kit/__init__.py": '__version__: str = "2.0.0"\n',
    }
    root = project(tmp_path, files)
    assert pep440(written_version(root, ".")) == "2.0.0.post1"
    assert write(root, ".") == ("src/demo_kit/__init__.py: __version__ 2.0.0 → 2.0.0.post1",)


@pytest.mark.parametrize(
    ("files", "output"),
    [
        ({"pyproject.toml": '[project]\nname = "demo"\n'}, r"no \[project\] version"),
        ({"pyproject.toml": "[project"}, "not valid TOML"),
        ({}, "pyproject.toml"),
        ({"pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n'}, "no Cargo.toml"),
        (
            {"pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n', "Cargo.toml": "[workspace]"},
            r"\[package\]",
        ),
        (
            {
                "pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n',
                "Cargo.toml": '[package]\nname = "x"\nversion.workspace = true\n',
            },
            "workspace.package",
        ),
        (
            {
                "pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n',
                "Cargo.toml": '[package]\nname = "x"\nversion = "1.0.0-nightly"\n',
            },
            "nothing equal",
        ),
    ],
)
def test_a_project_without_a_usable_version_is_refused_in_words(
    tmp_path: Path, files: dict[str, str], output: str
) -> None:
    with pytest.raises(ConfigError, match=output):
        pep440(written_version(project(tmp_path, files), "."))


def test_a_version_with_an_escape_in_its_string_moves_like_any_other(tmp_path: Path) -> None:
    escaped = WORKSPACE["pyproject.toml"].replace('"1.2.0"', '"1.\\u0032.0"')
    root = project(tmp_path, {**WORKSPACE, "pyproject.toml": escaped})
    bump(root, "1.3.0")
    write(root, ".")
    assert (root / "pyproject.toml").read_text() == escaped.replace('"1.\\u0032.0"', '"1.3.0"')


def test_reading_the_version_neither_imports_tomlkit_nor_git(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    project(tmp_path, WORKSPACE)
    code = (
        "import sys; from pathlib import Path; from cartwheel.versions.version_places import survey\n"
        f"print(survey(Path({str(tmp_path)!r}), '.').truth.found)\n"
        "assert not {'tomlkit', 'git', 'packaging', 'semver', 'twine'} & set(sys.modules), sorted(sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "tasks")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("1.2.0", "")


comments = st.text(alphabet="abc 1.2.0\"'=[]{}#é", max_size=20).map(lambda text: f"# {text}\n")
extra = st.lists(
    comments
    | st.sampled_from(
        [
            'other = "1.2.0"\n',
            "literal = '1.2.0'\n",
            'text = """\nversion = "1.2.0"\n"""\n',
            'list = ["1.2.0", "1.2.0"]\n',
            "\n",
            '[tool.x]\nversion = "1.2.0"\n',
        ]
    ),
    max_size=4,
    unique=True,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=extra, tail=extra, newline=st.sampled_from(["\n", "\r\n"]), final=st.booleans())
def test_what_is_not_the_version_is_byte_for_byte_unchanged(
    tmp_path: Path, head: list[str], tail: list[str], newline: str, final: bool
) -> None:
    import tomllib

    before = "".join(part for part in head if "[tool.x]" not in part) + '[project]\nname = "demo"\nversion = '
    after = "# here\n" + "".join(tail)
    text = f'{before}"1.2.0"{after if final else after.rstrip()}'.replace("\n", newline)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    expected = f'{before}"1.3.0a1"{after if final else after.rstrip()}'.replace("\n", newline)
    files = {
        "pyproject.toml": "[build-system]\nbuild-backend = 'maturin'\n",
        "Cargo.toml": '[package]\nname = "demo"\nversion = "1.3.0-alpha.1"\n',
    }
    project(tmp_path, files)
    merged = text + f"{newline}[build-system]{newline}build-backend = 'maturin'{newline}"
    (tmp_path / "pyproject.toml").write_bytes(merged.encode())
    write(tmp_path, ".")
    tail_text = f"{newline}[build-system]{newline}build-backend = 'maturin'{newline}"
    assert (tmp_path / "pyproject.toml").read_bytes() == (expected + tail_text).encode()
