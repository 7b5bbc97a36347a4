"""Records as files: what is written is read again, and what is damaged counts as missing, with one warning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel import state
from cartwheel.model.record import (
    SCHEMA,
    Dependencies,
    Record,
    UnreadableRecord,
    from_json,
    is_variable,
    listing_from_json,
    listing_name,
    listing_to_json,
    record_with_listing,
    replaced_outputs,
    to_json,
)
from cartwheel.state import Records

LISTING = {"src/b": "2", "src/a": "1"}
RECORD = Record(
    task="build:demo:py3", settings={"profile": "release"}, needs={"raw": "r"}, makes={"dist/demo": "d"},
    seen=Dependencies(
        listing=LISTING, facts={"F": "1"}, local={"/etc/a": "2"}, learned={"kind": ("x",)}, hints={"h": "1"}
    ),
    tools={"rustc": "1.95.0"}, machine="here", seconds=1.5,
)  # fmt: skip


WHOLE = to_json(RECORD, "n")


def test_a_record_is_read_as_it_was_written_but_for_its_listing() -> None:
    record, name = from_json(to_json(RECORD, "a-name"))
    assert name == "a-name"
    assert record == replace(RECORD, seen=replace(RECORD.seen, listing={}))
    assert record_with_listing(record, LISTING) == RECORD


def test_a_record_is_a_text_that_people_can_read() -> None:
    text = to_json(RECORD, "a-name")
    assert text.endswith(b"\n}\n")
    assert b'\n "listing": "a-name"' in text


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is damaged"),
        (b"{", "it is damaged"),
        (b"\xff\xfe", "it is damaged"),
        (b"[]", "it is damaged"),
        (b'{"schema": %d}' % SCHEMA, "it is damaged"),
        (b'{"schema": %d}' % (SCHEMA + 1), "it was written by a newer version of cartwheel"),
        (
            WHOLE.replace(b'"schema": 1', b'"schema": 2'),
            "it was written by a newer version of cartwheel",
        ),
        (WHOLE.replace(b'"schema": 1', b'"schema": 0'), "it is damaged"),
        (WHOLE[:-20], "it is damaged"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableRecord) as caught:
        from_json(data)
    assert str(caught.value) == why


def test_a_listing_is_named_by_its_content_whatever_the_order() -> None:
    data = listing_to_json(LISTING)
    assert data == listing_to_json(dict(reversed(LISTING.items())))
    assert data == b'{"src/a": "1", "src/b": "2"}'
    assert len(listing_name(data)) == 32
    assert listing_from_json(data, listing_name(data)) == LISTING
    with pytest.raises(UnreadableRecord) as caught:
        listing_from_json(data + b" ", listing_name(data))
    assert str(caught.value) == "its list of inputs is damaged"


def test_names_of_variables_have_no_spaces() -> None:
    assert is_variable("RUSTFLAGS")
    assert not is_variable("pyo3 crate")


def test_an_output_that_a_step_no_longer_makes_is_replaced_unless_a_person_changed_it() -> None:
    before = replace(RECORD, makes={"dist/old": "d", "dist/kept": "k", "dist/edited": "e"})
    present = {"dist/old": "d", "dist/kept": "k", "dist/edited": "another"}
    assert replaced_outputs(before, ("dist/kept", "dist/new"), present.__getitem__) == ("dist/old",)


# As doit's backend ----------------------------------------------------------------------------------------------------

OWN, STEP, GROUP = "own", RECORD.task, "build"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(state, "OURS", {STEP})
    monkeypatch.setattr(state, "GROUPS", {GROUP})
    return tmp_path / "records"


def backend(folder: Path) -> Records:
    """The backend as the next process opens it."""
    return Records(str(folder), None)


def listings(folder: Path) -> list[Path]:
    return sorted((folder / "listings").iterdir())


def test_a_committed_record_is_there_in_the_next_process(folder: Path) -> None:
    records = backend(folder)
    assert records.name == str(folder)
    assert records.load(STEP) is None
    assert records.every() == ()
    records.commit(RECORD)
    assert records.load(STEP) is RECORD
    assert records.path(STEP) == folder / "build" / "demo" / "py3.json"
    assert backend(folder).load(STEP) == RECORD
    assert backend(folder).every() == (RECORD,)


def test_records_with_one_listing_share_its_file_and_a_damaged_one_is_written_anew(folder: Path) -> None:
    records = backend(folder)
    records.commit(RECORD)
    (listing,) = listings(folder)
    whole, before = listing.read_bytes(), listing.stat().st_mtime_ns
    records.commit(replace(RECORD, task="build:demo:other"))
    assert listings(folder) == [listing]
    assert listing.stat().st_mtime_ns == before
    listing.write_bytes(b"{}")
    records.commit(RECORD)
    assert listing.read_bytes() == whole


def test_a_dropped_record_is_gone_for_everybody(folder: Path) -> None:
    records = backend(folder)
    records.commit(RECORD)
    records.drop(STEP)
    records.drop(STEP)
    assert records.load(STEP) is None
    assert backend(folder).load(STEP) is None


def test_what_another_run_wrote_is_seen_once_all_is_forgotten(folder: Path) -> None:
    first, second = backend(folder), backend(folder)
    assert first.load(STEP) is None
    second.commit(RECORD)
    assert first.load(STEP) is None
    first.forget_all()
    assert first.load(STEP) == RECORD


def test_a_damaged_record_costs_one_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend(folder).commit(RECORD)
    assert backend(folder).every() == (RECORD,)
    assert capsys.readouterr().err == ""
    backend(folder).path(STEP).write_bytes(b"{")
    records = backend(folder)
    assert records.load(STEP) is None
    records.forget_all()
    assert records.load(STEP) is None
    assert records.every() == ()
    output = f"warning: the record of {STEP} is not used: it is damaged; the task will run again\n"
    assert capsys.readouterr().err == output


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda listing: listing.unlink(), "its list of inputs is gone"),
        (lambda listing: listing.write_bytes(b"{}"), "its list of inputs is damaged"),
    ],
)
def test_a_record_without_its_listing_is_not_used(
    folder: Path, damage: object, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    backend(folder).commit(RECORD)
    damage(listings(folder)[0])  # type: ignore[operator]
    assert backend(folder).load(STEP) is None
    assert f"the record of {STEP} is not used: {why}; the task will run again" in capsys.readouterr().err


def test_a_record_that_is_a_folder_is_not_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = backend(folder)
    records.path(STEP).mkdir(parents=True)
    assert records.load(STEP) is None
    output = rf"the record of {STEP} is not used: (Is a directory|Permission denied); the task will run again"
    assert re.search(output, capsys.readouterr().err)


class Failing:
    """A file whose system gives no reason for an error."""

    def read_bytes(self) -> bytes:
        raise OSError


def test_a_record_that_cannot_be_read_without_a_reason_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = backend(folder)
    monkeypatch.setattr(records, "path", lambda task: Failing())
    assert records.load(STEP) is None
    output = f"warning: the record of {STEP} is not used: it cannot be read; the task will run again\n"
    assert capsys.readouterr().err == output


def test_doit_reads_of_a_step_only_that_it_succeeded(folder: Path) -> None:
    records = backend(folder)
    assert (records.in_(STEP), records.get(STEP, "src/a"), records.get(STEP, "deps:")) == (False, None, None)
    records.commit(RECORD)
    assert (records.in_(STEP), records.get(STEP, "src/a"), records.get(STEP, "deps:")) == (True, 1, None)
    records.set(STEP, "deps:", ("src/a",))
    records.set(GROUP, "deps:", ("src/a",))
    assert backend(folder).every() == (RECORD,)
    assert not records.path(GROUP).exists()


def test_a_task_of_the_project_s_own_keeps_what_doit_keeps_of_it(folder: Path) -> None:
    records, calls = backend(folder), []
    records.after_own.append(lambda: calls.append("after"))
    assert not records.in_(OWN)
    records.set(OWN, "src/a", [1, 2])
    assert (calls, records.path(OWN).exists()) == ([], False)
    records.set(OWN, "deps:", ["src/a"])
    assert calls == ["after"]
    for again in (records, backend(folder)):
        assert again.in_(OWN)
        assert again.get(OWN, "src/a") == [1, 2]
        assert again.get(OWN, "deps:") == ["src/a"]
    records.set(OWN, "src/b", 3)
    records.set(OWN, "result:", "x")
    records.set(OWN, "deps:", [])
    assert backend(folder).get(OWN, "src/a") is None
    assert backend(folder).get(OWN, "result:") == "x"


@pytest.mark.parametrize("key", ["deps:", "_values_:", "result:"])
def test_a_task_of_which_nothing_is_kept_leaves_no_file(folder: Path, key: str) -> None:
    records = backend(folder)
    records.set(OWN, "checker:", "OrderOnly")
    records.set(OWN, "deps:", [])
    assert not records.path(OWN).exists()
    if key != "deps:":
        records.set(OWN, key, {"a": 1})
    records.set(OWN, "deps:", ["src/a"] if key == "deps:" else [])
    assert records.path(OWN).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2, "doit": {"a": 1}}', '{"schema": 1, "doit": []}']
)
def test_a_damaged_file_of_an_own_task_counts_as_none(folder: Path, text: str) -> None:
    records = backend(folder)
    folder.mkdir()
    records.path(OWN).write_text(text)
    assert not records.in_(OWN)
    assert records.get(OWN, "a") is None


def test_the_state_of_an_own_task_that_cannot_be_written_is_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.write_text("a file, not a folder")
    records = backend(folder)
    records.set(OWN, "deps:", ["a"])
    assert f"warning: {OWN}: its state could not be kept (" in capsys.readouterr().err
    assert records.get(OWN, "deps:") == ["a"]


def test_doit_forget_drops_what_it_is_asked_to_and_a_failed_run_does_not(folder: Path) -> None:
    records = backend(folder)
    records.commit(RECORD)
    records.get(STEP, "ignore:")
    records.remove(STEP)
    assert backend(folder).load(STEP) == RECORD, "the run has asked for it: the step dropped it by itself or kept it"
    forget = backend(folder)
    forget.remove(STEP)
    assert backend(folder).load(STEP) is None
    records.set(OWN, "deps:", ["a"])
    records.get(OWN, "ignore:")
    records.remove(OWN)
    assert not records.in_(OWN)
    assert records.get(OWN, "deps:") is None
    assert not backend(folder).in_(OWN)


def test_what_json_does_not_know_is_kept_as_text(folder: Path) -> None:
    backend(folder).set(OWN, "deps:", [Path("src")])
    assert backend(folder).get(OWN, "deps:") == ["src"]


def test_doit_forget_all_drops_everything(folder: Path) -> None:
    records = backend(folder)
    records.commit(RECORD)
    records.set(OWN, "deps:", ["a"])
    records.remove_all()
    records.remove_all()
    assert (records.load(STEP), records.in_(OWN), folder.exists()) == (None, False, False)


def test_forgetting_all_records_ignores_a_folder_that_cannot_be_removed(folder: Path) -> None:
    folder.write_text("a file, not a folder")
    records = backend(folder)
    records.remove_all()
    assert records.load(STEP) is None


def test_no_task_can_be_ignored(folder: Path) -> None:
    from doit.exceptions import InvalidCommand

    with pytest.raises(InvalidCommand, match=f"{STEP} cannot be ignored: a release counts on every task having run"):
        backend(folder).set(STEP, "ignore:", "1")


def test_the_end_of_a_command_calls_who_asked_for_it(folder: Path) -> None:
    records, calls = backend(folder), []
    records.at_end.append(lambda: calls.append("end"))
    records.dump()
    assert calls == ["end"]
