"""The state: what is done again and why, and what a kill leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import psutil
import pytest
from filelock import lock_descriptor

from cartwheel.filesystem.digests import Digests, sha256_of
from cartwheel.filesystem.snapshot import AnswerCache
from cartwheel.model.errors import StepFailed
from cartwheel.process.run_lock import RunLock
from cartwheel.process.step_log import StepLog
from support.graph import Graph
from support.processes import wait_for

BOTH = {"one": "common\none\n", "two": "common\ntwo\n"}


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """A fresh project of plain steps."""
    return Graph(tmp_path / "project")


def left_behind(root: Path) -> list[str]:
    """Command lines of processes that still work in the project."""
    commands = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(root) and process.pid != os.getpid():
            commands.append(" ".join(process.info["cmdline"] or []))
    return commands


def test_the_second_run_does_nothing(graph: Graph) -> None:
    graph.doit()
    assert graph.outputs() == BOTH
    assert graph.ran() == ["build-one", "build-two", "repair-one", "repair-two"]
    assert "4 up to date" in graph.doit()
    assert graph.ran() == []


def test_what_a_step_reads_makes_it_run_again(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    graph.write("src/common.txt", "other\n")
    assert "src/common.txt changed" in graph.doit("plan")
    graph.doit()
    assert graph.outputs()["one"] == "other\none\n"
    assert graph.ran() == ["build-one", "build-two", "repair-one", "repair-two"]


def test_a_step_whose_input_came_out_the_same_does_not_run(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    graph.write("src/common.txt", "# said in passing\ncommon\n")
    assert "repair:one  build:one runs, and what it makes may change" in graph.doit("plan")
    graph.doit()
    assert graph.ran() == ["build-one", "build-two"]


def test_a_new_time_alone_is_no_change(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    for path in (graph.root / "src").iterdir():
        os.utime(path, (1, 1))
    assert "4 up to date" in graph.doit()


def test_an_edit_within_the_same_second_and_size_is_a_change(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    path = graph.root / "src" / "one.txt"
    stat = path.stat()
    path.write_text("eno\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    graph.doit()
    assert graph.outputs()["one"] == "common\neno\n"


@pytest.mark.parametrize("damage", ["edited", "deleted"])
def test_an_output_that_was_touched_by_hand_is_made_again(graph: Graph, damage: str) -> None:
    graph.doit()
    graph.ran()
    path = graph.root / "dist" / "one"
    path.write_text("mine") if damage == "edited" else path.unlink()
    reason = "dist/one edited since it was made" if damage == "edited" else "dist/one is missing"
    assert reason in graph.doit("plan")
    graph.doit()
    assert graph.outputs() == BOTH
    assert graph.ran() == ["repair-one"]


def test_a_changed_setting_is_a_reason(graph: Graph) -> None:
    graph.doit()
    assert "profile release → dev" in graph.doit("plan", env={"PROFILE": "dev"})


def test_plan_changes_no_file(graph: Graph) -> None:
    graph.doit("build:one")
    before = {p: p.stat().st_mtime_ns for p in graph.root.rglob("*") if "__pycache__" not in p.parts}
    graph.doit("plan")
    assert {p: p.stat().st_mtime_ns for p in graph.root.rglob("*") if "__pycache__" not in p.parts} == before


def test_a_file_edited_while_its_step_runs_leaves_the_step_stale(graph: Graph) -> None:
    process = graph.start("build:one", env={"SLOW": "1"})
    wait_for(lambda: (graph.root / "ran.log").exists())
    graph.write("src/one.txt", "late\n")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert "src/one.txt was edited while it was read" in graph.doit("plan", "build:one")
    graph.doit()
    assert graph.outputs()["one"] == "common\nlate\n"


def test_a_file_that_was_other_while_its_step_ran_is_read_again_though_it_is_as_it_was(graph: Graph) -> None:
    process = graph.start("build:one", env={"SLOW": "1"})
    wait_for(lambda: (graph.root / "ran.log").exists())
    graph.write("src/one.txt", "late\n")
    graph.write("src/one.txt", "one\n")
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert "src/one.txt was edited while it was read" in graph.doit("plan", "build:one")


def test_a_step_that_writes_what_it_reads_settles(graph: Graph) -> None:
    graph.write("src/made.txt", "made\n")
    rewriting = {"REWRITES": "src/made.txt"}
    graph.doit("build:one", env=rewriting)
    assert "src/made.txt was edited while it was read" in graph.doit("plan", "build:one")
    graph.doit("build:one", env=rewriting)
    assert "0 of 1 tasks would run" in graph.doit("plan", "build:one")
    graph.write("src/one.txt", "other\n")
    graph.doit("build:one", env=rewriting)
    assert "0 of 1 tasks would run" in graph.doit("plan", "build:one")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("stop", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
def test_a_killed_run_keeps_what_was_finished_and_leaves_no_process(graph: Graph, stop: str) -> None:
    number = signal.Signals[stop]
    graph.doit("build:one")
    graph.ran()
    process = graph.start(env={"SLOW": "30"})
    wait_for(lambda: (graph.root / "ran.log").exists())
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode != 0
    wait_for(lambda: not left_behind(graph.root), seconds=5)
    assert not (graph.root / "dist").exists()
    graph.ran()
    graph.doit()
    assert graph.outputs() == BOTH
    assert graph.ran() == ["build-two", "repair-one", "repair-two"]


def test_two_runs_at_once_do_each_step_once(graph: Graph) -> None:
    first = graph.start(env={"SLOW": "1"})
    wait_for(lambda: (graph.root / "ran.log").exists())
    second = graph.start()
    out, err = second.communicate(timeout=60)
    first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), out + err
    assert f"waiting for the run of process {first.pid}" in out
    assert graph.outputs() == BOTH
    assert graph.ran() == ["build-one", "build-two", "repair-one", "repair-two"]


@pytest.mark.skipif(os.name == "nt", reason="the lock of POSIX")
def test_what_the_run_that_was_waited_for_made_stale_is_not_built_upon(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    (graph.root / "dist" / "two").unlink()
    with (graph.root / ".cartwheel" / "local" / "lock").open("r+") as lock:
        assert lock_descriptor(lock.fileno(), blocking=False)
        process = graph.start("repair:two")
        assert process.stdout
        assert "waiting for the run of" in process.stdout.readline()
        graph.write("src/two.txt", "as another run would\n")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "build:two was up to date until the run that was waited for (src/two.txt changed); run again" in out
    assert graph.ran() == []
    graph.doit()
    assert graph.outputs()["two"] == "common\nas another run would\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody remove a file that is open")
def test_who_waited_for_a_lock_that_was_removed_takes_the_one_that_all_others_see(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second, third = (RunLock(path) for _ in range(3))
    waits = threading.Event()
    first.take(lambda who: None)
    threads = [threading.Thread(target=lock.take, args=(lambda who: waits.set(),)) for lock in (second, third)]
    threads[0].start()
    assert waits.wait(20)
    path.unlink()
    threads[1].start()
    wait_for(lambda: second.held or third.held)
    os.close(first._held)
    time.sleep(0.3)
    assert second.held != third.held, "both would be at work"
    os.close(second._held if second.held else third._held)
    for thread in threads:
        thread.join(20)
    assert second.held
    assert third.held


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_command_whose_minder_is_killed_ends_with_it(graph: Graph) -> None:
    process = graph.start("build:one", env={"SLOW": "30"})
    wait_for(lambda: (graph.root / "ran.log").exists())
    (minder,) = (child for child in psutil.Process(process.pid).children() if "shim.py" in " ".join(child.cmdline()))
    minder.kill()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "failed with exit code -9" in out
    assert not left_behind(graph.root)


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
@pytest.mark.parametrize("code", [0, 3])
def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path, code: int) -> None:
    log = StepLog(tmp_path / "log", shown_as="log")
    line = ("sh", "-c", f"sleep 600 & exit {code}")
    with pytest.raises(StepFailed, match="exit code 3") if code else nullcontext():
        log.run(line, cwd=tmp_path, env=dict(os.environ))
    assert not left_behind(tmp_path)


def test_a_file_written_twice_within_a_tick_of_the_clock_is_not_mistaken(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for number in range(50):
        path.write_bytes(b"a%02d" % number)
        digests = Digests(tmp_path / "memory", tmp_path)
        digests("file")
        digests.save()
        path.write_bytes(b"b%02d" % number)
        assert Digests(tmp_path / "memory", tmp_path)("file") == sha256_of(path)


def test_a_file_whose_time_is_not_yet_over_is_read_again_by_the_next_run(tmp_path: Path) -> None:
    """Where the kernel's file times tick slowly (Linux before 6.13), another write could have got the same."""
    (tmp_path / "file").write_bytes(b"content")
    os.utime(tmp_path / "file", (time.time() + 60, time.time() + 60))
    for _ in range(2):
        digests = Digests(tmp_path / "memory", tmp_path)
        assert digests("file") == digests.digest_now("file")
        digests.save()
        assert digests.reads == 1


