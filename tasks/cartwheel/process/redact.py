"""Redaction of secrets that a server or a tool may echo, and escaping of characters that control a terminal.

A secret is matched in the forms in which programs print it: plain, percent-encoded and as HTML entities (once or
several times), quoted-printable, with the escapes of JSON, Python, Rust and shells, as lists of bytes; wrapped over
lines or split by tags or quotes; in another case; truncated at either end; and in the encodings of
`secret_encodings`.  Redact before truncating.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache

from msgspec import Struct

from cartwheel.process.secret_encodings import GAP, LONG, RUN, secret_runs

MASK = "***"
SHORT = 3
"""A value, or a line of one, with at most so many characters is not masked, because it would match ordinary text."""

_GAP = f"(?:{GAP})*"


class _Form(Struct, frozen=True):
    """One printed form of a secret: a pattern for its beginning, and one for each further character."""

    head: re.Pattern[str]
    rest: tuple[re.Pattern[str], ...]


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with `***` for each of these values, and for each line of a value with several lines."""
    values = _values(tuple(secrets))
    for form in _forms(values):
        text = _redact_form(text, form)
    parts, done = [], 0
    for start, end in secret_runs(values).spans(text):
        parts += [text[done:start], MASK]
        done = end
    return "".join((*parts, text[done:])) if parts else text


class RedactedStream:
    """Redacts output that arrives in pieces; holds back a piece that may end within a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self._held = self._before = ""

    def add(self, text: str) -> str:
        """The text that can be shown by now; empty if all is held back."""
        self._held += text
        runs = secret_runs(_values(self._secrets))
        if len(self._held) < _MOST_HELD and runs.may_go_on(self._before + self._held):
            return ""
        return self.rest()

    def rest(self) -> str:
        """The text held back until now."""
        text = redact(self._held, self._secrets)
        self._before, self._held = (self._before + self._held)[-_BEFORE:], ""
        return text


_MOST_HELD, _BEFORE = 100_000, 40


def inert(text: str) -> str:
    """The text with control characters escaped (`\\x1b`, `\\u202e`); line feeds and tabs stay."""
    from unicodedata import category

    return "".join(c if c in "\n\t" or category(c) not in _ACTING else _escape(c) for c in text)


_ACTING = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")


def _escape(character: str) -> str:
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 127 else f"\\x{ord(character):02x}"
    )


def _redact_form(text: str, form: _Form) -> str:
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
        parts += [text[done : match.start()], MASK]
        done = end
    return "".join((*parts, text[done:])) if parts else text


@cache
def _values(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The secrets and their lines, longest first, so that a shorter one cannot leave the rest of a longer one."""
    parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
    return tuple(sorted((part for part in parts if len(part) > SHORT), key=lambda part: (-len(part), part)))


@cache
def _forms(values: tuple[str, ...]) -> tuple[_Form, ...]:
    return tuple(form for value in values for form in (*_lists_of_bytes(value), _form(value)))


def _form(value: str) -> _Form:
    long = len(value) >= LONG
    flags = re.IGNORECASE if long else re.NOFLAG
    gap = _GAP if long else ""
    patterns = [_character(c) for c in value]
    cut = RUN if len(value) > RUN + SHORT else len(value)
    return _Form(
        re.compile(gap.join(patterns[:cut]), flags),
        tuple(re.compile(gap + pattern, flags) for pattern in patterns[cut:]),
    )


def _lists_of_bytes(value: str) -> Iterator[_Form]:
    """The bytes of a value in hexadecimal with separators, and in decimal."""
    if len(value) < LONG:
        return
    for encoding in ("utf-8", "utf-16-le"):
        data = value.encode(encoding, "surrogatepass")
        rows = (_HEX_GAP, [f"{byte:02x}" for byte in data]), (r"[,\s]+", [str(byte) for byte in data])
        for separator, numbers in rows:
            yield _Form(re.compile(r"(?<![0-9A-Fa-f])(?:0x|\\x)?" + separator.join(numbers), re.IGNORECASE), ())


_HEX_GAP = r"(?:[\s:,.-]*(?:0x|\\x|%|=)?)"


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
