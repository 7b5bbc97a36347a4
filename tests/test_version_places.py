"""Further places of the version: declared by a pattern, decided elsewhere, newly appeared; and other people's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartwheel.model.config.release_settings import VersionPattern
from cartwheel.model.errors import ConfigError
from cartwheel.versions.unmoved_files import unmoved_files
from cartwheel.versions.version_places import survey, version_disagreements, write_versions
from support.projects import committed, pure, with_crate
from support.repositories import git
from support.version_workspace import WORKSPACE, bump, contents, new_project, project

CRATE = {
    "pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n[project]\nname = "demo"\ndynamic = ["version"]\n',
    "Cargo.toml": '[package]\nname = "demo"\nversion = "1.3.0-rc.1"\n',
}


def moved(root: Path, *patterns: tuple[str, str], folder: str = ".") -> tuple[str, ...]:
    """Write what differs; what changed."""
    declared = tuple(VersionPattern(file=file, pattern=pattern) for file, pattern in patterns)
    return write_versions(root, survey(root, folder, declared).places)


# Declared by a pattern ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("pattern", "before", "after"),
    [
        ('release = "{version}"', 'x = "1.2.0"\nrelease = "1.2.0"  # 1.2.0\n', 'release = "1.3.0-rc.1"'),
        ('release = "{pep440}"', 'x = "1.2.0"\nrelease = "1.2.0"\n', 'release = "1.3.0rc1"'),
        ("rev: v{semver}\n", "a\n  rev: v1.2.0\nb", "rev: v1.3.0-rc.1\n"),
        ("pip install demo=={pep440}.", "Run `pip install demo==1.2.0.` or 1.2.0", "demo==1.3.0rc1."),
        (
            "[demo]\nversion = {version}\n",
            "[x]\nversion = 1.2.0\n[demo]\nversion = 1.2.0\n",
            "[demo]\nversion = 1.3.0-rc.1",
        ),
        ("(a+b)? {version}|", "(a+b)? 1.2.0| (a+b) 1.2.0", "(a+b)? 1.3.0-rc.1|"),
        ("é {version} é", "1.2.0 é 1.2.0 é", "é 1.3.0-rc.1 é"),
    ],
)
def test_a_declared_place_moves_and_no_other_byte(
    tmp_path: Path, pattern: str, before: str, after: str, newline: str
) -> None:
    root = project(tmp_path, {**CRATE, "docs/conf.py": before}, newline)
    was = (root / "docs/conf.py").read_bytes()
    (line,) = moved(root, ("docs/conf.py", pattern))
    assert line.startswith("docs/conf.py: the version in ")
    now = (root / "docs/conf.py").read_bytes()
    new = b"1.3.0rc1" if b"1.3.0rc1" in now else b"1.3.0-rc.1"
    assert after.replace("\n", newline).encode() in now
    assert now.count(new) == 1
    assert now.replace(new, b"1.2.0") == was
    assert moved(root, ("docs/conf.py", pattern)) == ()


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("nothing", r"the pattern 'v\{version\}' matches nothing in a.txt; expected exactly once"),
        ("v1.0\n\nv1.0\n", r"matches 2 times in a.txt \(lines 1, 3\); expected exactly once"),
        ("version v\n", "matches nothing"),
    ],
)
def test_a_pattern_must_match_exactly_once(tmp_path: Path, text: str, output: str) -> None:
    root = project(tmp_path, {**CRATE, "a.txt": text})
    before = contents(root)
    with pytest.raises(ConfigError, match=output):
        moved(root, ("a.txt", "v{version}"))
    assert contents(root) == before


def test_a_file_that_cannot_hold_a_version_is_named(tmp_path: Path) -> None:
    root = project(tmp_path / "p", {**CRATE, "latin.txt": ""})
    (root / "latin.txt").write_bytes(b"\xe9 v1.2.0")
    (tmp_path / "out.txt").write_text("v1.2.0")
    for file, output in (
        ("none.txt", "'none.txt' cannot be read: No such file"),
        ("latin.txt", "'latin.txt' is not UTF-8 text"),
        ("../out.txt", r"'\.\./out\.txt' lies outside the project"),
    ):
        with pytest.raises(ConfigError, match=rf"\[tool\.cartwheel\] versions: {output}"):
            moved(root, (file, "v{version}"))


def test_a_package_in_a_folder_names_files_above_it_and_one_file_may_hold_several(tmp_path: Path) -> None:
    files = {f"python/{name}": text for name, text in CRATE.items()}
    root = project(tmp_path, {**files, "pyproject.toml": "", "README.md": "demo 1.2.0, or (1.2.0)\n1.2.0\n"})
    declared = (("../README.md", "demo {version},"), ("../README.md", "({pep440})"))
    assert len(moved(root, *declared, folder="python")) == 2
    assert (root / "README.md").read_text() == "demo 1.3.0-rc.1, or (1.3.0rc1)\n1.2.0\n"


def test_a_manifest_may_hold_a_declared_place_besides_its_own(tmp_path: Path) -> None:
    files = {**WORKSPACE, "Cargo.toml": WORKSPACE["Cargo.toml"].replace("[workspace.package]\n", DOCS)}
    root = project(tmp_path, files)
    path = root / "Cargo.toml"
    path.write_text(path.read_text().replace('version = "1.2.0" #', 'version = "1.3.0" #'))
    moved(root, ("Cargo.toml", "demo/{version}/docs"))
    assert "demo/1.3.0/docs" in path.read_text()
    assert 'version = "=1.3.0" }' in path.read_text()
    assert 'serde = "1.2.0"' in path.read_text()


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("pyproject.toml", 'version = "{version}"'),
        ("Cargo.toml", '"{version}" #'),
        ("Cargo.toml", '"={version}"'),
        ("python/demo/__init__.py", '"{pep440}"'),
    ],
)
def test_a_place_that_moves_anyway_may_be_declared_too(tmp_path: Path, file: str, pattern: str) -> None:
    table = f"\n[tool.cartwheel]\nversions = [{{ file = '{file}', pattern = '{pattern}' }}]\n"
    plain = new_project(tmp_path / "plain", WORKSPACE)
    root = new_project(tmp_path / "r", {**WORKSPACE, "pyproject.toml": WORKSPACE["pyproject.toml"] + table})
    for one in (plain, root):
        bump(one, "minor")
    assert (root / file).read_text().removesuffix(table) == (plain / file).read_text()


DOCS = '[workspace.package]\ndocumentation = "https://docs.example/demo/1.2.0/docs"\n'


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_a_script_stays_executable_and_a_link_stays_a_link(tmp_path: Path) -> None:
    root = project(tmp_path, {**CRATE, "bin/install.sh": "VERSION=1.2.0\n"})
    (root / "bin/install.sh").chmod(0o755)
    (root / "get.sh").symlink_to("bin/install.sh")
    moved(root, ("get.sh", "VERSION={version}\n"))
    assert (root / "bin/install.sh").read_text() == "VERSION=1.3.0-rc.1\n"
    assert (root / "bin/install.sh").stat().st_mode & 0o777 == 0o755
    assert (root / "get.sh").is_symlink()


@pytest.mark.parametrize(
    "text",
    [
        '__version__ = "1.2.0"  # was "1.2.0"\n',
        "__version__: str = '1.2.0'\n",
        '"""é 1.2.0"""\n__version__ = "1.2.0"\n',
        'é = "é"; __version__ = """1.2.0"""; x = "1.2.0"\n',
    ],
)
def test_only_the_literal_of_a_module_s_version_moves(tmp_path: Path, text: str) -> None:
    root = project(tmp_path, {**CRATE, "demo/__init__.py": text})
    assert moved(root) == ("demo/__init__.py: __version__ 1.2.0 → 1.3.0rc1",)
    now = (root / "demo/__init__.py").read_text()
    assert now.replace("1.3.0rc1", "1.2.0") == text
    space: dict[str, object] = {}
    exec(now, space)
    assert space["__version__"] == "1.3.0rc1"


@pytest.mark.parametrize(
    "text",
    [
        '__version__ = "unknown"\ntry:\n    __version__ = str(1)\nexcept OSError:\n    pass\n',
        '__version__ = "1.2.0"\nif True:\n    from os import name as __version__\n',
    ],
)
def test_a_literal_that_the_module_replaces_is_a_fallback_and_stays(tmp_path: Path, text: str) -> None:
    root = project(tmp_path, {**CRATE, "demo/__init__.py": text})
    assert not any("__init__" in line for line in moved(root))
    assert (root / "demo/__init__.py").read_text() == text


# Decided elsewhere ----------------------------------------------------------------------------------------------------


def test_where_pyproject_is_named_the_crates_and_their_workspace_follow_it(tmp_path: Path) -> None:
    pyproject = (
        WORKSPACE["pyproject.toml"].replace('"1.2.0"', '"1.3.0rc1"')
        + '[tool.cartwheel]\nversion-from = "pyproject.toml"\n'
    )
    root = project(tmp_path, {**WORKSPACE, "pyproject.toml": pyproject})
    assert len(moved(root)) == 11
    assert version_disagreements(survey(root, ".").places) == ()
    assert tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["package"]["version"] == "1.3.0-rc.1"


@pytest.mark.parametrize("version", ["4.8.4", "4.8.4.post1"])
def test_where_pyproject_alone_is_named_the_crate_keeps_its_version(tmp_path: Path, version: str) -> None:
    pyproject = (
        CRATE["pyproject.toml"].replace('dynamic = ["version"]', f'version = "{version}"')
        + '[tool.cartwheel]\nversion-from = "pyproject.toml alone"\n'
    )
    root = project(tmp_path, {**CRATE, "pyproject.toml": pyproject})
    assert version_disagreements(survey(root, ".").places) == ()
    moving = [row.path for row in survey(root, ".", to="5.0.0").places if row.found != row.expected]
    assert not [path for path in moving if "Cargo" in path]
    assert "pyproject.toml" in moving


SETUPTOOLS = {
    "pyproject.toml": """[build-system]
