"""One version in two grammars: PEP 440 for Python, SemVer for Rust, translated to an equal version or refused."""

from __future__ import annotations

import re

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


def tag_name(template: str, written: str, *, name: str = "") -> str:
    """The tag for a version: `{version}` as the manifest writes it, `{pep440}`, `{semver}`, `{name}`."""
    text = template.replace("{name}", name).replace("{version}", written)
    if "{pep440}" in text:
        text = text.replace("{pep440}", pep440(written))
    if "{semver}" in text:
        text = text.replace("{semver}", semver(written))
    if text == template.replace("{name}", name) or re.search(r"[{}\s~^:?*\[\\]|\.\.|^-|/$|\.lock$", text):
        raise ConfigError(
            f"[tool.cartwheel] tag: '{template}' gives '{text}'; expected a form such as 'v{{version}}' "
            "with {version}, {pep440} or {semver} in it"
        )
    return text
