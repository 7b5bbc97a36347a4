"""What a plan leaves out, builds past its end of life, or promises otherwise, in lines for people."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.model.config.floors import too_old_promise
from cartwheel.model.config.wheel_plan import WheelPlan
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import ANY, TARGETS, Target, platform_tag, pypi_accepts


def omissions(plan: WheelPlan, targets: tuple[Target, ...], *, usual: bool) -> tuple[str, ...]:
    """The lines for a package.  `usual`: its targets are the default."""
    compiled = tuple(target for target in targets if target.triple != ANY)
    if not compiled:
        return ()
    return (
        *_missing_interpreters(plan, compiled),
        *(_classifier_versions(plan) if any(plan.uses_default_python(target) for target in compiled) else ()),
        *_newer_floors(plan, compiled),
        *(_other_targets(compiled) if usual else ()),
    )


def _missing_interpreters(plan: WheelPlan, targets: Iterable[Target]) -> Iterable[str]:
    missing: dict[str, list[str]] = {}
    for target in targets:
        for python in plan.unpublished_interpreters(target):
            missing.setdefault(python, []).append(target.triple)
    return (f"no {python} for {', '.join(triples)}: it is not published there" for python, triples in missing.items())


def _classifier_versions(plan: WheelPlan) -> Iterable[str]:
    """Versions that the classifiers name and the default takes although past their end, or cannot take."""
    classifiers = plan.manifests.pyproject.get("project", {}).get("classifiers", ())
    rows = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", str(row)) for row in classifiers)
    named = [row[1] for row in rows if row]
    built = {pythons.version(python) for python in plan.python}
    old = [version for version in named if version in built and version not in pythons.SUPPORTED]
    if old:
        yield f"built although past its end, because a classifier names it: {', '.join(old)}"
    unknown = [version for version in named if version not in pythons.every_version()]
    if unknown:
        yield f"not built, because there is no release of it: {', '.join(unknown)}"


def _newer_floors(plan: WheelPlan, targets: Iterable[Target]) -> Iterable[str]:
    """Targets whose wheels need a newer system than `[tool.maturin]` promises."""
    promises: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        promised = too_old_promise(plan.manifests, target)
        if promised and not plan.layers.of("floor", "", target):
            promises.setdefault((promised, target.floor), []).append(target.triple)
    for (promised, floor), triples in promises.items():
        yield (
            f"[tool.maturin] promises {promised}, but Rust's standard library needs a newer system: planned as {floor} "
            f"for {', '.join(triples)}"
        )


def _other_targets(targets: tuple[Target, ...]) -> Iterable[str]:
    """The Linux and Windows systems that PyPI takes and the default does not name."""
    planned = {(target.system, target.libc, target.arch) for target in targets}
    others = (
        row.triple
        for row in TARGETS.values()
        if row.system in ("linux", "windows") and row.libc != "gnu" * (row.system == "windows")
        if (row.system, row.libc, row.arch) not in planned
        if all(pypi_accepts(tag) for tag in platform_tag(row, row.floor).split("."))
    )
    yield f"targets is not set, so the usual ones are built; there are also {', '.join(others)}"