requires = ["setuptools>=77", "setuptools-rust"]
build-backend = "setuptools.build_meta"
[project]
name = "x"
version = "1.2.0"
[[tool.setuptools-rust.ext-modules]]
target = "x._core"
path = "rust/Cargo.toml"
""",
    "rust/Cargo.toml": '[package]\nname = "x-core"\nversion = "1.2.0"\nedition = "2021"\n',
    "rust/src/lib.rs": "",
    "rust/Cargo.lock": 'version = 4\n\n[[package]]\nname = "x-core"\nversion = "1.2.0"\n',
}


@pytest.mark.parametrize(
    ("crate", "paths"),
    [("1.2.0", ["pyproject.toml", "rust/Cargo.toml", "rust/Cargo.lock"]), ("0.1.0", ["pyproject.toml"])],
)
def test_the_crate_of_setuptools_rust_moves_if_it_has_the_packages_version(
    tmp_path: Path, crate: str, paths: list[str]
) -> None:
    files = {
        path: text.replace("1.2.0", crate) if path.startswith("rust/") else text for path, text in SETUPTOOLS.items()
    }
    root = project(tmp_path, files)
    rows = survey(root, ".", to="1.3.0").places
    assert [row.path for row in rows if row.found != row.expected] == paths


@pytest.mark.parametrize(
    ("changes", "output"),
    [
        (
            {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\n[tool.cartwheel]\nversion-from = "Cargo.toml"\n'},
            "no crate",
        ),
        (
            {"pyproject.toml": CRATE["pyproject.toml"] + '[tool.cartwheel]\nversion-from = "pyproject.toml"\n'},
            "version-from",
        ),
        (
            {
                "pyproject.toml": CRATE["pyproject.toml"].replace('dynamic = ["version"]', 'version = "1.0.post1"')
                + '[tool.cartwheel]\nversion-from = "pyproject.toml"\n'
            },
            "SemVer has no post-release",
        ),
    ],
)
def test_a_truth_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, str], output: str
) -> None:
    root = project(tmp_path, {**CRATE, **changes})
    with pytest.raises(ConfigError, match=output):
        survey(root, ".")


@pytest.mark.parametrize(
    ("toml", "output"),
    [
        ('versions = [{ file = "a", pattern = "1.0" }]', "'1.0' has not one place for the version"),
        ('versions = [{ file = "a", pattern = "{version} {pep440}" }]', "has not one place"),
        ('versions = [{ file = "a", patern = "{version}" }]', "unknown key 'patern'"),
        ('version-from = "setup.py"', "unknown value 'setup.py'"),
        ('checklist = [{ name = "x" }]', "either a command"),
        ('checklist = [{ run = ["a"] }, { run = ["a"] }]', "two entries are named 'a'"),
        ('checklist = [{ run = [""] }]', "run begins with a blank"),
        ('changelog = { required = "sometimes" }', "sometimes"),
        ('bump-message = "x {versoin}"', "'{versoin}' stands for nothing; did you mean 'version'?"),
        ('bump-message = " "', "bump-message: found a blank"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_when_it_is_read(tmp_path: Path, toml: str, output: str) -> None:
    one = pure(tmp_path / "p")
    one.edit("pyproject.toml", "[tool.cartwheel]\n", f"[tool.cartwheel]\n{toml}\n")
    assert output in one.refused("list")


# Newly appeared -------------------------------------------------------------------------------------------------------


def test_what_comes_to_hold_a_version_is_looked_at_though_nothing_else_changed(tmp_path: Path) -> None:
    one = committed(pure(tmp_path / "p"))
    one.doit("version-sync")
    assert one.states("version-sync") == {"version-sync": "up-to-date"}
    one.write("gravel/__init__.py", '__version__ = "0.9"\n')
    assert "gravel/__init__.py: __version__ is '0.9', expected '1.0'" in one.doit("build", code=1)
    one.doit("version-sync")
    one.write("uv.lock", 'version = 1\n[[package]]\nname = "gravel"\nversion = "0.8"\nsource = { editable = "." }\n')
    assert "uv.lock: package.version of gravel is '0.8', expected '1.0'" in one.doit("build", code=1)
    one.edit(
        "pyproject.toml",
        "[tool.cartwheel]\n",
        '[tool.cartwheel]\nversions = [{ file = "README.md", pattern = "# {version}" }]\n',
    )
    assert "the pattern '# {version}' matches nothing in README.md" in one.doit("build", code=1)


def test_a_member_that_stops_inheriting_is_looked_at(tmp_path: Path) -> None:
    one = with_crate(tmp_path / "p")
    one.edit("pebble/Cargo.toml", 'version = "1.0.0"', "version.workspace = true")
    one.edit(
        "pebble/Cargo.toml",
        "[package]",
        '[workspace]\nmembers = ["core"]\n[workspace.package]\nversion = "1.0.0"\n[package]',
    )
    one.write(
        "pebble/Cargo.toml",
        (one.root / "pebble/Cargo.toml").read_text() + '[dependencies]\ncore = { path = "core", version = "=1.0.0" }\n',
    )
    one.write("pebble/core/Cargo.toml", '[package]\nname = "core"\nversion.workspace = true\n')
    one.write(
        "pebble/Cargo.lock",
        (one.root / "pebble/Cargo.lock").read_text() + '\n[[package]]\nname = "core"\nversion = "1.0.0"\n',
    )
    one.doit("version-sync")
    one.edit("pebble/core/Cargo.toml", "version.workspace = true", 'version = "1.0.0"')
    assert one.states("version-sync") == {"version-sync": "run"}
    one.doit("version-sync")
    one.edit("pebble/Cargo.toml", '[workspace.package]\nversion = "1.0.0"', '[workspace.package]\nversion = "1.1.0"')
    assert "pebble/core/Cargo.toml: package.version 1.0.0 → 1.1.0" in one.doit("version-sync")


def test_a_crate_that_joins_a_workspace_by_its_pattern_is_looked_at_without_a_lock_file_too(tmp_path: Path) -> None:
    one = with_crate(tmp_path / "p")
    (one.root / "pebble/Cargo.lock").unlink()
    text = (one.root / "pebble/Cargo.toml").read_text()
    one.write("pebble/Cargo.toml", '[workspace]\nmembers = ["crates/*"]\n\n' + text)
    one.doit("version-sync")
    joined = (
        '[package]\nname = "new"\nversion = "0.1.0"\n[dependencies]\npebble = {{ path = "../..", version = "={}" }}\n'
    )
    one.write("pebble/crates/new/Cargo.toml", joined.format("0.9.0"))
    output = one.doit("version-sync")
    assert "pebble/crates/new/Cargo.toml: dependencies.pebble.version =0.9.0 → =1.0.0" in output
    assert (one.root / "pebble/crates/new/Cargo.toml").read_text() == joined.format("1.0.0")


# Any TOML -------------------------------------------------------------------------------------------------------------

NEW = "1.3.0-rc.1"
words = st.text(alphabet="abc 1.2.0=[]{}#é'", max_size=16)
noise = st.lists(
    words.map(lambda text: f"# {text}\n")
    | st.sampled_from(
        ["\n", "\t\n", 'k{n} = "1.2.0"\n', "k{n} = '1.2.0' # 1.2.0\n", 'k{n} = """\nversion = "1.2.0"\n"""\n']
    )
    | st.sampled_from(
        ['k{n} = ["1.2.0", "=1.2.0"]\n', 'k{n} = { version = "1.2.0" }\n', "k{n} = 1979-05-27\n", 'k{n}."1.2.0" = 1\n']
    ),
    max_size=3,
)
versions = st.sampled_from(
    ['version = "{V}"', "version = '{V}'", '"version" = "{V}"', "version  =\t'{V}'", 'version="{V}"']
)
needs = st.sampled_from(
    [
        'core = {{ path = "core", version = "={V}" }}',
        "core = {{version='= {V}',path='core'}}",
        'core.path = "core"\ncore.version = "={V}"',
        '"core" = {{ features = ["1.2.0"], version = "={V}", path = "core" }}',
    ]
).map(lambda text: text.replace("{{", "{").replace("}}", "}"))
endings = st.sampled_from([" # 1.2.0\n", "\n", "   \n"])


def numbered(lines: list[str], seen: list[int]) -> str:
    """With a key of its own for each line."""
    written = []
    for line in lines:
        seen.append(0)
        written.append(line.replace("k{n}", f"k{len(seen)}"))
    return "".join(written)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), newline=st.sampled_from(["\n", "\r\n"]), final=st.booleans())
def test_in_any_toml_file_exactly_the_version_changes(
    tmp_path: Path, data: st.DataObject, newline: str, final: bool
) -> None:
    seen: list[int] = []

    def some() -> str:
        return numbered(data.draw(noise), seen)

    core = (
        some()
        + "[package]\n"
        + some()
        + 'name = "core"'
        + data.draw(endings)
        + data.draw(versions)
        + data.draw(endings)
    )
    core += some() + "[features]\n" + some()
    top = some() + '[package]\nname = "demo"\nversion = "' + NEW + '"\n' + some() + "[dependencies]\n" + some()
    top += data.draw(needs) + data.draw(endings) + some() + "[metadata]\n" + some()
    lock = 'version = 4\n\n[[package]]\nname = "1.2.0"\nversion = "1.2.0"\nsource = "x"\n\n'
    lock += "".join(f'[[package]]\nname = "{name}"\nversion = "{{V}}"\n\n' for name in ("core", "demo"))
    files = {"core/Cargo.toml": core, "Cargo.toml": top, "Cargo.lock": lock, "pyproject.toml": CRATE["pyproject.toml"]}
    before = {name: text if final else text.rstrip() for name, text in files.items()}
    project(tmp_path, {name: text.replace("{V}", "1.2.0") for name, text in before.items()}, newline)
    for name in files:
        tomllib.loads((tmp_path / name).read_bytes().decode())
    moved(tmp_path)
    expected = {name: text.replace("{V}", NEW).replace("\n", newline).encode() for name, text in before.items()}
    assert {name: (tmp_path / name).read_bytes() for name in files} == expected


# Other people's tools -------------------------------------------------------------------------------------------------


REAL = {
    "pyproject.toml": """\
