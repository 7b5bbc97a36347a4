"""Versions in two grammars: PEP 440 for Python and SemVer for Rust, translated to an equal version or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.model.errors import ConfigError

_PLAIN = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
_SEMVER_WORD = {"a": "alpha", "b": "beta", "rc": "rc"}


def pep440(text: str) -> str:
    """The normalised PEP 440 version equal to a version in either grammar: `1.2.0a1` for `1.2.0-alpha.1`.

    Raises `ConfigError` if no such version exists, or if the two grammars give the text different meanings.
    """
    if re.fullmatch(_PLAIN, text):
        return text
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        raise _refusal(
            text, "PEP 440 has nothing equal to it; write it like 1.2.0, 1.2.0-alpha.1 or 1.2.0rc1"
        ) from None
    if _is_semver(text):
        _refuse_misread(text, version.post, version.pre, version.dev)
        if version.local and version.local != text.partition("+")[2]:
            raise _refusal(text, f"PEP 440 writes its build part '{version.local}'; write it so")
    return str(version)


def is_version(text: str) -> bool:
    """Whether a text is a version of PEP 440."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def is_prerelease(version: str) -> bool:
    """Whether a PEP 440 version is a pre-release or a development version; raises `ConfigError` for any other text."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        raise ConfigError(f"version '{version}': PEP 440 has nothing equal to it") from None


def semver(text: str) -> str:
    """The SemVer version equal to a version in either grammar; a SemVer text is returned unchanged.

    `1.2.0a1` gives `1.2.0-alpha.1`, `1.2.0.dev3` gives `1.2.0-dev.3`.  Raises `ConfigError` if no such version exists.
    """
    if re.fullmatch(_PLAIN, text):
        return text
    normal = pep440(text)
    return text if _is_semver(text) else _as_semver(text, normal)


def version_difference(one: str, other: str) -> tuple[str, ...]:
    """The reason that two texts, each in either grammar, are not one version; empty if they are."""
    if one == other:
        return ()
    try:
        left, right = pep440(one), pep440(other)
    except ConfigError as error:
        return (str(error),)
    return () if left == right else (f"'{one}' is not '{other}'",)


def _as_semver(text: str, normal: str) -> str:
    from packaging.version import Version

    version = Version(normal)
    if version.epoch:
        raise _refusal(text, "SemVer has no epoch")
    if version.post is not None:
        raise _refusal(text, "SemVer has no post-release; release the next patch version instead")
    if version.pre and version.dev is not None:
        raise _refusal(text, "SemVer cannot order a .dev of a pre-release before it; use one of the two")
    if any(version.release[3:]):
        raise _refusal(text, "SemVer has three numbers, major.minor.patch")
    parts = ".".join(str(part) for part in (*version.release, 0, 0)[:3])
    if version.pre:
        parts += f"-{_SEMVER_WORD[version.pre[0]]}.{version.pre[1]}"
    if version.dev is not None:
        parts += f"-dev.{version.dev}"
    return f"{parts}+{version.local}" if version.local else parts


def _is_semver(text: str) -> bool:
    from semver import Version

    return Version.is_valid(text)


def _refuse_misread(text: str, post: int | None, pre: tuple[str, int] | None, dev: int | None) -> None:
    if post is not None:
        raise _refusal(
            text, "SemVer reads a pre-release there and PEP 440 a post-release; write -alpha.N, -beta.N, -rc.N"
        )
    if pre and dev is not None:
        raise _refusal(text, "SemVer orders it after that pre-release and PEP 440 before it; use one of the two")


def _refusal(text: str, reason: str) -> ConfigError:
    return ConfigError(f"version '{text}': {reason}")


# Texts with a version in them -----------------------------------------------------------------------------------------

FIELDS = ("version", "pep440", "semver")
_VERSION = r"([0-9](?:[0-9A-Za-z.!+-]*[0-9A-Za-z])?)"


_NOT_IN_A_REF = r"[\x00-\x20\x7f~^:?*\[\\{}]|\s|\.\.|//|^[-/.]|/\.|[/.]$|\.lock(/|$)"
"""Text that git refuses in a tag name (git-check-ref-format(1), 2.39).

