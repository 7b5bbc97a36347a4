"""Ctrl-C and SIGTERM end a run within two seconds wherever it waits; a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")

START = """
import os, signal, socket, sys, threading, time
from pathlib import Path
from cartwheel.process import run
run.stop_on_signals()
here = Path(sys.argv[1])
"""

READY = "(here / 'ready').touch()\n"

WAITS = {
    "in a file that is none": READY + "open(here / 'pipe')\n",
    "in a file that is none, beside": "import threading\n"
    "t = threading.Thread(target=lambda: open(here / 'pipe')); t.start()\n" + READY + "t.join()\n",
    "for a network": "server = socket.create_server(('127.0.0.1', 0))\n"
    "client = socket.create_connection(server.getsockname())\n" + READY + "client.recv(1)\n",
    "for a lock": "from cartwheel.process.run_lock import RunLock\nimport fcntl\n"
    "held = open(here / 'lock', 'w'); fcntl.flock(held, fcntl.LOCK_EX)\n"
    + READY + "RunLock(here / 'lock').take(lambda who: None)\n",
    "for what the signal needs to stop the run": READY + "with run.STOP._cond: time.sleep(1)\ntime.sleep(600)\n",
    "where no handler in Python is called": READY + "signal.pthread_sigmask(0, {2, 15})\n"
    "t = threading.Thread(target=lambda: (signal.pthread_sigmask(1, {2, 15}), time.sleep(600)))\nt.start(); t.join()\n",
    "for a quick query": READY + "run.capture(('sleep', '600'), cwd=here, env=dict(os.environ))\n",
    "for a command that ignores signals": READY
    + "run.show(('sh', '-c', 'trap \\\"\\\" TERM INT; while :; do sleep 1; done'), cwd=here, env=dict(os.environ))\n",
}  # fmt: skip


def started(tmp_path: Path, body: str) -> subprocess.Popen[bytes]:
    """A process that waits for ever, in a new session."""
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [sys.executable, "-c", START + body, str(tmp_path)], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    time.sleep(0.3)  # it is about to wait
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.lab)])
@pytest.mark.parametrize("wait", WAITS)
def test_a_run_ends_within_two_seconds_wherever_it_waits(tmp_path: Path, wait: str, number: signal.Signals) -> None:
    process = started(tmp_path, WAITS[wait])
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.communicate(timeout=10)  # the run itself takes 1.8 s at most; the rest is for a busy machine
    _, alive = psutil.wait_procs(children, timeout=5)
    assert (process.returncode > 0, alive) == (True, [])


def test_a_second_interrupt_ends_it_at_once_and_one_that_is_delivered_twice_is_one(tmp_path: Path) -> None:
    process = started(tmp_path, "run._LAST, run._GRACE = 60, 60\n" + WAITS["in a file that is none"])
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=10)
    assert process.returncode == 130
    assert error == b"\nstopping (SIGINT)\nended at once; what had finished is recorded\n"


def test_a_run_that_ends_before_its_signal_is_named_waits_for_that_line(tmp_path: Path) -> None:
    late = "tell = run._tell\nrun._tell = lambda text: (time.sleep(0.4), tell(text))\n"
    process = started(tmp_path, late + READY + "run.STOP.wait()\nraise SystemExit(run.stop_code())\n")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=10)
    assert (process.returncode, error) == (130, b"\nstopping (SIGINT)\n")