[build-system]
requires = ["maturin"]
build-backend = "maturin"
[project]
name = "demo"
version = "1.2.0"
requires-python = ">=3.11"
""",
    "Cargo.toml": """\
[workspace]
members = ["core", "other"]
[workspace.package]
version = "1.2.0"
[package]
name = "demo"
version.workspace = true
[dependencies]
core = { path = "core", version = "=1.2.0" }
other = { path = "other", version = "1.2.0" }
""",
    "core/Cargo.toml": '[package]\nname = "core"\nversion = "1.2.0"\n',
    "other/Cargo.toml": '[package]\nname = "other"\nversion = "1.2.0"\n',
    **{f"{folder}src/lib.rs": "" for folder in ("", "core/", "other/")},
}


@pytest.mark.lab
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_after_a_bump_cargo_and_uv_find_their_lock_files_in_order(tmp_path: Path, newline: str) -> None:
    """cargo and uv write the lock files, cartwheel moves the version, and both take them as they are."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    root = new_project(tmp_path / "p", REAL, newline)
    cargo = ("cargo", "metadata", "--offline", "--format-version=1", "--quiet")
    uv = (sys.executable, "-m", "uv", "lock", "--offline", "--no-progress", "--quiet")
    for command in (("cargo", "generate-lockfile", "--offline", "--quiet"), uv):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "with locks")
    for words in (("minor", "alpha"), ("release",), ("major",)):
        output = bump(root, *words)
        assert any(line.startswith("uv.lock: package.version of demo") for line in output)
        assert any(line.startswith("core/Cargo.toml: package.version") for line in output)
        subprocess.run((*cargo, "--locked"), cwd=root, check=True, capture_output=True)
        subprocess.run((*uv, "--check"), cwd=root, check=True, capture_output=True)
    assert 'version = "1.2.0"' in (root / "other/Cargo.toml").read_text()
    assert git(root, "status", "--porcelain") == ""


