"""The ledger: what it says of a file after every kind of history, and what a damaged one costs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cartwheel.destinations.ledger import SHOWN_WITHIN, Ledger
from cartwheel.destinations.protocol import Answer
from cartwheel.model.errors import StepFailed

FILE, DIGEST, OTHER = "demo-1.0.tar.gz", "aa", "bb"
URL = "https://shelf.example/"


class Book:
    """Ledgers of one file, one after another, with what they say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledgers" / "demo-1.0.json"
        self.lines: list[str] = []

    def open(self, url: str = URL, version: str = "1.0") -> Ledger:
        return Ledger(self.path, index="shelf", url=url, project="demo", version=version, say=self.lines.append)

    def rows(self) -> dict[str, dict[str, object]]:
        rows: dict[str, dict[str, object]] = json.loads(self.path.read_bytes())["files"]
        return rows

    def sent_at(self, when: object) -> None:
        """Have the file sent at that time."""
        self.open().note(FILE, DIGEST, "sent")
        document = json.loads(self.path.read_bytes())
        document["files"][FILE]["at"] = when
        self.path.write_text(json.dumps(document))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


@pytest.mark.parametrize(
    ("state", "sent", "holds"),
    [
        ("sending", False, False),
        ("sent", True, True),
        ("there", False, True),
        ("unknown", False, False),
        ("refused", False, False),
    ],
)
def test_only_an_answer_says_that_an_index_has_a_file(book: Book, state: str, sent: bool, holds: bool) -> None:
    ledger = book.open()
    assert (ledger.was_accepted(FILE, DIGEST), ledger.holds(FILE, DIGEST)) == (False, False)
    ledger.note(FILE, DIGEST, state)
    for again in (ledger, book.open()):
        assert (again.was_accepted(FILE, DIGEST), again.holds(FILE, DIGEST)) == (sent, holds)
        assert (again.was_accepted(FILE, OTHER), again.holds(FILE, OTHER)) == (False, False)
        refused = again.refusals({FILE: OTHER})
        assert bool(refused) == holds
        assert again.refusals({FILE: DIGEST}) == again.refusals({"demo-1.1.tar.gz": OTHER}) == ()
    assert book.lines == []


def test_a_file_that_was_sent_is_never_replaced(book: Book) -> None:
    book.sent_at("2026-11-26T12:00:00+00:00")
    assert book.open().refusals({FILE: OTHER}) == (
        f"{FILE}: it was sent on 2026-11-26T12:00:00+00:00 with sha256 aa, and is bb now; "
        "a published file is never replaced: release the next version",
    )


def test_an_answer_is_written_down_with_its_time(book: Book) -> None:
    book.open().note(FILE, DIGEST, "refused", Answer(status=400, words="no"))
    row = book.rows()[FILE]
    at = datetime.fromisoformat(str(row.pop("at")))
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert row == {"sha256": DIGEST, "state": "refused", "status": 400, "words": "no"}
    book.open().note(FILE, DIGEST, "sending")
    assert set(book.rows()[FILE]) == {"sha256", "state", "at"}


def test_it_is_a_text_that_says_whose_it_is(book: Book) -> None:
    book.open().note(FILE, DIGEST, "sending")
    text = book.path.read_text()
    assert text.endswith("\n}\n")
    assert '\n "index": "shelf"' in text
    head = {"schema": 1, "index": "shelf", "url": URL, "project": "demo", "version": "1.0"}
    assert {key: value for key, value in json.loads(text).items() if key != "files"} == head


@pytest.mark.parametrize(
    ("age", "sent"),
    [
        (timedelta(0), True),
        (SHOWN_WITHIN - timedelta(minutes=1), True),
        (SHOWN_WITHIN + timedelta(minutes=1), False),
        (-timedelta(hours=1), False),
    ],
)
def test_what_an_index_took_long_ago_and_does_not_show_is_sent_again(book: Book, age: timedelta, sent: bool) -> None:
    book.sent_at((datetime.now(UTC) - age).isoformat())
    assert book.open().was_accepted(FILE, DIGEST) == sent
    assert book.open().holds(FILE, DIGEST)


@pytest.mark.parametrize("at", ["", None, "yesterday", 7, "2026-11-26T12:00:00"])
def test_a_time_that_cannot_be_read_is_long_ago(book: Book, at: object) -> None:
    book.sent_at(at)
    assert not book.open().was_accepted(FILE, DIGEST)


def test_a_ledger_of_another_address_or_version_is_set_aside(book: Book) -> None:
    book.open().note(FILE, DIGEST, "sent")
    before = book.path.read_bytes()
    assert not book.open(url="https://other.example/").holds(FILE, DIGEST)
    name = book.path.name
    assert book.lines == [f"{name}: of another address, {URL}; kept as {name}.earlier"]
    assert (book.path.with_name(f"{name}.earlier").read_bytes(), book.path.exists()) == (before, False)
    book.open().note(FILE, DIGEST, "sent")
    assert not book.open(version="1.1").holds(FILE, DIGEST)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}', "\N{PILE OF POO}", "[" * 100_000]
)
def test_a_damaged_ledger_is_set_aside_with_a_word(book: Book, text: str) -> None:
    book.open().note(FILE, DIGEST, "sent")
    book.path.write_text(text, encoding="utf-8")
    assert not book.open().holds(FILE, DIGEST)
    name = book.path.name
    assert book.lines == [f"{name}: damaged and set aside as {name}.damaged; the index itself is asked"]
    assert book.path.with_name(f"{name}.damaged").read_text(encoding="utf-8") == text


def test_a_ledger_that_cannot_be_read_stops_the_release(book: Book) -> None:
    book.path.mkdir(parents=True)
    with pytest.raises(StepFailed, match=r"the ledger .* cannot be read \(.+\); make it readable, or move it away"):
        book.open()


@pytest.mark.skipif(os.name == "nt", reason="a file in the place of a folder is another error there")
def test_a_ledger_that_cannot_be_written_says_what_has_become_of_the_file(book: Book) -> None:
    ledger = book.open()
    book.path.parent.write_text("a file, not a folder")
    with pytest.raises(StepFailed, match=rf"{FILE}: sent, but the ledger .* cannot be written \(.+\); make"):
        ledger.note(FILE, DIGEST, "sent")
