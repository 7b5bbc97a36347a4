"""A changelog's notes, and its "Unreleased" heading when a version is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.changelog_headings import closing_marks, entries, headings, version_of_title
from cartwheel.model.versions.changelog_links import link_after, next_links
from cartwheel.model.versions.release_notes import (
    changelog_for_release,
    changelog_with_date,
    draft,
    notes_from_commits,
    notes_of,
    unmoved_link,
)

TODAY = "2026-11-21"
KEPT = """\
# Changelog

All notable changes.

## [Unreleased]

### Added

- Speed.

## [1.2.0-rc.1] - 2026-01-02

### Fixed

- A crash:

  ```
  ## [1.1.0] is not a heading here
  # nor this
  ```

## [1.1.0] - 2025-12-31 [YANKED]

- First.

[Unreleased]: https://forge.example/x/compare/v1.2.0-rc.1...HEAD
[1.2.0-rc.1]: https://forge.example/x/compare/v1.1.0...v1.2.0-rc.1
[1.1.0]: https://forge.example/x/releases/v1.1.0
"""


@pytest.mark.parametrize(
    ("heading", "version"),
    [
        ("## [1.2.0] - 2026-01-02", "1.2.0"),
        ("## 1.2.0", "1.2.0"),
        ("## v1.2.0 (2026-01-02)", "1.2.0"),
        ("## [v1.2.0](https://forge.example/x/releases/v1.2.0) - 2026-01-02", "1.2.0"),
        ("## 1.2.0rc1", "1.2.0-rc.1"),
        ("## [1.2.0-rc.1]", "1.2.0rc1"),
        ("## [1.2.0] - 2026-01-02 [YANKED]", "1.2.0"),
        ("##  1.2", "1.2"),
        ("## UNRELEASED", "unreleased"),
        ("## **Unreleased**", "unreleased"),
        ("## __Unreleased__", "unreleased"),
        ("## Unreleased changes", "unreleased"),
        ("## [unreleased changes]", "unreleased"),
        ("## Unreleased (YYYY-MM-DD)", "unreleased"),
        ("## Next", "unreleased"),
        ("## [Next release]", "unreleased"),
        ("## Pending changes", "unreleased"),
        ("## Not yet released", "unreleased"),
        ("## In development", "unreleased"),
        ("## master (unreleased)", "unreleased"),
        ("## main", "unreleased"),
        ("## 🚀 Unreleased", "unreleased"),
        ("## 0.3.0 (unreleased)", "unreleased"),
        ("## [0.3.0] - TBD", "unreleased"),
        ("## 0.3.0 - xx.xx.2026", "unreleased"),
        ("## 0.3.0 (in development)", "unreleased"),
        ("## **1.2.0** - 2026-01-02", "1.2.0"),
        ("## **1.2.0 - 2026-01-02**", "1.2.0"),
        ("## **[1.2.0](https://forge.example/x)** - 2026-01-02", "1.2.0"),
        ("## `1.2.0` (2026-01-02)", "1.2.0"),
        ("## :tada: v1.2.0", "1.2.0"),
        ('## <a name="1.2.0"></a>1.2.0', "1.2.0"),
    ],
)
def test_an_entry_is_found_in_whichever_form_it_is_headed_and_in_either_grammar(heading: str, version: str) -> None:
    assert notes_of(f"# Log\n\n{heading}\n\n- text\n\n## 0.1.0\n\n- other\n", version) == "- text"


def test_notes_keep_their_form_and_lose_only_the_links_at_the_end() -> None:
    assert notes_of(KEPT, "1.2.0rc1").startswith("### Fixed\n\n- A crash:\n\n  ```\n  ## [1.1.0] is not")
    assert notes_of(KEPT, "1.2.0rc1").endswith("```")
    assert notes_of(KEPT, "1.1.0") == "- First."
    assert notes_of(KEPT, "unreleased") == "### Added\n\n- Speed."


@pytest.mark.parametrize("version", ["9.9.9", "1.2.0", "", "nonsense", "1.1"])
def test_there_are_no_notes_of_a_version_that_has_no_entry(version: str) -> None:
    assert notes_of(KEPT, version) == ""
    assert notes_of("", version) == ""


def test_an_entry_with_nothing_in_it_has_no_notes() -> None:
    assert notes_of("## 1.0\n\n## 0.9\n- x\n", "1.0") == ""
    assert notes_of("## 1.0\n\n### Added\n\n###\n#### Deep\n\n## 0.9\n- x\n", "1.0") == ""
    assert notes_of("## 1.0\n#hashtag\n", "1.0") == "#hashtag"


def test_what_was_unreleased_becomes_the_version_s_and_the_links_are_carried_on() -> None:
    changelog = changelog_for_release(KEPT, "1.2.0", date=TODAY, tag="v1.2.0")
    links = "[Unreleased]: https://forge.example/x/compare/v1.2.0...HEAD\n"
    links += "[1.2.0]: https://forge.example/x/compare/v1.2.0-rc.1...v1.2.0\n"
    expected = KEPT.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [1.2.0] - {TODAY}\n")
    assert changelog == expected.replace(KEPT.splitlines(keepends=True)[-3], links)
    assert notes_of(changelog, "1.2.0") == "### Added\n\n- Speed."
    assert notes_of(changelog, "unreleased") == ""


@pytest.mark.parametrize(
    ("last", "heading"),
    [
        ("## 1.0", "## 1.1"),
        ("## v1.0 (2026-01-02)", f"## v1.1 ({TODAY})"),
        ("## [1.0] — 2026-01-02", f"## [1.1] — {TODAY}"),
        ("## [1.0] - 2026-01-02 [YANKED]", f"## [1.1] - {TODAY}"),
        ("## [1.0]: the first", "## [1.1]"),
        ("## `v1.0`", "## `v1.1`"),
        (r"## \[1.0\] - 2026-01-02", rf"## \[1.1\] - {TODAY}"),
        ("## 1.0 (January 2, 2026)", "## 1.1 (November 21, 2026)"),
        ("## 1.0, 2 Jan 2026", "## 1.1, 21 Nov 2026"),
        ("## 1.0 (2026/01/02)", "## 1.1 (2026/11/21)"),
        ("## 1.0 (02.01.2026)", "## 1.1 (21.11.2026)"),
        ("## 1.0 (May 2, 2026), the wheel", "## 1.1 - Nov 21, 2026"),
        ("## **1.0** - 2026-01-02", f"## **1.1** - {TODAY}"),
        ("## **1.0 - 2026-01-02**", f"## **1.1 - {TODAY}**"),
        ("## 🚀 1.0 (2026-01-02)", f"## 🚀 1.1 ({TODAY})"),
        ("## my-name@1.0", "## my-name@1.1"),
    ],
)
def test_the_new_heading_has_the_form_of_the_newest(last: str, heading: str) -> None:
    text = f"## Unreleased\n\n- x\n\n{last}\n\n- y\n"
    assert f"\n{heading}\n" in changelog_for_release(text, "1.1", date=TODAY, name="my-name")


def test_brackets_may_be_escaped_and_a_development_version_waits_for_its_release() -> None:
    text = "# Log\n\n## \\[Unreleased\\]\n\n- x\n\n## \\[1.0\\]\n\n- y\n"
    assert notes_of(text, "unreleased") == "- x"
    waiting = "## [1.2.dev0]\n\n- x\n\n## [1.0] - 2026-01-02\n\n[1.2.dev0]: https://e.example/compare/v1.0...HEAD\n"
    released = changelog_for_release(waiting, "1.1", date=TODAY)
    assert released == waiting.replace("[1.2.dev0]:", "[1.1]:").replace("## [1.2.dev0]", f"## [1.1] - {TODAY}")


def test_an_anchor_above_the_next_heading_is_not_part_of_the_notes() -> None:
    text = "<a id='next'></a>\n# 1.1\n\n- x\n\n<a id='changelog-1.0'></a>\n# 1.0\n\n- y\n"
    assert notes_of(text, "1.1") == "- x"


def test_a_changelog_s_first_entry_is_dated() -> None:
    assert changelog_for_release("## Unreleased", "0.1", date=TODAY) == f"## Unreleased\n\n## 0.1 - {TODAY}\n"
    assert f"## [0.1] - {TODAY}" in changelog_for_release("## [Unreleased]\n", "0.1", date=TODAY)


def test_a_version_that_has_an_entry_or_a_changelog_that_has_no_place_is_refused() -> None:
    with pytest.raises(ConfigError, match="already"):
        changelog_for_release(KEPT, "1.1.0", date=TODAY)
    with pytest.raises(ConfigError, match="no heading '## Unreleased'"):
        changelog_for_release("## 1.0\n", "1.1", date=TODAY)


@pytest.mark.parametrize(
    ("heading", "below", "expected"),
    [
        ("## v1.3.0 (unreleased)", "## v1.2.0 (2026-01-02)", f"## v1.3.0 ({TODAY})"),
        ("## 1.3.0 - Unreleased", "## 1.2.0", f"## 1.3.0 - {TODAY}"),
        ("## [1.3.0] - YYYY-MM-DD", "", f"## [1.3.0] - {TODAY}"),
        ("## 1.3.0 (to be released)", "", f"## 1.3.0 ({TODAY})"),
        ("## 1.3.0 - upcoming", "## 1.2.0", f"## 1.3.0 - {TODAY}"),
        ("## 1.3.0 / TBD", "## 1.2.0 / 2026-01-02", f"## 1.3.0 / {TODAY}"),
        ("## 1.3.0 - [Unreleased]", "## 1.2.0", f"## 1.3.0 - {TODAY}"),
        ("## 1.3.0 (??.??.2026)", "## 1.2.0", f"## 1.3.0 ({TODAY})"),
        ("## **1.3.0 (unreleased)**", "## 1.2.0", f"## **1.3.0 ({TODAY})**"),
        ("## 1.3.0: pending requests", "## 1.2.0 - 2026-01-02", "## 1.3.0: pending requests"),
        ("## [1.3.0] [UNRELEASED]  ", "## [1.2.0] - 2026-01-02", f"## [1.3.0] - {TODAY}  "),
        ("## 1.3.0 - 2026-??-??", "## 1.2.0", f"## 1.3.0 - {TODAY}"),
        ("## [1.3.0]", "## [1.2.0] - 2026-01-02 [YANKED]", f"## [1.3.0] - {TODAY}"),
        ("## 1.3.0", "## 1.2.0", "## 1.3.0"),
        ("## 1.3.0: the unreleasedness", "## 1.2.0 - 2026-01-02", "## 1.3.0: the unreleasedness"),
        ("## [1.3.0] - 2026-03-04", "## [1.2.0] - 2026-01-02", "## [1.3.0] - 2026-03-04"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_entry_that_waits_for_its_date_gets_it_and_nothing_else_changes(
    heading: str, below: str, expected: str, end: str
) -> None:
    text = end.join(["# Log", "", "## Unreleased", "", "{}", "", "- x", "", below, "- y (unreleased)"])
    assert changelog_with_date(text.format(heading), "1.3.0", date=TODAY) == text.format(expected)
    assert changelog_with_date(text.format(heading), "1.4.0", date=TODAY) == text.format(heading)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("## 0.3.0 (unreleased)\n\n- x\n", f"## 0.4.0 ({TODAY})\n\n- x\n"),
        ("## Unreleased\n\n## v0.3.0 - TBD\n\n- x\n", f"## Unreleased\n\n## v0.4.0 - {TODAY}\n\n- x\n"),
        (
            "## [0.3.0] - unreleased\n\n- x\n\n[0.3.0]: https://forge.example/x/compare/v0.2.0...v0.3.0\n",
            f"## [0.4.0] - {TODAY}\n\n- x\n\n[0.4.0]: https://forge.example/x/compare/v0.2.0...v0.4.0\n",
        ),
        ("0.3.0 (unreleased)\n==================\n\n- x\n", f"0.4.0 ({TODAY})\n==================\n\n- x\n"),
    ],
    ids=("plain", "below an empty part", "with a link", "underlined"),
)
def test_an_undated_entry_of_another_version_becomes_the_new_version_s(before: str, after: str) -> None:
    assert changelog_for_release(before, "0.4.0", date=TODAY) == after
    rst = before.replace("## ", "")
    if "=" in before:
        assert changelog_for_release(rst, "0.4.0", date=TODAY, rst=True) == after


def test_a_section_of_a_version_is_no_part_for_the_next_release() -> None:
    text = "# Log\n\n## 1.0\n\n### Main\n\n- x\n\n### Upcoming\n\n- y\n"
    assert [entry.version for entry in entries(text)] == ["1.0"]


def test_a_draft_is_a_list_of_subjects_each_once_without_merges() -> None:
    assert draft(["Faster", "Merge branch 'x'", "Fix", "Faster", " "]) == "- Faster\n- Fix"


lines = st.sampled_from(
    ["- text", "", "### Added", "```", "~~~", "## Notes", "# Title", "[x]: http://e.example", "  é", "## 0.9"]
)
texts = st.lists(lines, max_size=8)


@given(texts, texts, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_only_the_new_heading_and_a_blank_line_are_added(
    head: list[str], tail: list[str], end: str, final: bool
) -> None:
    text = end.join(["# Log", *head, "## Unreleased", *tail]) + (end if final else "")
    if not any(entry.version == "unreleased" for entry in entries(text)):
        return  # it stands in a block of code
    changelog = changelog_for_release(text, "1.0", date=TODAY)
    new = next(line for line in changelog.splitlines() if line.startswith("## 1.0"))
    added = f"{end}{new}{end}"
    assert changelog.count(added) == 1
    assert changelog.replace(added, "", 1) in (text, text + end)
    assert notes_of(changelog, "1.0") == notes_of(text, "unreleased")


# As people keep them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "rst"),
    [
        ("# my-name 0.2.0 (2026-01-02)", False),
        ("## My_Name 0.2.0", False),
        ("# 0.2.0", False),
        ("### 0.2.0", False),
        ("### v0.2.0 - 2026-01-02 ###", False),
        ("## Version 0.2.0", False),
        ("## Release v0.2.0 / 2026-01-02", False),
        ("## [0.2.0](https://forge.example/x/compare/v0.1.0...v0.2.0) (2026-01-02)", False),
        ("## [0.2.0][v0.2.0] - 2026-01-02", False),
        ("0.2.0\n=====", False),
        ("0.2.0 (2026-01-02)\n------------------", False),
        ("v0.2.0\n---", False),
        ("0.2.0 (2026-01-02)\n------------------", True),
        ("Version 0.2.0\n^^^^^^^^^^^^^", True),
        ("My.Name 0.2.0 (2026-01-02)\n===========================", True),
        ("==================\n0.2.0 (2026-01-02)\n==================", True),
        ("v0.2.0\n++++++", True),
    ],
)
def test_a_heading_of_any_usual_form_is_read(heading: str, rst: bool) -> None:
    older = heading.replace("0.2.0", "0.1.0")
    text = (
        f"Log\n~~~\n\n{heading}\n\n- new\n\n{older}\n\n- old\n" if rst else f"{heading}\n\n- new\n\n{older}\n\n- old\n"
    )
    assert notes_of(text, "0.2.0", "my-name", rst=rst) == "- new"
    assert notes_of(text, "0.1.0", "my-name", rst=rst) == "- old"


@pytest.mark.parametrize(
    "heading",
    ["## Python 3.8", "### 3 fixes", "## Next steps", "## Notes on 1.0", "Text 0.2.0\n", "- 0.2.0\n---", "## 1.x"],
)
def test_a_heading_that_names_no_version_of_this_package_begins_no_entry(heading: str) -> None:
    assert [entry.version for entry in entries(f"## 1.0\n\n{heading}\n\n- x\n", "my-name")] == ["1.0"]


COMMENTED = """\
# Changelog

