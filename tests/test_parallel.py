"""Steps run in parallel unless a number says otherwise, and a failure or a signal starts nothing more."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from support.graph import Graph

SLOW = {"SLOW": "1.5"}


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """A project of plain steps with a log of who works when."""
    graph = Graph(tmp_path / "graph")
    dodo = graph.root / "dodo.py"
    text = dodo.read_text()
    text = text.replace("time.sleep(float(seconds))", 'log("starts"); time.sleep(float(seconds)); log("ends")')
    text = text.replace(
        "path = pathlib.Path(out)\n",
        'path = pathlib.Path(out)\ndef log(what): pathlib.Path("work.log").open("a").write(f"{what}\\\\n")\n',
    )
    text = text.replace('for name in ("one", "two"):', 'for name in os.environ.get("NAMES", "one two").split():')
    dodo.write_text(text)
    return graph


def most_at_once(graph: Graph) -> int:
    """How many compilers worked at the same time since the start."""
    most = at_work = 0
    for line in (graph.root / "work.log").read_text().split():
        at_work += 1 if line == "starts" else -1
        most = max(most, at_work)
    return most


@pytest.mark.parametrize(
    ("arguments", "most"),
    [(("build",), 2), (("-n", "2", "build"), 2), (("-n", "1", "build"), 1), (("build", "own"), 1)],
    ids=["by default", "with a number", "in turn", "with a task of the project's own"],
)
def test_steps_run_in_parallel_unless_they_are_to_run_in_turn(
    graph: Graph, arguments: tuple[str, ...], most: int
) -> None:
    graph.doit(*arguments, env=SLOW)
    assert most_at_once(graph) == most
    assert "2 up to date" in graph.doit("build")


def test_a_number_in_the_configuration_of_dodo_py_counts(graph: Graph) -> None:
    dodo = graph.root / "dodo.py"
    dodo.write_text(dodo.read_text().replace('"default_tasks"', '"num_process": 1, "default_tasks"'))
    graph.doit("build", env=SLOW)
    assert most_at_once(graph) == 1


NAMES = [f"n{number}" for number in range(20)]


def test_after_a_failure_no_step_starts_that_waited_for_a_slot(graph: Graph) -> None:
    for name in NAMES[1:]:
        graph.write(f"src/{name}.txt", name)
    output = graph.doit("build", env={**SLOW, "NAMES": " ".join(NAMES)}, code=1)
    assert output.count("FAIL  build:n0") == 1, "the source of n0 is missing"
    assert len(graph.ran()) < 16
    assert "1 failed" in output.splitlines()[-1]


def test_with_continue_every_other_step_is_done(graph: Graph) -> None:
    for name in NAMES[1:4]:
        graph.write(f"src/{name}.txt", name)
    output = graph.doit("-c", "build", env={"NAMES": " ".join(NAMES[:4])}, code=2)
    assert "3 done, 1 failed" in output.splitlines()[-1]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_tells_of_the_steps_that_worked_and_starts_none_that_waited(graph: Graph) -> None:
    for name in NAMES:
        graph.write(f"src/{name}.txt", name)
    process = graph.start("build", env={"SLOW": "30", "NAMES": " ".join(NAMES)})
    deadline = time.monotonic() + 30
    while not (graph.root / "work.log").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode
    assert "Traceback" not in out + err
    assert 0 < out.count("interrupted") < len(NAMES) / 2


def test_lines_do_not_mix(graph: Graph) -> None:
    for name in NAMES:
        graph.write(f"src/{name}.txt", name)
    output = graph.doit("build", "repair", env={"NAMES": " ".join(NAMES)})
    lines = [line for line in output.splitlines() if line.startswith("  ok")]
    names = [line.split()[1] for line in lines]
    assert sorted(names) == sorted(f"{stage}:{name}" for stage in ("build", "repair") for name in NAMES)
    assert all(names.index(f"build:{name}") < names.index(f"repair:{name}") for name in NAMES)


def test_doctor_tells_how_much_runs_at_once(graph: Graph) -> None:
    output = json.loads(graph.doit("doctor", "--json"))["parallel"]
    assert 1 <= output["wheels"] <= 4 * output["processors"]
    assert f"up to {output['wheels']} wheels" in graph.doit("doctor") or output["memory"]


def test_a_run_leaves_a_trace_with_its_critical_path(graph: Graph) -> None:
    graph.doit("repair", env={"SLOW": "0.3"})
    trace = json.loads((graph.root / ".cartwheel" / "local" / "trace.json").read_bytes())
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    names = [event["name"] for event in events if event["tid"]]
    assert sorted(names) == ["build:one", "build:two", "repair:one", "repair:two"]
    first, last = trace["criticalPath"]
    assert (first.split(":")[0], last.split(":")[0], first[-3:]) == ("build", "repair", last[-3:])
    assert all(event["dur"] >= 300_000 for event in events)
    graph.doit("repair")
    assert json.loads((graph.root / ".cartwheel" / "local" / "trace.json").read_bytes()) == trace, "nothing was done"
