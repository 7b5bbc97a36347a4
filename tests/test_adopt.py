"""`doit adopt` over the shapes of real repositories: what it plans is what they ship."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cartwheel.adoption.adopted_files import DODO, FileEdit, with_schema_line
from cartwheel.adoption.file_sets import identity
from cartwheel.commands.adopt import Adoption, Released, adopt, write
from cartwheel.commands.adopt_report import next_commands
from cartwheel.pipeline import read_project
from cartwheel.schema import write_editor_schema
from support.projects import Project
from support.repositories import git, repository

SHAPES = Path(__file__).with_name("repositories")
NAMES = sorted(path.stem for path in SHAPES.glob("*.txt"))


def sections(name: str) -> list[tuple[str, str]]:
    """The files of a shape and what is expected of it, each with its heading."""
    parts = (SHAPES / f"{name}.txt").read_text().split("=== ")[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def expected(name: str, heading: str) -> list[str]:
    return [line for head, text in sections(name) if head == heading for line in text.splitlines()]


_OTHERS = {
    "pypy3.9": "pp39-pypy39_pp73",
    "pypy3.10": "pp310-pypy310_pp73",
    "pypy3.11": "pp311-pypy311_pp73",
    "graalpy3.12": "graalpy312-graalpy250_312_native",
    "py3": "py3-none",
}


def tag(python: str) -> str:
    """The tag of an interpreter as the shapes write it; `abi3-3.9` is the stable ABI since 3.9."""
    if python in _OTHERS:
        return _OTHERS[python]
    kind, _, version = python.rpartition("-")
    digits = version.rstrip("t").replace(".", "")
    return f"cp{digits}-" + (kind or "cp" + version.replace(".", ""))


def shipped(name: str) -> dict[str, tuple[str, ...]]:
    """The published files of each package, by its folder."""
    by_folder: dict[str, tuple[str, ...]] = {}
    for head, text in sections(name):
        if head.startswith("SHIPPED "):
            _, stem, folder = f"{head} .".split(" ")[:3]
            files = []
            for line in text.splitlines():
                pythons, _, platforms = line.partition(": ")
                files += [
                    f"{stem}-{tag(py)}-{platform}.whl" for py in pythons.split() for platform in platforms.split()
                ]
                files += [f"{stem}.tar.gz"] if line == "sdist" else []
            by_folder[folder] = tuple(files)
    return by_folder


def unpacked(name: str, root: Path) -> Path:
    """The shape as a git repository with its tags."""
    repository(root)
    for path, text in sections(name):
        if path.partition(" ")[0] not in ("SHIPPED", "TAGS", "PUBLISHED", "DIFFERS"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "everything")
    for line in expected(name, "TAGS"):
        git(root, "tag", line)
    return root


@pytest.fixture(scope="module", params=NAMES)
def shape(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a shape and its repository; no test writes there."""
    return request.param, unpacked(request.param, tmp_path_factory.mktemp(request.param) / "x")


def listing(name: str) -> Released:
    """The index's listing of the packages of a shape."""
    held = {files[0].partition("-")[0]: files for files in shipped(name).values()}

    def released(root: Path, package: str, index: object) -> tuple[str, tuple[str, ...], str]:
        files = held.get(package.replace("-", "_"), ())
        return (files[0].split("-")[1] if files else ""), files, ""

    return released


def planned(adoption: Adoption) -> dict[str, set[str]]:
    """Tags of the planned files by folder, without name and version."""
    return {p.folder: {str(sorted(map(str, identity(f)))) for f in p.planned} for p in adoption.packages}


def expected_wheels(name: str) -> dict[str, set[str]]:
    return {folder: {str(sorted(map(str, identity(f)))) for f in files} for folder, files in shipped(name).items()}