# Elsewhere in the repository ------------------------------------------------------------------------------------------

ELSEWHERE = {
    "pyproject.toml": CRATE["pyproject.toml"].replace('"demo"', '"my-demo"'),
    "Cargo.toml": '[package]\nname = "demo"\nversion = "1.2.0"\n[workspace]\nexclude = ["fuzz", "other"]\n',
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "demo"\nversion = "1.2.0"\n',
    "src/lib.rs": "",
    "fuzz/Cargo.toml": (
        '[package]\nname = "fuzz"\nversion = "0.0.0"\n[workspace]\n'
        "[dependencies]\ndemo = { path = '..', version = '=1.2.0' }\n"
    ),
    "fuzz/src/lib.rs": "",
    "fuzz/Cargo.lock": (
        'version = 4\n\n[[package]]\nname = "demo"\nversion = "1.2.0"\n\n'
        '[[package]]\nname = "fuzz"\nversion = "0.0.0"\n'
        'dependencies = [\n "demo",\n]\n'
    ),
    "other/Cargo.toml": '[package]\nname = "demo"\nversion = "1.2.0"\n[workspace]\n',
    "other/Cargo.lock": 'version = 4\n\n[[package]]\nname = "demo"\nversion = "1.2.0"\n',
    "docs/uv.lock": (
        '[[package]]\nname = "my-demo"\nversion = "1.2.0"\nsource = { editable = "../" }\n\n'
        '[[package]]\nname = "my-demo"\nversion = "1.2.0"\nsource = { registry = "https://example.org" }\n'
    ),
    "pylock.dev.toml": '[[packages]]\nname = "my-demo"\nversion = "1.2.0"\ndirectory = { path = "." }\n',
    "app/poetry.lock": (
        '[[package]]\nname = "My.Demo"\nversion = "1.2.0"\n\n[package.source]\ntype = "directory"\nurl = ".."\n'
    ),
    "app/pdm.lock": '[[package]]\nname = "my-demo"\nversion = "1.2.0"\npath = "../"\neditable = true\n',
    "app/pyproject.toml": '[project]\nname = "app"\ndependencies = ["my_demo[x] == 1.2.0", "demo==1.2.0"]\n',
    "app/requirements-dev.txt": "my-demo==1.2\nmy-demo==1.1\n",
    "template/{{ name }}/Cargo.toml": "[package]\nname = {{ name }}\n",
}


