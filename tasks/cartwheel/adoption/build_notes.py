"""Notes on what the builds of workflows do and the proposed table does not."""

from __future__ import annotations

from collections.abc import Iterable

from cartwheel.adoption.built_wheels import HOST, BuildCall
from cartwheel.adoption.cibuildwheel_options import options_not_taken_over
from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.default_python import default_python
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.wheels import python as pythons


def lines_left_out(calls: Iterable[BuildCall], manifests: Manifests, *, released: bool) -> Iterable[str]:
    """A line for each thing that the builds do and the plan does not. `released`: the plan follows published files."""
    rows = tuple(calls)
    yield from _steps_left_out(rows)
    yield from dict.fromkeys(f"{call.workflow}, job {call.job}: {note}" for call in rows for note in call.notes)
    if not released:
        yield from dict.fromkeys(_unknown_interpreters(rows, manifests))
    if any(call.tool == "cibuildwheel" for call in rows):
        yield from options_not_taken_over(manifests.pyproject)


def _unknown_interpreters(calls: Iterable[BuildCall], manifests: Manifests) -> Iterable[str]:
    """A line for each job whose wheels are for an interpreter that is known only at run time."""
    default = default_python(manifests, bindings_of(manifests), stable_abi(manifests))
    if len(default) == 1 and default[0] in (pythons.PURE, pythons.ABI3):
        return
    for call in calls:
        if call.triples and HOST in call.pythons:
            yield (
                f"{call.workflow}, job {call.job}: found no interpreter that the build names; planned for "
                f'{", ".join(default)}; if that differs from what the job builds, write it as python = ["…"]'
            )


def _steps_left_out(calls: Iterable[BuildCall]) -> Iterable[str]:
    by_job: dict[tuple[str, str], dict[str, None]] = {}
    for call in calls:
        by_job.setdefault((call.workflow, call.job), {}).update(dict.fromkeys(call.left_out))
    for (workflow, job), parts in by_job.items():
        more = f" and {len(parts) - 6} more" if len(parts) > 6 else ""
        if parts:
            yield (
                f"{workflow}, job {job}: before the build there, and not taken over: "
                f"{', '.join(map(repr, list(parts)[:6]))}{more}; if the wheels need it, write it as "
                'before = [{ run = ["…"] }], or as a step of the build jobs: ci.steps.before.build'
            )
