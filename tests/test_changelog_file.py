"""A package's changelog on disk: which file it is, its notes, and what a new version makes of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package
from cartwheel.versions.changelog_file import (
    Changelog,
    changelog_of,
    draft_from_commits,
    needs_entry,
    notes_for_tag,
    package_notes,
    unnamed_tool,
    without_entry,
)
from cartwheel.versions.changelog_release import changelogs_of_release
from support.models import manifests, understood
from support.repositories import git, repository
from support.version_workspace import TODAY, contents, project

MARKDOWN = "# Changes\n\n## Unreleased\n\n- fast\n\n## 1.2.0\n\n- slow\n"
UNDERLINED = "Unreleased\n==========\n\n- fast\n\n1.2.0\n=====\n\n- slow\n"
TITLED = "demo unreleased\n===============\n\n- fast\n\ndemo 1.2.0\n==========\n\n- slow\n"


def package(
    changelog: Mapping[str, object] | None = None, *, folder: str = ".", name: str = "demo", version: str = "1.2.0"
) -> Package:
    """A package with these settings of its changelog."""
    written = manifests({"changelog": changelog or {}}, folder=folder, project={"name": name, "version": version})
    return understood(written).packages[0]


def commits(root: Path, *messages: str, folder: str = ".") -> None:
    """Commit a change in a folder for each message."""
    for message in messages:
        path = root / folder / "notes.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{message}\n")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", message)


# Its form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "rst"),
    [
        ("", UNDERLINED, False),
        ("CHANGES.md", UNDERLINED, False),
        ("CHANGES.markdown", UNDERLINED, False),
        ("CHANGES.rst", MARKDOWN, True),
        ("CHANGES", UNDERLINED, True),
        ("CHANGES.txt", UNDERLINED, True),
        ("CHANGES.txt", MARKDOWN, False),
        ("CHANGES", "## demo 1.2.0\n", False),
        ("CHANGES", "words\n", True),
    ],
)
def test_a_suffix_tells_the_markup_and_without_one_the_first_heading(path: str, text: str, rst: bool) -> None:
    assert Changelog(path=path, text=text, name="demo").rst is rst


@pytest.mark.parametrize(
    ("path", "text", "heading"),
    [
        ("CHANGES.md", "", "## 1.3"),
        ("CHANGES.rst", "", "1.3, underlined"),
        ("CHANGES.md", "# 1.2\n", "# 1.3"),
        ("CHANGES.md", "### demo 1.2\n\n## 1.1\n", "### 1.3"),
        ("CHANGES.md", "1.2\n===\n", "1.3, underlined"),
        ("CHANGES.rst", "1.2\n^^^\n", "1.3, underlined"),
    ],
)
def test_the_heading_in_a_message_is_like_the_first_of_the_file(path: str, text: str, heading: str) -> None:
    assert Changelog(path=path, text=text, name="demo").heading("1.3") == heading


@pytest.mark.parametrize(("path", "text"), [("a.md", MARKDOWN), ("a.rst", TITLED), ("a", TITLED)])
def test_notes_are_read_in_the_markup_of_the_file_and_with_the_package_s_name(path: str, text: str) -> None:
    log = Changelog(path=path, text=text, name="demo")
    assert (log.notes("unreleased"), log.notes("1.2.0"), log.notes("1.1.0")) == ("- fast", "- slow", "")
    assert log.has_entries
    assert not Changelog(path="a.rst", text=MARKDOWN).has_entries
    assert not Changelog(path="a.rst", text=TITLED, name="other").has_entries


# Which file it is -----------------------------------------------------------------------------------------------------

PLACES = (
    "CHANGELOG.md", "changelog.markdown", "ChangeLog.rst", "CHANGELOG.txt", "CHANGELOG",
    "CHANGES.md", "history.rst", "NEWS", "RELEASE_NOTES.md", "releases.md", "change_log.md", "release-notes.md",
    "ReleaseNotes.md", "whatsnew.rst", "whats_new.rst", "whats-new.rst",
    "docs/CHANGELOG.md", "docs/whats-new.rst", "doc/changes.md", "docs/source/changes.rst", "doc/source/changes.rst",
    "docs/src/changes.md", "docs/docs/changes.md",
)  # fmt: skip
"""In the order in which the first is taken."""


@pytest.mark.parametrize("folder", [".", "python"])
def test_the_first_usual_name_with_entries_is_the_changelog(tmp_path: Path, folder: str) -> None:
    project(tmp_path / folder, dict.fromkeys(PLACES, UNDERLINED))
    for place in PLACES:
        path = place if folder == "." else f"{folder}/{place}"
        assert changelog_of(tmp_path, package(folder=folder)).path == path
        (tmp_path / path).unlink()
    assert changelog_of(tmp_path, package(folder=folder)) == Changelog()


def test_a_file_without_entries_counts_only_as_changelog_md(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGES.md": "# Plans\n", "docs/changelog.md": "# Plans\n", "HISTORY.md/x": ""})
    assert changelog_of(tmp_path, package()).path == ""
    project(tmp_path, {"sub/ChangeLog.md": "# Changes\n"})
    assert changelog_of(tmp_path, package(folder="sub")).path == "sub/ChangeLog.md"
    project(tmp_path, {"NEWS.rst": UNDERLINED})
    assert changelog_of(tmp_path, package()).path == "NEWS.rst"


def test_a_changelog_keeps_its_line_ends_and_has_the_package_s_name(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN}, newline="\r\n")
    expected = Changelog(path="CHANGELOG.md", text=MARKDOWN.replace("\n", "\r\n"), name="demo")
    assert changelog_of(tmp_path, package()) == expected
    assert changelog_of(tmp_path, package({"from": "commits"})) == Changelog()


def test_the_configured_file_is_the_changelog_wherever_it_is_in_the_project(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN, "sub/CHANGELOG.md": MARKDOWN, "log/x.txt": "# Plans\n"})
    assert changelog_of(tmp_path, package({"file": "log/x.txt"})).path == "log/x.txt"
    assert changelog_of(tmp_path, package({"file": "../log/x.txt"}, folder="sub")).path == "log/x.txt"
    assert changelog_of(tmp_path, package({"file": "../CHANGELOG.md"}, folder="sub")).path == "CHANGELOG.md"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lost.md", "{key}: there is no 'lost.md'; create it, or correct it"),
        ("folder", "{key}: there is no 'folder'; create it, or correct it"),
        ("../../x.md", "{key}: 'x.md' lies outside the project; expected a file in it"),
        ("latin.md", "sub/latin.md: is not UTF-8 text; save it as such"),
    ],
)  # fmt: skip
def test_a_configured_file_that_cannot_be_read_is_refused(tmp_path: Path, file: str, line: str) -> None:
    project(tmp_path, {"x.md": MARKDOWN, "root/sub/folder/y.md": MARKDOWN})
    (tmp_path / "root" / "sub" / "latin.md").write_bytes("## 1.2.0\n\n- schön\n".encode("latin-1"))
    one = package(folder="sub")
    with pytest.raises(ConfigError) as error:
        changelog_of(tmp_path / "root", replace(one, changelog=replace(one.changelog, file=file)))
    assert str(error.value) == line.format(key="sub/pyproject.toml [tool.cartwheel] changelog.file")


# Notes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("required", "version", "needs"),
    [
        ("always", "1.2.0", True), ("always", "1.2.0rc1", True), ("final", "1.2.0", True), ("final", "1.2.0rc1", False),
        ("final", "1.2.0.dev1", False), ("never", "1.2.0", False), ("never", "1.2.0rc1", False),
    ],
)  # fmt: skip
def test_which_versions_need_an_entry(required: str, version: str, needs: bool) -> None:
    assert needs_entry(package({"required": required}), version) is needs


def test_notes_of_a_file_are_those_of_the_package_s_version_unless_another_is_named(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN})
    notes = [package_notes(tmp_path, package(), version) for version in ("", "1.2.0", "unreleased", "1.1.0")]
    assert notes == ["- slow", "- slow", "- fast", ""]


@pytest.mark.parametrize(
    ("required", "version", "notes"),
    [
        ("final", "1.2.0", "- slow"),
        ("final", "1.3.0", ""),
        ("final", "1.3.0rc1", "- fast"),
        ("always", "1.3.0rc1", ""),
        ("never", "1.3.0", "- fast"),
    ],
)
def test_a_tag_that_needs_no_entry_has_the_notes_of_the_unreleased_part(
    tmp_path: Path, required: str, version: str, notes: str
) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN})
    assert notes_for_tag(tmp_path, package({"required": required}, version=version)) == notes


def test_notes_from_commits_are_those_since_the_last_tag_without_the_change_of_the_version(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commits(root, "older", folder="sub")
    git(root, "tag", "v1.1.0")
    commits(root, "fix: a crash", folder="sub")
    git(root, "tag", "v1.9-nightly")
    git(root, "tag", "v1.1.5")
    commits(root, "feat: elsewhere")
    commits(root, "feat: speed", "Version 1.2.0\n\nby hand", "Version numbers", "Versions: more", folder="sub")
    git(root, "tag", "v1.2.0")
    one = package({"from": "commits"}, folder="sub")
    speed, more = "### Features\n\n- speed\n\n", "### Other changes\n\n- more\n- Version numbers"
    rest = speed + more
    assert package_notes(root, one, ignored=("v1.1.5",)) == f"{speed}### Fixes\n\n- a crash\n\n{more}"
    assert package_notes(root, one) == rest
    assert package_notes(root, one, "1.2.0") == rest
    assert package_notes(root, one, "unreleased") == rest
    assert package_notes(root, one, "1.1.0") == ""
    assert notes_for_tag(root, one, ignored=("v1.1.5",)).count("crash") == 1
    assert package_notes(root, replace(one, version="1.3.0"), "1.3.0") == rest
    assert package_notes(root, package({"from": "github"}, folder="sub")) == ""
    assert notes_for_tag(root, package({"from": "github"}, folder="sub")) == ""


def test_the_tags_of_another_package_do_not_bound_the_commits(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    commits(root, "older")
    git(root, "tag", "demo-1.1.0")
    commits(root, "newer")
    git(root, "tag", "other-1.1.5")
    commits(root, "demo: 1.2.0", "demo, other: 1.2.0", "demo: 1.2.0 again", "newest")
    one = replace(package({"from": "commits"}), tag="{name}-{version}", bump_message="{name}: {version}\n\nBody")
    assert package_notes(root, one) == "- newest\n- 1.2.0 again\n- newer"
    subjects = ("newest", "demo: 1.2.0 again", "demo, other: 1.2.0", "demo: 1.2.0", "newer")
    assert draft_from_commits(root, one) == "\n".join(f"- {subject}" for subject in subjects)
    assert draft_from_commits(root, one, ignored=("demo-*",)).splitlines()[-1] == "- older"
    commits(root, "elsewhere", folder="sub")
    assert draft_from_commits(root, replace(one, folder="sub")) == "- elsewhere"


# Missing entries ------------------------------------------------------------------------------------------------------

WHEN = "(changelog.required in [tool.cartwheel] says when)"


@pytest.mark.parametrize(
    ("text", "version", "line"),
    [
        ("## Unreleased\n\n- x\n", "", "there is no entry for 1.2.0, expected a heading like '## 1.2.0'; "
                                       "put it above what is under 'Unreleased'"),
        ("## Unreleased\n\n- x\n", "1.3", "there is no entry for 1.3, expected a heading like '## 1.3'; "
                                          "put it above what is under 'Unreleased'"),
        ("# demo 1.3 (unreleased)\n\n- x\n", "", "there is no entry for 1.2.0, expected a heading like '# 1.2.0'; "
                                                 "correct 'demo 1.3 (unreleased)'"),
        ("## Unreleased\n", "", "there is no entry for 1.2.0, expected a heading like '## 1.2.0'; write what changed"),
        ("## 1.2.0\n\n## 1.1\n\n- x\n", "", "there is no entry for 1.2.0, expected a heading like '## 1.2.0'; "
                                            "write what changed"),
        ("## Unreleased\n\n### Added\n", "unreleased", "nothing is under 'Unreleased'; write what changed"),
        ("### 1.2.0\n\n- x\n", "unreleased", "there is no heading like '### Unreleased'; write what changed under one"),
        ("## 1.2.0\n\n- x\n", "", ""),
        ("## demo unreleased\n\n- x\n", "unreleased", ""),
    ],
)  # fmt: skip
def test_a_missing_entry_is_named_with_what_to_do(tmp_path: Path, text: str, version: str, line: str) -> None:
    root = repository(tmp_path / "r", CHANGELOG__md=text)
    git(root, "tag", "v1.1.0")
    expected = (f"CHANGELOG.md: {line} {WHEN}",) if line else ()
    assert without_entry(root, package(), version) == expected


@pytest.mark.parametrize(
    ("text", "version", "line"),
    [
        (TITLED.replace("=", "~"), "1.3", "there is no entry for 1.3, expected a heading like '1.3, underlined'; "
                        "put it above what is under 'demo unreleased'"),
        ("demo unreleased\n~~~~~~~~~~~~~~~\n", "unreleased", "nothing is under 'Unreleased'; write what changed"),
    ],
)  # fmt: skip
def test_a_missing_entry_of_restructured_text_is_named_in_its_form(
    tmp_path: Path, text: str, version: str, line: str
) -> None:
    root = repository(tmp_path / "r", CHANGES__rst=text)
    git(root, "tag", "v1.1.0")
    assert without_entry(root, package(), version) == (f"CHANGES.rst: {line} {WHEN}",)


def test_an_entry_is_missing_only_if_the_version_needs_one_and_there_is_a_changelog(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", a__txt="1")
    assert without_entry(root, package(), "1.3") == ()
    (root / "CHANGELOG.md").write_text("# Changes\n")
    assert without_entry(root, package({"required": "never"}), "1.3") == ()
    assert without_entry(root, package({"required": "final"}, version="1.3rc1")) == ()
    assert without_entry(root, package({"required": "final"}), "1.3") != ()
    assert without_entry(root, package({"required": "never"}), "unreleased") != ()


@pytest.mark.parametrize("count", [0, 20, 21])
def test_a_missing_entry_comes_with_at_most_20_commits_since_the_last_tag(tmp_path: Path, count: int) -> None:
    root = repository(tmp_path / "r", CHANGELOG__md="## Unreleased\n", cliff__toml="")
    git(root, "tag", "v1.1.0")
    commits(root, *(f"change {number}" for number in range(count)))
    git(root, "tag", "v1.9-nightly")
    git(root, "tag", "v1.9.0")
    first, tool, *rest = without_entry(root, package(), ignored=("v1.9.0",))
    assert first.startswith("CHANGELOG.md: there is no entry for 1.2.0")
    assert tool.startswith("git-cliff is configured here, and no command runs it")
    shown = [f"- change {number}" for number in reversed(range(count))][:20]
    more = [f"- … and {count - 20} more: doit changelog --draft"] if count > 20 else []
    assert rest == (["the commits since the last tag:", *shown, *more] if count else [])


# Programs that write it -----------------------------------------------------------------------------------------------

SCRIV = 'name it: [tool.cartwheel] changelog.command, such as ["scriv", "collect", "--version", "{version}"]'
CLIFF = (
    'name it: [tool.cartwheel] changelog.command, such as ["git-cliff", "--tag", "{tag}", "--output", "CHANGELOG.md"]'
)
TOWNCRIER = (
    'name it: [tool.cartwheel] changelog.command, such as ["towncrier", "build", "--yes", "--version", "{version}"]'
)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({}, ""),
        ({"news/X7.md": ""}, f"news: 1 fragment, and no tool that gathers them; {TOWNCRIER}"),
        ({"releasenotes/notes/a-1.yaml": ""}, "releasenotes/notes: 1 fragment, and no tool that gathers them; "
                                              f"{TOWNCRIER}"),
        ({"changelog.d/a.md": "", "changelog.d/b.md": "", "changelog.d/scriv.ini": ""},
         f"changelog.d: 2 fragments, and no tool that gathers them; {SCRIV}"),
        ({"changelog.d/a.md": "", "pyproject.toml": "[tool.scriv]\n[tool.git-cliff]\n"},
         f"changelog.d: 1 fragment, and no tool that gathers them; {SCRIV}"),
        ({f"news/{name}": "" for name in (".x.md", "_x.md", "README.md", "template.md", "scriv.x", "x", "a.b/c")}, ""),
        ({"news/__init__.py": "", "news/x.py": "", "changes/1.md": ""},
         f"changes: 1 fragment, and no tool that gathers them; {TOWNCRIER}"),
        ({"cliff.toml": ""}, f"git-cliff is configured here, and no command runs it; {CLIFF}"),
        ({"pyproject.toml": "[tool.git-cliff]\n"}, f"git-cliff is configured here, and no command runs it; {CLIFF}"),
        ({"pyproject.toml": "[tool.git-cliff]\n", "towncrier.toml": ""},
         f"towncrier is configured here, and no command runs it; {TOWNCRIER}"),
        ({"cliff.toml": "", "CHANGELOG.md": MARKDOWN}, ""),
        ({"cliff.toml": "", "CHANGELOG.md": "## 1.2.0\n\n- x\n"},
         f"git-cliff is configured here, and no command runs it; {CLIFF}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", [".", "sub"])
def test_a_program_that_no_command_runs_is_named(
    tmp_path: Path, files: Mapping[str, str], line: str, folder: str
) -> None:
    project(tmp_path / folder, files)
    where = "sub/" if folder == "sub" and " fragment" in line else ""
    assert unnamed_tool(tmp_path, package(folder=folder)) == ((f"{where}{line}",) if line else ())
    assert unnamed_tool(tmp_path, package({"command": ["x"]}, folder=folder)) == ()
    assert unnamed_tool(tmp_path, package({"from": "commits"}, folder=folder)) == ()


# A new version --------------------------------------------------------------------------------------------------------

RELEASED = MARKDOWN.replace("## Unreleased\n", "## Unreleased\n\n## 1.3.0\n")
DATED = f"CHANGELOG.md: what was unreleased is 1.3.0 of {TODAY}"
LINKED = "## [Unreleased]\n\n- x\n\n## [1.2.0] - 2026-01-02\n\n- y\n\n[Unreleased]: https://forge.example/x/compare/v1.2.0...HEAD\n"


def released(root: Path, *packages: Package, version: str = "1.3.0") -> tuple[Mapping[str, bytes | None], list[str]]:
    """The changelogs of a new version, and what is said of them."""
    files, lines = changelogs_of_release(root, packages or (package(),), version, TODAY, ("v1.9.0",))
    return files, list(lines)


def test_the_unreleased_part_becomes_the_version_s_entry(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN})
    assert released(tmp_path) == ({"CHANGELOG.md": RELEASED.encode()}, [DATED])
    assert (tmp_path / "CHANGELOG.md").read_text() == MARKDOWN


def test_a_changelog_of_several_packages_changes_once(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": MARKDOWN, "a/x": "", "b/HISTORY.rst": UNDERLINED})
    shared = package({"file": "../CHANGELOG.md"}, folder="a", name="a")
    files, lines = released(tmp_path, package(), shared, package(folder="b", name="b"), package(folder="c", name="c"))
    assert list(files) == ["CHANGELOG.md", "b/HISTORY.rst"]
    assert lines == [DATED, f"b/HISTORY.rst: what was unreleased is 1.3.0 of {TODAY}"]


def test_an_entry_that_waits_for_its_version_gets_only_its_date(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": "## demo 1.3.0 (unreleased)\n\n- x\n", "b/CHANGELOG.md": RELEASED})
    files, lines = released(tmp_path, package(folder="b"), package({"command": ["false"]}))
    assert files == {"CHANGELOG.md": f"## demo 1.3.0 ({TODAY})\n\n- x\n".encode()}
    assert lines == [DATED]
    (tmp_path / "CHANGELOG.md").unlink()
    project(tmp_path, {"CHANGELOG.rst": "demo 1.3.0 (soon)\n~~~~~~~~~~~~~~~~~\n\n- x\n"})
    assert released(tmp_path)[0] == {"CHANGELOG.rst": f"demo 1.3.0 ({TODAY})\n{'~' * 23}\n\n- x\n".encode()}


def test_the_new_entry_has_the_tag_in_its_link_and_the_form_of_the_file(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": LINKED, "b/NEWS": TITLED})
    one = replace(package(), tag="{name}-{version}")
    files, lines = released(tmp_path, one, package(folder="b"))
    link = "[1.3.0]: https://forge.example/x/compare/v1.2.0...demo-1.3.0\n"
    entry = LINKED.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [1.3.0] - {TODAY}\n")
    assert files["CHANGELOG.md"] == f"{entry.replace('v1.2.0...', 'demo-1.3.0...')}{link}".encode()
    title = "demo unreleased\n===============\n"
    assert files["b/NEWS"] == TITLED.replace(title, f"{title}\ndemo 1.3.0\n==========\n").encode()
    assert lines == [DATED, f"b/NEWS: what was unreleased is 1.3.0 of {TODAY}"]


@pytest.mark.parametrize("path", ["CHANGELOG.md", "CHANGELOG.rst"])
def test_a_link_that_must_be_changed_by_hand_is_named(tmp_path: Path, path: str) -> None:
    marks = {"CHANGELOG.md": "## {}", "CHANGELOG.rst": "{}\n~~~~~~~~~~~~~~~~~"}[path]
    heads = (marks.format("demo [Unreleased]"), marks.format("demo [1.2.0]"))
    url = "https://forge.example/x/since-1.2.0"
    project(tmp_path, {path: f"{heads[0]}\n\n- x\n\n{heads[1]}\n\n- y\n\n[Unreleased]: {url}\n"})
    first, second = released(tmp_path)[1]
    assert first == f"{path}: what was unreleased is 1.3.0 of {TODAY}"
    assert second == f"{path}: the link of what is unreleased has an unknown form; change it by hand: {url}"


@pytest.mark.parametrize(
    ("required", "version", "text", "changes"),
    [
        ("always", "1.3.0-rc.1", MARKDOWN, True),
        ("final", "1.3.0", MARKDOWN, True),
        ("final", "1.3.0-rc.1", MARKDOWN, False),
        ("final", "1.3.0-rc.1", "## Unreleased\n", False),
        ("never", "1.3.0", MARKDOWN, True),
        ("never", "1.3.0-rc.1", MARKDOWN, True),
        ("never", "1.3.0", "## Unreleased\n", False),
    ],
)
def test_a_version_without_a_needed_entry_takes_what_is_unreleased_unless_it_waits_for_the_final_one(
    tmp_path: Path, required: str, version: str, text: str, changes: bool
) -> None:
    project(tmp_path, {"CHANGELOG.md": text})
    files, lines = released(tmp_path, package({"required": required}), version=version)
    assert list(files) == (["CHANGELOG.md"] if changes else [])
    assert lines == ([f"CHANGELOG.md: what was unreleased is {version} of {TODAY}"] if changes else [])


def test_a_version_that_lacks_a_needed_entry_is_refused_if_it_is_published(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", CHANGELOG__md="## Unreleased\n")
    git(root, "tag", "v1.2.0")
    commits(root, "faster")
    git(root, "tag", "v1.9.0")
    with pytest.raises(StepFailed) as error:
        released(root)
    assert str(error.value) == (
        f"CHANGELOG.md: nothing is under 'Unreleased'; write what changed {WHEN}\n"
        "the commits since the last tag:\n- faster"
    )
    assert released(root, replace(package(), publish=())) == ({}, [])


def test_an_empty_entry_of_the_version_is_in_the_way(tmp_path: Path) -> None:
    project(tmp_path, {"CHANGELOG.md": "## demo unreleased\n\n- x\n\n## demo 1.3.0\n"})
    with pytest.raises(ConfigError) as error:
        released(tmp_path)
    assert str(error.value) == "CHANGELOG.md: there is an entry for 1.3.0 already"


# By a configured program ----------------------------------------------------------------------------------------------


def by_program(code: str, *arguments: str, folder: str = ".", name: str = "demo") -> Package:
    """A package whose changelog a Python program writes."""
    return package({"command": [sys.executable, "-c", code, *arguments]}, folder=folder, name=name)


WRITE = "import sys; from pathlib import Path; Path('CHANGELOG.md').write_text('## ' + '\\n\\n- '.join(sys.argv[1:]))"


@pytest.mark.parametrize("below", [".", "python"])
@pytest.mark.parametrize("folder", [".", "sub"])
def test_a_program_writes_the_entry_in_a_clone_of_the_commit(tmp_path: Path, below: str, folder: str) -> None:
    top = repository(tmp_path / "r")
    root = project(top / below, {f"{folder}/CHANGELOG.md": "", f"{folder}/old.md": "x\n", "other.md": "x\n"})
    project(top, {"above.md": "x\n"})
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "first")
    (root / folder / "CHANGELOG.md").write_text("not committed\n")
    before = contents(top)
    one = by_program(f"{WRITE}; Path('old.md').unlink()", "{version}", "{pep440} {tag} {date}", folder=folder)
    files, lines = released(root, replace(one, tag="{name}-{version}"), version="1.3.0-rc.1")
    place = "" if folder == "." else f"{folder}/"
    text = f"## 1.3.0-rc.1\n\n- 1.3.0rc1 demo-1.3.0-rc.1 {TODAY}"
    assert files == {f"{place}CHANGELOG.md": text.encode(), f"{place}old.md": None}
    program = sys.executable
    assert lines == [f"{place}CHANGELOG.md: written by {program}", f"{place}old.md: removed by {program}"]
    assert contents(top) == before


def test_each_file_is_said_once_with_the_program_that_wrote_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    project(root, {"a/CHANGELOG.md": "", "b/CHANGELOG.md": "", "c/CHANGELOG.md": MARKDOWN})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    other = str(Path(sys.executable).parent) + f"/./{Path(sys.executable).name}"
    a, b = (by_program(WRITE, "{version}", "x", folder=name, name=name) for name in "ab")
    b = replace(b, changelog=replace(b.changelog, command=(other, *b.changelog.command[1:])))
    files, lines = released(root, a, b, package(folder="c", name="c"), a)
    assert list(files) == ["a/CHANGELOG.md", "b/CHANGELOG.md", "c/CHANGELOG.md"]
    assert lines == [
        f"a/CHANGELOG.md: written by {sys.executable}",
        f"b/CHANGELOG.md: written by {other}",
        f"c/CHANGELOG.md: what was unreleased is 1.3.0 of {TODAY}",
    ]


@pytest.mark.parametrize("origin", ["commits", "github"])
def test_a_program_may_write_a_changelog_that_the_notes_are_not_taken_from(tmp_path: Path, origin: str) -> None:
    root = repository(tmp_path / "r", CHANGELOG__md="")
    command = [sys.executable, "-c", WRITE, "{version}", "x"]
    files, lines = released(root, package({"from": origin, "command": command}))
    assert files == {"CHANGELOG.md": b"## 1.3.0\n\n- x"}
    assert lines == [f"CHANGELOG.md: written by {sys.executable}"]


def test_what_a_program_changes_above_the_project_is_not_part_of_the_version(tmp_path: Path) -> None:
    top = repository(tmp_path / "r", above__md="x\n")
    root = project(top / "python", {"CHANGELOG.md": ""})
    commits(top, "more")
    one = by_program(f"{WRITE}; Path('../above.md').write_text('y')", "{version}", "x")
    assert list(released(root, one)[0]) == ["CHANGELOG.md"]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("pass", "{program}: after it CHANGELOG.md has no entry for 1.3.0"),
        ("from pathlib import Path; Path('CHANGELOG.md').unlink()",
         "{program}: after it the changelog has no entry for 1.3.0"),
        (f"{WRITE}; Path('a.md').touch(); Path('b.md').touch()",
         "{python} would add a.md, b.md; commit a first one, which it then changes"),
        ("raise SystemExit('no news')", "{program}: exit 1: no news"),
    ],
)  # fmt: skip
def test_a_program_that_fails_or_writes_no_entry_is_refused(tmp_path: Path, code: str, line: str) -> None:
    root = repository(tmp_path / "r", CHANGELOG__md="# Changes\n")
    with pytest.raises(StepFailed) as error:
        released(root, by_program(code, "{version}", "x"))
    program = " ".join((sys.executable, "-c", code, "1.3.0", "x"))
    assert str(error.value) == line.format(program=program, python=sys.executable)
