"""PEP 440 and SemVer, both ways."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from semver import Version as Semver

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import (
    has_one_field,
    highest,
    pattern_value,
    pep440,
    semver,
    tag_name,
    version_difference,
    version_in,
    version_spans,
    wrong_tag_form,
)
from cartwheel.repository.scm_version import why_no_tag
from cartwheel.versions.version_places import survey
from support.repositories import commit, git, repository


@pytest.mark.parametrize(
    ("python", "rust"),
    [
        ("1.2.0", "1.2.0"),
        ("1.2.0a1", "1.2.0-alpha.1"),
        ("1.2.0b12", "1.2.0-beta.12"),
        ("1.2.0rc3", "1.2.0-rc.3"),
        ("1.2.0.dev4", "1.2.0-dev.4"),
        ("0.0.0", "0.0.0"),
        ("1.2.0+abc.1", "1.2.0+abc.1"),
    ],
)
def test_a_version_is_the_same_in_both_grammars_and_back(python: str, rust: str) -> None:
    assert semver(python) == rust
    assert pep440(rust) == python


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("0.3.0-alpha1", "0.3.0a1"),
        ("0.3.0-alpha", "0.3.0a0"),
        ("1.0.0-rc1", "1.0.0rc1"),
        ("1.0.0-preview.2", "1.0.0rc2"),
        ("1.0.0-dev3", "1.0.0.dev3"),
    ],
)
def test_semver_in_another_spelling_is_understood_and_stays_as_written(written: str, python: str) -> None:
    assert pep440(written) == python
    assert semver(written) == written


def test_missing_numbers_are_zeros_and_superfluous_zeros_are_dropped() -> None:
    assert semver("1.2") == "1.2.0"
    assert semver("1.2.3.0") == "1.2.3"


NOTHING_EQUAL = "PEP 440 has nothing equal to it; write it like 1.2.0, 1.2.0-alpha.1 or 1.2.0rc1"
POST = "SemVer reads a pre-release there and PEP 440 a post-release; write -alpha.N, -beta.N, -rc.N"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.2.0.post1", "SemVer has no post-release; release the next patch version instead"),
        ("1!1.2.0", "SemVer has no epoch"),
        ("1.2.3.4", "SemVer has three numbers, major.minor.patch"),
        ("1.2.0a1.dev2", "SemVer cannot order a .dev of a pre-release before it; use one of the two"),
        ("1.2.0-1", POST),
        ("1.2.0-post.1", POST),
        ("1.2.0-alpha.1.dev.2", "SemVer orders it after that pre-release and PEP 440 before it; use one of the two"),
        ("1.2.0-nightly", NOTHING_EQUAL),
        ("", NOTHING_EQUAL),
        ("one", NOTHING_EQUAL),
        ("1.2.0+ABC", "PEP 440 writes its build part 'abc'; write it so"),
    ],
)
def test_a_version_without_an_equal_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        semver(text)
    assert str(caught.value) == f"version '{text}': {reason}"


def test_a_post_release_is_a_python_version_all_the_same() -> None:
    assert pep440("1.2.0.post1") == "1.2.0.post1"


def test_two_spellings_of_one_version_are_the_same() -> None:
    assert version_difference("1.2.0-alpha.1", "1.2.0a1") == ()
    assert version_difference("one", "one") == ()
    assert version_difference("1.2.0", "1.2.1") == ("'1.2.0' is not '1.2.1'",)
    assert version_difference("one", "1.2.0") == (f"version 'one': {NOTHING_EQUAL}",)


@pytest.mark.parametrize(
    ("template", "written", "tag"),
    [
        ("v{version}", "1.2.0-alpha.1", "v1.2.0-alpha.1"),
        ("v{pep440}", "1.2.0-alpha.1", "v1.2.0a1"),
        ("v{semver}", "1.2.0a1", "v1.2.0-alpha.1"),
        ("{name}/{version}-py", "1.2.0", "a.b/1.2.0-py"),
    ],
)
def test_a_tag_is_made_of_its_form_and_its_version_is_read_back(template: str, written: str, tag: str) -> None:
    assert tag_name(template, written, name="a.b") == tag
    assert version_in(template, tag, name="a.b") == pep440(written)
    assert version_in(template, tag.replace("a.b", "axb") + " ", name="a.b") == ""
    assert tag_name("{name}v{version}", "1.0") == "v1.0"
    assert version_in("{name}v{version}", "v1.0") == "1.0"


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("v{version}", "1.2.0"),
        ("v{version}", "v"),
        ("v{version}", "v1.2.0-nightly"),
        ("v{version}-py", "v1.2.0"),
        ("v", "v"),
    ],
)
def test_a_tag_of_another_form_has_no_version(template: str, tag: str) -> None:
    assert version_in(template, tag) == ""


@pytest.mark.parametrize(
    ("template", "name", "why"),
    [
        ("v", "a", "has not one place for the version, so a tag could not be read back; expected a form such as "
         "'v{version}' with one of {version}, {pep440} and {semver} once in it"),
        ("v {version}", "a", "gives 'v 1.2.0', which git does not take as a tag; expected a form such as 'v{version}'"),
        ("{name}-{semver}", "a b", "gives 'a b-1.2.0', which git does not take as a tag; expected a form such as "
         "'v{version}'"),
    ],
)  # fmt: skip
def test_a_form_that_makes_no_tag_is_refused_with_the_reason(template: str, name: str, why: str) -> None:
    assert wrong_tag_form(template) == (() if "{name}" in template else (why,))
    with pytest.raises(ConfigError) as caught:
        tag_name(template, "1.2.0", name=name)
    assert str(caught.value) == f"[tool.cartwheel] tag: {template!r} {why}"


def test_a_pattern_finds_each_version_between_its_parts() -> None:
    assert version_spans('v = "{pep440}"', 'v = "1.0"\nv = "2.0a1"\nw = "3"') == ((5, 8), (15, 20))
    for text, span in (("a\n1.0\nb", (2, 5)), ("a\r\n1.0\r\nb", (3, 6))):
        assert version_spans("a\n{version}\nb", text) == (span,)
    assert version_spans("a.{version}", "ab1.0") == version_spans("1.0", "1.0") == ()
    for field, written in (("{version}", "1.2.0-alpha.1"), ("{pep440}", "1.2.0a1"), ("{semver}", "1.2.0-alpha.1")):
        assert pattern_value(f"x = {field};", "1.2.0-alpha.1") == written
        assert has_one_field(field)
        assert not has_one_field(field + field)


def test_the_highest_version_is_not_the_last_of_the_alphabet() -> None:
    assert highest(["1.9", "", "1.10"]) == "1.10"
    assert highest(["", "1.0"]) == "1.0"
    assert highest(["", ""]) == highest([]) == ""


numbers = st.integers(0, 10**6)
pre = st.none() | st.tuples(st.sampled_from(["a", "b", "rc", ".dev"]), numbers)


@given(st.tuples(numbers, numbers, numbers), pre)
def test_every_translatable_version_survives_the_way_there_and_back(
    release: tuple[int, int, int], suffix: tuple[str, int] | None
) -> None:
    text = ".".join(map(str, release)) + ("".join(map(str, suffix)) if suffix else "")
    assert Semver.is_valid(semver(text))
    assert pep440(semver(text)) == str(Version(text))


@given(st.text(alphabet="0123456789.-+abcdevrlphost!", max_size=24))
def test_whatever_is_written_is_translated_to_an_equal_version_or_refused(text: str) -> None:
    try:
        rust = semver(text)
    except ConfigError:
        return
    assert Semver.is_valid(rust)
    assert Version(pep440(rust)) == Version(text)


@pytest.mark.parametrize(
    ("requires", "more"),
    [
        ('["setuptools>=80", "setuptools_scm[toml]>=8"]', ""),
        ('["hatchling", "hatch-vcs"]', '[tool.hatch.version]\nsource = "vcs"\n'),
        ('["pdm-backend"]', '[tool.pdm.version]\nsource = "scm"\n'),
        ('["setuptools"]', "[tool.setuptools_scm]\n"),
    ],
)
def test_a_version_that_comes_from_git_names_the_key_that_says_so(tmp_path: Path, requires: str, more: str) -> None:
    text = f'[build-system]\nrequires = {requires}\n[project]\nname = "a"\ndynamic = ["version"]\n{more}'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=r'comes from git; write version = "scm" into \[tool.cartwheel\]'):
        survey(tmp_path, ".")


def test_why_a_commit_has_no_tag_is_in_git_s_words(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    assert why_no_tag(here, os.environ) == "this clone has no tags; `git fetch --tags`"
    commit(here, a__txt="2")
    git(tmp_path, "clone", "--quiet", "--depth=1", here.as_uri(), "shallow")
    assert why_no_tag(tmp_path / "shallow", os.environ).startswith("this clone has a part of the history")
    git(here, "tag", "v1")
    assert why_no_tag(here, os.environ) == ""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(here, 12345, 12345)
        assert "dubious ownership" in why_no_tag(here, os.environ)
