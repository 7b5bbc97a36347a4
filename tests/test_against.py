"""`doit plan --against`, and releases that lose a file of the last one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwheel.adoption.file_sets import compare, with_reasons
from cartwheel.adoption.metadata_change import differences, facts_of_metadata, facts_of_pyproject
from cartwheel.adoption.shipped_wheels import shipped_wheels
from support.indexes import Faulty, faulty
from support.projects import Project, committed, pure
from support.repositories import git


def lost(old: list[str], new: list[str]) -> dict[str, tuple[str, ...]]:
    return {row.file: tuple(map(str, row.cells)) for row in compare(old, new).lost}


# By file names --------------------------------------------------------------------------------------------------------


def test_a_wheel_without_a_successor_is_lost_whatever_the_version() -> None:
    old = ["x-1.0-cp313-cp313-win32.whl", "x-1.0-cp313-cp313-win_amd64.whl", "x-1.0.tar.gz"]
    new = ["x-1.1-cp313-cp313-win_amd64.whl", "x-1.1.tar.gz"]
    assert lost(old, new) == {"x-1.0-cp313-cp313-win32.whl": ("windows win32 cp313",)}


def test_one_wheel_for_the_stable_abi_replaces_one_for_each_interpreter_but_not_the_free_threaded() -> None:
    old = [f"x-1.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in (9, 10, 13)]
    old.append("x-1.0-cp314-cp314t-win_amd64.whl")
    assert lost(old, ["x-2.0-cp310-abi3-win_amd64.whl"]) == {
        "x-1.0-cp39-cp39-win_amd64.whl": ("windows win_amd64 cp39",),
        "x-1.0-cp314-cp314t-win_amd64.whl": ("windows win_amd64 cp314t",),
    }


def test_wheels_for_single_interpreters_replace_one_for_the_stable_abi_as_far_as_they_go() -> None:
    new = [f"x-2.0-cp3{minor}-cp3{minor}-win_amd64.whl" for minor in (12, 13, 14)]
    assert lost(["x-1.0-cp312-abi3-win_amd64.whl"], new) == {
        "x-1.0-cp312-abi3-win_amd64.whl": ("windows win_amd64 cp315",)
    }


def test_a_universal_wheel_replaces_those_of_both_processors_and_the_other_way_round() -> None:
    single = ["x-1-cp313-cp313-macosx_10_12_x86_64.whl", "x-1-cp313-cp313-macosx_11_0_arm64.whl"]
    fat = ["x-1-cp313-cp313-macosx_10_12_universal2.macosx_10_12_x86_64.macosx_11_0_arm64.whl"]
    assert not lost(single, fat)
    assert not lost(fat, single)
    assert lost(fat, single[:1]) == {fat[0]: ("macos arm64 cp313",)}


def test_a_program_for_every_python_replaces_compiled_modules_and_not_the_other_way_round() -> None:
    old, new = ["x-1-cp313-cp313-win32.whl"], ["x-2-py3-none-win32.whl"]
    assert not lost(old, new)
    assert "windows win32 any other interpreter" in lost(new, old)[new[0]]


def test_a_pure_wheel_that_ends_is_lost_on_any_system() -> None:
    (users,) = lost(["x-1-py3-none-any.whl"], ["x-2.tar.gz"]).values()
    assert users[0] == "any system any other interpreter"
    assert users[-1] == "any system cp315"


def test_a_floor_that_rises_is_told_with_the_interpreters_and_one_that_falls_is_not() -> None:
    old = ["x-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "x-1-cp313-cp313-macosx_10_12_x86_64.whl"]
    new = ["x-2-cp313-cp313-manylinux_2_28_x86_64.whl", "x-2-cp313-cp313-macosx_10_13_x86_64.whl"]
    rose = {(row.system, row.old, row.new, row.interpreters) for row in compare(old, new).raised}
    assert rose == {
        ("glibc x86_64", "2.17", "2.28", ("cp313",)),
        ("macos x86_64", "10.12", "10.13", ("cp313",)),
    }
    assert not compare(new, old).raised


def test_a_source_distribution_that_ends_is_lost() -> None:
    assert lost(["x-1.tar.gz"], ["x-2-py3-none-any.whl"]) == {"x-1.tar.gz": ()}


def test_wheels_of_a_variant_are_other_files() -> None:
    old = ["x-1-1small-cp313-cp313-win32.whl"]
    assert lost(old, ["x-2-cp313-cp313-win32.whl"]) == {old[0]: ("windows win32 cp313 small",)}


@pytest.mark.parametrize("pattern", ["*-win32", "i686-pc-windows-*", "i686-pc-windows-msvc:3.13", "x-1-cp313-*"])
def test_a_loss_has_a_reason_by_file_name_or_by_the_words_of_the_plan(pattern: str) -> None:
    comparison = with_reasons(compare(["x-1-cp313-cp313-win32.whl"], []), [("*-macosx*", "no"), (pattern, "no users")])
    assert [row.reason for row in comparison.lost] == ["no users"]
    assert not comparison.unexplained


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("cp39-abi3-manylinux_2_17_s390x.manylinux2014_s390x", "s390x-unknown-linux-gnu abi3 3.9 manylinux2014"),
        ("cp314-cp314t-musllinux_1_2_armv7l", "armv7-unknown-linux-musleabihf 3.14t musllinux_1_2"),
        ("pp310-pypy310_pp73-macosx_10_15_x86_64", "x86_64-apple-darwin pypy3.10 10.15"),
        ("py3-none-win_arm64", "aarch64-pc-windows-msvc py3"),
        ("cp315-abi3.abi3t-win_amd64", "x86_64-pc-windows-msvc abi3t 3.15"),
        ("cp37-cp37m-manylinux_2_5_x86_64.manylinux1_x86_64", "x86_64-unknown-linux-gnu 3.7 manylinux_2_5"),
        (
            "cp313-cp313-macosx_10_12_x86_64.macosx_11_0_arm64.macosx_10_12_universal2",
            "universal2-apple-darwin 3.13 10.12",
        ),
        ("cp313-cp313-pyemscripten_2025_0_wasm32", "wasm32-unknown-emscripten 3.13 2025_0"),
        ("py3-none-any", "any py3"),
        ("cp27-cp27mu-linux_mips", ""),
    ],
)
def test_a_published_name_has_words_of_the_configuration(tags: str, words: str) -> None:
    (row,) = shipped_wheels(f"x-1-{tags}.whl")
    assert " ".join(part for part in (row.triple, row.python, row.since, row.floor) if part) == words


def test_metadata_differs_in_meaning_and_not_in_spelling() -> None:
    old = facts_of_metadata(
        b"Name: x\nRequires-Python: >=3.9\nRequires-Dist: Typing_Extensions>=4\n"
        b"Requires-Dist: numpy>=1; extra == 'fast'\nProvides-Extra: fast\n"
    )
    project = {
        "requires-python": ">= 3.10",
        "dependencies": ["typing-extensions >= 4", "attrs"],
        "optional-dependencies": {"fast": ["numpy>=1"], "slow": []},
    }
    new, unknown = facts_of_pyproject({"project": project})
    assert unknown == ()
    assert differences(old, new) == ("requires-python: >=3.9 → >=3.10", "dependency new: attrs", "extra new: slow")
    new, unknown = facts_of_pyproject({"project": {"dynamic": ["version", "dependencies"]}})
    assert differences(old, new, unknown) == ("requires-python: >=3.9 → any",)


# Through doit ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf() -> Iterator[Faulty]:
    with faulty() as index:
        yield index


@pytest.fixture
def project(tmp_path: Path, shelf: Faulty) -> Project:
    project = pure(tmp_path / "project")
    project.edit(
        "pyproject.toml", 'url = "http://127.0.0.1:9/"', f'url = "{shelf.base}/"\nsimple = "{shelf.base}/simple/"'
    )
    committed(project)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def hold(shelf: Faulty, *files: str) -> None:
    shelf.files.update(dict.fromkeys(files, b"bytes"))


def test_the_plan_is_compared_with_the_newest_release_and_says_what_is_lost(project: Project, shelf: Faulty) -> None:
    hold(shelf, "gravel-0.8-py3-none-any.whl", "gravel-0.9-py3-none-any.whl", "gravel-0.9-cp313-cp313-win32.whl")
    hold(shelf, "gravel-1.1rc1-py3-none-any.whl")
    output = project.doit("plan", "--against")
    assert "gravel 1.0 against 0.9 on shelf: 1 kept, 1 gained, 0 lost" in output
    hold(shelf, "gravel-0.9-1small-py3-none-any.whl")
    output = project.doit("plan", "--against", "shelf", code=1)
    assert "lost    gravel-0.9-1small-py3-none-any.whl" in output
    document = json.loads(project.doit("plan", "--json", "--against", "shelf:0.8"))
    assert document["packages"][0]["against"] == "0.8"
    assert document["packages"][0]["lost"] == []
    assert "| lost | `gravel-0.9-1small-py3-none-any.whl` |" in project.doit("plan", "--against", "--markdown", code=1)


def test_with_sizes_each_built_file_stands_beside_that_of_the_last_release(project: Project, shelf: Faulty) -> None:
    project.doit("repair", "sdist")
    built = {path.name: path.read_bytes() for path in sorted((project.root / "dist").glob("gravel-1.0*"))}
    (wheel,) = (data for name, data in built.items() if name.endswith(".whl"))
    shelf.files["gravel-0.9-py3-none-any.whl"] = with_one_more_module(wheel)
    shelf.files["gravel-0.9.tar.gz"] = b"x" * 100
    old = len(shelf.files["gravel-0.9-py3-none-any.whl"])

    document = json.loads(project.doit("plan", "--against", "--sizes", "--json"))["packages"][0]
    sizes = {row["file"]: (row["old"], row["new"]) for row in document["sizes"]}
    assert sizes["gravel-1.0-py3-none-any.whl"] == (old, len(wheel))
    assert sizes["gravel-1.0.tar.gz"] == (100, len(built["gravel-1.0.tar.gz"]))
    assert document["contents"] == ["gravel-1.0-py3-none-any.whl: file gravel/more.py is gone"]
    assert document["project_size"] == old + 100 + sum(map(len, built.values()))

    text = project.doit("plan", "--against", "--sizes")
    assert "size    gravel-1.0-py3-none-any.whl  " in text
    assert "content gravel-1.0-py3-none-any.whl: file gravel/more.py is gone" in text
    assert "size " not in project.doit("plan", "--against")


def with_one_more_module(wheel: bytes) -> bytes:
    """The wheel with a module `gravel/more.py`."""
    data = io.BytesIO(wheel)
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("gravel/more.py", "# more\n")
    return data.getvalue()


def test_a_missing_version_or_index_is_said_with_those_that_are_there(project: Project, shelf: Faulty) -> None:
    hold(shelf, "gravel-0.9-py3-none-any.whl")
    assert "holds no version 0.7 of gravel; the newest there: 0.9" in project.refused("plan", "--against", "shelf:0.7")
    assert "neither one that twine knows" in project.refused("plan", "--against", "shelves")
    assert "found 'build'" in project.refused("plan", "--against=shelf", "build")


def test_an_index_that_is_not_reached_is_told_and_its_last_answer_serves_offline(
    project: Project, shelf: Faulty
) -> None:
    assert "are not cached" in project.refused("plan", "--against", "--offline")
    hold(shelf, "gravel-0.9-py3-none-any.whl")
    project.doit("plan", "--against")
    shelf.looks[:] = [lambda post: post.answer(503)] * 9
    output = project.refused("plan", "--against")
    assert "index shelf" in output
    assert "cannot be read" in output
    output = project.doit("plan", "--against", "--offline")
    assert "gravel 1.0 against 0.9 on shelf" in output
    assert "as it was read at" in output


def test_a_project_that_the_index_does_not_know_is_compared_with_nothing(project: Project, shelf: Faulty) -> None:
    assert "nothing to compare with" in project.doit("plan", "--against")


def test_a_release_that_loses_a_file_is_refused_before_anything_is_built_until_it_has_a_reason(
    project: Project, shelf: Faulty
) -> None:
    hold(shelf, "gravel-0.9-py3-none-any.whl", "gravel-0.9-1small-py3-none-any.whl")
    output = project.refused("ready", but="ready")
    assert "gravel 1.0 loses 1 of the 2 files of 0.9 on shelf" in output
    assert 'dropped = { "*-any" = "no users" }' in output
    project.edit("pyproject.toml", "[tool.cartwheel]\n", '[tool.cartwheel]\ndropped = { "*-1small-*" = "nobody" }\n')
    git(project.root, "commit", "--quiet", "--all", "--message", "say why")
    git(project.root, "push", "--quiet")
    project.doit("ready", env={"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"})
    assert "(nobody)" in project.doit("plan", "--against")


def test_ready_goes_on_with_a_word_where_the_index_is_not_reached(project: Project, shelf: Faulty) -> None:
    shelf.looks[:] = [lambda post: post.answer(503)] * 9
    output = project.doit("ready", env={"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"})
    assert "not compared with the last release on shelf" in output


def test_the_plan_of_a_pipeline_refuses_what_ready_refuses(project: Project, shelf: Faulty) -> None:
    hold(shelf, "gravel-0.9-1small-py3-none-any.whl")
    git(project.root, "tag", "v1.0")
    output = project.refused("ci", "matrix", env={"GITHUB_REF": "refs/tags/v1.0", "GITHUB_ACTIONS": "true"})
    assert "gravel 1.0 loses 1 of the 1 files of 0.9" in output


def test_a_reason_for_a_loss_is_words(project: Project) -> None:
    project.edit("pyproject.toml", "[tool.cartwheel]\n", '[tool.cartwheel]\ndropped = { "*-win32" = " " }\n')
    assert "dropped: '*-win32' has no reason" in project.refused("plan")