def test_what_is_planned_is_what_the_index_holds_file_by_file(shape: tuple[str, Path]) -> None:
    name, root = shape
    adoption = adopt(root, offline=False, released=listing(name))
    assert planned(adoption) == expected_wheels(name)
    assert [row for package in adoption.packages for row in package.rows] == []
    lines = adoption.rivals
    for row in expected(name, "PUBLISHED TWICE"):
        path, rest = row.split(" ", 1)
        job, _, index = rest.rpartition(" ")
        start = f"{path}: job '{job}' publishes to {index} on the same trigger"
        advice = next(line for line in lines if line.startswith(start))
        first, last = map(int, advice.split("lines ")[1].split(",")[0].split("-"))
        text = (root / path).read_text().splitlines()
        assert text[first - 1].strip() == f"{job.partition(' / ')[0]}:"
        assert last == len(text) or len(text[last]) - len(text[last].lstrip()) <= 2
    assert len(lines) == len(expected(name, "PUBLISHED TWICE"))


def test_without_an_index_the_workflows_say_the_same(shape: tuple[str, Path]) -> None:
    name, root = shape
    assert planned(adopt(root, offline=True)) == expected_wheels(name)


def test_what_is_written_is_read_by_doit_and_a_second_run_proposes_nothing(
    shape: tuple[str, Path], tmp_path: Path
) -> None:
    name, root = shape
    copy = shutil.copytree(root, tmp_path / "x")
    first = adopt(copy, offline=False, released=listing(name))
    write(first)
    assert [package.folder for package in read_project(copy, {}).packages] == [p.folder for p in first.packages]
    again = adopt(copy, offline=False, released=listing(name))
    assert again.again
    assert again.edits == ()
    assert [row for package in again.packages for row in package.rows] == []


# What is written ------------------------------------------------------------------------------------------------------


def table(root: Path, folder: str = ".") -> dict[str, Any]:
    """`[tool.cartwheel]` as it was written."""
    settings: dict[str, Any] = tomllib.loads((root / folder / "pyproject.toml").read_text())["tool"]["cartwheel"]
    return settings


def after_adoption(name: str, root: Path) -> Path:
    write(adopt(unpacked(name, root), offline=False, released=listing(name)))
    return root


def test_a_package_below_the_root_has_its_table_there_with_the_form_of_its_tags(tmp_path: Path) -> None:
    settings = table(after_adoption("monorepo", tmp_path / "x"))
    assert settings["packages"] == ["bindings/python"]
    assert settings["tag"] == "python-v{version}"
    assert settings["test"] == {"extras": ["testing"]}
    assert settings["index"] == {"pypi": {"auth": "token"}}
    assert "publish" not in settings  # the crates have a workflow and tags of their own


def test_settings_of_cibuildwheel_and_of_the_workflow_are_taken_over(tmp_path: Path) -> None:
    settings = table(after_adoption("cibuildwheel-cpp", tmp_path / "x"))
    assert settings["test"] == {"command": ["pytest", "{package}/tests", "-q"], "requires": ["pytest", "numpy"]}
    assert settings["changelog"] == {"file": "CHANGES.rst"}
    assert settings["ci"] == {"trigger": "release"}
    assert settings["index"] == {"pypi": {"auth": "token"}}


def test_a_place_to_practise_is_known_by_its_token(tmp_path: Path) -> None:
    settings = table(after_adoption("testpypi-token", tmp_path / "x"))
    assert settings["index"]["testpypi"] == {"auth": "token"}
    assert settings["test"] == {"command": ["pytest", "{package}/tests-py"], "requires": ["pytest"]}


def test_each_of_several_packages_has_its_own_tags_and_pure_members_their_own_table(tmp_path: Path) -> None:
    root = after_adoption("two-packages", tmp_path / "two")
    assert table(root)["packages"] == ["crates/jasper", "crates/opal"]
    assert table(root, "crates/opal")["tag"] == "opal/v{version}"
    assert table(root, "crates/jasper")["python"] == ["3.12", "3.13", "3.14"]
    root = after_adoption("uv-workspace", tmp_path / "uv")
    assert sorted(table(root)["packages"]) == ["packages/pumice", "packages/pumice-cli"]