<!-- How to write an entry:
## Unreleased

### Added
- what is new
-->

## [Unreleased]

<!-- write here -->

### Added

- Speed. <!-- by a lot -->
<!--
- Not yet.
-->

## [1.0.0] - 2026-01-02

<!-- nothing
to say -->
"""


def test_comments_are_no_headings_and_no_notes() -> None:
    assert notes_of(COMMENTED, "unreleased") == "### Added\n\n- Speed. <!-- by a lot -->"
    assert notes_of(COMMENTED, "1.0.0") == ""
    changelog = changelog_for_release(COMMENTED, "1.1.0", date=TODAY)
    assert changelog == COMMENTED.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [1.1.0] - {TODAY}\n")


FORGE = "https://forge.example/x"


LINKS = (  # before, what is to come, the version's; @ is the forge
    ("[Unreleased]: @/compare/v1.0...main", "[Unreleased]: @/compare/v1.1...main", "[1.1]: @/compare/v1.0...v1.1"),
    ("[unreleased]: @/compare/v1.0..HEAD", "[unreleased]: @/compare/v1.1..HEAD", "[1.1]: @/compare/v1.0..v1.1"),
    ("[Unreleased]: @/-/compare/v1.0...b", "[Unreleased]: @/-/compare/v1.1...b", "[1.1]: @/-/compare/v1.0...v1.1"),
    (
        "[Unreleased]:  @/compare/v1.0...x?w",
        "[Unreleased]:  @/compare/v1.1...x?w",
        "[1.1]:  @/compare/v1.0...v1.1?w",
    ),
    (
        "[Unreleased]: @/compare/HEAD%0Dv1.0#d",
        "[Unreleased]: @/compare/HEAD%0Dv1.1#d",
        "[1.1]: @/compare/v1.1%0Dv1.0#d",
    ),
    (
        "[Unreleased]: <@/compare/v1.0...m>",
        "[Unreleased]: <@/compare/v1.1...m>",
        "[1.1]: <@/compare/v1.0...v1.1>",
    ),
    ("[1.0]: @/compare/v0.9...v1.0", "[1.1]: @/compare/v1.0...v1.1", "[1.0]: @/compare/v0.9...v1.0"),
    ("[1.0]: @/releases/tag/v1.0", "[1.1]: @/releases/tag/v1.1", "[1.0]: @/releases/tag/v1.0"),
    ("[Unreleased]: @/commits/main", "[Unreleased]: @/commits/main", ""),
)


@pytest.mark.parametrize(("before", "first", "second"), LINKS)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_links_at_the_end_are_carried_on(before: str, first: str, second: str, end: str) -> None:
    newline = end or "\n"
    entry = f"## [1.1] - {TODAY}\n\n"
    head = "## [Unreleased]\n\n{}- x\n\n## [1.0] - 2026-01-02\n\n- y\n\n"
    text = (head.format("") + before.replace("@", FORGE)).replace("\n", newline) + end
    after = "\n".join(filter(None, [first, second])).replace("@", FORGE)
    expected = (head.format(entry) + after).replace("\n", newline) + end
    assert changelog_for_release(text, "1.1", date=TODAY, tag="v1.1") == expected


def test_links_in_headings_are_carried_on() -> None:
    last = f"## [1.0]({FORGE}/compare/v0.9...v1.0) (2026-01-02)"
    text = f"## [Unreleased]({FORGE}/compare/v1.0...main)\n\n- x\n\n{last}\n\n- y\n"
    changelog = changelog_for_release(text, "1.1", date=TODAY, tag="v1.1").splitlines()
    assert changelog[0] == f"## [Unreleased]({FORGE}/compare/v1.1...main)"
    assert changelog[2] == f"## [1.1]({FORGE}/compare/v1.0...v1.1) ({TODAY})"
    only = f"## Unreleased\n\n- x\n\n## [v1.0]({FORGE}/releases/tag/v1.0)\n"
    assert f"## [v1.1]({FORGE}/releases/tag/v1.1)\n" in changelog_for_release(only, "1.1", date=TODAY, tag="v1.1")


def test_a_link_of_an_unknown_form_is_named() -> None:
    url = f"{FORGE}/branchCompare?baseVersion=GT1.0&targetVersion=GBmain"
    text = f"## [Unreleased]\n\n- x\n\n## [1.0]\n\n- y\n\n[Unreleased]: {url}\n"
    assert unmoved_link(text) == url
    assert unmoved_link(text.replace(url, f"{FORGE}/compare/1.0...main")) == ""


ONE = "Unreleased\n----------\n\n* x\n\n1.0 (2026-01-02)\n----------------\n\n* y\n"
TWO = "Next\n====\n\n* x\n\nVersion 1.0\n===========\n\n* y\n"
OVER = "==========\nUnreleased\n==========\n\n* x\n\n===\n1.0\n===\n\n* y\n"


@pytest.mark.parametrize(
    ("before", "entry", "rst"),
    [
        (ONE, f"1.1 ({TODAY})\n----------------\n", True),
        (ONE, f"1.1 ({TODAY})\n----------------\n", False),
        (TWO, "Version 1.1\n===========\n", True),
        (TWO, "Version 1.1\n===========\n", False),
        (OVER, "===\n1.1\n===\n", True),
    ],
)
def test_an_underlined_changelog_keeps_its_form(before: str, entry: str, rst: bool) -> None:
    after = changelog_for_release(before, "1.1", date=TODAY, rst=rst)
    head = before[: before.index("\n\n") + 1]
    assert after == before.replace(head, f"{head}\n{entry}", 1)
    assert notes_of(after, "1.1", rst=rst) == "* x"


def test_a_date_that_makes_an_underlined_title_longer_makes_its_line_longer() -> None:
    text = "1.1 (unreleased)\n----------------\n\n* x\n\n1.0\n---\n"
    assert changelog_with_date(text, "1.1", date=TODAY, rst=True) == text.replace("unreleased", TODAY)
    bare = "1.1\n---\n\n* x\n\n1.0 (2026-01-02)\n----------------\n"
    assert changelog_with_date(bare, "1.1", date=TODAY, rst=True).startswith(f"1.1 ({TODAY})\n----------------\n")


def test_commits_are_grouped_by_their_type() -> None:
    commits = [
        "feat(core)!: drop Python 3.9",
        "fix: a crash",
        "feat: speed\n\nBREAKING CHANGE: no more slowness",
        "feat: more",
        "Merged by hand",
        "chore: tidy",
        "fix: a crash",
    ]
    assert notes_from_commits(commits) == (
        "### Breaking changes\n\n- **core:** drop Python 3.9\n- speed\n\n### Features\n\n- more\n\n"
        "### Fixes\n\n- a crash\n\n### Other changes\n\n- Merged by hand\n- tidy"
    )
    assert notes_from_commits(["One thing", "Another"]) == "- One thing\n- Another"
    assert notes_from_commits([]) == ""


# Values that mutation testing asked for -------------------------------------------------------------------------------


def test_headings_of_restructured_text_are_read_with_their_lines_and_levels() -> None:
    text = "==\nUp\n==\n\nPart\n----\n\nA paragraph\nof two lines\n\n Indented\n---------\n\n"
    text += "Titles\n====\n\n~~~~\nDeep\n~~~~"
    heads = headings(text.splitlines(), rst=True)
    assert [(h.start, h.end, h.level, h.title, h.marks, h.under, h.over) for h in heads] == [
        (0, 3, 1, "Up", "", "=", True),
        (4, 6, 2, "Part", "", "-", False),
        (13, 15, 3, "Titles", "", "=", False),
        (16, 19, 4, "Deep", "", "~", True),
    ]


def test_a_package_may_be_named_in_any_spelling_and_code_ends_only_with_its_own_fence() -> None:
    assert notes_of("## My_Name 1.0\n\n- x\n", "1.0", "my.name") == "- x"
    assert notes_of("## my-other 1.0\n\n- x\n", "1.0", "my.name") == ""
    code = "## 1.0\n\n````\n```\n\n## 0.9\n````\n\n## 0.8\n\n- y\n"
    assert notes_of(code, "1.0") == "````\n```\n\n## 0.9\n````"
    assert notes_of(code, "0.9") == ""


UP = "=" * 26


def test_the_coming_notes_of_a_named_package_in_restructured_text() -> None:
    text = "my-name Unreleased\n==================\n\n.. <!-- kept -->\n\n- x\n\n"
    text += "my-name 1.0\n===========\n\nFixes\n-----\n"
    assert notes_of(text, "unreleased", "my-name", rst=True) == ".. <!-- kept -->\n\n- x"
    assert notes_of(text, "unreleased", rst=True) == ""
    assert notes_of(text, "1.0", "my-name", rst=True) == ""
    assert notes_of("## 1.0\n\n- x\n", "unreleased") == ""
    assert notes_of("## 1.0\n\nNotes\n\n### More\n", "1.0") == "Notes\n\n### More"
    overlined = f"{UP}\nmy-name 1.0 (soon)\n{UP}\n\n~~~~~\nFixes\n~~~~~\n"
    assert notes_of(overlined, "1.0", "my-name", rst=True) == ""
    assert notes_of("1.0\n===\n\n# not a heading here\n", "1.0", rst=True) == "# not a heading here"


def test_a_date_lengthens_both_lines_of_a_title_and_needs_the_package_s_name() -> None:
    text = "--------------------\nmy-long-name 1.1 (?)\n--------------------\n\n- x\n"
    line = "-" * len(f"my-long-name 1.1 ({TODAY})")
    expected = f"{line}\nmy-long-name 1.1 ({TODAY})\n{line}\n\n- x\n"
    assert changelog_with_date(text, "1.1", date=TODAY, name="my-long-name", rst=True) == expected
    assert changelog_with_date(text, "1.1", date=TODAY, rst=True) == text
    assert changelog_with_date("## 1.1\n\n- x\n", "1.1", date=TODAY) == "## 1.1\n\n- x\n"
    linked = changelog_with_date("## 1.1 - [unreleased]: the third\n", "1.1", date=TODAY)
    assert linked == f"## 1.1 - {TODAY}: the third\n"


def test_an_overlined_entry_that_waits_becomes_another_version_s() -> None:
    text = "--------------------\nmy-name 1.1 (soon)\n--------------------\n\n- x\n"
    line = "-" * len(f"my-name 1.20 ({TODAY})")
    expected = f"{line}\nmy-name 1.20 ({TODAY})\n{line}\n\n- x\n"
    assert changelog_for_release(text, "1.20", date=TODAY, name="my-name", rst=True) == expected


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("## [1.0]\n\n[1.0]: https://forge.example/x/1.0\n", "", ""),
        ("## [Unreleased]\n\n[unreleased]: https://forge.example/x/1.0\n", "", ""),
        ("## [Unreleased](https://forge.example/1.0)\n\n## 1.0\n", "", "https://forge.example/1.0"),
        ("## [Unreleased][after-1.0]\n\n## 1.0\n", "", ""),
        ("## x [Unreleased](https://forge.example/1.0)\n\n## x 1.0\n", "x", "https://forge.example/1.0"),
        ("## x [Unreleased](https://forge.example/1.0)\n\n## x 1.0\n", "", ""),
    ],
)
def test_only_a_link_that_names_the_last_version_is_named(text: str, name: str, url: str) -> None:
    assert unmoved_link(text, name) == url


def test_a_link_that_is_no_comparison_has_no_next_one() -> None:
    assert next_links("https://forge.example/x/releases", "v1.1") == ("", "")
    compared = "https://forge.example/x/compare/v1.0...v1.0.1"
    assert link_after(compared, "1.0.2", "v1.0.2", last="1.0.1") == "https://forge.example/x/compare/v1.0.1...v1.0.2"
    deep = "https://forge.example/v1.0/tools-v1.0.1/compare/v1.0...v1.0.1#top"
    moved = "https://forge.example/v1.0/tools-v1.0.1/compare/v1.0.1...v1.0.2#top"
    assert link_after(deep, "1.0.2", "v1.0.2", last="1.0.1") == moved, "a tag's text in the repository's path stays"
    tagged = "https://forge.example/v1.0.1/x/releases/tag/x/v1.0.1"
    assert link_after(tagged, "1.0.2", "x/v1.0.2", last="1.0.1") == f"{tagged.removesuffix('x/v1.0.1')}x/v1.0.2"
    assert link_after("https://forge.example/x", "1.1", "v1.1", last="1.0") == ""
    assert link_after("https://forge.example/x/release-1.0", "1.1", "v1.1", last="1.0") == ""
    assert link_after("https://forge.example/x/v1.0", "1.1", "v1.1", last="1.0") == "https://forge.example/x/v1.1"


FORGE = "https://forge.example/x"


@pytest.mark.parametrize(
    ("before", "version", "tag", "after"),
    [
        ("## [Unreleased]\n\n- x\n\n## [v1.0]\n\n[v1.0]: {f}/tag/v1.0\n", "1.1", "v1.1",
         "## [Unreleased]\n\n## [v1.1]\n\n- x\n\n## [v1.0]\n\n[v1.1]: {f}/tag/v1.1\n[v1.0]: {f}/tag/v1.0\n"),
        ("## [Unreleased]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.0...HEAD", "1.1", "v1.1",
         "## [Unreleased]\n\n## [1.1]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.1...HEAD\n"
         "[1.1]: {f}/compare/v1.0...v1.1"),
        ("## [Unreleased]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.0...HEAD\n", "1.1", "",
         "## [Unreleased]\n\n## [1.1]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.0...HEAD\n"),
        ("## [Unreleased]\n\n- x\n\n[Unreleased]: {f}/compare/v1.0...HEAD\n[1.1RC1]: {f}\n", "1.1rc1", "v1.1rc1",
         "## [Unreleased]\n\n## [1.1rc1] - 2026-11-21\n\n- x\n\n"
         "[Unreleased]: {f}/compare/v1.0...HEAD\n[1.1RC1]: {f}\n"),
        ("## v1.0\n\n- y\n\n## Unreleased\n\n- x\n", "1.1", "",
         "## v1.0\n\n- y\n\n## Unreleased\n\n## v1.1\n\n- x\n"),
        ("## Unreleased\n\n## v1.0\n\n- y\n\n## 0.9\n", "1.1", "",
         "## Unreleased\n\n## v1.1\n\n## v1.0\n\n- y\n\n## 0.9\n"),
        ("## [Unreleased]({f}/compare/v1.0...HEAD)\n\n- x\n", "1.1", "v1.1",
         "## [Unreleased]({f}/compare/v1.1...HEAD)\n\n## [1.1]({f}/compare/v1.0...v1.1) - 2026-11-21\n\n- x\n"),
        ("## [Unreleased]({f}/compare/v1.0...HEAD)\n\n- x\n\n## [1.0]({f}/tag/v1.0)\n", "1.1", "v1.1",
         "## [Unreleased]({f}/compare/v1.1...HEAD)\n\n## [1.1]({f}/compare/v1.0...v1.1)\n\n- x\n\n"
         "## [1.0]({f}/tag/v1.0)\n"),
        ("## Unreleased\n\n- x\n\n## [1.0]({f}/compare/v0.9...v1.0)\n", "1.1", "",
         "## Unreleased\n\n## [1.1]\n\n- x\n\n## [1.0]({f}/compare/v0.9...v1.0)\n"),
        ("## [Unreleased]({f}/compare/v1.0...HEAD)\n\n- x\n\n## [1.0]\n", "1.1", "v1.1",
         "## [Unreleased]({f}/compare/v1.1...HEAD)\n\n## [1.1]\n\n- x\n\n## [1.0]\n"),
        ("## Unreleased\n\n- x\n\n## [1.0][first]\n", "1.1", "v1.1",
         "## Unreleased\n\n## [1.1]\n\n- x\n\n## [1.0][first]\n"),
        ("## [Unreleased]({f}/tree/next)\n\n- x\n\n## [1.0]({f}/tag/v1.0)\n", "1.1", "v1.1",
         "## [Unreleased]({f}/tree/next)\n\n## [1.1]({f}/tag/v1.1)\n\n- x\n\n## [1.0]({f}/tag/v1.0)\n"),
        ("## [Unreleased]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.0...HEAD  ", "1.1", "v1.1",
         "## [Unreleased]\n\n## [1.1]\n\n- x\n\n## [1.0]\n\n[Unreleased]: {f}/compare/v1.1...HEAD  \n"
         "[1.1]: {f}/compare/v1.0...v1.1  "),
        ("({f}/compare/v1.0...HEAD)\n\n## [Unreleased]({f}/compare/v1.0...HEAD) ({f}/compare/v1.0...HEAD)\n\n- x\n",
         "1.1", "v1.1",
         "({f}/compare/v1.0...HEAD)\n\n## [Unreleased]({f}/compare/v1.1...HEAD) ({f}/compare/v1.0...HEAD)\n\n"
         "## [1.1]({f}/compare/v1.0...v1.1) - 2026-11-21\n\n- x\n"),
        ("# Log\r\n## Unreleased\n\n- x\n", "1.1", "", "# Log\r\n## Unreleased\n\n## 1.1 - 2026-11-21\n\n- x\n"),
    ],
)  # fmt: skip
def test_a_new_entry_changes_its_own_links_and_no_other_text(before: str, version: str, tag: str, after: str) -> None:
    text = changelog_for_release(before.replace("{f}", FORGE), version, date=TODAY, tag=tag)
    assert text == after.replace("{f}", FORGE)


def test_a_changelog_without_a_coming_part_says_which_heading_is_missing() -> None:
    with pytest.raises(ConfigError) as error:
        changelog_for_release("## 1.0\n", "1.1", date=TODAY)
    assert str(error.value) == "there is no heading '## Unreleased'; write what is new under one"


def test_restructured_text_is_not_read_as_markdown() -> None:
    text = "Unreleased\n^^^^^^^^^^\n\n<!-- kept -->\n\n- x\n"
    assert notes_of(text, "unreleased", rst=True) == "<!-- kept -->\n\n- x"
    text = "Unreleased\n~~~~~~~~~~\n\nFixes\n^^^^^\n\n1.1 (unreleased)\n~~~~~~~~~~~~~~~~\n\n- x\n"
    assert notes_of(text, "unreleased", rst=True) == "- x"
    text = "Unreleased\n~~~~~~~~~~\n\n1.0\n~~~\n\n[unreleased]: https://forge.example/1.0\n"
    assert unmoved_link(text, rst=True) == "https://forge.example/1.0"
    assert notes_of("## 1.0\n\n```\n```X\n## 0.9\n\n- y\n", "0.9") == ""


def test_headings_of_markdown_are_read_with_their_lines_and_levels() -> None:
    text = (
        "----\n\nTitle\n=====\n\nPart\n-\n\nTwo lines\nof text\n---\n\n- a list\n---\n\n#\n\n```\nCode\n===\n```\n===\n"
    )
    heads = headings(text.splitlines())
    assert [(h.start, h.end, h.level, h.title, h.marks, h.under, h.over) for h in heads] == [
        (2, 4, 1, "Title", "", "=", False),
        (5, 7, 2, "Part", "", "-", False),
        (15, 16, 1, "", "#", "", False),
    ]


@pytest.mark.parametrize("version", ["10.0", "v10.0", "V10.0", "v1.0", "V1.0"])
def test_a_version_may_be_asked_for_with_its_prefix(version: str) -> None:
    assert notes_of("## 10.0\n\n- ten\n\n## 1.0\n\n- one\n", version) == ("- ten" if "10" in version else "- one")


def test_an_entry_inside_another_counts_if_its_title_can_mean_nothing_else() -> None:
    assert notes_of("## 1.0\n\n- y\n\n### Unreleased\n\n- x\n", "unreleased") == "- x"
    assert notes_of("## 1.0\n\n- y\n\n### 1.0.1\n\n- z\n", "1.0.1") == "- z"
    assert notes_of("## 1.0\n\n- y\n\n## Next\n\n- x\n", "unreleased") == "- x"
    assert notes_of("## 1.0\n\n- y\n\n### Next\n\n- x\n", "unreleased") == ""
    assert version_of_title("words") == ""
    assert closing_marks("*`[") == "]`*"
    assert closing_marks("*\\[") == "\\]*"


@pytest.mark.parametrize(
    ("title", "version", "notes"),
    [
        ("🚀 my-name 1.0", "1.0", "- x"),
        ("1.0.", "1.0", "- x"),
        ("**1.0 (2026)", "1.0", ""),
        ("v3 of it", "3", "- x"),
        ("[3] of it", "3", "- x"),
        ("1.0 of it", "1.0", "- x"),
        ("3 a fix", "3", ""),
    ],
)
def test_the_words_round_a_version_decide_whether_a_title_is_an_entry_s(title: str, version: str, notes: str) -> None:
    assert notes_of(f"## {title}\n\n- x\n", version, "my-name") == notes
