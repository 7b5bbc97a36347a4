"""Where the time of a run went: a trace in Chrome's format, with the chain of steps that decided its length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.files import write_atomically
from cartwheel.model.step import Step

FILE = ".cartwheel/local/trace.json"
"""The trace of the last run that did something, relative to the project."""


class Span(Struct, frozen=True, kw_only=True):
    """One step at work; times in seconds on one monotonic clock."""

    step: Step
    began: float
    ended: float
    thread: int


def critical_path(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The chain that ends with the last step to end: before each step the one that it waited for longest."""
    if not spans:
        return ()
    path = [max(spans, key=lambda span: span.ended)]
    while before := [span for span in spans if _waited_for(path[-1].step, span.step) and span is not path[-1]]:
        path.append(max(before, key=lambda span: span.ended))
        if len(path) > len(spans):
            break
    return tuple(reversed(path))


def _waited_for(step: Step, earlier: Step) -> bool:
    """Whether a step needs another one, by its files, its name or a group of its name."""
    names = any(f"{earlier.name}:".startswith(f"{name}:") for name in (*step.after, *step.follows))
    return names or bool(set(step.needs).intersection(earlier.makes))


def chrome_trace(spans: Sequence[Span]) -> dict[str, object]:
    """The run as Chrome's trace event format (chrome://tracing, Perfetto): a row for each thread, and one for the
    critical path.  Source: the Trace Event Format, read in November 2026."""
    start = min((span.began for span in spans), default=0.0)
    threads = {thread: row for row, thread in enumerate(dict.fromkeys(span.thread for span in spans), 1)}
    chain = critical_path(spans)
    rows = {0: "critical path", **{row: f"steps {row}" for row in threads.values()}}
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": {"name": name}} for row, name in rows.items()
    ]
    events += [_event(span, start, threads[span.thread]) for span in spans]
    events += [_event(span, start, 0) for span in chain]
    return {"displayTimeUnit": "ms", "traceEvents": events, "criticalPath": [span.step.name for span in chain]}


def _event(span: Span, start: float, row: int) -> dict[str, object]:
    return {
        "ph": "X", "name": span.step.name, "cat": span.step.name.split(":")[0], "pid": 1, "tid": row,
        "ts": round((span.began - start) * 1e6), "dur": round((span.ended - span.began) * 1e6),
    }  # fmt: skip


def write_trace(root: Path, spans: Sequence[Span]) -> None:
    """Write the trace of a run that did something.  A failed write is ignored: it loses a report only."""
    if not spans:
        return
    try:
        write_atomically(root / FILE, json.dumps(chrome_trace(spans)).encode(), durable=False)
    except OSError:
        pass
