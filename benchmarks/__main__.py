"""The command: measures, and prints a table of peer, ours and ratio beside the bar.

Nothing is asserted: a figure above its bar is printed as such.  The first run builds every target of the example once;
`--work DIR` keeps that for the next.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.interrupts import BAR, Ending, endings
from benchmarks.rows import BARS, BENCHMARKS, Benchmark, named
from benchmarks.scratch import Scratch, everything_built
from benchmarks.timing import CommandFailed, Times, in_turn
from benchmarks.upgrades import Notice, notices

UPGRADES = "upgrades"
INTERRUPTS = "interrupts"
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A row with what was measured."""

    row: Benchmark
    times: Times


def main(arguments: Sequence[str]) -> int:
    """The exit code: 1 where something could not be measured, however good or bad the figures."""
    options = _options(arguments)
    chosen = options.only or (BARS if options.bars else [*(row.name for row in BENCHMARKS), UPGRADES, INTERRUPTS])
    try:
        with _folder(options.work) as folder:
            scratch = Scratch(folder=Path(folder).resolve(), tell=_progress)
            results, found = measured(chosen, options.pairs, scratch)
            ended = _interrupted(options.pairs or 7, scratch) if INTERRUPTS in chosen else ()
    except CommandFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    sys.stdout.write(f"{_machine()}\n\n{as_text(results, found, ended)}")
    if options.json:
        options.json.write_text(json.dumps(as_document(results, found, ended), indent=2) + "\n")
    return 0


def measured(
    chosen: Iterable[str], pairs: int | None, scratch: Scratch
) -> tuple[tuple[Result, ...], tuple[Notice, ...]]:
    """Set up and measure the chosen rows, one after another."""
    names = tuple(chosen)
    results: list[Result] = []
    found: tuple[Notice, ...] = ()
    ready: set[Callable[[Scratch], None]] = set()
    for row in named(names):
        _set_up(row.setup, ready, scratch)
        scratch.tell(f"{row.name}: {row.about}")
        tell = _indented(scratch.tell)
        peer = row.peer(scratch) if row.peer else None
        times = in_turn(peer, row.ours(scratch), pairs=pairs or row.pairs, warm_up=row.warm_up, tell=tell)
        results.append(Result(row=row, times=times))
    if UPGRADES in names:
        _set_up(everything_built, ready, scratch)
        scratch.tell(f"{UPGRADES}: doit plan after a tool claims another version")
        found = notices(scratch)
    return tuple(results), found


def _interrupted(times: int, scratch: Scratch) -> tuple[Ending, ...]:
    scratch.tell(f"{INTERRUPTS}: Ctrl-C in the middle of compiling two targets")
    return endings(scratch, times)


def _set_up(setup: Callable[[Scratch], None], ready: set[Callable[[Scratch], None]], scratch: Scratch) -> None:
    if setup not in ready:
        setup(scratch)
        ready.add(setup)


def as_text(results: Iterable[Result], found: Iterable[Notice], ended: Sequence[Ending]) -> str:
    """The tables for people."""
    rows = [("benchmark", "peer: median (min-max)", "ours: median (min-max)", "CPU: peer / ours", "ours / peer")]
    rows += [(r.row.name, _spread(r.times.peer), _spread(r.times.ours), _cpu(r), _verdict(r)) for r in results]
    text = _table(rows) if len(rows) > 1 else ""
    words = {r.row.name: r.row.about for r in results}
    text += "".join(f"\n{name}: {about}" for name, about in words.items()) + ("\n" if words else "")
    text += _LIMIT if words else ""
    noticed = [("upgrade of", "noticed by a graph with nothing to do")]
    noticed += [(n.tool, f"yes, by {n.tasks} tasks: {n.words}" if n.words else "NO") for n in found]
    text += "\n" + _table(noticed) if len(noticed) > 1 else ""
    if ended:
        last = [e.empty for e in ended]
        verdict = "within" if max(last) <= BAR else "ABOVE"
        text += (
            f"\nafter Ctrl-C doit ends in {_spread([e.ended for e in ended])}, "
            f"the last process in {_spread(last)}  (bar {BAR:.0f} s) {verdict}\n"
        )
    return text


_LIMIT = "limit: the figure if our CPU seconds were spread over all processors without a gap\n"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    unit, scale, digits = ("s", 1, 2) if median(seconds) >= 2 else ("ms", 1000, 0)
    middle, low, high = (f"{value * scale:.{digits}f}" for value in (median(seconds), min(seconds), max(seconds)))
    return f"{middle} {unit} ({low}-{high})"


def _cpu(result: Result) -> str:
    """Processor seconds of the peer and of ours."""
    sides = (result.times.peer_cpu, result.times.ours_cpu)
    return " / ".join(f"{median(side):.1f}" for side in sides if side) + " s"


def _verdict(result: Result) -> str:
    figure, bar = result.times.figure, result.row.bar
    unit, digits, turns = ("", 2 if bar > 0.01 else 4, "pairs") if result.row.peer else (" s", 1, "runs")
    verdict = "within" if figure <= bar else "ABOVE"
    if figure > bar and median(result.times.ours_cpu) > median(result.times.ours):  # it runs in parallel
        verdict += f", limit {result.times.limit(os.cpu_count() or 1):.{digits}f}{unit}"
    return f"{figure:.{digits}f}{unit}  (bar {bar:.{digits}f}{unit}) {verdict}  {len(result.times.ours)} {turns}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def as_document(results: Iterable[Result], found: Iterable[Notice], ended: Iterable[Ending]) -> dict[str, Any]:
    """The JSON form, schema 1; times are seconds, in the order in which they were measured."""
    rows = [
        {
            "name": r.row.name,
            "about": r.row.about,
            "bar": r.row.bar,
            "figure": round(r.times.figure, 4),
            "within": r.times.figure <= r.row.bar,
            "limit": round(r.times.limit(os.cpu_count() or 1), 4),
            "peer": [round(s, 4) for s in r.times.peer],
            "ours": [round(s, 4) for s in r.times.ours],
            "peer_cpu": [round(s, 4) for s in r.times.peer_cpu],
            "ours_cpu": [round(s, 4) for s in r.times.ours_cpu],
        }
        for r in results
    ]
    return {
        "schema": 1,
        "machine": _machine(),
        "benchmarks": rows,
        "upgrades": [asdict(n) for n in found],
        "interrupts": [asdict(e) for e in ended],
    }


def _machine() -> str:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors{load}, {python}"


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _indented(tell: Tell) -> Tell:
    return lambda text: tell(f"  {text}")


def _folder(work: Path | None) -> AbstractContextManager[str | Path]:
    if work is None:
        return tempfile.TemporaryDirectory(prefix="cartwheel-benchmarks-", ignore_cleanup_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    return nullcontext(work)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times of cartwheel against its peers.")
    names = [*(row.name for row in BENCHMARKS), UPGRADES, INTERRUPTS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--bars", action="store_true", help="builds of three projects, and doit list; 20 minutes")
    parser.add_argument("--pairs", type=_positive, metavar="N", help="how often each side runs, warm-up aside")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every time to FILE as well")
    parser.add_argument("--work", type=Path, metavar="DIR", help="build in DIR and keep it for the next run")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
