"""Profile-guided optimization: an instrumented wheel is trained, and its profile optimizes all wheels of a target.

Flags of rustc: "Profile-guided Optimization" in the rustc book, November 2026.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from msgspec.structs import replace

from cartwheel.machine.interpreters import Interpreter
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.model.wheels import test_plan
from cartwheel.process import environment
from cartwheel.testing import test_environment
from cartwheel.testing.installers import installer_variables
from cartwheel.testing.test_hosts import interpreter_for_tests
from cartwheel.toolchain.installed_rust import llvm_profdata

FOLDER = "pgo"
"""The folder of the profiles, in the state folder."""

Build = Callable[[Wheel, Path, Path], Path]
"""Builds a wheel with its flags, from the cargo directory and the output folder; returns the wheel's file."""


def with_profile(package: Package, wheel: Wheel, work: Work, sources: str, build: Build) -> Wheel:
    """The wheel with the flags that use its profile; without `pgo`, the wheel itself.

    The profile is made once for a target and kept: all wheels of the target with the same sources (`sources` is their
    digest), features, profile and flags share it, whatever their interpreter: rustc warns of a function that differs
    for an interpreter, and compiles it without the profile.  Raises `StepFailed` if the training fails.
    """
    if not (wheel.pgo and wheel.pgo.run):
        return wheel
    if " " in str(work.root):
        raise StepFailed(f"pgo: rustc takes no profile from a path with a space: {work.root}; move the project")
    from filelock import FileLock

    trained = (wheel.features, wheel.profile, wheel.flags, wheel.pgo.run, wheel.pgo.requires, wheel.variant)
    settings, key = (sha256(json.dumps(part).encode()).hexdigest()[:16] for part in (trained, sources))
    folder = work.root / package.state / FOLDER / wheel.target.triple
    profile = folder / f"{package.key}-{settings}-{key}.profdata"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{profile}.lock"):
        if not profile.is_file():
            for old in folder.glob(f"{package.key}-{settings}-*.profdata"):  # of the same wheels with other sources
                old.unlink()
            _train(package, wheel, work, profile, build)
    return replace(wheel, flags=(*wheel.flags, f"-Cprofile-use={profile}"))


def sources_digest(package: Package, wheel: Wheel, work: Work, listing: Iterable[str]) -> str:
    """A digest of the wheel's sources and of what the training reads; `listing`: the package's files."""
    assert wheel.pgo
    files = [path for path in listing if (work.root / path).is_file()]
    for name in wheel.pgo.inputs:
        place = work.root / package.folder / name
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        files += [path.relative_to(work.root).as_posix() for path in paths if path.is_file()]
    digests = work.snapshot.digests(tuple(sorted(set(files))))
    return sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def _train(package: Package, wheel: Wheel, work: Work, profile: Path, build: Build) -> None:
    """Builds an instrumented wheel, runs the training with it, and merges what it recorded into `profile`."""
    assert wheel.pgo
    trained, base = _trained_wheel(package, wheel, work)
    raw = work.scratch / "pgo-raw"
    work.announce(f"training {package.name} for {wheel.target.triple}: {' '.join(wheel.pgo.run)}")
    instrumented = replace(trained, flags=(*wheel.flags, f"-Cprofile-generate={raw}"))
    instrumented_wheel = build(instrumented, work.scratch / "pgo-target", work.scratch / "pgo-out")
    folder = work.root / package.folder
    test_environment.run_wheel_tests(
        instrumented_wheel,
        base=base,
        module=package.module,
        requirements=wheel.pgo.requires,
        extras=(),
        command=wheel.pgo.run,
        tests_from=folder,
        scratch=work.scratch / "pgo-run",
        log=work.log,
        env=environment.tool_environment(work.snapshot.environ) | {"LLVM_PROFILE_FILE": str(raw / "%m-%p.profraw")},
        may_compile=False,
        installer_env=installer_variables(work.snapshot.environ, folder, work.scratch / "pgo-installer"),
    )
    if not any(raw.glob("*.profraw")):
        raise StepFailed(f"pgo: {' '.join(wheel.pgo.run)} recorded nothing; it has to run code of {package.name}")
    merged = work.scratch / "merged.profdata"
    program = llvm_profdata(folder, work.snapshot.environ)
    log_env = environment.tool_environment(work.snapshot.environ)
    work.log.run((str(program), "merge", f"--output={merged}", str(raw)), cwd=work.root, env=log_env)
    merged.replace(profile)


def _trained_wheel(package: Package, wheel: Wheel, work: Work) -> tuple[Wheel, Interpreter]:
    """The wheel of the target to train with, this one if possible, and the interpreter that runs it."""
    alike = (w for w in package.wheels if w.target == wheel.target and w.variant == wheel.variant and w != wheel)
    env = environment.tool_environment(work.snapshot.environ)
    for candidate in (wheel, *alike):
        for python in test_plan.pythons(package, candidate):
            place = interpreter_for_tests(package, candidate, python, env)
            if isinstance(place, Interpreter) and not place.foreign:
                return candidate, place
    raise StepFailed(
        f"pgo: no interpreter of {wheel.target.triple} is here ({sys.platform}) to run the training with; build it on "
        "a machine that has one, or switch it off in an override: pgo = { run = [] }"
    )
