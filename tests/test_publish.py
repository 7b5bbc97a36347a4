"""Publishing: settled as a whole, sent once each, and resumed after whatever happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.destinations.protocol import in_order
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import digests_on_index
from cartwheel.destinations.retries import Patience, pause
from cartwheel.destinations.settlement import Conflict, Settlement, conflict_lines, settle, too_late
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.gate import current_sha256
from cartwheel.model.errors import StepFailed
from cartwheel.stand_ins.pypi import LoopbackIndex
from support import deliveries as publish
from support.indexes import Faulty, faulty, sdist, sha256, wheel

ENVIRON = {"TWINE_PASSWORD": "s3cr3t"}
NAMES = (
    "demo-1.0-cp311-abi3-win_amd64.whl",
    "demo-1.0-cp311-abi3-macosx_11_0_arm64.whl",
    "demo-1.0-py3-none-any.whl",
)


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, ...]:
    return (sdist(tmp_path / "dist"), *(wheel(tmp_path / "dist", name) for name in NAMES))


class Run:
    """One run of publish against one index, with what it said and how long it waited."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.json"
        self.lines: list[str] = []
        self.slept: list[float] = []

    def __call__(self, index: Index, files: tuple[Path, ...]) -> tuple[str, ...]:
        return publish.send(
            index,
            "demo",
            "1.0",
            files,
            ledger=self.ledger,
            environ=ENVIRON,
            say=self.lines.append,
            wait=self.slept.append,
        )

    def states(self) -> dict[str, str]:
        return {file: row["state"] for file, row in json.loads(self.ledger.read_bytes())["files"].items()}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def published(state: Faulty, release: tuple[Path, ...]) -> bool:
    return state.files == {path.name: path.read_bytes() for path in release}


# Deciding ------------------------------------------------------------------------------------------------------------


def test_wheels_for_a_platform_go_first_and_the_sdist_last() -> None:
    assert in_order(["d-1.tar.gz", "d-1-py3-none-any.whl", "d-1-cp311-abi3-win32.whl"]) == (
        "d-1-cp311-abi3-win32.whl",
        "d-1-py3-none-any.whl",
        "d-1.tar.gz",
    )


def test_each_file_is_sent_skipped_or_in_conflict() -> None:
    planned = {"a.whl": "1", "b.whl": "2", "c.whl": "3", "d.whl": "4"}
    held = {"b.whl": "2", "c.whl": "x", "d.whl": "", "e.whl": "5"}
    assert settle(planned, held) == Settlement(
        send=("a.whl",),
        skip=("b.whl",),
        conflicts=(Conflict(file="c.whl", ours="3", theirs="x"),),
        unknown=("d.whl",),
        foreign=("e.whl",),
    )


def test_what_refuses_a_release_is_said_with_both_digests_and_what_to_do() -> None:
    lines = conflict_lines(settle({"c.whl": "3", "d.whl": "4"}, {"c.whl": "x", "d.whl": "", "e.whl": "5"}), "house")
    assert "ours sha256 3, theirs x" in lines[0]
    assert "release the next version" in lines[0]
    assert "gives no digest" in lines[1]
    assert "the plan has not" in lines[2]


def test_waiting_grows_and_never_ends_before_the_index_says() -> None:
    patience = Patience(base=2, longest=20)
    assert [pause(n, 0, patience) for n in range(1, 6)] == [2, 4, 8, 16, 20]
    assert pause(1, 90, patience) == 90
    assert pause(4, 3, patience) == 16


# Sending -------------------------------------------------------------------------------------------------------------


def test_a_release_is_sent_in_order_and_a_second_run_sends_nothing(release: tuple[Path, ...], run: Run) -> None:
    with faulty() as state:
        sent = run(state.index, release)
        assert sent == tuple(state.posts)
        assert state.posts[-1].endswith(".tar.gz")
        assert state.posts[-2].endswith("-any.whl")
        assert published(state, release)
        assert set(run.states().values()) == {"sent"}
        assert run(state.index, release) == ()
        assert len(state.posts) == 4


