"""Whether a step is up to date: every kind of difference between its record and the disk, as values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cartwheel.inputs.staleness import EDITED_MEANWHILE, digests_to_record, reasons
from cartwheel.machine.host import machine_id
from cartwheel.model.record import Dependencies, Record
from cartwheel.model.step import Step

ELSEWHERE = "another machine"


class FixedSnapshot:
    """A disk and tools as two mappings."""

    def __init__(self, files: Mapping[str, str], tools: Mapping[str, str] = {}) -> None:
        self.root, self.environ = Path("/project"), os.environ
        self.files, self.tools = files, tools

    def digest(self, path: str) -> str:
        return self.files.get(path, "")

    def digests(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return {path: self.digest(path) for path in paths}

    def moved(self, path: str) -> bool:
        return False

    def tool(self, name: str) -> str:
        return self.tools.get(name, "")

    def remember(self, key: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        return make()


class FixedSources:
    """Sources whose dependencies are given."""

    def __init__(self, seen: Dependencies) -> None:
        self.now = seen

    def dependencies(self, snapshot: object, before: Dependencies | None) -> Dependencies:
        assert isinstance(snapshot, FixedSnapshot)
        assert before is not None, "what was learned then says where to look now"
        return self.now


def nothing(work: object) -> Mapping[str, tuple[str, ...]]:
    return {}


STEP = Step(
    name="build:demo", doc="", act=nothing, needs=("raw",), makes=("dist/demo",), settings={"profile": "release"},
    tools=("rustc",), chosen={"toolchain": "zig"}, sources=FixedSources(Dependencies()),
)  # fmt: skip
FILES = {"raw": "r1", "dist/demo": "d1"}
TOOLS = {"rustc": "1.95.0"}
RECORD = Record(
    task="build:demo", settings={"profile": "release"}, needs={"raw": "r1"}, makes={"dist/demo": "d1"},
    seen=Dependencies(), tools={"rustc": "1.95.0", "toolchain": "zig"}, machine=machine_id(), seconds=1.0,
)  # fmt: skip


def judged(
    record: Record | None = RECORD,
    *,
    step: Mapping[str, Any] = {},
    files: Mapping[str, str] = FILES,
    tools: Mapping[str, str] = TOOLS,
) -> tuple[str, ...]:
    """The reasons why the step must run."""
    return reasons(replace(STEP, **step), record, FixedSnapshot(files, tools))


def read(then: Dependencies, now: Dependencies, *, machine: str = machine_id(), **files: str) -> tuple[str, ...]:
    """The reasons that follow from what the step read then and would read now."""
    record = replace(RECORD, seen=then, machine=machine)
    return judged(record, step={"sources": FixedSources(now)}, files={**FILES, **files})


def test_a_step_is_up_to_date_where_nothing_differs() -> None:
    assert judged() == ()
    assert judged(step={"sources": None}) == ()


def test_a_step_without_a_record_runs() -> None:
    assert judged(None) == ("never done here",)


def test_a_step_that_always_runs_needs_no_other_reason() -> None:
    assert judged(None, step={"always": True}) == ("runs whenever it is asked for",)
    assert judged(step={"always": True}) == ("runs whenever it is asked for",)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"profile": "dev"}, "profile release → dev"),
        ({}, "profile release → unset"),
        ({"profile": ""}, "profile release → unset"),
        ({"profile": "release", "features": "fast"}, "features unset → fast"),
    ],
)
def test_a_changed_setting_is_a_reason(settings: Mapping[str, str], reason: str) -> None:
    assert judged(step={"settings": settings}) == (reason,)


@pytest.mark.parametrize(
    ("raw", "reason"), [("r2", "raw changed"), ("", "raw is gone"), ("r1+x", "raw is now executable")]
)
def test_a_changed_file_of_an_earlier_step_is_a_reason(raw: str, reason: str) -> None:
    assert judged(files={**FILES, "raw": raw}) == (reason,)


def test_a_file_that_is_needed_now_or_no_longer_is_a_reason() -> None:
    assert judged(step={"needs": ("raw", "more")}, files={**FILES, "more": "m"}) == ("more is new",)
    assert judged(step={"needs": ()}) == ("raw is no longer part of it",)
    assert judged(step={"needs": ()}, files={"dist/demo": "d1"}) == ("raw is gone",)


@pytest.mark.parametrize(
    ("then", "now", "reason"),
    [
        ("1", "2", "src changed"),
        ("1+x", "1", "src is no longer executable"),
        ("1", "1+x", "src is now executable"),
        ("1", "2+x", "src changed"),
        ("", "1", "src appeared"),
        ("1", "", "src is gone"),
        (EDITED_MEANWHILE, "1", "src was edited while it was read"),
        (EDITED_MEANWHILE, "", "src was edited while it was read"),
    ],
)
def test_a_changed_source_is_a_reason(then: str, now: str, reason: str) -> None:
    assert read(Dependencies(listing={"src": then}), Dependencies(listing={"src": now})) == (reason,)


def test_every_changed_source_is_named_once_and_in_order() -> None:
    then = Dependencies(listing={"a": "1", "b": "1", "c": "1", "e": ""})
    now = Dependencies(listing={"b": "2", "c": "1", "d": "1", "e": ""})
    assert read(then, now, a="1") == ("a is no longer part of it", "b changed", "d is new")
    both = Dependencies(listing={"raw": "r1"}), Dependencies(listing={"raw": "r2"})
    record = replace(RECORD, seen=both[0])
    assert judged(record, step={"sources": FixedSources(both[1])}, files={**FILES, "raw": "r2"}) == ("raw changed",)


def test_what_was_generated_before_the_build_is_no_source() -> None:
    then = Dependencies(listing={"src": "1"}, generated=("made",))
    assert read(then, Dependencies(listing={"src": "1", "made": "2"})) == ()


def test_files_outside_the_project_count_on_the_machine_of_the_record_alone() -> None:
    then, now = Dependencies(local={"/etc/a": "1", "/gone": ""}), Dependencies(local={"/etc/a": "2", "/never": ""})
    assert read(then, now) == ("/etc/a changed",)
    assert read(then, Dependencies(), **{"/etc/a": "1"}) == ("/etc/a is no longer part of it",)
    assert read(then, now, machine=ELSEWHERE) == ()


@pytest.mark.parametrize(
    ("name", "then", "now", "reason"),
    [
        ("pyo3 crate", "0.29.2 sha256:1", "0.29.3 sha256:2", "pyo3 crate 0.29.2 → 0.29.3"),
        ("pyo3 crate", "0.29.2 sha256:1", "0.29.2 sha256:2", "pyo3 crate changed"),
        ("pyo3 crate", "", "0.29.3 sha256:2", "pyo3 crate 0.29.3 is new"),
        ("pyo3 crate", "0.29.3 sha256:2", "", "pyo3 crate is gone"),
        ("local crate", "", "features=x", "local crate is new"),
        ("local crate", "0.29.2", "features=x", "local crate changed"),
        ("local crate", "features=x", "0.29.2", "local crate changed"),
        ("RUSTFLAGS", "", "abc", "RUSTFLAGS is now set"),
        ("RUSTFLAGS", "abc", "", "RUSTFLAGS is no longer set"),
        ("RUSTFLAGS", "abc", "def", "RUSTFLAGS changed"),
    ],
)
def test_a_changed_fact_is_a_reason_that_shows_no_digest(name: str, then: str, now: str, reason: str) -> None:
    unchanged = {"a fact": "1", "z fact": "1"}
    before = Dependencies(facts={**unchanged, **({name: then} if then else {})})
    after = Dependencies(facts={**unchanged, **({name: now} if now else {})})
    assert read(before, after) == (reason,)


def test_another_version_of_a_tool_is_a_reason() -> None:
    assert judged(tools={"rustc": "1.96.0"}) == ("rustc 1.95.0 → 1.96.0",)
    assert judged(step={"chosen": {"toolchain": "native"}}) == ("toolchain zig → native",)
    here = "rustc in pebble"
    older = replace(RECORD, tools={here: "1.94.0"})
    assert judged(older, step={"tools": (here,)}, tools={here: "1.95.0"}) == ("rustc 1.94.0 → 1.95.0",)


def test_a_tool_that_is_missing_or_was_not_recorded_is_no_reason() -> None:
    assert judged(tools={}) == ()
    assert judged(step={"tools": ("rustc", "maturin")}, tools={**TOOLS, "maturin": "1.16"}) == ()


def test_tools_are_compared_on_the_machine_of_the_record_alone() -> None:
    assert judged(replace(RECORD, machine=ELSEWHERE), tools={"rustc": "1.96.0"}) == ()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"raw": "r1"}, "dist/demo is missing"),
        ({**FILES, "dist/demo": "d2"}, "dist/demo edited since it was made"),
    ],
)
def test_an_output_that_is_not_as_it_was_made_is_a_reason(files: Mapping[str, str], reason: str) -> None:
    assert judged(files=files) == (reason,)


def test_an_output_that_another_made_is_a_reason() -> None:
    reasons = judged(step={"makes": ("dist/demo", "dist/more")}, files={**FILES, "dist/more": "m"})
    assert reasons == ("dist/more was not made by it",)


def test_a_step_may_have_further_reasons() -> None:
    snapshots: list[object] = []
    assert judged(step={"also": lambda snapshot: snapshots.append(snapshot) or ("not tested",)}) == ("not tested",)
    assert isinstance(snapshots[0], FixedSnapshot)


def test_what_was_known_before_is_recorded_as_it_was_then() -> None:
    before = Dependencies(listing={"a": "1", "old": "1"}, facts={"F": "1"}, local={"/a": "1"})
    after = Dependencies(
        listing={"a": "2", "b": "2"}, facts={"F": "2", "G": "2"}, local={"/a": "2", "/b": "2"},
        learned={"kind": ("x",)}, hints={"hint": "h"},
    )  # fmt: skip
    assert digests_to_record(before, after, edited=(), written=("w", "v")) == Dependencies(
        listing={"a": "1", "b": "2"}, facts={"F": "1", "G": "2"}, local={"/a": "1", "/b": "2"},
        learned={"kind": ("x",)}, hints={"hint": "h"}, written=("v", "w"),
    )  # fmt: skip


def test_what_was_edited_meanwhile_is_recorded_as_that() -> None:
    before, after = Dependencies(listing={"a": "1"}), Dependencies(listing={"a": "1", "b": "2"})
    recorded = digests_to_record(before, after, edited={"a", "b"}, written=())
    assert recorded.listing == {"a": EDITED_MEANWHILE, "b": EDITED_MEANWHILE}
