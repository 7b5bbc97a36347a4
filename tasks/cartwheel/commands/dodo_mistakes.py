"""Mistakes in dodo.py itself, in one or two lines instead of doit's traceback: the file, the line, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

_WIDTH = 100


@contextmanager
def dodo_mistakes(dodo: Path | None) -> Iterator[None]:
    """Raise doit's `InvalidDodoFile` for an error that a line of dodo.py itself raises while doit loads it.

    An error from a module that dodo.py imports keeps its traceback, unless the module has a syntax error.
    """
    try:
        yield
    except (CmdParseError, InvalidCommand, InvalidDodoFile, InvalidTask):
        raise
    except Exception as error:
        text = _explanation(error, dodo) if dodo else ""
        if not text:
            raise
        raise InvalidDodoFile(text) from None


def _explanation(error: Exception, dodo: Path) -> str:
    """The mistake in words; empty if the error comes from elsewhere."""
    if isinstance(error, SyntaxError):
        file = Path(error.filename or dodo)  # none for a file with null bytes
        name = file.name if file.parent == dodo.parent else str(file)
        line = f"\n  {error.text.strip()[:_WIDTH]}" if error.text and error.text.strip() else ""
        return f"{name}, line {error.lineno or 1}: {error.msg}{line}"
    frames = tuple(walk_tb(error.__traceback__))
    if not frames or Path(frames[-1][0].f_code.co_filename) != dodo:
        return ""
    return f"{dodo.name}, line {frames[-1][1]}: {type(error).__name__}: {error}"