def test_every_tracked_file_of_the_repository_that_holds_the_package_moves_or_is_named(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", ELSEWHERE)
    before = contents(root)
    lines = bump(root, "1.3.0-rc.1")
    now = contents(root)
    moved = {path for path, data in now.items() if not path.startswith(".git/") and data != before.get(path)}
    assert moved == {
        *("Cargo.toml", "Cargo.lock", "fuzz/Cargo.toml", "fuzz/Cargo.lock"),
        *("docs/uv.lock", "pylock.dev.toml", "app/poetry.lock", "app/pdm.lock"),
    }
    assert b"version = '=1.3.0-rc.1'" in now["fuzz/Cargo.toml"]
    assert now["docs/uv.lock"].count(b"1.3.0rc1") == 1
    rows = [line for line in lines if "by hand" in line]
    assert rows == [
        "app/pyproject.toml: requires 'my_demo[x] == 1.2.0'; change it by hand if it should follow",
        "app/requirements-dev.txt: requires 'my-demo==1.2'; change it by hand if it should follow",
    ]
    assert git(root, "status", "--porcelain") == ""


def test_other_files_that_hold_the_version_are_named_in_one_line(tmp_path: Path) -> None:
    others = {
        "CITATION.cff": "cff-version: 1.2.0\ntitle: demo\nversion: 1.2.0\n",
        "docs/conf.py": 'project = "demo"\nrelease = "1.2.0"\n',
        "js/package.json": '{\n  "name": "demo",\n  "version": "1.2.0"\n}\n',
        "README.md": "# demo\n\n![v](https://img.shields.io/badge/pypi-v1.2.0-blue)\n",
        "src/demo/_version.py": '__version__ = "1.2.0"\n',
        "docs/install.md": "demo 1.2.0 or newer\n",
        "other/pyproject.toml": '[project]\nname = "other"\n',
        "other/CITATION.cff": "version: 1.2.0\n",
    }
    crate = {**CRATE, "Cargo.toml": CRATE["Cargo.toml"].replace("1.3.0-rc.1", "1.2.0")}
    root = new_project(tmp_path / "r", {**crate, **others})
    (notice,) = [line for line in bump(root, "1.3.0") if "stays in" in line]
    places = "CITATION.cff:3, README.md:3, docs/conf.py:2, js/package.json:3, src/demo/_version.py:1"
    fix = '[tool.cartwheel] versions = [{ file = "CITATION.cff", pattern = "\\nversion: {version}" }]'
    assert notice == f"1.2.0 stays in {places}; to move a place too, name it: {fix}"
    assert not [line for line in bump(root, "1.4.0") if "stays in" in line]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("pyproject.toml", '[tool.bumpversion]\ncurrent_version = "1.2.0"\n', 2),
        ("pyproject.toml", '[tool.commitizen]\nname = "cz"\nversion = "1.2.0"\n', 1),
        (".cz.toml", '[tool.commitizen]\nversion = "1.2.0"\n', 1),
        (".cz.json", '{"commitizen": {\n  "version": "1.2.0"}}\n', 2),
        ("setup.cfg", "[bumpversion]\ncurrent_version = 1.2.0\n", 2),
        ("tbump.toml", '[version]\ncurrent = "1.2.0"\n', 2),
        ("conda/meta.yaml", '{% set version = "1.2.0" %}\n', 1),
        ("chart/Chart.yaml", 'version: 3.0.0\nappVersion: "1.2.0"\n', 2),
        ("package.json", '{"name": "tide", "version": "1.2.0"}\n', 1),
        (".release-please-manifest.json", '{".": "1.2.0"}\n', 1),
        ("flake.nix", '{\n  version = "1.2.0";\n}\n', 2),
        ("VERSION", "1.2.0\n", 1),
        ("PKGBUILD", "pkgver=1.2.0\n", 1),
        ("Cargo.lock", "1.2.0\n", 0),
        ("pyproject.toml", '[tool.other]\nversion = "1.2.0"\n', 0),
    ],
)
def test_the_files_of_other_version_tools_are_named(tmp_path: Path, path: str, text: str, line: int) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(text)
    rows = unmoved_files(tmp_path, ".", "1.2.0", [path], ())
    assert [row.partition(";")[0] for row in rows] == ([f"1.2.0 stays in {path}:{line}"] if line else [])


def test_a_lockfile_that_is_not_tracked_and_belongs_to_another_workspace_stays(tmp_path: Path) -> None:
    root = new_project(tmp_path / "r", {**ELSEWHERE, ".gitignore": "fuzz/Cargo.lock\n"})
    before = (root / "fuzz/Cargo.lock").read_bytes()
    bump(root, "1.3.0")
    assert (root / "fuzz/Cargo.lock").read_bytes() == before


def test_a_project_below_the_top_of_its_repository_moves_what_lies_above_it(tmp_path: Path) -> None:
    files = {f"bindings/py/{path}": text for path, text in CRATE.items()}
    lock = '[[package]]\nname = "demo"\nversion = "1.2.0"\nsource = { editable = "../bindings/py" }\n'
    root = new_project(tmp_path / "r", {**files, "docs/uv.lock": lock})
    bump(root / "bindings" / "py", "1.3.0")
    assert (root / "docs/uv.lock").read_text() == lock.replace("1.2.0", "1.3.0")
    assert git(root, "status", "--porcelain") == ""
