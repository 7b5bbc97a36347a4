"""Redaction of secrets that a server or a tool may echo, and escaping of characters that control a terminal.

A secret is matched in the forms in which programs print it: plain, percent-encoded and as HTML entities (once or
several times), quoted-printable, with the escapes of JSON, Python, Rust and shells, in base64 (also after a user name,
as in `Authorization: Basic`, of UTF-16, and twice), as bytes in hexadecimal or decimal; wrapped over lines or split by
tags or quotes; in another case; and truncated at either end.  Redact before truncating.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache

from msgspec import Struct

MASK = "***"
SHORT = 3
"""A value, or a line of one, with at most so many characters is not masked, because it would match ordinary text."""
_LONG = 8
"""The minimum length for matching in another case and across tags or line breaks."""
_HEAD = 12
"""The length of the prefix of a longer value that is masked even if the rest is cut off."""

_GAP = (
    r"(?:<[^<>]*>|&(?:shy|ZeroWidthSpace|#173|#8203);|\\[rn]|\x1b\[[0-9;]*[A-Za-z]|\n[ \t]*[>|#]+|[\"'] ?[,+] ?[\"']"
    r"|\\x00|[\x00\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff])*"
)


class _Form(Struct, frozen=True):
    """One printed form of a secret: a pattern for its beginning, and one for each further character."""

    head: re.Pattern[str]
    rest: tuple[re.Pattern[str], ...]
    tail: re.Pattern[str] = re.compile("")
    """Masked after the secret, even if the secret is truncated."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each of these values, and for each line of a value with several lines."""
    values = tuple(secrets)
    for form in _forms(values):
        text = _without(text, form)
    for value in values:
        text = _without_fragments(text, value)
    return text


def inert(text: str) -> str:
    """The text with control characters escaped (`\\x1b`, `\\u202e`); line feeds and tabs stay."""
    from unicodedata import category

    return "".join(c if c in "\n\t" or category(c) not in _ACTING else _written_out(c) for c in text)


_ACTING = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")


def _written_out(character: str) -> str:
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 127 else f"\\x{ord(character):02x}"
    )


def _without(text: str, form: _Form) -> str:
    parts, done = [], 0
    for match in form.head.finditer(text):
        if match.start() < done:
            continue
        end = match.end()
        for character in form.rest:
            following = character.match(text, end)
            if following is None:
                break
            end = following.end()
        tail = form.tail.match(text, end)
        end = tail.end() if tail else end
        parts += [text[done : match.start()], MASK]
        done = end
    return "".join((*parts, text[done:])) if parts else text


def _without_fragments(text: str, value: str) -> str:
    """The text without any `_HEAD` or more characters of a long value in a row, in any case."""
    lowered = text.lower()
    if len(value) <= _HEAD + SHORT or len(lowered) != len(text):  # a few letters change their length with the case
        return text
    parts = {value[i : i + _HEAD].lower() for i in range(len(value) - _HEAD + 1)}
    shown, done, at = [], 0, 0
    while at <= len(text) - _HEAD:
        if lowered[at : at + _HEAD] not in parts:
            at += 1
            continue
        end = at + _HEAD
        while lowered[end - _HEAD + 1 : end + 1] in parts:
            end += 1
        shown += [text[done:at], MASK]
        done = at = end
    return "".join((*shown, text[done:])) if shown else text


@cache
def _forms(secrets: tuple[str, ...]) -> tuple[_Form, ...]:
    """The forms of all secrets, longest value first, so that a shorter value cannot leave the rest of a longer one."""
    parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
    values = sorted((part for part in parts if len(part) > SHORT), key=lambda part: (-len(part), part))
    return tuple(form for value in values for form in (*_encodings(value), _form(value)))


def _form(value: str) -> _Form:
    long = len(value) >= _LONG
    flags = re.IGNORECASE if long else re.NOFLAG
    gap = _GAP if long else ""
    patterns = [_character(c) for c in value]
    cut = _HEAD if len(value) > _HEAD + SHORT else len(value)
    return _Form(
        re.compile(gap.join(patterns[:cut]), flags),
        tuple(re.compile(gap + pattern, flags) for pattern in patterns[cut:]),
    )


def _encodings(value: str) -> Iterator[_Form]:
    """The value in base64, at each of the three byte offsets in an encoded text, and in hexadecimal."""
    encodings = ("utf-8", "utf-16-le") if value.isascii() else ("utf-8", "latin-1", "utf-16-le")
    for encoding in encodings:  # HTTP Basic uses latin-1 too, PowerShell UTF-16
        data = value.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
        if len(data) >= _LONG:
            yield from _encoded_bytes(data)


def _middles(data: bytes) -> Iterator[str]:
    """The base64 of bytes at each of the three offsets in an encoded text, without what its neighbours change."""
    for skipped in range(3):
        whole = base64.b64encode(b"\0" * skipped + data).decode().rstrip("=")
        yield whole[-(-skipped * 8 // 6) : (skipped + len(data)) * 8 // 6]


def _encoded_bytes(data: bytes) -> Iterator[_Form]:
    once = tuple(_middles(data))
    twice = tuple(middle for text in once for middle in _middles(text.encode()))
    for middle in (*once, *twice):
        patterns = [_BASE64.get(c, re.escape(c)) for c in middle]
        yield _Form(
            re.compile(r"[A-Za-z0-9+/_-]*" + _GAP.join(patterns[:_HEAD])),
            () if middle in twice else tuple(re.compile(_GAP + pattern) for pattern in patterns[_HEAD:]),
            re.compile(r"(?:[A-Za-z0-9+/_=-]|%3[Dd]|%2[BbFf])*"),
        )
    for separator, numbers in ((_HEX_GAP, [f"{byte:02x}" for byte in data]), (r"[,\s]+", [str(byte) for byte in data])):
        yield _Form(re.compile(r"(?<![0-9A-Fa-f])(?:0x|\\x)?" + separator.join(numbers), re.IGNORECASE), ())


_HEX_GAP = r"(?:[\s:,.-]*(?:0x|\\x|%|=)?)"
_BASE64 = {"+": r"(?:\+|-|%2[Bb]|&#43;)", "/": r"(?:\\?/|_|%2[Ff]|&#47;)"}


@cache
def _character(character: str) -> str:
    """A pattern that matches every printed form of one character."""
    from html import escape

    code = ord(character)
    data = character.encode("utf-8", "surrogatepass")
    forms = {
        character, escape(character), repr(character)[1:-1], json.dumps(character)[1:-1],
        f"\\u{{{code:x}}}",
    }  # fmt: skip
    forms |= {"+"} if character == " " else set()
    forms |= {"&apos;"} if character == "'" else set()
    listed = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
    escaped = ["".join(rf"\\+x(?i:{byte:02x})" for byte in data), rf"\\+u(?i:{code:04x})"]
    escaped += ["".join(pattern.format(byte) for byte in data) for pattern in (r"%(?:25)*(?i:{:02x})", r"\\+{:03o}")]
    escaped += ["".join(f"={byte:02X}" for byte in data)]
    escaped += [rf"\\+{character}"] if character in "\"'/" else []
    entities = (f"&(?:amp;)*#0*{code};", f"&(?:amp;)*#[xX]0*(?i:{code:x});")
    again = tuple(rf"&(?:amp;)+{form[1:]}" for form in {escape(character)} if form.startswith("&"))
    return "(?:" + "|".join((*entities, *again, *escaped, *listed)) + ")"