def test_a_file_that_has_settled_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    wait_for(lambda: time.time() - path.stat().st_ctime > 0.1)
    for reads in (1, 0, 0):
        digests = Digests(tmp_path / "memory", tmp_path)
        assert digests("file") == digests.digest_now("file")
        digests.save()
        assert digests.reads == reads


class _SlowToRead:
    """A memory's file whose reading takes so long that a second thread comes meanwhile."""

    def read_bytes(self) -> bytes:
        time.sleep(0.1)
        return b"{}"


def test_threads_that_look_first_at_the_same_moment_share_what_they_see(tmp_path: Path) -> None:
    """Were one's notes lost, its sources would count as edited meanwhile, and all would be built again."""
    names = ["one", "two", "three"]
    for name in names:
        (tmp_path / name).write_text(name)
    digests = Digests(cast(Path, _SlowToRead()), tmp_path)
    answers = AnswerCache(cast(Path, _SlowToRead()))
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(digests, names))
        list(threads.map(lambda name: answers(name, lambda: {"answer": name}), names))
    assert not [name for name in names if digests.moved(name)]
    assert [answers(name, lambda: {"answer": "lost"}) for name in names] == [{"answer": name} for name in names]


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 1}', '{"schema": 99}', "[]", "\x00\xff"])
def test_a_damaged_record_costs_one_step_and_one_warning(graph: Graph, damage: str) -> None:
    graph.doit()
    graph.ran()
    graph.write(".cartwheel/records/build/one.json", damage)
    output = graph.doit()
    assert output.count("warning: the record of build:one is not used") == 1
    assert graph.ran() == ["build-one"]
    assert "4 up to date" in graph.doit()


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_lost_list_of_inputs_costs_its_steps_once(graph: Graph, damage: str) -> None:
    graph.doit()
    graph.ran()
    for path in (graph.root / ".cartwheel" / "records" / "listings").iterdir():
        path.unlink() if damage == "gone" else path.write_bytes(b"?" * path.stat().st_size)
    assert f"its list of inputs is {damage}" in graph.doit()
    assert "4 up to date" in graph.doit()