def test_comments_say_where_each_key_comes_from(tmp_path: Path) -> None:
    root = after_adoption("single-abi3", tmp_path / "x")
    text = (root / "pyproject.toml").read_text()
    before = dict(sections("single-abi3"))["pyproject.toml"].rstrip()
    assert text.startswith(f"#:schema .cartwheel/schema.json\n\n{before}")
    assert "# as 1.4.0 on pypi\ntargets = [" in text
    assert (root / ".gitignore").read_text() == ".cartwheel/\ndist/\n"


def test_the_schema_line_leads_to_the_state_folder_and_stands_once() -> None:
    line = "#:schema .cartwheel/schema.json"
    assert with_schema_line("pyproject.toml", "[project]\n") == f"{line}\n\n[project]\n"
    assert with_schema_line("py/a/pyproject.toml", "x\r\n") == "#:schema ../../.cartwheel/schema.json\r\n\r\nx\r\n"
    assert with_schema_line("pyproject.toml", "\ufeff[project]\n") == f"\ufeff{line}\n\n[project]\n"
    theirs = "# ours\n#:schema https://example.org/x.json\n"
    assert with_schema_line("pyproject.toml", theirs) == theirs


def test_the_schema_for_editors_accepts_and_refuses_the_whole_file(tmp_path: Path) -> None:
    write_editor_schema(tmp_path)
    schema = json.loads((tmp_path / ".cartwheel/schema.json").read_text("utf-8"))
    assert schema.pop("allOf") == [{"$ref": "https://json.schemastore.org/pyproject.json"}]
    jsonschema.validate(tomllib.loads('[tool.cartwheel]\ntest = { command = ["pytest"] }\n[tool.x]\na = 1'), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"tool": {"cartwheel": {"targts": []}}}, schema)


@pytest.mark.parametrize(
    ("git", "new", "command"),
    [(False, True, "git init && git add --all"), (True, True, "git add --all"), (True, False, "git add dodo.py")],
)
def test_the_first_commit_of_a_repository_takes_all_files(tmp_path: Path, git: bool, new: bool, command: str) -> None:
    if git:
        (tmp_path / ".git").mkdir()
    edits = (FileEdit(path="dodo.py", old="", new=DODO),)
    adoption = Adoption(root=tmp_path, packages=(), skipped=(), edits=edits, rivals=(), notes=(), again=False, new=new)
    assert next_commands(adoption, written=True)[0] == f'{command} && git commit -m "Release with cartwheel"'


# Through doit ---------------------------------------------------------------------------------------------------------


def test_a_dodo_py_of_other_tasks_stays_and_its_missing_lines_are_named(tmp_path: Path) -> None:
    project = Project(unpacked("single-abi3", tmp_path / "x"))
    own = 'def task_hello():\n    return {"actions": ["echo hello"]}\n'
    (project.root / "dodo.py").write_text(own)
    output = project.doit("adopt", "--offline", "--write")
    assert "note: dodo.py stays as it is; add these lines to it:\n  from cartwheel import Pipeline\n" in output
    assert "\n  task_build = wheels.build\n" in output
    assert (project.root / "dodo.py").read_text() == own
    (project.root / "dodo.py").write_text(DODO + own)
    assert "add these lines" not in project.doit("adopt", "--offline")


def test_adopt_shows_a_diff_and_writes_only_when_it_is_told_to(tmp_path: Path) -> None:
    project = Project(unpacked("single-abi3", tmp_path / "x"))
    output = project.doit("adopt", "--offline")
    assert "+++ b/dodo.py" in output
    assert "nothing is written; doit adopt --write writes it" in output
    assert "take it out: lines 32-40" in output
    assert git(project.root, "status", "--porcelain") == ""
    document = json.loads(project.doit("adopt", "--offline", "--write", "--json"))
    assert document["written"] is True
    assert document["packages"][0]["planned"][-1] == "flint-1.4.0.tar.gz"
    assert project.plan()["artifacts"][-1]["file"] == "flint-1.4.0.tar.gz"
    assert "nothing has changed" in project.doit("adopt", "--offline")


