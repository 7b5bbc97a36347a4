"""Shared by all backends: a wheel's build step, the commands before a build, and the backend's environment."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

from cartwheel import toolchain
from cartwheel.inputs.generated_files import files_written, stats
from cartwheel.machine.host import this_machine
from cartwheel.model.config.settings import Before
from cartwheel.model.config.values import Secret
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Wheel, state_folder
from cartwheel.model.step import Step, Work
from cartwheel.process import environment

MOMENT = "1580601600"
"""SOURCE_DATE_EPOCH by default: 2 February 2020, the time that hatchling gives the files in its wheels.

The commit's time is not used. A commit that does not affect a wheel does not rebuild it, so its bytes would differ from
those built elsewhere at the tag.
"""


def raw_wheel(wheel: Wheel) -> str:
    """The path of the wheel before repair, relative to the project."""
    return f"{state_folder(debug=wheel.debug)}/wheels/{wheel.place}/{wheel.raw}"


def step_of(package: Package, wheel: Wheel, *, doc: str, settings: Mapping[str, str], **more: Any) -> Step:
    """The build step shared by all backends; `more` sets further fields, such as sources and action."""
    return Step(
        name=f"build:{wheel.segments}",
        doc=doc,
        makes=(raw_wheel(wheel),),
        manifests=package.manifests.paths,
        after=("version-sync",),
        settings={"version": package.version, **settings, **third_party_setting(package)},
        unset=lambda snapshot: environment.missing_secrets(wheel.environment, snapshot.environ),
        prepare=commands_before(package, wheel.before, wheel.environment),
        ships=True,
        **more,
    )


def third_party_setting(package: Package) -> dict[str, str]:
    """The setting of steps that write the licences of others into a wheel; empty if the package does not ask for it."""
    return {"third-party": "true"} if package.third_party else {}


def compiled_step(
    package: Package,
    wheel: Wheel,
    *,
    tools: tuple[str, ...] = (),
    of_chain: Callable[[toolchain.Toolchain], tuple[str, ...]],
    **more: Any,
) -> Step:
    """The build step of a compiled wheel. `of_chain` returns the tools that a toolchain needs besides `tools`."""
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
    """The toolchain that compiles the wheel on this machine, chosen once in a run. Raises `ConfigError` if none
    exists."""
    key = (bool(package.manifest), wheel.target, wheel.floor, wheel.toolchain, this_machine())
    if key not in _CHOSEN:
        _CHOSEN[key] = toolchain.of_wheel(package, wheel, this_machine())
    return _CHOSEN[key]


_CHOSEN: dict[Hashable, toolchain.Toolchain] = {}
"""Toolchains by all that decides them."""


def python_in_words(wheel: Wheel) -> str:
    """A wheel's Python, as shown in messages."""
    named = {"py3": "any Python 3", "abi3": "the stable ABI", "abi3t": "the stable ABI of 3.15 and newer"}
    return named.get(wheel.python, f"Python {wheel.python}")


def build_environment(package: Package, work: Work) -> dict[str, str]:
    """A backend's environment: allowed variables, this installation's tools first on PATH, and SOURCE_DATE_EPOCH."""
    env = environment.tool_environment(work.snapshot.environ, package.environment_pass)
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env.get("PATH", "")))
    env.setdefault("SOURCE_DATE_EPOCH", MOMENT)
    return env


def variables(values: Mapping[str, str | Secret], work: Work) -> dict[str, str]:
    """The variables of `environment` in the configuration; their secrets are redacted in the log from now on.

    Raises `StepFailed` if a secret is not set.
    """
    work.log.hide(environment.secrets(values, work.snapshot.environ))
    return environment.configured_environment(values, work.snapshot.environ)


_BEFORE = threading.Lock()
_DONE: dict[str, tuple[str, ...]] = {}
"""Commands that ran before wheels in this process, and the files they wrote. Each command runs once."""


def commands_before(
    package: Package, commands: tuple[Before, ...], values: Mapping[str, str | Secret]
) -> Callable[[Work], tuple[str, ...]] | None:
    """An action that runs the commands of `before`, once for all wheels; it returns the files they wrote. None if there
    are no commands."""
    if not commands:
        return None

    def prepare(work: Work) -> tuple[str, ...]:
        env = build_environment(package, work) | variables(values, work)
        cwd = work.root / package.folder
        files: list[str] = []
        with _BEFORE:
            for before in commands:
                key = repr((str(cwd), before.run, sorted(environment.literal_values(values).items())))
                if key not in _DONE:
                    there = stats(work.root)
                    work.log.run(before.run, cwd=cwd, env=env)
                    _DONE[key] = files_written(there, stats(work.root))
                files += _DONE[key]
        return tuple(files)

    return prepare


def exactly_one(folder: Path, expected: str) -> Path:
    """The only file in `folder`. Raises `StepFailed` if it does not have the expected name."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if names != [expected]:
        raise StepFailed(f"planned {expected}, but {', '.join(names) or 'nothing'} was made")
    return folder / expected
