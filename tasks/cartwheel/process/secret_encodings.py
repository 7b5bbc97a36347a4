"""Finds runs of a secret's characters in a text, as it is and in the encodings of common tools and protocols.

The set is closed.  It holds what programs print of a token by themselves (`Authorization: Basic`, dumps in hexadecimal,
form bodies; each also encoded once more), and what one common command makes of it (`base32`, base85, `rev`, `rot13`).
Encryption, hashes and compression are left out: they need a key or cannot be reversed, or depend on the text around.
"""

from __future__ import annotations

import base64
import codecs
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from urllib.parse import quote

from msgspec import Struct

RUN = 12
"""The shortest run of a secret's characters that is redacted anywhere; shorter runs also occur in ordinary text."""
LONG = 8
"""The minimum length of a value that is also searched for in encoded forms."""
_SAMPLE = 6
_STRIDE = RUN - _SAMPLE + 1
"""Every run of `RUN` characters holds a sample that starts at a multiple of this."""
_START = 4
"""Characters at the end of a text that may be the beginning of a secret."""


class SecretRuns(Struct, frozen=True):
    """The pieces of all encodings of some secrets, in lower case; `-` and `_` as `+` and `/`."""

    runs: frozenset[str]
    words: frozenset[str]
    """Those of `runs` that are base64: the whole word around one is redacted."""
    samples: frozenset[str]
    starts: frozenset[str]
    beginnings: tuple[str, ...]
    """The first characters of the secrets, fewer than `starts` have."""
    short: re.Pattern[str]
    """Encodings of fewer than `RUN` characters."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The parts of the text to redact, in order, without overlaps."""
        matches: list[tuple[int, int]] = []
        for view in _views(text):
            for start, end in self._runs_in(view.text):
                span = view.source(start, end)
                matches.append(_word_around(text, *span) if view.text[start : start + RUN] in self.words else span)
            matches += (view.source(*match.span()) for match in self.short.finditer(view.text))
        return _merge_spans(matches)

    def _runs_in(self, text: str) -> Iterator[tuple[int, int]]:
        done = 0
        for at in range(0, len(text) - _SAMPLE + 1, _STRIDE):
            if at < done or text[at : at + _SAMPLE] not in self.samples:
                continue
            for start in range(max(done, at - _STRIDE + 1), at + 1):
                if text[start : start + RUN] in self.runs:
                    done = start + RUN
                    while text[done - RUN + 1 : done + 1] in self.runs:
                        done += 1
                    yield start, done
                    break

    def may_go_on(self, text: str) -> bool:
        """Whether the text may end within a secret, so that the rest of it comes with the next line."""
        tail = _view(text[-_WORD:], _GAPS).text[-_START:]
        return tail in self.starts or tail.endswith(self.beginnings)


@cache
def secret_runs(values: tuple[str, ...]) -> SecretRuns:
    """The pieces to look for; values of fewer than `LONG` characters have none."""
    runs: set[str] = set()
    words: set[str] = set()
    starts: set[str] = set()
    short: set[str] = set()
    for value in (value for value in values if len(value) >= LONG):
        for name, encode in _ENCODINGS.items():
            if len(value) > _MOST and "," in name:
                continue
            for text in map(_plain, encode(value)):
                pieces = {text[at : at + RUN] for at in range(len(text) - RUN + 1)}
                if name in _LIKE_TEXT and len(value) < RUN + 4:
                    pieces = set()
                    short |= {text} - {_plain(value)}
                elif not pieces and len(text) >= LONG:
                    short.add(text)
                runs |= pieces
                words |= pieces if name.startswith("base64") else set()
                if "," not in name:
                    starts |= {text[at : at + _START] for at in range(len(text) - _START + 1)}
    beginnings = {_plain(value)[:size] for value in values if len(value) >= LONG for size in range(1, _START)}
    return SecretRuns(
        frozenset(runs), frozenset(words), frozenset(run[at : at + _SAMPLE] for run in runs for at in range(_STRIDE)),
        frozenset(starts), tuple(beginnings),
        re.compile("|".join(map(re.escape, sorted(short, key=len, reverse=True))) or "(?!)"),
    )  # fmt: skip


# Encodings ----------------------------------------------------------------------------------------------------------


