"""`doit reproduce` and `doit audit`: a release on an index built again, and what it proves."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwheel.commands.audit import AuditedFile, problems
from cartwheel.commands.reproduce import _about, tag_and_version
from cartwheel.filesystem.binaries import symbol_names
from cartwheel.provenance.comparison import differences
from cartwheel.provenance.tag_contents import SourceMatch, blobs, compare_with_commit, first_tag, tag_candidates
from cartwheel.provenance.wheel_files import rewrite
from cartwheel.stand_ins.pypi import LoopbackIndex
from cartwheel.toolchain.recorded_rust import recorded_commit
from support.models import manifests, understood
from support.projects import Project, committed, pure
from support.repositories import git, repository
from support.wheels import wheel

NAME = "demo-1.0-py3-none-any.whl"


# How files differ --------------------------------------------------------------------------------------------------


def test_equal_files_have_no_difference(tmp_path: Path) -> None:
    pair = [wheel(tmp_path / side, NAME, {"demo/x.py": "a = 1\n"}) for side in "ab"]
    assert differences(*pair) == ()


def test_a_changed_text_is_shown_as_a_short_diff(tmp_path: Path) -> None:
    pair = [wheel(tmp_path / side, NAME, {"demo/x.py": f"a = '{side}'\n"}) for side in "ab"]
    lines = differences(*pair)
    assert "demo/x.py: text differs" in lines
    assert {"  -a = 'b'", "  +a = 'a'"} <= set(lines)


def test_a_path_of_a_machine_in_a_binary_is_named(tmp_path: Path) -> None:
    pair = [
        wheel(tmp_path / side, NAME, {"demo/x.so": b"\x7fELF\0\xff" + f"/home/{side}/work/src/lib.rs".encode()})
        for side in ("me", "you")
    ]
    lines = differences(*pair)
    assert "demo/x.so: paths differ" in lines
    assert "  +/home/me/work/src/lib.rs" in lines


def test_symbols_of_a_compiled_file_are_named(tmp_path: Path) -> None:
    content = Path(sys.executable).resolve().read_bytes()
    assert "Py_BytesMain" in symbol_names(content)
    pair = [
        wheel(tmp_path / str(number), NAME, {"demo/x.so": content.replace(b"Py_BytesMain", name)})
        for number, name in enumerate((b"Py_BytesMain", b"Py_OtherMain"))
    ]
    lines = differences(*pair)
    assert "demo/x.so: symbols differ" in lines
    assert {"  -Py_OtherMain", "  +Py_BytesMain"} <= set(lines)


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\0 rustc version 1.95.0 (59807616e 2026-04-14)\0",
        b"MZ\0/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library\0",
        b"MZ\0/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860\\library\0",
    ],
)
def test_a_compiled_file_names_the_commit_of_its_compiler(tmp_path: Path, content: bytes) -> None:
    built = wheel(tmp_path, NAME, {"demo/x.py": "", "demo/x.so": content})
    assert "59807616e1fa2540724bfbac14d7976d7e4a3860".startswith(recorded_commit(built))
    assert len(recorded_commit(built)) >= 9
    assert recorded_commit(wheel(tmp_path / "pure", NAME, {"demo/x.py": "/rustc/"})) == ""


def test_only_the_failed_steps_of_a_file_are_shown_below_it() -> None:
    output = (
        "  ok  version-sync  0.1 s\n  FAIL  build:any:gravel:cp39\n        no python3.9\n"
        "        again: doit build:any:gravel:cp39\n  FAIL  sdist:gravel\n        no tool\n2 failed\n"
    )
    assert _about(output, "sdist:gravel") == ("FAIL  sdist:gravel", "no tool")
    assert _about(output, "repair:any:gravel:cp39")[1:] == ("no python3.9",)
    assert _about("", "sdist:gravel") == ()


def test_members_that_only_one_file_holds_are_named(tmp_path: Path) -> None:
    ours = wheel(tmp_path / "a", NAME, {"demo/x.py": "", "demo/new.py": ""})
    theirs = wheel(tmp_path / "b", NAME, {"demo/x.py": "", "demo/old.py": ""})
    lines = differences(ours, theirs)
    assert "demo/new.py: only in the file built here" in lines
    assert "demo/old.py: only in the published file" in lines


def test_a_time_in_the_archive_is_told_from_a_change_of_content(tmp_path: Path) -> None:
    pair = [wheel(tmp_path / side, NAME, {"demo/x.py": "a = 1\n"}) for side in "ab"]
    rewrite(pair[0], 1580601600, lambda contents: contents)
    rewrite(pair[1], 1700000000, lambda contents: contents)
    assert any(line.startswith("demo/x.py: its time is ") for line in differences(*pair))


def test_a_word_names_a_tag_or_a_version() -> None:
    package = understood(manifests({"tag": "demo-v{version}"})).packages[0]
    assert tag_and_version(package, "") == ("demo-v1.2.0", "1.2.0")
    assert tag_and_version(package, "1.1") == ("demo-v1.1", "1.1")
    assert tag_and_version(package, "demo-v1.1") == ("demo-v1.1", "1.1")
    assert tag_and_version(package, "v1.1") == ("demo-v1.1", "1.1")
    assert tag_and_version(package, "latest") == ("", "")


# A release ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, LoopbackIndex]]:
    """A project whose files are on an index, and whose tag exists."""
    base = tmp_path_factory.mktemp("released")
    with LoopbackIndex(base / "shelf") as shelf:
        project = pure(base / "project")
        project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', f'url = "{shelf.url}"\nsimple = "{shelf.simple}"')
        committed(project)
        git(project.root, "tag", "v1.0")
        project.doit("repair:any", "sdist")
        for path in (project.root / "dist").glob("gravel-*"):
            shutil.copy(path, shelf.folder)
        yield project, shelf


def test_a_release_is_built_again_from_its_tag_and_is_the_same(released: tuple[Project, LoopbackIndex]) -> None:
    project, _ = released
    project.write("gravel/__init__.py", '"""Edited after the release."""\n')
    document = json.loads(project.doit("reproduce", "1.0", "--json"))
    states = {row["file"]: row["state"] for row in document["packages"][0]["files"]}
    assert states == {"gravel-1.0-py3-none-any.whl": "same", "gravel-1.0.tar.gz": "same"}


def test_a_published_file_that_the_tag_does_not_give_is_shown_with_its_difference(
    released: tuple[Project, LoopbackIndex],
) -> None:
    project, shelf = released
    published = shelf.folder / "gravel-1.0-py3-none-any.whl"
    before = published.read_bytes()
    try:
        rewrite(published, 1580601600, lambda contents: {**contents, "gravel/__init__.py": b"import os\n"})
        text = project.doit("reproduce", "v1.0", code=1)
    finally:
        published.write_bytes(before)
    assert "different       gravel-1.0-py3-none-any.whl" in text
    assert "gravel/__init__.py: text differs" in text
    assert "-import os" in text


def test_files_that_only_the_index_or_only_the_tag_has_are_named_and_a_damaged_one_is_different(
    released: tuple[Project, LoopbackIndex],
) -> None:
    project, shelf = released
    sdist_there = shelf.folder / "gravel-1.0.tar.gz"
    whole = sdist_there.read_bytes()
    sdist_there.write_bytes(whole[:60])
    wheel_there = shelf.folder / "gravel-1.0-py3-none-any.whl"
    added, moved = shelf.folder / "gravel-1.0-cp313-cp313-win_amd64.whl", shelf.folder.parent / wheel_there.name
    shutil.copy(wheel_there, added)
    wheel_there.rename(moved)
    try:
        document = json.loads(project.doit("reproduce", "1.0", "--json", code=1))
    finally:
        added.unlink()
        moved.rename(wheel_there)
        sdist_there.write_bytes(whole)
    states = {row["file"]: row["state"] for row in document["packages"][0]["files"]}
    assert states == {
        added.name: "not of the tag", wheel_there.name: "not published", sdist_there.name: "different",
    }  # fmt: skip
    (damage,) = next(row["differences"] for row in document["packages"][0]["files"] if row["state"] == "different")
    assert damage.startswith("the published file cannot be unpacked: ")


def test_a_version_that_the_index_does_not_have_is_one_line(released: tuple[Project, LoopbackIndex]) -> None:
    project, _ = released
    assert "shelf holds no file of gravel 0.9" in project.refused("reproduce", "0.9")


def test_a_tag_that_is_not_here_is_one_line(released: tuple[Project, LoopbackIndex]) -> None:
    project, _ = released
    git(project.root, "tag", "--delete", "v1.0")
    try:
        assert "there is no tag 'v1.0' here; fetch it: git fetch --tags" in project.refused("reproduce", "1.0")
    finally:
        git(project.root, "tag", "v1.0")


def test_an_audit_shows_attestations_and_bills_of_each_file(released: tuple[Project, LoopbackIndex]) -> None:
    project, _ = released
    text = project.doit("audit", "gravel==1.0", "--index", "shelf")
    assert "attestations: none" in text
    assert text.startswith("gravel 1.0  (compared with tag v1.0)\n")
    assert "sources: 1 of 1 files are those of the tag" in text
    assert "bills of materials: gravel.cyclonedx.json: 0 components" in text


def test_source_files_that_a_tag_does_not_have_are_named(tmp_path: Path) -> None:
    root = repository(tmp_path / "project", **{"demo.py": "x = 1\n"})
    ids = blobs(git(root, "ls-tree", "-r", "HEAD"))
    rows = [
        ("demo-1.0/src/demo.py", b"x = 1\n"), ("demo-1.0/added.py", b"import os\n"), ("demo-1.0/empty.py", b""),
        ("demo-1.0.dist-info/METADATA.txt", b"Name: demo\n"),
    ]  # fmt: skip
    assert compare_with_commit(rows, ids) == SourceMatch(known=1, other=("demo-1.0/added.py",))


def test_the_tag_of_the_attested_commit_comes_before_one_of_the_usual_form() -> None:
    candidates = tag_candidates("demo", "1.0", "demo/1.0")
    assert first_tag({"v1.0": "a", "demo-1.0": "b"}, candidates, "b") == "demo-1.0"
    assert first_tag({"v1.0": "a", "demo/1.0": "b"}, candidates, "") == "demo/1.0"
    assert first_tag({"v2.0": "a"}, candidates, "a") == ""


def test_a_private_index_is_read_with_its_credentials(
    released: tuple[Project, LoopbackIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, shelf = released
    monkeypatch.setattr(shelf, "password", "a word")
    monkeypatch.setattr(shelf, "private", True)
    env = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a word"}
    document = json.loads(project.doit("reproduce", "1.0", "--json", env=env))
    assert {row["state"] for row in document["packages"][0]["files"]} == {"same"}
    assert "0 components" in project.doit("audit", "gravel==1.0", "--index", "shelf", env=env)
    assert "401" in project.refused("audit", "gravel==1.0", "--index", "shelf")


@pytest.mark.parametrize("words", [(), ("gravel",), ("gravel==",), ("a==1", "b==2")])
def test_an_audit_needs_one_name_with_a_version(
    released: tuple[Project, LoopbackIndex], words: tuple[str, ...]
) -> None:
    project, _ = released
    assert "audit: expected NAME==VERSION" in project.refused("audit", *words)


def test_a_word_that_is_no_version_is_told(released: tuple[Project, LoopbackIndex]) -> None:
    project, _ = released
    assert "audit: 'latest' is no version" in project.refused("audit", "gravel==latest", "--index", "shelf")
    output = project.refused("reproduce", "latest")
    assert "'latest' is neither a version nor a tag; expected one such as v1.0" in output


def test_files_with_several_publishers_or_only_some_attested_are_a_problem() -> None:
    def file(name: str, publisher: str) -> AuditedFile:
        return AuditedFile(file=name, sha256="", publisher=publisher)

    assert problems((file("a", "GitHub x/y"), file("b", "GitHub x/y"))) == ()
    assert "only some files are attested; missing: b" in problems((file("a", "GitHub x/y"), file("b", "")))
    assert "several publishers" in problems((file("a", "GitHub x/y"), file("b", "GitHub z/y")))[0]
