"""Whether a step is up to date, and if not, why: compares its record with a snapshot."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from cartwheel.inputs.generated_files import without_generated
from cartwheel.machine.host import machine_id
from cartwheel.model.record import Dependencies, Record, is_variable
from cartwheel.model.step import Snapshot, Step

EDITED_MEANWHILE = "edited while it was read"
"""Recorded instead of a digest for a file that changed during the action. It equals no digest, so the step is stale."""


def reasons(step: Step, record: Record | None, snapshot: Snapshot) -> tuple[str, ...]:
    """The reasons why the step must run, as messages; empty if it is up to date."""
    if step.always:
        return ("runs whenever it is asked for",)
    if record is None:
        return ("never done here",)
    return tuple(
        dict.fromkeys(
            (
                *input_reasons(step, record, snapshot),
                *_tools(step, record, snapshot),
                *_outputs(step, record, snapshot),
                *(step.also(snapshot) if step.also else ()),
            )
        )
    )


def input_reasons(step: Step, record: Record, snapshot: Snapshot) -> tuple[str, ...]:
    """The reasons of `reasons` that do not depend on this machine or on the step's outputs."""
    return (
        *_settings(step.settings, record.settings),
        *_files(record.needs, {path: snapshot.digest(path) for path in step.needs}, snapshot),
        *_sources(step, record, snapshot),
    )


def _settings(now: Mapping[str, str], then: Mapping[str, str]) -> Iterable[str]:
    for name in sorted({*now, *then}):
        if now.get(name) != then.get(name):
            yield f"{name} {then.get(name) or 'unset'} → {now.get(name) or 'unset'}"


def _files(then: Mapping[str, str], now: Mapping[str, str], snapshot: Snapshot) -> Iterable[str]:
    if then == now:
        return
    for path in sorted({*then, *now}):
        old, new = then.get(path), now.get(path)
        if old == new:
            continue
        if old is None:
            yield f"{path} is new"
        elif new is None:
            yield f"{path} is {'no longer part of it' if snapshot.digest(path) else 'gone'}"
        elif old == EDITED_MEANWHILE:
            yield f"{path} was edited while it was read"
        elif not new:
            yield f"{path} is gone"
        elif not old:
            yield f"{path} appeared"
        elif old.removesuffix("+x") == new.removesuffix("+x"):
            yield f"{path} is {'now' if new.endswith('+x') else 'no longer'} executable"
        else:
            yield f"{path} changed"


def _sources(step: Step, record: Record, snapshot: Snapshot) -> Iterable[str]:
    if step.sources is None:
        return
    now = without_generated(step.sources.dependencies(snapshot, record.seen), record.seen.generated)
    yield from _files(record.seen.listing, now.listing, snapshot)
    if record.machine == machine_id():
        before, after = ({p: d for p, d in seen.local.items() if d} for seen in (record.seen, now))
        yield from _files(before, after, snapshot)
    then = record.seen.facts
    if then == now.facts:
        return
    for name in sorted({*then, *now.facts}):
        old, new = then.get(name, ""), now.facts.get(name, "")
        if old != new:
            yield _difference(name, old, new)


_VERSION = r"\d+\.\d"


def _difference(name: str, old: str, new: str) -> str:
    """`pyo3 0.29.2 → 0.29.3` if both values start with versions that differ; otherwise that the fact appeared,
    disappeared or changed."""
    before, after = old.split(" ")[0], new.split(" ")[0]
    versions = bool(re.match(_VERSION, before or after) and re.match(_VERSION, after or before))
    if not after:
        return f"{name} is no longer set" if is_variable(name) else f"{name} is gone"
    if not before:
        if is_variable(name):
            return f"{name} is now set"
        return f"{name} {after} is new" if versions else f"{name} is new"
    if before != after and versions:
        return f"{name} {before} → {after}"
    return f"{name} changed"


def _tools(step: Step, record: Record, snapshot: Snapshot) -> Iterable[str]:
    """Changed tool versions. Compared only on the machine that made the record, and only for installed tools."""
    if record.machine != machine_id():
        return
    for name in (*step.chosen, *step.tools):
        then, now = record.tools.get(name), step.chosen.get(name) or snapshot.tool(name)
        if then and now and then != now:
            yield f"{name.partition(' in ')[0]} {then} → {now}"


def _outputs(step: Step, record: Record, snapshot: Snapshot) -> Iterable[str]:
    for path in step.makes:
        digest, recorded = snapshot.digest(path), record.makes.get(path)
        if not digest:
            yield f"{path} is missing"
        elif recorded is None:
            yield f"{path} was not made by it"
        elif digest != recorded:
            yield f"{path} edited since it was made"


def digests_to_record(
    before: Dependencies, after: Dependencies, *, edited: Container[str], written: Iterable[str]
) -> Dependencies:
    """The dependencies to record: digests from before the action, or from after it for inputs discovered by it.

    Files in `edited` are marked with `EDITED_MEANWHILE` even if they were restored, because it is unknown which content
    was read. `written` is stored in the record: the edited files and those that the step itself writes.
    """
    listing = {
        path: EDITED_MEANWHILE if path in edited else before.listing.get(path, digest)
        for path, digest in after.listing.items()
    }
    local = {path: before.local.get(path, digest) for path, digest in after.local.items()}
    facts = {name: before.facts.get(name, value) for name, value in after.facts.items()}
    return Dependencies(
        listing=listing, facts=facts, local=local, learned=after.learned, hints=after.hints,
        written=tuple(sorted(written)),
    )  # fmt: skip
