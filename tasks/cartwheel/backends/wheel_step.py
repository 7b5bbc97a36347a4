"""What the builds of all backends share: the step of a wheel, what runs before it, and what a backend is given."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cartwheel import toolchain
from cartwheel.inputs.generated_files import files_written, stats
from cartwheel.machine.host import this_machine
from cartwheel.model.config.settings import Before, Secret
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Wheel, state_folder
from cartwheel.model.step import Step, Work
from cartwheel.process import environment

MOMENT = "1580601600"
"""SOURCE_DATE_EPOCH where the user sets none: 2 February 2020, the moment that hatchling gives the files of its wheels.

Not the time of the commit: a wheel is not built again for a commit that changes nothing in it, and must still be what
its tag gives anywhere else.
"""


def raw_wheel(wheel: Wheel) -> str:
    """Where the wheel lies before it is repaired, relative to the project."""
    return f"{state_folder(debug=wheel.debug)}/wheels/{wheel.place}/{wheel.raw}"


def step_of(package: Package, wheel: Wheel, *, doc: str, settings: Mapping[str, str], **more: Any) -> Step:
    """The step of a wheel, whatever makes it; `more`: what else differs, its sources and its action."""
    return Step(
        name=f"build:{wheel.segments}",
        doc=doc,
        makes=(raw_wheel(wheel),),
        manifests=package.manifests.paths,
        after=("version-sync",),
        settings={"version": package.version, **settings},
        unset=lambda snapshot: environment.missing_secrets(wheel.environment, snapshot.environ),
        prepare=commands_before(package, wheel.before, wheel.environment),
        ships=True,
        **more,
    )


def compiled_step(
    package: Package,
    wheel: Wheel,
    *,
    tools: tuple[str, ...] = (),
    of_chain: Callable[[toolchain.Toolchain], tuple[str, ...]],
    **more: Any,
) -> Step:
    """The same of one that is compiled.  `of_chain`: the tools that its toolchain takes besides `tools`."""
    blocked = ""
    chose: dict[str, str] = {}
    try:
        chain = chain_of(package, wheel)
        tools, chose = (*tools, *of_chain(chain)), {"toolchain": chain.name}
    except ConfigError as error:
        blocked = str(error)
    doc = f"{package.name} for {python_in_words(wheel)} on {wheel.target.triple}"
    return step_of(
        package, wheel, doc=doc, settings=wheel.settings, tools=tools, chosen=chose, blocked=blocked, heavy=True, **more
    )


def chain_of(package: Package, wheel: Wheel) -> toolchain.Toolchain:
    """How the wheel is compiled on this machine; raises `ConfigError` where it cannot be."""
    return toolchain.of_wheel(package, wheel, this_machine())


def python_in_words(wheel: Wheel) -> str:
    """What a wheel is for, for people."""
    named = {"py3": "any Python 3", "abi3": "the stable ABI", "abi3t": "the stable ABI of 3.15 and newer"}
    return named.get(wheel.python, f"Python {wheel.python}")


def build_environment(package: Package, work: Work) -> dict[str, str]:
    """What a backend is given: the named variables, our own tools first on PATH, and the moment of the build."""
    env = environment.tool_environment(work.snapshot.environ, package.environment_pass)
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", "")))
    env.setdefault("SOURCE_DATE_EPOCH", MOMENT)
    return env


def variables(values: Mapping[str, str | Secret], work: Work) -> dict[str, str]:
    """What the configuration's `environment` gives a build, whose log then shows no secret of it.  Raises `StepFailed`
    where a secret is not there."""
    work.log.hide(environment.secrets(values, work.snapshot.environ))
    return environment.configured_environment(values, work.snapshot.environ)


_BEFORE = threading.Lock()
_DONE: dict[str, tuple[str, ...]] = {}
"""What was run before the wheels of this process, so that each is run once, and what it wrote."""


def commands_before(
    package: Package, commands: tuple[Before, ...], values: Mapping[str, str | Secret]
) -> Callable[[Work], tuple[str, ...]] | None:
    """Runs what the configuration wants to be run before something is built; the same command for several once."""
    if not commands:
        return None

    def prepare(work: Work) -> tuple[str, ...]:
        env = build_environment(package, work) | variables(values, work)
        cwd = work.root / package.folder
        made: list[str] = []
        with _BEFORE:
            for before in commands:
                key = repr((str(cwd), before.run, sorted(environment.literal_values(values).items())))
                if key not in _DONE:
                    there = stats(work.root)
                    work.log.run(before.run, cwd=cwd, env=env)
                    _DONE[key] = files_written(there, stats(work.root))
                made += _DONE[key]
        return tuple(made)

    return prepare


def exactly_one(folder: Path, expected: str) -> Path:
    """The one file in `folder`, if it has the expected name; raises `StepFailed` that names both."""
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if found != [expected]:
        raise StepFailed(f"planned {expected}, but {', '.join(found) or 'nothing'} was made")
    return folder / expected
