"""GitLab's machines: which one a build runs on, and what its jobs say there in its shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from msgspec import Struct

from cartwheel.ci.jobs import BUILD, LINUX, Build, Pipeline
from cartwheel.model.wheels.target import TARGETS

PLANNED = ".cartwheel/ci/plan.txt"
"""What the plan's job found: for each job that has something to do a line `JOB=TASK TASK`, and what that needs."""


class Runner(Struct, frozen=True, kw_only=True):
    """A kind of machine that jobs run on."""

    system: str
    """`linux`, `macos` or `windows`."""
    tags: tuple[str, ...] = ()
    """By which GitLab finds a runner; none: any."""

    @property
    def name(self) -> str:
        """Of the job that builds there."""
        return f"{BUILD}-{re.sub(r'[^A-Za-z0-9_-]+', '-', '-'.join(self.tags)) or self.system}"


_ARM = Runner(system="linux", tags=("saas-linux-small-arm64",))
_APPLE = Runner(system="macos", tags=("saas-macos-medium-m1",))
_MICROSOFT = Runner(system="windows", tags=("saas-windows-medium-amd64",))

MACHINES = {
    **dict.fromkeys((LINUX, "ubuntu-latest", "ubuntu-26.04"), Runner(system="linux")),
    **dict.fromkeys(("ubuntu-24.04-arm", "ubuntu-26.04-arm"), _ARM),
    **dict.fromkeys(("macos-latest", "macos-26", "macos-15", "macos-26-intel", "macos-15-intel"), _APPLE),
    **dict.fromkeys(("windows-latest", "windows-2025", "windows-2022", "windows-11-arm"), _MICROSOFT),
}
"""GitLab's hosted runners for the labels of GitHub's.  There are no Macs with Intel's and no Windows with Arm's
processors: for these the next of their kind compiles, and their tests are left to a `runner` of one's own."""

_OTHER_KIND = ("macos-26-intel", "macos-15-intel", "windows-11-arm")

_SYSTEMS = {"macos": "macos", "ios": "macos", "windows": "windows"}
"""Where a target is built that is not built on Linux."""


def machine_of(build: Build) -> Runner:
    """The kind of machine of a build; a label that is not GitHub's is a runner's tag."""
    if build.runner in MACHINES:
        return MACHINES[build.runner]
    system = _SYSTEMS.get(TARGETS[build.target].system, "linux")
    return Runner(system=system, tags=(build.runner,))


def runs(build: Build) -> bool:
    """Whether the machine can run what it builds.  A job that is in a container itself starts none for musl."""
    other_libc = TARGETS[build.target].libc == "musl" and not build.image and build.runner in MACHINES
    return build.runs and build.runner not in _OTHER_KIND and not other_libc


# Scripts --------------------------------------------------------------------------------------------------------------

_VENV = ".cartwheel/venv"

_POSIX_RUST = (
    "if ! command -v cargo; then python -m pip install --quiet puccinialin; "
    'python -m puccinialin --location "$CI_PROJECT_DIR/.cartwheel/rust" --info-json /dev/null; '
    'export CARGO_HOME="$CI_PROJECT_DIR/.cartwheel/rust/cargo" RUSTUP_HOME="$CI_PROJECT_DIR/.cartwheel/rust/rustup"; '
    'export PATH="$CARGO_HOME/bin:$PATH"; fi',
)

_POSIX_NEEDED = (
    f'TASKS=$(sed -n "s/^$BUILD=//p" {PLANNED})',
    'if [ -z "$TASKS" ]; then echo "$BUILD is up to date"; exit 0; fi',
)

APT = (
    f'SYSTEM=$(sed -n "s/^$BUILD[.]system=//p" {PLANNED})',
    'if [ -n "$SYSTEM" ]; then apt-get update --quiet; '
    "apt-get install --yes --quiet --no-install-recommends $SYSTEM; fi",
)