def test_a_projects_own_task_is_remembered_too(graph: Graph) -> None:
    graph.doit("own")
    graph.doit("own")
    assert (graph.root / "own.log").read_text() == "own\n"
    graph.write("src/common.txt", "changed, and longer\n")
    graph.doit("own")
    assert (graph.root / "own.log").read_text() == "own\nown\n"


def test_no_file_is_read_twice_in_a_run(graph: Graph) -> None:
    """Four steps share three sources; a raw file is made by one and needed by another."""
    text = (graph.root / "dodo.py").read_text()
    line = 'import atexit; atexit.register(lambda: print(wheels.context.snapshot.files.reads, "files read"))\n'
    graph.write("dodo.py", text + line)
    graph.doit()
    shutil.rmtree(graph.root / ".cartwheel" / "local")
    assert "7 files read" in graph.doit(), "three sources, two raw files, two finished ones"
    assert "0 files read" in graph.doit()


def test_what_a_projects_own_task_writes_is_seen_by_the_steps_after_it(graph: Graph) -> None:
    """`build:one` has had the digest of the file taken when the task writes it; `build:two` comes after."""
    text = (graph.root / "dodo.py").read_text()
    text = text.replace(
        'needs=(raw,), makes=(done,), after=(f"build:{name}",),',
        'needs=(raw,), makes=(done,), after=(f"build:{name}", *(("write",) if name == "two" else ())),',
    )
    text = text.replace(
        'yield Step(name=f"build:{name}", doc=name,',
        'yield Step(name=f"build:{name}", doc=name, after=("write",) if name == "two" else (),',
    )
    graph.write(
        "dodo.py",
        text
        + """

def task_write():
    return {"actions": ["cp next.txt src/common.txt"], "task_dep": ["build:one"]}
""",
    )
    graph.write("next.txt", "common\n")
    graph.doit()
    graph.write("next.txt", "written\n")
    graph.doit()
    assert "written" in graph.outputs()["two"]


