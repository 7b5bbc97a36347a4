"""`doit doctor`: shows what can be built here, what is missing, and the exact command that fixes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from doit.exceptions import InvalidCommand
from msgspec import Struct
from msgspec.structs import asdict

from cartwheel import toolchain
from cartwheel.backends import pep517
from cartwheel.clean_action import CLEAN_CARGO
from cartwheel.commands.doctor_release import as_text as releases_as_text
from cartwheel.commands.doctor_release import release_readiness
from cartwheel.commands.options import AS_JSON, WordsAndOptions, flag
from cartwheel.commands.plan import context_of
from cartwheel.inputs.sources import CompiledSources
from cartwheel.machine.host import Host, this_machine
from cartwheel.machine.interpreters import NoInterpreter, cannot_run, reasons
from cartwheel.model.config.values import runner_text
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels import outside_facts, test_plan
from cartwheel.model.wheels.target import ANY
from cartwheel.process.capacity import Capacity, capacity
from cartwheel.process.environment import unset_secrets, uv_environment
from cartwheel.run_context import RunContext
from cartwheel.testing.test_hints import places_of_tests
from cartwheel.testing.test_hosts import advice, interpreter_for_tests
from cartwheel.toolchain import sccache
from cartwheel.toolchain.cargo_directories import FOLDER, disk_use
from cartwheel.toolchain.requirements import ToolNeed, crate_needs, missing_needs, other_maturin


class TargetReadiness(Struct, frozen=True, kw_only=True):
    """A target, and whether it can be built here."""

    target: str
    toolchain: str
    ready: bool
    own: bool
    """Whether this machine can run the target's binaries."""
    missing: tuple[str, ...]
    fix: tuple[str, ...]
    """Commands or sentences that fix what is missing; one may fix several things."""
    tests: str
    """Where its tests can run and with which Pythons, or why not, in words."""


class Doctor(WordsAndOptions):
    """The command, as doit's plugin `doctor`."""

    name = "doctor"
    doc_purpose = "show which targets can be built and tested here, what would refuse a release, and how to fix it"
    doc_usage = ""
    doc_description = (
        "Exits with 1 if a target of this machine's own kind is not ready.  Asks the remote and the index of published "
        "packages what would refuse a release; --offline leaves that part out."
    )
    cmd_options = (AS_JSON, flag("offline", "use no network"))

    def _execute(self, as_json: bool, offline: bool, pos_args: list[str]) -> int:
        if pos_args:
            raise InvalidCommand(f"doctor: it takes no word; found '{' '.join(pos_args)}'")
        context = context_of(self.task_list)
        readiness = diagnoses(context, this_machine())
        context.snapshot.save()
        compiled = disk_use(context.root)
        limits = capacity()
        releases = () if offline else release_readiness(context)
        rows = {
            "schema": 1,
            "targets": [asdict(d) for d in readiness],
            "releases": [asdict(row) for row in releases],
            "disk": {"cargo": compiled},
            "parallel": {"processors": limits.processors, "memory": limits.memory, "wheels": limits.wheels},
            "tables": {"date": outside_facts.DATE, "sources": outside_facts.SOURCES},
        }
        text = as_text(readiness) + releases_as_text(releases) + _at_once(limits) + _room(compiled) + _caching(context)
        text += age_of_tables(date.today())
        self.outstream.write(json.dumps(rows, indent=2) + "\n" if as_json else text)
        return 1 if any(d.own and not d.ready for d in readiness) else 0


def age_of_tables(today: date) -> str:
    """A line if the table of outside facts is older than 200 days, else empty."""
    days = (today - date.fromisoformat(outside_facts.DATE)).days
    if days <= _MAXIMUM_AGE:
        return ""
    return (
        f"cartwheel's tables of Pythons and platforms are {days} days old (read on {outside_facts.DATE}); "
        "get newer ones: pip install --upgrade cartwheel\n"
    )


_MAXIMUM_AGE = 200
"""Days; a Python version appears each year."""


def _at_once(limits: Capacity) -> str:
    free = limits.memory / 1e9
    return (
        f"at once: up to {limits.wheels} wheels compile and link ({limits.processors} processors, {free:.1f} GB of "
        "memory free); one task at a time: doit -n 1\n"
    )


def _room(compiled: int) -> str:
    if not compiled:
        return ""
    return f"cargo's directories take {compiled / 1e6:,.0f} MB in {FOLDER}; this drops them: doit run {CLEAN_CARGO}\n"


def _caching(context: RunContext) -> str:
    if not any(package.sccache for package in context.project.packages):
        return ""
    program = sccache.sccache_path(context.snapshot.environ.get("PATH"))
    return f"sccache: {program or f'missing; install it: {sccache.INSTALL}'}\n"


def diagnoses(context: RunContext, host: Host) -> tuple[TargetReadiness, ...]:
    """One for each target and each way of building its wheels, in the configuration's order."""
    groups: dict[tuple[str, str, str, str], list[tuple[Package, Wheel]]] = {}
    for package, wheel in context.project.wheels:
        key = (wheel.target.triple, wheel.toolchain, wheel.image, package.backend)
        groups.setdefault(key, []).append((package, wheel))
    return tuple(_diagnosis(tuple(group), context, host) for group in groups.values())


