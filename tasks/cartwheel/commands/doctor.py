"""`doit doctor`: what can be built here, what is missing, and the exact command that mends it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from doit.cmd_base import DoitCmdBase
from msgspec import Struct
from msgspec.structs import asdict

from cartwheel import toolchain
from cartwheel.action import CLEAN_CARGO, Workshop
from cartwheel.commands.plan import workshop_of
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Wheel
from cartwheel.model.target import ANY
from cartwheel.toolchain import sccache
from cartwheel.toolchain.directories import FOLDER, disk_use
from cartwheel.toolchain.needs import missing
from cartwheel.world.host import Host, this_machine


class Diagnosis(Struct, frozen=True, kw_only=True):
    """A target, and whether it can be built here."""

    target: str
    toolchain: str
    ready: bool
    own: bool
    """It is of this machine's own kind."""
    missing: tuple[str, ...]
    mend: tuple[str, ...]
    """A command, or a sentence, for what is missing; one may mend several things."""


class Doctor(DoitCmdBase):  # type: ignore[misc]
    """The command, as doit's plugin `doctor`."""

    name = "doctor"
    doc_purpose = "show which targets can be built here, and how to mend what is missing"
    doc_usage = ""
    doc_description = "Exits with 1 if a target of this machine's own kind is not ready.  Uses no network."
    cmd_options = (
        {"name": "as_json", "short": "", "long": "json", "type": bool, "default": False, "help": "print JSON"},
    )

    def _execute(self, as_json: bool) -> int:
        shop = workshop_of(self.task_list)
        found = diagnoses(shop, this_machine())
        shop.world.save()
        compiled = disk_use(shop.root)
        rows = {"schema": 1, "targets": [asdict(d) for d in found], "disk": {"cargo": compiled}}
        text = as_text(found) + _room(compiled) + _caching(shop)
        self.outstream.write(json.dumps(rows, indent=2) + "\n" if as_json else text)
        return 1 if any(d.own and not d.ready for d in found) else 0


def _room(compiled: int) -> str:
    if not compiled:
        return ""
    return f"cargo's directories take {compiled / 1e6:,.0f} MB in {FOLDER}; this drops them: doit run {CLEAN_CARGO}\n"


def _caching(shop: Workshop) -> str:
    if not any(package.sccache for package in shop.project.packages):
        return ""
    found = sccache.installed(shop.world.environ.get("PATH"))
    return f"sccache: {found or f'wanted and not here; install it: {sccache.MEND}'}\n"


def diagnoses(shop: Workshop, host: Host) -> tuple[Diagnosis, ...]:
    """One for each target of the project, in the configuration's order."""
    wheels = {wheel.target.triple: wheel for _, wheel in shop.project.wheels}
    return tuple(_diagnosis(wheel, shop, host) for wheel in wheels.values())


def _diagnosis(wheel: Wheel, shop: Workshop, host: Host) -> Diagnosis:
    target = wheel.target
    own = host.runs(target)
    if target.triple == ANY:
        return Diagnosis(target=ANY, toolchain="-", ready=True, own=own, missing=(), mend=())
    try:
        chain = toolchain.chosen(target, wheel.floor, wheel.toolchain, host)
    except ConfigError as error:
        return Diagnosis(target=target.triple, toolchain="-", ready=False, own=own, missing=(), mend=(str(error),))
    needs = missing(target, chain, shop.world, wheel.floor)
    return Diagnosis(
        target=target.triple,
        toolchain=chain.name,
        ready=not needs,
        own=own,
        missing=tuple(need.name for need in needs),
        mend=tuple(dict.fromkeys(need.mend for need in needs)),
    )


def as_text(found: Iterable[Diagnosis]) -> str:
    """A row a target; below it what mends it."""
    lines = []
    for d in found:
        state = "ready" if d.ready else f"needs {', '.join(d.missing)}" if d.missing else "not here"
        lines.append(f"{d.target:32}{d.toolchain:10}{state}")
        lines += [f"{'':42}{mend}" for mend in d.mend]
    return "\n".join(lines) + "\n"
