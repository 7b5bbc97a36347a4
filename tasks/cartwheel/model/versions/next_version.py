"""The next version: a number or a word; always higher than the current version, by PEP 440 and by SemVer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.versions.version import pep440, semver

if TYPE_CHECKING:
    from packaging.version import Version

NUMBERS = ("major", "minor", "patch")
PHASES = ("alpha", "beta", "rc")
WORDS = (*NUMBERS, *PHASES, "release")
_LETTER = {"alpha": "a", "beta": "b", "rc": "rc"}


def next_version(now: str, words: tuple[str, ...], *, rust: bool) -> str:
    """The requested version as the manifest writes it: SemVer if `rust`, else PEP 440.

    `words` is one of:
    - a version;
    - `major`, `minor` or `patch`: the next version of that kind;
    - one of these and `alpha`, `beta` or `rc`: its next pre-release of that phase;
    - `alpha`, `beta` or `rc` alone: the next such pre-release of the current version, or the first of the next patch;
    - `release`: the final version of the current pre-release.

    Raises `ConfigError` for other words, or if the version is not higher than `now`.
    """
    explicit = len(words) == 1 and words[0][:1].isdigit()
    options = _spellings(words[0] if explicit else _by_words(now, words), now, rust=rust)
    higher = [text for text in options if not lower(now, text, rust=rust)]
    if not higher:
        raise ConfigError(lower(now, options[0], rust=rust))
    return higher[0]


def lower(now: str, version: str, *, rust: bool) -> str:
    """The reason that `version` cannot follow `now`; empty if it can."""
    from packaging.version import Version

    if pep440(now) == pep440(version):
        return f"the version is {now} already; name a higher one"
    if Version(pep440(version)) < Version(pep440(now)):
        return f"{version} is lower than the present version {now}; versions only go up"
    if rust:
        from semver import Version as Semver

        if Semver.parse(version) <= Semver.parse(now):
            return f"SemVer orders {version} before the present version {now}; name the next number or phase"
    return ""


def _by_words(now: str, words: tuple[str, ...]) -> str:
    from packaging.version import Version

    for word in words:
        if word not in WORDS and re.fullmatch(r"[vV][0-9]\S*", word):
            raise ConfigError(f"bump: found '{word}'; a version is written without the v: {word[1:]}")
        if word not in WORDS:
            raise ConfigError(f"bump: '{word}' is neither a version nor a word for one{did_you_mean(word, WORDS)}")
    version = Version(pep440(now))
    match words:
        case ("release",):
            if not version.is_prerelease:
                raise ConfigError(f"bump: {now} is a release already; name what comes next: major, minor or patch")
            return _text(version, version.release)
        case (number,) if number in NUMBERS:
            return _text(version, _release(version, number, _finals(version)))
        case (phase,) if phase in PHASES:
            number = "patch" if not version.is_prerelease else ""
            return _pre(version, number, phase)
        case (number, phase) if number in NUMBERS and phase in PHASES:
            return _pre(version, number, phase)
        case _:
            raise ConfigError(
                f"bump: found '{' '.join(words)}'; expected a version, one of {', '.join(WORDS)}, "
                "or a number and a phase such as: minor rc"
            )


def _finals(version: Version) -> bool:
    """Whether the numbers of a version are used up; a pre-release leaves them to its final version."""
    return not version.is_prerelease


def _release(version: Version, number: str, taken: bool) -> tuple[int, ...]:
    """The lowest release numbers of that kind (`minor`: 1.3.0) above the version."""
    place = NUMBERS.index(number)
    parts = (*version.release, *(0,) * (place + 1 - len(version.release)))
    if not taken and not any(parts[place + 1 :]):
        return version.release
    return (*parts[:place], parts[place] + 1, *(0,) * min(len(parts) - place - 1, 2 - place))


def _pre(version: Version, number: str, phase: str) -> str:
    """The next pre-release of that phase, of the current numbers, or of the next ones if `number` is given."""
    release = _release(version, number, _finals(version)) if number else version.release
    same = version.pre and version.pre[0] == _LETTER[phase] and release == version.release
    return f"{_text(version, release)}{_LETTER[phase]}{version.pre[1] + 1 if same and version.pre else 1}"


def _text(version: Version, release: Iterable[int]) -> str:
    return (f"{version.epoch}!" if version.epoch else "") + ".".join(map(str, release))


def _spellings(text: str, now: str, *, rust: bool) -> tuple[str, ...]:
    """The spellings of a version that the manifest may use, preferred first.

    If the crate's versions are of the form `-alpha1` so far, that form is second, because SemVer orders `alpha.2`
    before `alpha1`.
    """
    if not rust:
        return (pep440(text),)
    dotted = semver(text)
    head, _, pre = dotted.partition("-")
    undotted = f"{head}-{pre.replace('.', '', 1)}"
    return (dotted, undotted) if pre and "-" in now and "." not in now.partition("-")[2] else (dotted,)
