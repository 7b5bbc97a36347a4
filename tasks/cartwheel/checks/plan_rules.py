"""Rules that compare a wheel with its plan: its name, its tags, and the facts of its compiled files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from cartwheel.checks.candidate import Candidate, Plan
from cartwheel.model.wheels.binary_facts import (
    dll_problems,
    floor_problems,
    machine_problems,
    module_problems,
    shortened_list,
    signature_problems,
)
from cartwheel.model.wheels.target import ANY, platform_tag
from cartwheel.model.wheels.wheel_name import WheelName


def plan_and_name(it: Candidate) -> tuple[Plan, WheelName]:
    """The plan and the parsed file name; only for a candidate of `examine`."""
    assert it.plan is not None
    assert it.name is not None
    return it.plan, it.name


def name(it: Candidate) -> Iterator[str]:
    plan, named = plan_and_name(it)
    if it.file != plan.file:
        yield f"the file is {it.file}, planned was {plan.file}"
    platform = platform_tag(plan.target, plan.floor)
    if set(named.platforms) != set(platform.split(".")):
        tag = ".".join(named.platforms)
        yield f"the name says {tag}; {plan.target.triple} with floor '{plan.floor}' is {platform}"


def tags(it: Candidate) -> Iterator[str]:
    _, named = plan_and_name(it)
    if it.listed_tags != named.tags:
        inside, outside = shortened_list(it.listed_tags), shortened_list(named.tags)
        yield f"the WHEEL file says {inside}, the file name {outside}; repair it again"


def machine(it: Candidate) -> Iterable[str]:
    target = plan_and_name(it)[0].target
    unsigned = signature_problems(it.binaries) if target.system == "macos" else ()
    return (*machine_problems(it.binaries, target), *unsigned)


def floor(it: Candidate) -> Iterable[str]:
    plan, _ = plan_and_name(it)
    return floor_problems(it.binaries, plan.target, plan.floor)


def module(it: Candidate) -> Iterable[str]:
    plan, named = plan_and_name(it)
    if plan.programs_only and not any(binary.modules for binary in it.binaries):
        return ()
    return module_problems(it.binaries, plan.target, plan.python, ".".join(named.abis))


def python_dll(it: Candidate) -> Iterable[str]:
    plan, named = plan_and_name(it)
    return dll_problems(it.binaries, plan.target, plan.python, ".".join(named.abis))


_SUFFIXES = {".so": ("linux", "macos"), ".dylib": ("macos",), ".pyd": ("windows",), ".dll": ("windows",)}


def strangers(it: Candidate) -> Iterator[str]:
    """Compiled files in the package's sources, left by an in-place build or by a build for another target."""
    plan, named = plan_and_name(it)
    system = plan.target.system
    advice = "remove it from the package's source (`doit run clean`)"
    for entry in it.entries:
        suffix = PurePosixPath(entry.path).suffix
        if suffix in _SUFFIXES and system not in (ANY, *_SUFFIXES[suffix]):
            yield f"{entry.path} is a file for {' or '.join(_SUFFIXES[suffix])}, the wheel for {system}; {advice}"
    copies: dict[str, set[str]] = {}
    for binary in it.binaries:
        grafted = binary.path.startswith(_graft_folders(named.distribution))
        if PurePosixPath(binary.path).suffix in (".so", ".pyd") and not grafted:
            copies.setdefault(_module_of(binary.path), set()).add(binary.path)
    for same in (sorted(paths) for _, paths in sorted(copies.items())):
        if len(same) > 1:
            yield f"{' and '.join(same)} are the same module; keep the planned one, {advice}"


def _graft_folders(distribution: str) -> tuple[str, ...]:
    """The folders into which auditwheel, delvewheel and delocate graft libraries."""
    return (f"{distribution}.libs/", f"{distribution}/.dylibs/", f"{distribution}.dylibs/")


def _module_of(path: str) -> str:
    folder, _, file = path.rpartition("/")
    return f"{folder}/{file.split('.')[0]}"


def pure(it: Candidate) -> Iterator[str]:
    plan, _ = plan_and_name(it)
    compiled = sorted({binary.path for binary in it.binaries})
    if plan.target.system != ANY:
        if not compiled:
            yield f"nothing compiled in it; it is for {plan.target.triple}"
        return
    compiled += [e.path for e in it.entries if PurePosixPath(e.path).suffix in _SUFFIXES and e.path not in compiled]
    yield from (f"{path} is compiled, the wheel is for any system; remove it or name targets" for path in compiled)
