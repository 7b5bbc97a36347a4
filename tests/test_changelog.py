"""A changelog's notes, and its "Unreleased" heading when a version is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.release_notes import changelog_for_release, changelog_with_date, draft, entries, notes_of

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
    made = changelog_for_release(KEPT, "1.2.0", date=TODAY, tag="v1.2.0")
    links = "[Unreleased]: https://forge.example/x/compare/v1.2.0...HEAD\n"
    links += "[1.2.0]: https://forge.example/x/compare/v1.2.0-rc.1...v1.2.0\n"
    expected = KEPT.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [1.2.0] - {TODAY}\n")
    assert made == expected.replace(KEPT.splitlines(keepends=True)[-3], links)
    assert notes_of(made, "1.2.0") == "### Added\n\n- Speed."
    assert notes_of(made, "unreleased") == ""


@pytest.mark.parametrize(
    ("last", "heading"),
    [
        ("## 1.0", "## 1.1"),
        ("## v1.0 (2026-01-02)", f"## v1.1 ({TODAY})"),
        ("## [1.0] — 2026-01-02", f"## [1.1] — {TODAY}"),
        ("## [1.0] - 2026-01-02 [YANKED]", f"## [1.1] - {TODAY}"),
        ("## [1.0]: the first", "## [1.1]"),
    ],
)
def test_the_new_heading_has_the_form_of_the_newest(last: str, heading: str) -> None:
    assert f"\n{heading}\n" in changelog_for_release(f"## Unreleased\n\n- x\n\n{last}\n\n- y\n", "1.1", date=TODAY)


def test_a_changelog_s_first_entry_is_dated() -> None:
    assert changelog_for_release("## Unreleased", "0.1", date=TODAY) == f"## Unreleased\n\n## 0.1 - {TODAY}\n"
    assert f"## [0.1] - {TODAY}" in changelog_for_release("## [Unreleased]\n", "0.1", date=TODAY)


def test_a_version_that_has_an_entry_or_a_changelog_that_has_no_place_is_refused() -> None:
    with pytest.raises(ConfigError, match="already"):
        changelog_for_release(KEPT, "1.1.0", date=TODAY)
    with pytest.raises(ConfigError, match="no heading '## Unreleased'"):
        changelog_for_release("## 1.0\n", "1.1", date=TODAY)


@pytest.mark.parametrize(
    ("heading", "below", "made"),
    [
        ("## v1.3.0 (unreleased)", "## v1.2.0 (2026-01-02)", f"## v1.3.0 ({TODAY})"),
        ("## 1.3.0 - Unreleased", "## 1.2.0", f"## 1.3.0 - {TODAY}"),
        ("## [1.3.0] - YYYY-MM-DD", "", f"## [1.3.0] - {TODAY}"),
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
    heading: str, below: str, made: str, end: str
) -> None:
    text = end.join(["# Log", "", "## Unreleased", "", "{}", "", "- x", "", below, "- y (unreleased)"])
    assert changelog_with_date(text.format(heading), "1.3.0", date=TODAY) == text.format(made)
    assert changelog_with_date(text.format(heading), "1.4.0", date=TODAY) == text.format(heading)


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
    made = changelog_for_release(text, "1.0", date=TODAY)
    new = next(line for line in made.splitlines() if line.startswith("## 1.0"))
    added = f"{end}{new}{end}"
    assert made.count(added) == 1
    assert made.replace(added, "", 1) in (text, text + end)
    assert notes_of(made, "1.0") == notes_of(text, "unreleased")
