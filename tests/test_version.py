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
from cartwheel.model.versions.version import pep440, same, semver
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1.2.0.post1", "no post-release"),
        ("1!1.2.0", "no epoch"),
        ("1.2.3.4", "three numbers"),
        ("1.2.0a1.dev2", "before it"),
        ("1.2.0-1", "PEP 440 a post-release"),
        ("1.2.0-post.1", "PEP 440 a post-release"),
        ("1.2.0-alpha.1.dev.2", "PEP 440 before it"),
        ("1.2.0-nightly", "nothing equal"),
        ("", "nothing equal"),
        ("one", "nothing equal"),
        ("1.2.0+ABC", "build part 'abc'"),
    ],
)
def test_a_version_without_an_equal_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        semver(text)


def test_a_post_release_is_a_python_version_all_the_same() -> None:
    assert pep440("1.2.0.post1") == "1.2.0.post1"


def test_two_spellings_of_one_version_are_the_same() -> None:
    assert same("1.2.0-alpha.1", "1.2.0a1") == ()
    assert same("1.2.0", "1.2.1") == ("'1.2.0' is not '1.2.1'",)


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
