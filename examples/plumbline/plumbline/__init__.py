"""How far a row of numbers strays from the straight line through it."""

from plumbline._core import deviation, fitted

__all__ = ["deviation", "fitted"]