def test_a_folder_without_a_package_says_what_is_expected(tmp_path: Path) -> None:
    project = Project(repository(tmp_path / "x"))
    assert "maturin new" in project.refused("adopt", "--offline")
    project.write("pyproject.toml", "[tool.uv]\npackage = false\n")
    assert "[tool.uv] package = false" in project.refused("adopt", "--offline")
    assert "takes no word" in project.refused("adopt", "all")


def test_what_was_published_since_and_is_not_planned_is_proposed_by_itself(tmp_path: Path) -> None:
    root = after_adoption("single-abi3", tmp_path / "x")
    text = (root / "pyproject.toml").read_text().replace('    "aarch64-pc-windows-msvc",\n', "")
    (root / "pyproject.toml").write_text(text)
    again = adopt(root, offline=False, released=listing("single-abi3"))
    assert [edit.path for edit in again.edits] == ["pyproject.toml"]
    assert [(row.state, row.what) for row in again.packages[0].rows] == [
        ("lost", "flint-1.4.0-cp39-abi3-win_arm64.whl")
    ]
    write(again)
    assert planned(adopt(root, offline=False, released=listing("single-abi3"))) == expected_wheels("single-abi3")


def test_a_package_that_is_left_out_from_the_start_is_remembered(tmp_path: Path) -> None:
    root = unpacked("two-packages", tmp_path / "x")
    whole = adopt(root, offline=True)
    out = next(package.folder for package in whole.packages if package.folder != ".")
    first = adopt(root, offline=True, excluded=(f"{out}/",))
    assert out not in {package.folder for package in first.packages}
    write(first)
    assert table(root)["excluded-packages"] == [f"{out}/"]
    assert out not in {package.folder for package in read_project(root, {}).packages}
    assert adopt(root, offline=True).edits == ()


def test_a_package_that_is_new_is_listed_and_the_old_one_keeps_its_tags(tmp_path: Path) -> None:
    root = after_adoption("single-abi3", tmp_path / "x")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "adopted")
    (root / "tools").mkdir()
    project = '[project]\nname = "flint-tools"\nversion = "0.1"\n'
    (root / "tools" / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["maturin>=1.9"]\nbuild-backend = "maturin"\n{project}'
    )
    crate = '[package]\nname = "flint-tools"\nversion = "0.1.0"\n[lib]\nname = "tools"\n[dependencies]\npyo3 = "0.29"\n'
    (root / "tools" / "Cargo.toml").write_text(crate)
    again = adopt(root, offline=False, released=listing("single-abi3"))
    assert sorted(edit.path for edit in again.edits) == ["pyproject.toml", "tools/pyproject.toml"]
    assert again.notes == (
        "tools: flint-tools is new, and is added to 'packages'; to leave it out from now on: "
        "doit adopt --exclude tools",
    )
    left = adopt(root, offline=False, released=listing("single-abi3"), excluded=("tools",))
    (edit,) = left.edits
    assert '\n+excluded-packages = ["tools"]\n' in edit.diff()
    before = (root / "pyproject.toml").read_text()
    write(left)
    assert [(row.folder, row.why) for row in left.skipped] == [("tools", "excluded")]
    after = adopt(root, offline=False, released=listing("single-abi3"))
    assert (after.edits, [row.why for row in after.skipped]) == ((), ["excluded"]), "it is remembered"
    assert [package.folder for package in read_project(root, {}).packages] == ["."]
    (root / "pyproject.toml").write_text(before)
    write(again)
    assert table(root)["packages"] == [".", "tools"]
    assert table(root)["tag"] == "v{version}"
    assert table(root, "tools")["tag"] == "flint-tools-v{version}"
    assert len(table(root, "tools")["targets"]) > 1, "the root's targets are not those of the new package"
    packages = {package.name: package for package in read_project(root, {}).packages}
    assert packages["flint"].tag_name == "v1.4.0"
    assert {row.folder: set(row.planned) for row in again.packages}["tools"] >= {"flint_tools-0.1.tar.gz"}
    after = adopt(root, offline=False, released=listing("single-abi3"))
    assert after.edits == ()