_POSIX_WORK = (
    f'RUST=$(sed -n "s/^$BUILD[.]rust=//p" {PLANNED})',
    'if [ -n "$RUST" ]; then rustup target add $RUST; fi',
    f'PYTHONS=$(sed -n "s/^$BUILD[.]pythons=//p" {PLANNED})',
    'for python in $PYTHONS; do uv python find --quiet "$python" || uv python install "$python"; done',
    "doit -n 4 $TASKS",
)

_POWERSHELL_READ = (
    "function Planned($name) { Get-Content " + PLANNED + ' | Where-Object { $_.StartsWith("$name=") } '
    '| ForEach-Object { $_.Substring($name.Length + 1) -split " " } }'
)

_POWERSHELL_NEEDED = (
    _POWERSHELL_READ,
    "$tasks = @(Planned $env:BUILD)",
    'if (-not $tasks) { Write-Output "$env:BUILD is up to date"; exit 0 }',
)

_POWERSHELL_RUST = (
    "if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) { python -m pip install --quiet puccinialin; "
    'python -m puccinialin --location "$env:CI_PROJECT_DIR\\.cartwheel\\rust"; '
    '$env:CARGO_HOME = "$env:CI_PROJECT_DIR\\.cartwheel\\rust\\cargo"; '
    '$env:RUSTUP_HOME = "$env:CI_PROJECT_DIR\\.cartwheel\\rust\\rustup"; '
    '$env:PATH = "$env:CARGO_HOME\\bin;$env:PATH" }',
)

_POWERSHELL_WORK = (
    '$rust = @(Planned "$env:BUILD.rust")',
    "if ($rust) { rustup target add @rust }",
    'foreach ($python in @(Planned "$env:BUILD.pythons")) { uv python install $python; if (-not $?) { exit 1 } }',
    "doit -n 4 @tasks",
)

_NEEDED = {"linux": _POSIX_NEEDED, "macos": _POSIX_NEEDED, "windows": _POWERSHELL_NEEDED}
"""What a job has to do; one that has nothing to do ends here."""

_RUST = {"linux": _POSIX_RUST, "macos": _POSIX_RUST, "windows": _POWERSHELL_RUST}
"""A machine or image without Rust is given it, for this job alone."""

WORK = {"linux": _POSIX_WORK, "macos": _POSIX_WORK, "windows": _POWERSHELL_WORK}


def setup_scripts(pipeline: Pipeline, machines: Iterable[Runner]) -> Mapping[str, tuple[str, ...]]:
    """What comes before a job's own commands, by the name of the hidden job that holds it: for each system what builds
    there, and `prepared` for all other jobs."""
    systems = dict.fromkeys(("linux", *(machine.system for machine in machines)))
    install, building = (
        f"python -m pip install --quiet {shlex.join(words)}"
        for words in (pipeline.cartwheel, pipeline.install_arguments(pipeline.job(BUILD)))
    )
    return {
        "prepared": (*_python("linux", pipeline.python), install, *_RUST["linux"]),
        **{s: (*_NEEDED[s], *_python(s, pipeline.python), building, *_RUST[s]) for s in systems},
    }


def _python(system: str, version: str) -> tuple[str, ...]:
    """An environment of the job's own, of this version where the machine has it or can be given it."""
    short = version.replace(".", "")
    if system == "windows":
        return (
            "if (-not (Get-Command python -ErrorAction SilentlyContinue)) { "
            f'choco install --yes --no-progress python{short}; $env:PATH = "C:\\Python{short};$env:PATH" }}',
            f"python -m venv {_VENV}",
            f'& "{_VENV}/Scripts/Activate.ps1"',
        )
    found = {
        "linux": (
            f"PYTHON=/opt/python/cp{short}-cp{short}/bin/python",  # in the images of the Python Packaging Authority
            'if [ ! -x "$PYTHON" ]; then PYTHON=python3; fi',
        ),
        "macos": (
            f"PYTHON=python{version}",
            f'if ! command -v "$PYTHON"; then brew install --quiet python@{version}; fi',
        ),
    }
    return (*found[system], f'"$PYTHON" -m venv {_VENV}', f". {_VENV}/bin/activate")
