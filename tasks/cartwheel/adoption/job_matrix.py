"""The matrix of a GitHub job as rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from cartwheel.adoption.expressions import UNKNOWN, substitute


def matrix_rows(
    strategy: Any, context: Mapping[str, Any], faults: list[str], where: str
) -> tuple[Mapping[str, Any], ...]:
    """The rows of a matrix, as GitHub combines vectors, `exclude` and `include` (its documentation of
    `jobs.<job_id>.strategy.matrix`, November 2026); one empty row without a matrix."""
    matrix = substitute((strategy or {}).get("matrix"), context) if isinstance(strategy, Mapping) else None
    if matrix is None:
        return ({},)
    if not isinstance(matrix, Mapping):
        faults.append(f"{where}: its matrix is known only at run time")
        return ({},)
    vectors = {k: v for k, v in matrix.items() if k not in ("include", "exclude") and isinstance(v, list)}
    if any(v is UNKNOWN for v in matrix.values()):
        faults.append(f"{where}: its matrix is known only at run time")
    rows = [dict(zip(vectors, values, strict=True)) for values in itertools.product(*vectors.values())]
    rows = [] if not vectors else rows
    for out in _rows(matrix.get("exclude")):
        rows = [row for row in rows if not _matches(out, row)]
    original = [dict(row) for row in rows]
    for more in _rows(matrix.get("include")):
        fits = [
            row for row, first in zip(rows, original, strict=False)
            if all(first.get(key) == value for key, value in more.items() if key in first)
        ]  # fmt: skip
        for row in fits:
            row.update(more)
        if not fits:
            rows.append(dict(more))
    return tuple(rows) or ({},)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _matches(part: Mapping[str, Any], row: Any) -> bool:
    return all(
        _matches(value, row.get(key)) if isinstance(value, Mapping) and isinstance(row.get(key), Mapping)
        else row.get(key) == value
        for key, value in part.items()
    )  # fmt: skip
