"""GitLab's machines: which one a build runs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.ci.jobs import BUILD, LINUX, Build
from cartwheel.ci.jobs import Runner as Label
from cartwheel.model.config.values import runner_labels, runner_text
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.target import TARGETS


class Machine(Struct, frozen=True, kw_only=True):
    """A kind of machine that jobs run on."""

    system: str
    """`linux`, `macos` or `windows`."""
    tags: tuple[str, ...] = ()
    """By which GitLab finds a runner; none: any."""

    @property
    def name(self) -> str:
        """Of the job that builds there."""
        return f"{BUILD}-{re.sub(r'[^A-Za-z0-9_-]+', '-', '-'.join(self.tags)) or self.system}"


_ARM = Machine(system="linux", tags=("saas-linux-small-arm64",))
_APPLE = Machine(system="macos", tags=("saas-macos-medium-m1",))
_MICROSOFT = Machine(system="windows", tags=("saas-windows-medium-amd64",))

MACHINES = {
    **dict.fromkeys((LINUX, "ubuntu-latest", "ubuntu-26.04"), Machine(system="linux")),
    **dict.fromkeys(("ubuntu-24.04-arm", "ubuntu-26.04-arm"), _ARM),
    **dict.fromkeys(("macos-latest", "macos-26", "macos-15", "macos-26-intel", "macos-15-intel"), _APPLE),
    **dict.fromkeys(("windows-latest", "windows-2025", "windows-2022", "windows-11-arm"), _MICROSOFT),
}
"""GitLab's hosted runners for the labels of GitHub's.  There are no Intel Macs and no Windows on Arm: another
runner of the same system compiles for these, and their tests need a `runner` of the project's own."""

_OTHER_KIND = ("macos-26-intel", "macos-15-intel", "windows-11-arm")

_SYSTEMS = {"macos": "macos", "ios": "macos", "windows": "windows"}
"""Where a target is built that is not built on Linux."""


def machine_of(build: Build) -> Machine:
    """The kind of machine of a build.  Labels that are not GitHub's are tags of runners.

    Raises `ConfigError` for a group without labels: GitLab has tags only.
    """
    if isinstance(build.runner, str) and build.runner in MACHINES:
        return MACHINES[build.runner]
    tags = runner_labels(build.runner)
    if not tags:
        raise ConfigError(
            f"{build.name}: {runner_text(build.runner)} has no labels, and GitLab knows runners by tags alone"
        )
    system = "linux" if build.cross else _SYSTEMS.get(TARGETS[build.target].system, "linux")
    return Machine(system=system, tags=tags)


def machines_of(builds: Iterable[Build]) -> Mapping[Machine, list[Build]]:
    """The builds of each machine."""
    machines: dict[Machine, list[Build]] = {}
    for build in builds:
        machines.setdefault(machine_of(build), []).append(build)
    return machines


def tags_of(runner: Label, key: str) -> tuple[str, ...]:
    """The tags of the machine of a job that builds no wheel; none for any.  `key`: where the machine is configured.

    Raises `ConfigError` for a hosted machine that does not run Linux: these jobs run in an image, by a POSIX shell.
    """
    if not isinstance(runner, str) or runner not in MACHINES:
        return runner_labels(runner)
    if MACHINES[runner].system != "linux":
        raise ConfigError(
            f"[tool.cartwheel] {key}: found {runner}; expected a machine with Linux, where GitLab's jobs that build no "
            "wheel run"
        )
    return MACHINES[runner].tags


def runs(build: Build) -> bool:
    """Whether the machine can run what it builds.  A job that is in a container itself starts none for musl."""
    hosted = isinstance(build.runner, str) and build.runner in MACHINES
    other_libc = TARGETS[build.target].libc == "musl" and not build.image and hosted
    return build.runs and build.runner not in _OTHER_KIND and not other_libc