def _base64(data: bytes) -> Iterator[str]:
    """The base64 of bytes at each of the three offsets in an encoded text, without what its neighbours change."""
    for skipped in range(3):
        text = base64.b64encode(b"\0" * skipped + data).decode()
        yield text[-(-skipped * 8 // 6) : (skipped + len(data)) * 8 // 6]


def _base32(data: bytes) -> Iterator[str]:
    """The base32 of bytes at each of five offsets, with both alphabets of RFC 4648."""
    alphabet = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
    for skipped in range(5):
        text = base64.b32encode(b"\0" * skipped + data).decode()
        middle = text[-(-skipped * 8 // 5) : (skipped + len(data)) * 8 // 5]
        yield from (middle, middle.translate(alphabet))


def _base85(data: bytes) -> Iterator[str]:
    """The groups of Ascii85 and of git's base85 that hold the data alone, at four offsets."""
    for skipped in range(4):
        for encode in (base64.a85encode, base64.b85encode):
            text = encode(b"\1" * skipped + data).decode()
            yield text[5 * bool(skipped) : (skipped + len(data)) // 4 * 5]


def _bytes(value: str) -> Iterator[bytes]:
    """The value's bytes; HTTP Basic uses latin-1 too, PowerShell UTF-16."""
    yield value.encode(errors="surrogatepass")
    yield value.encode("utf-16-le", "surrogatepass")
    if not value.isascii():
        yield value.encode("latin-1", "replace")


def _percent_encode(value: str) -> bytes:
    return quote(value, safe="", errors="replace").encode()


def _first(value: str) -> bytes:
    return next(_bytes(value))


_ENCODINGS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "plain": lambda value: (value,),
    "reversed": lambda value: (value[::-1],),
    "rot13": lambda value: (codecs.encode(value, "rot13"),),
    "hexadecimal": lambda value: (data.hex() for data in _bytes(value)),
    "base64": lambda value: (text for data in _bytes(value) for text in _base64(data)),
    "base32": lambda value: _base32(_first(value)),
    "base85": lambda value: _base85(_first(value)),
    "base64, twice": lambda value: (
        text for data in _bytes(value) for once in _base64(data) for text in _base64(once.encode())
    ),
    "base64, of a form body": lambda value: _base64(_percent_encode(value)),
    "base64, of hexadecimal": lambda value: _base64(_first(value).hex().encode()),
    "hexadecimal, of base64": lambda value: (once.encode().hex() for once in _base64(_first(value))),
}
"""The encodings of a value; after a comma: the encoding before that one."""

_LIKE_TEXT = ("plain", "reversed", "rot13")
"""Pieces of a value of few characters in these would match ordinary text; the whole is looked for."""
_MOST = 2000
"""A value with more characters, such as a key file, is looked for in one encoding at a time."""


# Views of a text ----------------------------------------------------------------------------------------------------

GAP = (
    r"<[^<>]*>|&(?:shy|ZeroWidthSpace|#173|#8203);|\\[rn]|\x1b\[[0-9;]*[A-Za-z]|\n[ \t]*[>|#]+|[\"'] ?[,+] ?[\"']"
    r"|\\x00|[\x00\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Text that may separate two characters of a secret: white space, tags, marks of terminals, joints of source code."""
_ESCAPE = r"%(?:25)*(?P<percent>[2-7][0-9A-Fa-f])|&(?:amp;)*#(?:[xX]0*(?P<hex>[2-7][0-9A-Fa-f])|0*(?P<number>\d{2,3}));"
_ESCAPED, _GAPS = re.compile(rf"{_ESCAPE}|\\(?P<self>/)"), re.compile(rf"{_ESCAPE}|\\(?P<self>/)|{GAP}")

_WORD = 4000
_WORD_BEFORE = re.compile(r"[A-Za-z0-9+/_-]*$")
_WORD_AFTER = re.compile(r"(?:[A-Za-z0-9+/_=-]|%3[Dd]|%2[BbFf])*")


class _View(Struct, frozen=True):
    """A text with parts replaced or left out, and where each of its pieces was in the source."""

    text: str
    starts: tuple[int, ...]
    """Where each piece starts in the text."""
    sources: tuple[tuple[int, int], ...]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """The part of the source that a part of the text stands for."""
        return self._at(start)[0], self._at(end - 1)[1]

    def _at(self, position: int) -> tuple[int, int]:
        piece = bisect_right(self.starts, position) - 1
        first, last = self.sources[piece]
        length = (self.starts[piece + 1] if piece + 1 < len(self.starts) else len(self.text)) - self.starts[piece]
        if last - first != length:  # an escape
            return first, last
        offset = first + position - self.starts[piece]
        return offset, offset + 1


def _views(text: str) -> Iterator[_View]:
    """The unchanged text, the text without escapes, and (always) the text without escapes and gaps."""
    yield _View(_plain(text), (0,), ((0, len(text)),))
    if _ESCAPED.search(text):
        yield _view(text, _ESCAPED)
    yield _view(text, _GAPS)


def _view(text: str, left_out: re.Pattern[str]) -> _View:
    parts, starts, sources, done, length = [], [], [], 0, 0
    for match in (*left_out.finditer(text), None):
        start, end = match.span() if match else (len(text), len(text))
        pieces = [(text[done:start], (done, start))]
        if match and (decoded := _decode_match(match)):
            pieces.append((decoded, (start, end)))
        for piece, source in pieces:
            if piece:
                parts.append(piece)
                starts.append(length)
                sources.append(source)
                length += len(piece)
        done = end
    return _View(_plain("".join(parts)), tuple(starts) or (0,), tuple(sources) or ((0, 0),))


def _decode_match(match: re.Match[str]) -> str:
    if code := match["percent"] or match["hex"]:
        return chr(int(code, 16))
    return chr(int(match["number"])) if match["number"] else match.groupdict().get("self") or ""


def _plain(text: str) -> str:
    """The text in lower case, with as many characters, and with one alphabet of base64."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters change their length with the case
        lowered = "".join(low if len(low := c.lower()) == 1 else c for c in text)
    return lowered.translate(_ALPHABET)


_ALPHABET = str.maketrans("-_", "+/")


def _word_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The word of base64 around a part of it, which may hold a user name too."""
    before, after = _WORD_BEFORE.search(text, max(0, start - _WORD), start), _WORD_AFTER.match(text, end)
    return before.start() if before else start, after.end() if after else end


def _merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
