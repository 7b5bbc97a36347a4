"""Build: compile each raw wheel for its target with the package's backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cartwheel.backends import maturin, pep517
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.step import Step


def steps(project: Project) -> Iterable[Step]:
    """One step for each wheel."""
    for package, wheel in project.wheels:
        yield _BACKENDS[package.backend](package, wheel)


_BACKENDS: Mapping[str, Callable[[Package, Wheel], Step]] = {
    "maturin": maturin.step,
    "pep517": pep517.step,
}