Also a leading `-` (gitcli(7)), and braces, so that a misspelt field does not become part of a name.
"""


def tag_name(template: str, written: str, *, name: str = "") -> str:
    """The tag for a version, from a template.

    Fields: `{version}` (as the manifest writes it), `{pep440}`, `{semver}`, `{name}`.  Raises `ConfigError` if the
    template is invalid or git refuses the name.
    """
    text = _fill(template.replace("{name}", name), written)
    for line in (*wrong_tag_form(template), *_wrong_ref(text)):
        raise ConfigError(f"[tool.cartwheel] tag: {template!r} {line}")
    return text


def wrong_tag_form(template: str) -> tuple[str, ...]:
    """Reasons that a tag template is invalid for every version; empty if it is valid."""
    if not has_one_field(template):
        return (
            "has not one place for the version, so a tag could not be read back; expected a form such as 'v{version}' "
            "with one of {version}, {pep440} and {semver} once in it",
        )
    return _wrong_ref(_fill(template.replace("{name}", "name"), "1.2.0"))


def _wrong_ref(text: str) -> tuple[str, ...]:
    if not re.search(_NOT_IN_A_REF, text):
        return ()
    return (f"gives {text!r}, which git does not take as a tag; expected a form such as 'v{{version}}'",)


def version_in(template: str, tag: str, *, name: str = "") -> str:
    """The PEP 440 version in a tag of this template; empty for any other tag."""
    parts = _parts(template.replace("{name}", name))
    match = re.fullmatch(parts[0] + _VERSION + parts[1], tag) if parts else None
    try:
        return pep440(match[1]) if match else ""
    except ConfigError:
        return ""


def version_spans(pattern: str, text: str) -> tuple[tuple[int, int], ...]:
    """The start and end of each version in `text` that is surrounded by the rest of `pattern`.

    `pattern` is plain text with one of `FIELDS`; a line end in it matches LF and CRLF.
    """
    parts = _parts(pattern)
    if not parts:
        return ()
    before, after = (part.replace("\\\n", r"\r?\n") for part in parts)
    return tuple(match.span(1) for match in re.finditer(f"{before}{_VERSION}{after}", text))


def highest(versions: Iterable[str]) -> str:
    """The highest of PEP 440 versions, ignoring empty texts; empty if all are."""
    present = [version for version in versions if version]
    if len(present) < 2:
        return present[0] if present else ""
    from packaging.version import Version

    return max(present, key=Version)


def pattern_value(pattern: str, written: str) -> str:
    """The value of a pattern's field: the version as the manifest writes it, or in one of the two grammars."""
    return _fill(f"{{{_field(pattern)}}}", written)


def has_one_field(pattern: str) -> bool:
    """Whether a pattern has exactly one version field."""
    return sum(pattern.count(f"{{{field}}}") for field in FIELDS) == 1


def around_version(form: str) -> tuple[str, str]:
    """The text before and after the version field of a valid form."""
    before, _, after = form.partition(f"{{{_field(form)}}}")
    return before, after


def _field(pattern: str) -> str:
    return next(field for field in FIELDS if f"{{{field}}}" in pattern)


def _parts(template: str) -> tuple[str, str] | None:
    """The text before and after the only version field, as regular expressions; `None` unless there is exactly one."""
    if not has_one_field(template):
        return None
    before, after = around_version(template)
    return re.escape(before), re.escape(after)


def _fill(template: str, written: str) -> str:
    text = template.replace("{version}", written)
    if "{pep440}" in text:
        text = text.replace("{pep440}", pep440(written))
    if "{semver}" in text:
        text = text.replace("{semver}", semver(written))
    return text
