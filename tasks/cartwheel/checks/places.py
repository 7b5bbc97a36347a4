"""Where a wheel's tests can be run: a table of places, each asked for an interpreter, in the order of preference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cartwheel.model.project import Wheel
from cartwheel.world.interpreters import Interpreter, Missing, emulated, own

Place = Callable[[Wheel, str, Mapping[str, str]], Interpreter | Missing | None]
"""From a wheel, a Python and the environment to an interpreter, or why there is none; None where the place is not at
hand."""


def _own(wheel: Wheel, python: str, env: Mapping[str, str]) -> Interpreter | Missing | None:
    return own(wheel.target, wheel.floor, python, env)


def _emulated(wheel: Wheel, python: str, env: Mapping[str, str]) -> Interpreter | Missing | None:
    return emulated(wheel.target, wheel.floor, python, env)


PLACES: tuple[Place, ...] = (_own, _emulated)


def interpreter(wheel: Wheel, python: str, env: Mapping[str, str]) -> Interpreter | Missing:
    """The first that can be started for the wheel, or why none can: what the last place at hand says."""
    said: Missing | None = None
    for place in PLACES:
        found = place(wheel, python, env)
        if isinstance(found, Interpreter):
            return found
        said = found or said
    return said or Missing(why="this machine cannot run it", all=True)
