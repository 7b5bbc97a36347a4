"""Which version comes next, in both grammars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from semver import Version as Semver

from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.next_version import NUMBERS, PHASES, WORDS, _spellings, next_version
from cartwheel.model.versions.version import pep440, semver


@pytest.mark.parametrize(
    ("now", "words", "rust", "python"),
    [
        ("1.2.3", "major", "2.0.0", "2.0.0"),
        ("1.2.3", "minor", "1.3.0", "1.3.0"),
        ("1.2.3", "patch", "1.2.4", "1.2.4"),
        ("1.2.3", "rc", "1.2.4-rc.1", "1.2.4rc1"),
        ("1.2.3", "minor alpha", "1.3.0-alpha.1", "1.3.0a1"),
        ("1.3.0-alpha.1", "alpha", "1.3.0-alpha.2", "1.3.0a2"),
        ("1.3.0-alpha.2", "beta", "1.3.0-beta.1", "1.3.0b1"),
        ("1.3.0-beta.1", "minor rc", "1.3.0-rc.1", "1.3.0rc1"),
        ("1.3.0-rc.1", "release", "1.3.0", "1.3.0"),
        ("1.3.0-rc.1", "minor", "1.3.0", "1.3.0"),
        ("1.3.0-rc.1", "patch", "1.3.0", "1.3.0"),
        ("1.3.1-rc.1", "minor", "1.4.0", "1.4.0"),
        ("2.0.0-rc.1", "major", "2.0.0", "2.0.0"),
        ("1.3.0-rc.1", "major beta", "2.0.0-beta.1", "2.0.0b1"),
        ("1.2.3", "1.10.0", "1.10.0", "1.10.0"),
        ("1.2.3", "1.3.0a1", "1.3.0-alpha.1", "1.3.0a1"),
        ("1.2.3", "1.3.0-alpha.1", "1.3.0-alpha.1", "1.3.0a1"),
        ("1.3.0-dev.2", "release", "1.3.0", "1.3.0"),
    ],
)
def test_the_next_version_is_the_lowest_of_its_kind_above_the_present_one(
    now: str, words: str, rust: str, python: str
) -> None:
    assert next_version(now, tuple(words.split()), rust=True) == rust
    assert next_version(pep440(now), tuple(words.split()), rust=False) == python


@pytest.mark.parametrize(
    ("now", "words", "expected"),
    [
        ("1.0", "minor", "1.1"),
        ("1.0", "patch", "1.0.1"),
        ("1.2.3.4", "minor", "1.3.0"),
        ("1.2.3.4a1", "alpha", "1.2.3.4a2"),
        ("1.0a1", "patch", "1.0"),
        ("2026.11", "minor", "2026.12"),
        ("1.0.post1", "patch", "1.0.1"),
        ("1!2.0", "minor", "1!2.1"),
        ("1.0", "1.0.post1", "1.0.post1"),
    ],
)
def test_a_python_version_keeps_its_own_form(now: str, words: str, expected: str) -> None:
    assert next_version(now, tuple(words.split()), rust=False) == expected


@pytest.mark.parametrize(
    ("now", "words", "output"),
    [
        ("1.2.3", "1.2.3", "the version is 1.2.3 already; name a higher one"),
        ("1.2.3", "1.2.2", "1.2.2 is lower than the present version 1.2.3; versions only go up"),
        ("1.3.0-rc.1", "alpha", "1.3.0-alpha.1 is lower than the present version 1.3.0-rc.1; versions only go up"),
        ("1.2.3", "release", "bump: 1.2.3 is a release already; name what comes next: major, minor or patch"),
        ("1.2.3", "minr", "bump: 'minr' is neither a version nor a word for one; did you mean 'minor'?"),
        ("1.2.3", "v1.3.0", "bump: found 'v1.3.0'; a version is written without the v: 1.3.0"),
        ("1.2.3", "V1.3.0", "bump: found 'V1.3.0'; a version is written without the v: 1.3.0"),
        (
            "1.2.0+a",
            "1.2.0+b",
            "SemVer orders 1.2.0+b before the present version 1.2.0+a; name the next number or phase",
        ),
        (
            "1.2.3",
            "minor major",
            "bump: found 'minor major'; expected a version, one of major, minor, patch, alpha, beta, rc, release, "
            "or a number and a phase such as: minor rc",
        ),
        (
            "1.2.3",
            "1.3.x",
            "version '1.3.x': PEP 440 has nothing equal to it; write it like 1.2.0, 1.2.0-alpha.1 or 1.2.0rc1",
        ),
        (
            "1.2.3",
            "1.3.0.post1",
            "version '1.3.0.post1': SemVer has no post-release; release the next patch version instead",
        ),
        (
            "1.3.0-dev.2",
            "alpha",
            "SemVer orders 1.3.0-alpha.1 before the present version 1.3.0-dev.2; name the next number or phase",
        ),
        (
            "0.3.0-alpha9",
            "alpha",
            "SemVer orders 0.3.0-alpha.10 before the present version 0.3.0-alpha9; name the next number or phase",
        ),
    ],
)
def test_a_version_that_cannot_follow_is_refused_with_the_reason(now: str, words: str, output: str) -> None:
    with pytest.raises(ConfigError) as caught:
        next_version(now, tuple(words.split()), rust=True)
    assert str(caught.value) == output


def test_a_crate_that_wrote_its_pre_releases_without_a_dot_goes_on_so_where_semver_needs_it() -> None:
    assert next_version("0.3.0-alpha1", ("alpha",), rust=True) == "0.3.0-alpha2"
    assert next_version("0.3.0-alpha2", ("beta",), rust=True) == "0.3.0-beta.1"


numbers = st.integers(0, 40)


@pytest.mark.parametrize(
    ("text", "now", "spellings"),
    [
        ("1.3.0-alpha.2", "1.3.0-alpha1", ("1.3.0-alpha.2", "1.3.0-alpha2")),
        ("1.3.0-alpha.2+x.y", "1.3.0-alpha1", ("1.3.0-alpha.2+x.y", "1.3.0-alpha2+x.y")),
        ("1.3.0-alpha.2", "1.3.0-alpha.1", ("1.3.0-alpha.2",)),
        ("1.3.0-alpha.2", "1.2.0", ("1.3.0-alpha.2",)),
        ("1.3.0", "1.3.0-alpha1", ("1.3.0",)),
    ],
)
def test_a_crate_without_a_dot_before_the_number_may_keep_that_form(
    text: str, now: str, spellings: tuple[str, ...]
) -> None:
    assert _spellings(text, now, rust=True) == spellings


suffixes = st.sampled_from(["", "a1", "a9", "b2", "rc1", ".dev3"])


@given(st.tuples(numbers, numbers, numbers), suffixes, st.lists(st.sampled_from(WORDS), min_size=1, max_size=2))
def test_whatever_is_asked_for_the_version_only_goes_up_in_both_grammars(
    release: tuple[int, int, int], suffix: str, words: list[str]
) -> None:
    python = ".".join(map(str, release)) + suffix
    now = semver(python)
    try:
        rust = next_version(now, tuple(words), rust=True)
    except ConfigError:
        assert len(words) == 2 or words[0] in (*PHASES, "release"), "a higher number can always be had"
        return
    assert Semver.parse(rust) > Semver.parse(now)
    assert Version(pep440(rust)) > Version(python)
    assert pep440(rust) == next_version(python, tuple(words), rust=False)
    place = NUMBERS.index(words[0]) if words[0] in NUMBERS else 3
    assert not any(Version(pep440(rust)).release[place + 1 :])