def test_forget_makes_a_step_run_again(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    graph.doit("forget", "build:one")
    graph.doit()
    assert graph.ran() == ["build-one"]


def test_a_step_cannot_be_ignored(graph: Graph) -> None:
    output = graph.doit("ignore", "build:one", code=3)
    assert "build:one cannot be ignored" in output
    assert "Traceback" not in output


def test_reset_dep_forges_no_record(graph: Graph) -> None:
    graph.doit("reset-dep")
    assert "never done here" in graph.doit("plan")


def test_clean_removes_what_its_tasks_made_and_their_records(graph: Graph) -> None:
    graph.doit()
    assert "would remove dist/one" in graph.doit("clean", "-n", "repair:one")
    assert graph.outputs() == BOTH
    graph.doit("clean", "repair:one")
    assert list(graph.outputs()) == ["two"]
    assert "repair:one  never done here" in graph.doit("plan")


def test_a_failed_step_is_told_in_words_with_its_log(graph: Graph) -> None:
    (graph.root / "src" / "one.txt").unlink()
    output = graph.doit(code=1)
    assert "FAIL  build:one" in output
    assert "the whole of it is in .cartwheel/logs/build-one.log" in output


def test_a_failure_leaves_the_record_of_what_comes_after_it(graph: Graph) -> None:
    graph.doit()
    graph.ran()
    good = (graph.root / "src" / "one.txt").read_text()
    (graph.root / "src" / "one.txt").unlink()
    graph.doit("-c", code=2)
    graph.write("src/one.txt", good)
    graph.ran()
    graph.doit()
    assert graph.outputs() == BOTH
    assert graph.ran() == ["build-one", "build-two"], "both read the folder; what repair made has stayed good"


@pytest.mark.parametrize("threads", ["1", "3"])
def test_logs_of_steps_do_not_mix(graph: Graph, threads: str) -> None:
    graph.doit("-n", threads)
    for name in ("build-one", "build-two", "repair-one", "repair-two"):
        text = (graph.root / ".cartwheel" / "logs" / f"{name}.log").read_text()
        assert text.count("$ ") == 1
        assert name in text


def test_records_hold_no_absolute_path_of_the_project(graph: Graph) -> None:
    graph.doit()
    for path in (graph.root / ".cartwheel" / "records").rglob("*.json"):
        assert str(graph.root) not in path.read_text()


def test_a_pattern_that_selects_nothing_is_a_mistake(graph: Graph) -> None:
    output = graph.doit("build:*typo*", code=3)
    assert "'build:*typo*' selects no task" in output
    assert "Traceback" not in output
