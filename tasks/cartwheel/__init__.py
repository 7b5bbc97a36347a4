"""cartwheel: cargo in, wheels out.  A package's whole release as one doit task graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Pipeline"]

if TYPE_CHECKING:
    from cartwheel.pipeline import Pipeline

_OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""Threshold of the garbage collector. A plan makes many objects and no garbage, and Python's default (700) costs a
`doit list` a twelfth of its time."""


def __getattr__(name: str) -> object:
    """`Pipeline`, on first use: doit imports this package for its plugins in every project of an environment."""
    if name == "Pipeline":
        import atexit
        import gc

        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        atexit.register(gc.freeze)  # Python collects twice at exit, a fifth of a `doit list`; the system frees memory
        from cartwheel.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'cartwheel' has no attribute '{name}'")