def test_a_real_index_takes_a_release_once(tmp_path: Path, release: tuple[Path, ...], run: Run) -> None:
    with LoopbackIndex(tmp_path / "index") as loopback:
        assert len(run(publish.index_of(loopback), release)) == 4
        run.ledger.unlink()
        assert run(publish.index_of(loopback), release) == ()
        assert digests_on_index(publish.index_of(loopback), "demo", "1.0") == {
            p.name: sha256(p.read_bytes()) for p in release
        }
        other = wheel(tmp_path / "other", NAMES[2], files={"demo/more.py": ""})
        with pytest.raises(StepFailed, match=f"theirs {sha256(release[3].read_bytes())}"):
            run(publish.index_of(loopback), (*release[:3], other))


def test_files_that_are_not_the_checked_ones_are_not_sent(release: tuple[Path, ...], run: Run) -> None:
    with faulty() as state:
        with pytest.raises(StepFailed, match="not the ones that were checked"):
            publish.send(
                state.index,
                "demo",
                "1.0",
                release,
                ledger=run.ledger,
                environ=ENVIRON,
                say=run.lines.append,
                expected={**{p.name: sha256(p.read_bytes()) for p in release}, release[0].name: "0" * 64},
            )
        assert state.posts == []


def test_what_was_sent_and_is_not_listed_yet_is_not_sent_again(release: tuple[Path, ...], run: Run) -> None:
    with faulty() as state:
        run(state.index, release)
        state.unlisted = 1
        assert run(state.index, release) == ()
        assert len(state.posts) == 4


def test_what_was_sent_with_other_bytes_is_refused_even_if_it_is_not_listed_yet(
    tmp_path: Path, release: tuple[Path, ...], run: Run
) -> None:
    with faulty() as state:
        run(state.index, release)
        state.unlisted = 1
        wheel(tmp_path / "dist", NAMES[0], files={"demo/more.py": ""})
        with pytest.raises(StepFailed, match=r"it was sent on .* and is .* now"):
            run(state.index, release)


def test_a_ledger_of_another_address_counts_for_nothing(release: tuple[Path, ...], run: Run) -> None:
    with faulty() as one:
        run(one.index, release)
    with faulty() as two:
        assert len(run(two.index, release)) == 4
    assert run.ledger.with_name("ledger.json.earlier").is_file()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": 3}', b"\xff"])
def test_a_damaged_ledger_is_set_aside_and_the_index_asked(release: tuple[Path, ...], run: Run, damage: bytes) -> None:
    with faulty(files={release[0].name: release[0].read_bytes()}) as state:
        run.ledger.write_bytes(damage)
        assert len(run(state.index, release)) == 3
        assert run.ledger.with_name("ledger.json.damaged").read_bytes() == damage
        assert "set aside" in run.lines[0]


def test_pypi_s_window_of_fourteen_days_stops_a_late_file(release: tuple[Path, ...]) -> None:
    old = (datetime.now(UTC) - timedelta(days=15)).isoformat()
    planned = {path.name: sha256(path.read_bytes()) for path in release}
    with faulty(files={release[0].name: release[0].read_bytes()}, uploaded=old) as state:
        assert publish.look(state.index, "demo", "1.0", planned).wrong == ()
        refused = publish.look(replace(state.index, public=True), "demo", "1.0", planned).wrong
        assert "takes no file after 14 days" in refused[0]
    assert too_late((), datetime.now(UTC)) == ()


def test_the_gate_reads_a_file_again_only_if_it_was_written_since_the_run_digested_it(tmp_path: Path) -> None:
    path = tmp_path / "demo.whl"
    path.write_bytes(b"checked")
    path.chmod(0o755)  # the executable bit is part of the digest in records, and not of a SHA-256
    snapshot = DiskSnapshot(tmp_path, {}, lambda name, snapshot: "")
    snapshot.digest(path.name)
    assert current_sha256(path.name, snapshot) == current_sha256(path.name, snapshot) == sha256(path.read_bytes())
    assert snapshot.files.reads == 1
    path.write_bytes(b"changed after the check")
    assert current_sha256(path.name, snapshot) == sha256(path.read_bytes())
