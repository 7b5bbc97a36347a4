"""cartwheel: cargo in, wheels out.  A package's whole release as one doit task graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Pipeline"]

if TYPE_CHECKING:
    from cartwheel.pipeline import Pipeline


def __getattr__(name: str) -> object:
    """`Pipeline`, on first use: doit imports this package for its plugins in every project of an environment."""
    if name == "Pipeline":
        from cartwheel.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module 'cartwheel' has no attribute '{name}'")
