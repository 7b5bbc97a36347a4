"""One version in two grammars: PEP 440 for Python, SemVer for Rust, translated to an equal version or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.model.errors import ConfigError

_PLAIN = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)
_SEMVER_WORD = {"a": "alpha", "b": "beta", "rc": "rc"}


def pep440(text: str) -> str:
    """The PEP 440 version, normalised, that equals a version written in either grammar.

    `1.2.0-alpha.1` → `1.2.0a1`.  Raises `ConfigError` where none does or where the two grammars read it differently.
    """
    if _PLAIN.fullmatch(text):
        return text
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        raise _refused(
            text, "PEP 440 has nothing equal to it; write it like 1.2.0, 1.2.0-alpha.1 or 1.2.0rc1"
        ) from None
    if _is_semver(text):
        _refuse_misread(text, version.post, version.pre, version.dev)
        if version.local and version.local != text.partition("+")[2]:
            raise _refused(text, f"PEP 440 writes its build part '{version.local}'; write it so")
    return str(version)


def semver(text: str) -> str:
    """The SemVer version that equals a version written in either grammar; one that is SemVer already stays as written.

    `1.2.0a1` → `1.2.0-alpha.1`, `1.2.0.dev3` → `1.2.0-dev.3`.  Raises `ConfigError` where SemVer has none.
    """
    if _PLAIN.fullmatch(text):
        return text
    normal = pep440(text)
    return text if _is_semver(text) else _as_semver(text, normal)


def same(one: str, other: str) -> tuple[str, ...]:
    """Why two texts are not one version, in whichever grammar each is written; nothing when they are."""
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
        raise _refused(text, "SemVer has no epoch")
    if version.post is not None:
        raise _refused(text, "SemVer has no post-release; release the next patch version instead")
    if version.pre and version.dev is not None:
        raise _refused(text, "SemVer cannot order a .dev of a pre-release before it; use one of the two")
    if any(version.release[3:]):
        raise _refused(text, "SemVer has three numbers, major.minor.patch")
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
        raise _refused(
            text, "SemVer reads a pre-release there and PEP 440 a post-release; write -alpha.N, -beta.N, -rc.N"
        )
    if pre and dev is not None:
        raise _refused(text, "SemVer orders it after that pre-release and PEP 440 before it; use one of the two")


def _refused(text: str, reason: str) -> ConfigError:
    return ConfigError(f"version '{text}': {reason}")


# Texts with a version in them -----------------------------------------------------------------------------------------

FIELDS = ("version", "pep440", "semver")
_VERSION = r"([0-9](?:[0-9A-Za-z.!+-]*[0-9A-Za-z])?)"


_NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\{}]|\s|\.\.|//|^[-/.]|/\.|[/.]$|\.lock(/|$)")
"""Any of these, and git takes no such name (git-check-ref-format(1), 2.39); `-` as gitcli(7) wants it, and braces, so
that a field misspelt is none of the name."""


def tag_name(template: str, written: str, *, name: str = "") -> str:
    """The tag for a version: `{version}` as the manifest writes it, `{pep440}`, `{semver}`, `{name}`."""
    text = _filled(template.replace("{name}", name), written)
    for line in (*wrong_tag_form(template), *_wrong_ref(text)):
        raise ConfigError(f"[tool.cartwheel] tag: {template!r} {line}")
    return text


def wrong_tag_form(template: str) -> tuple[str, ...]:
    """Why a tag's form cannot be meant, whatever the version; nothing where it can."""
    if not has_one_field(template):
        return (
            "has not one place for the version, so a tag could not be read back; expected a form such as 'v{version}' "
            "with one of {version}, {pep440} and {semver} once in it",
        )
    return _wrong_ref(_filled(template.replace("{name}", "name"), "1.2.0"))


def _wrong_ref(text: str) -> tuple[str, ...]:
    if not _NOT_IN_A_REF.search(text):
        return ()
    return (f"gives {text!r}, which git does not take as a tag; expected a form such as 'v{{version}}'",)


def version_in(template: str, tag: str, *, name: str = "") -> str:
    """The PEP 440 version that a tag of this form stands for; empty for any other tag."""
    parts = _parts(template.replace("{name}", name))
    match = re.fullmatch(parts[0] + _VERSION + parts[1], tag) if parts else None
    try:
        return pep440(match[1]) if match else ""
    except ConfigError:
        return ""


def version_spans(pattern: str, text: str) -> tuple[tuple[int, int], ...]:
    """From where to where a version stands in `text` with the rest of `pattern` around it.

    `pattern` is plain text with one of the `FIELDS`; a line's end in it matches either kind.
    """
    parts = _parts(pattern)
    if not parts:
        return ()
    before, after = (part.replace("\\\n", r"\r?\n").replace("\n", r"\r?\n") for part in parts)
    return tuple(match.span(1) for match in re.finditer(f"{before}{_VERSION}{after}", text))


def highest(versions: Iterable[str]) -> str:
    """The highest of PEP 440 versions; empty where there is none but empty ones."""
    found = [version for version in versions if version]
    if len(found) < 2:
        return found[0] if found else ""
    from packaging.version import Version

    return max(found, key=Version)


def written_as(pattern: str, written: str) -> str:
    """What a pattern's field stands for: the version as the manifest writes it, or in one of the two grammars."""
    field = next(field for field in FIELDS if f"{{{field}}}" in pattern)
    return _filled(f"{{{field}}}", written)


def has_one_field(pattern: str) -> bool:
    """Whether a pattern says where the version stands, once."""
    return bool(_parts(pattern))


def _parts(template: str) -> tuple[str, str] | None:
    """What stands before and after the only field, as regular expressions; None where there is not just one."""
    found = re.findall(r"\{(?:version|pep440|semver)\}", template)
    if len(found) != 1:
        return None
    before, _, after = template.partition(found[0])
    return re.escape(before), re.escape(after)


def _filled(template: str, written: str) -> str:
    text = template.replace("{version}", written)
    if "{pep440}" in text:
        text = text.replace("{pep440}", pep440(written))
    if "{semver}" in text:
        text = text.replace("{semver}", semver(written))
    return text
