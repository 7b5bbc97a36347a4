"""GitHub's `${{ … }}` expressions, evaluated as far as a reader of the file can know their values.

What is known only at run time (outputs of other jobs, secrets) is `UNKNOWN`, and so is everything that depends on it.
Language: GitHub's documentation "Evaluate expressions in workflows and actions", November 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any


class Unknown:
    """The value of what is known only at run time."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        return True


UNKNOWN = Unknown()

Context = Mapping[str, Any]
"""Values by the first name of an expression: `matrix`, `github`, `env`, `inputs`, `runner`."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<string>'(?:[^']|'')*')|(?P<op>\|\||&&|==|!=|<=|>=|[!<>()\[\],.*])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*))"
)
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def substitute(value: Any, context: Context) -> Any:
    """The value with every expression replaced; an expression that is the whole text keeps its type."""
    if isinstance(value, Mapping):
        return {key: substitute(inner, context) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [substitute(inner, context) for inner in value]
    if not isinstance(value, str) or "${{" not in value:
        return value
    whole = re.fullmatch(r"\s*\$\{\{(.*?)\}\}\s*", value, re.DOTALL)
    if whole and "${{" not in whole[1]:
        return evaluate(whole[1], context)
    return _EMBEDDED.sub(lambda match: as_text(evaluate(match[1], context)), value)


def variables(table: Any, context: Context) -> dict[str, Any]:
    """The variables of an `env`: texts, or `UNKNOWN`."""
    values = substitute(table or {}, context)
    rows = values.items() if isinstance(values, Mapping) else ()
    return {str(name): value if value is UNKNOWN else as_text(value) for name, value in rows}


def may_run(condition: Any, context: Context) -> bool:
    """Whether the `if` of a job or step may be true in a release; true if it is known only at run time."""
    if condition is None or condition == "":
        return True
    if isinstance(condition, bool):
        return condition
    text = str(condition).strip()
    whole = re.fullmatch(r"\$\{\{(.*)\}\}", text, re.DOTALL)
    return bool(evaluate(whole[1] if whole else text, context))


def evaluate(text: str, context: Context) -> Any:
    """The value of one expression; `UNKNOWN` for what cannot be known or read."""
    try:
        return _Parser(text, context).result()
    except (ValueError, TypeError, KeyError, IndexError):
        return UNKNOWN


def as_text(value: Any) -> str:
    """A value as GitHub writes it into a text; an unknown value is empty."""
    if value is None or value is UNKNOWN:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


class _Parser:
    """Reads and evaluates an expression in one pass."""

    def __init__(self, text: str, context: Context) -> None:
        self._tokens = _tokens(text)
        self._context = context
        self._at = 0

    def result(self) -> Any:
        value = self._either()
        if self._at != len(self._tokens):
            raise ValueError("more after the end")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._peek()
        if not token or (expected and token not in expected):
            raise ValueError(f"found '{token}'")
        self._at += 1
        return token

    def _either(self) -> Any:
        value = self._both()
        while self._peek() == "||":
            self._take()
            other = self._both()
            value = other if value is UNKNOWN or not _true(value) else value
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._peek() == "&&":
            self._take()
            other = self._equal()
            value = (other if _true(value) else value) if value is not UNKNOWN else (other if _true(other) else False)
        return value

    def _equal(self) -> Any:
        value = self._not()
        while self._peek() in ("==", "!=", "<", ">", "<=", ">="):
            operator, other = self._take(), self._not()
            if value is UNKNOWN or other is UNKNOWN:
                value = UNKNOWN
            elif operator in ("==", "!="):
                value = _same(value, other) == (operator == "==")
            else:
                left, right = float(value), float(other)
                value = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]
        return value

    def _not(self) -> Any:
        if self._peek() == "!":
            self._take()
            value = self._not()
            return UNKNOWN if value is UNKNOWN else not _true(value)
        return self._value()

    def _value(self) -> Any:
        token = self._take()
        if token == "(":
            value = self._either()
            self._take(")")
            return value
        if token[0] == "'":
            return token[1:-1].replace("''", "'")
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return float(token) if "." in token else int(token)
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if self._peek() == "(":
            return self._call(token.lower())
        return self._path(self._context.get(token.lower(), UNKNOWN))

    def _call(self, name: str) -> Any:
        self._take("(")
        arguments = []
        while self._peek() != ")":
            arguments.append(self._either())
            if self._peek() == ",":
                self._take()
        self._take(")")
        if name in ("always", "success"):
            return True
        if name in ("failure", "cancelled"):
            return False
        if name not in _FUNCTIONS or UNKNOWN in arguments:
            return UNKNOWN
        return self._path(_FUNCTIONS[name](*arguments))

    def _path(self, value: Any) -> Any:
        while self._peek() in (".", "["):
            if self._take() == ".":
                key: Any = self._take()
            else:
                key = self._either()
                self._take("]")
            if value is UNKNOWN or key is UNKNOWN or key == "*":
                value = UNKNOWN
            elif isinstance(value, Mapping):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int):
                value = value[key] if key < len(value) else None
            else:
                value = None
        return value


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise ValueError(f"found '{text[at:]}'")
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


def _true(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _same(left: Any, right: Any) -> bool:
    """GitHub compares texts without case, and other types as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if type(left) is type(right):
        return bool(left == right)
    return _number(left) == _number(right)


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_same(row, what) for row in where)
    return as_text(what).lower() in as_text(where).lower()


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "endswith": lambda text, end: as_text(text).lower().endswith(as_text(end).lower()),
    "format": lambda form, *rows: re.sub(r"\{(\d+)\}", lambda m: as_text(rows[int(m[1])]), form),
    "join": lambda rows, by=",": by.join(map(as_text, rows)) if isinstance(rows, list) else as_text(rows),
    "fromjson": json.loads,
    "tojson": json.dumps,
}
