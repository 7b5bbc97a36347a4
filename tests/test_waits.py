"""Every wait has an end: a deadline for each exchange, and two seconds after a signal, with the ledger true."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from cartwheel.destinations import http
from cartwheel.destinations.pypi_reader import listing
from cartwheel.destinations.retries import READING, Patience
from cartwheel.model.errors import StepFailed
from support import deliveries
from support.indexes import Post, Step, faulty, wheel


def silent(post: Post) -> None:
    """No answer for half a minute."""
    time.sleep(30)


def dripping(post: Post) -> None:
    """A header's byte each tenth of a second, for ever."""
    post.wfile.write(b"HTTP/1.1 200 OK\r\n")
    drip(post, b"X-Slow: ")


def dripping_body(post: Post) -> None:
    """A body's byte each tenth of a second, for ever."""
    post.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    drip(post, b"")


def drip(post: Post, start: bytes) -> None:
    try:
        post.wfile.write(start)
        for _ in range(600):
            post.wfile.write(b"x")
            post.wfile.flush()
            time.sleep(0.1)
    except OSError:
        post.close_connection = True


SLOW = {"silent": silent, "a header drips": dripping, "the body drips": dripping_body}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_an_exchange_ends_at_its_deadline(answer: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SEND_SECONDS", 0.7)
    path = wheel(tmp_path / "dist")
    with faulty(always=answer) as state:
        began = time.monotonic()
        with pytest.raises(StepFailed, match=r"(no whole answer within 1 s|timed out).*start again later"):
            deliveries.send(
                state.index, "demo", "1.0", [path], ledger=tmp_path / "ledger", environ={"TWINE_PASSWORD": "word"},
                say=lambda line: None, patience=Patience(tries=2), wait=lambda seconds: None,
            )  # fmt: skip
        assert time.monotonic() - began < 25
    assert json.loads((tmp_path / "ledger").read_bytes())["files"][path.name]["state"] == "unknown"


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_a_look_ends_at_its_deadline(answer: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.Conversation.exchange, "__kwdefaults__", {"seconds": 0.5})
    with faulty(looks=[answer]) as state:
        began = time.monotonic()
        with pytest.raises(StepFailed, match="no whole answer"):
            listing(state.index, "demo", "1.0", patience=Patience(tries=1), environ={})
        assert time.monotonic() - began < 20


def test_an_index_that_drips_is_named_while_it_is_awaited_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http, "NOTICE_SECONDS", 0.2)
    monkeypatch.setattr(http.Conversation.exchange, "__kwdefaults__", {"seconds": 1.0, "connect": 1.0})
    with faulty(looks=[dripping_body] * 3) as state:
        with pytest.raises(StepFailed, match="no whole answer within 1 s"):
            listing(state.index, "demo", "1.0", patience=replace(READING, total=0.9), environ={})
        assert len(state.looks) == 2
        host = urlsplit(state.base).netloc
    assert re.fullmatch(
        rf"waiting for the answer of {host}, until \d\d:\d\d:\d\d at the latest\n", capsys.readouterr().err
    )
    assert READING.total < http.READ_SECONDS


SENDS = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from cartwheel.process import run
from cartwheel.destinations.pypi_index import Index
from support.deliveries import send
base, ledger, *files = sys.argv[1:]
run.stop_on_signals()
print("ready", flush=True)
send(Index(name="faulty", url=base + "/upload/", simple=base + "/simple/"), "demo", "1.0", [Path(f) for f in files],
     ledger=Path(ledger), environ={{"TWINE_PASSWORD": "word"}}, say=lambda line: None)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("where", "answer", "number"),
    [
        ("upload", dripping_body, signal.SIGINT),
        *(
            pytest.param(where, answer, number, marks=pytest.mark.lab)
            for where in ("look", "upload")
            for answer in SLOW.values()
            for number in (signal.SIGINT, signal.SIGTERM)
        ),
    ],
)
def test_a_signal_ends_a_wait_within_two_seconds_and_the_ledger_is_true(
    where: str, answer: Step, number: signal.Signals, tmp_path: Path
) -> None:
    path, ledger = wheel(tmp_path / "dist"), tmp_path / "ledger"
    reached: list[float] = []

    def note(post: Post) -> None:
        reached.append(time.monotonic())
        answer(post)

    with faulty(always=note if where == "upload" else None, looks=[note] * 5 if where == "look" else []) as state:
        argv = [sys.executable, "-c", SENDS, state.base, str(ledger), str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not reached:
                assert process.poll() is None
                time.sleep(0.02)
            time.sleep(0.3)
            process.send_signal(number)
            sent = time.monotonic()
            process.wait(timeout=20)
            assert time.monotonic() - sent < 2
        assert state.files == {}
    if where == "upload":
        assert json.loads(ledger.read_bytes())["files"][path.name]["state"] == "sending"
    else:
        assert not ledger.exists()
