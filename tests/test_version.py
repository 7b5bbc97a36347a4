"""PEP 440 and SemVer, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from semver import Version as Semver

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440, same, semver


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