def _missing_needs(
    package: Package, wheel: Wheel, chain: toolchain.Toolchain, context: RunContext
) -> Iterable[ToolNeed]:
    if package.manifest:
        sources = CompiledSources(package=package, wheel=wheel)
        tools = missing_needs(
            wheel.target, chain, context.snapshot, wheel.floor, lambda: sources.crates(context.snapshot)
        )
        return (*tools, *crate_needs(package, wheel, chain, context.snapshot))
    return pep517.missing_needs(package, wheel, chain, context.snapshot)


def _unset(wheel: Wheel, context: RunContext) -> Iterable[ToolNeed]:
    for name in unset_secrets(wheel.environment, context.snapshot.environ):
        yield ToolNeed(name=f"${name}", fix=f"set {name}: the configuration's 'environment' takes a secret from it")


def _diagnosis(group: tuple[tuple[Package, Wheel], ...], context: RunContext, host: Host) -> TargetReadiness:
    wheel = group[0][1]
    target = wheel.target
    own, tests = host.runs(target), _tests(group, context)
    try:
        chains = [toolchain.of_wheel(package, wheel, host) for package, wheel in group if target.triple != ANY]
    except ConfigError as error:
        return TargetReadiness(
            target=target.triple, toolchain="-", ready=False, own=own, missing=(), fix=(str(error),), tests=tests
        )
    needs = tuple(
        dict.fromkeys(
            need
            for (package, wheel), chain in zip(group, chains, strict=False)  # 'any' has no toolchain
            for need in _missing_needs(package, wheel, chain, context)
        )
    ) + tuple(dict.fromkeys(need for _, wheel in group for need in _unset(wheel, context)))
    return TargetReadiness(
        target=target.triple,
        toolchain=" ".join(dict.fromkeys(chain.name for chain in chains)) or "-",
        ready=not needs,
        own=own,
        missing=tuple(dict.fromkeys(need.name for need in needs)),
        fix=(*dict.fromkeys(need.fix for need in needs), *_advice_on_tools(group, context)),
        tests=tests,
    )


def _advice_on_tools(group: tuple[tuple[Package, Wheel], ...], context: RunContext) -> Iterable[str]:
    """Lines about a maturin that the packages do not allow, and about crates that are not fetched, for targets whose
    needs depend on them."""
    for one in {package.name: package for package, _ in group}.values():
        yield from other_maturin(one, context.snapshot.tool("maturin"))
    package, wheel = group[0]
    crosses = wheel.target.system in ("macos", "windows") and not this_machine().runs(wheel.target)
    if crosses and package.manifest and CompiledSources(package=package, wheel=wheel).lacks_crates(context.snapshot):
        yield "crates are not fetched, so what they link is not known yet; fetch them: cargo fetch --locked"


def _tests(group: tuple[tuple[Package, Wheel], ...], context: RunContext) -> str:
    """Where the tests of these wheels can run, and with what, in words."""
    env = uv_environment(context.snapshot.environ)
    places: dict[str, dict[str, None]] = {}
    missed: list[NoInterpreter] = []
    for package, wheel in group:
        for python in test_plan.pythons(package, wheel) if wheel.test.command and not wheel.test.skip else ():
            place = interpreter_for_tests(package, wheel, python, env)
            if isinstance(place, NoInterpreter):
                missed.append(place)
            else:
                places.setdefault(place.by, {})[python] = None
    if not places and not missed:
        whys = dict.fromkeys(wheel.test.skip or _no_command(package, context.root) for package, wheel in group)
        return f"none: {'; '.join(whys)}"
    if not places:
        wheel = group[0][1]
        runner = runner_text(wheel.runner) or wheel.target.runner
        known = runner and not this_machine().runs(wheel.target)  # the target's name says so
        other = cannot_run(wheel.target, this_machine(), wheel.floor) if known else ""
        parts = (*(reason for reason in reasons(missed) if reason != other), advice(wheel.target, env))
        return ": ".join(filter(None, (f"left to {runner}" if runner else "not here", "; ".join(filter(None, parts)))))
    return "; ".join((*(f"{by}: {', '.join(pythons)}" for by, pythons in places.items()), *reasons(missed)))


def _no_command(package: Package, root: Path) -> str:
    return "; ".join(("there is no command for them", *places_of_tests(root / package.folder)))


def as_text(rows: Iterable[TargetReadiness]) -> str:
    """A row for each target, with its fixes below; fixes that several targets share come once, at the end."""
    rows = tuple(rows)
    targets: dict[str, dict[str, None]] = {}
    for d in rows:
        for line in _advice(d):
            targets.setdefault(line, {})[d.target] = None
    lines = []
    for d in rows:
        state = "ready" if d.ready else f"needs {', '.join(d.missing)}" if d.missing else "not here"
        lines.append(f"{d.target:32}{d.toolchain:10}{state}")
        lines += [f"    {line}" for line in _advice(d) if len(targets[line]) == 1]
    heads: dict[str, list[str]] = {}
    for line, names in targets.items():
        if len(names) > 1:
            heads.setdefault(", ".join(names) if len(names) < len(rows) else "all targets", []).append(line)
    lines += [text for head, shared in heads.items() for text in (head, *(f"    {line}" for line in shared))]
    return "\n".join(lines) + "\n"


def _advice(row: TargetReadiness) -> tuple[str, ...]:
    return (*row.fix, f"tests {row.tests}")
