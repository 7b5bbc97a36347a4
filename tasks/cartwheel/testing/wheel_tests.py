"""The tests of one wheel, as configured for its package."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.filesystem.read_set import files_below
from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine.interpreters import UV, Interpreter
from cartwheel.model.check_report import TestRun
from cartwheel.model.config.manifests import path_in
from cartwheel.model.config.settings import Test
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package
from cartwheel.model.step import CommandLog, Work
from cartwheel.model.wheels import test_plan
from cartwheel.process import environment
from cartwheel.testing import test_environment
from cartwheel.testing.installers import installer_variables
from cartwheel.testing.test_hints import places_of_tests


class TestPlace(Struct, frozen=True, kw_only=True):
    """The folders, log and variables of a test run."""

    __test__ = False  # pytest collects classes named Test…

    root: Path
    """The project's folder."""
    scratch: Path
    log: CommandLog
    environ: Mapping[str, str]


def run_tests(package: Package, test: Test, wheel: Path, base: Interpreter, work: Work) -> TestRun:
    """Install the wheel in a fresh environment of `base` and run its tests; raises `StepFailed` if a test fails."""
    folder = work.root / package.folder
    place = TestPlace(root=work.root, scratch=work.scratch, log=work.log, environ=work.snapshot.environ)
    copy = folder_for_tests(package, test, place)
    run = test_environment.run_wheel_tests(
        wheel,
        base=base,
        module=package.module,
        requirements=requirements(package, test, place),
        extras=test.extras,
        command=test.command,
        tests_from=copy or folder,
        scratch=work.scratch / "tests",
        log=work.log,
        env=environment.tool_environment(work.snapshot.environ),
        may_compile=test.compile,
        installer_env=installer_variables(work.snapshot.environ, folder, work.scratch / "installer"),
        cwd=copy / test.cwd if copy else None,
    )
    if not test.command and (hint := "; ".join(places_of_tests(folder))):
        run = replace(run, not_run=f"{run.not_run}; {hint}")
    return run


def requirements(package: Package, test: Test, place: TestPlace) -> tuple[str, ...]:
    """The installer's arguments for everything installed beside the wheel and its extras.

    Raises `StepFailed` if a requirements file or `uv.lock` is missing.
    """
    folder = place.root / package.folder
    arguments: list[str] = []
    for line in test_plan.requirements_for_tests(package, test):
        option, name = test_plan.requirements_option(line)
        if name and not (folder / name).is_file():
            raise StepFailed(f"test.requires: {path_in(package.folder, name)} is missing; correct its path")
        arguments += (option, str(folder / name)) if name else (line,)
    return (*arguments, *(("-c", str(_locked_versions(package, place))) if test.locked else ()))


def locked_file(package: Package, root: Path) -> str:
    """The `uv.lock` of the package or of a folder above it, relative to the project; empty if missing."""
    folder = root / package.folder
    for place in (folder, *folder.parents):
        if (place / "uv.lock").is_file():
            return (place / "uv.lock").relative_to(root).as_posix()
        if place == root:
            break
    return ""


def _locked_versions(package: Package, place: TestPlace) -> Path:
    """A constraints file with the versions in `uv.lock`; raises `StepFailed` if there is no lockfile."""
    if not (lock := locked_file(package, place.root)):
        raise StepFailed("test.locked: there is no uv.lock in the package or above it; run 'uv lock' and commit it")
    what = ("--frozen", "--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace", "--no-hashes")
    shown = ("--no-annotate", "--no-header", "--no-editable", "--quiet")
    text = place.log.read(
        (*UV, "export", *what, *shown), cwd=(place.root / lock).parent,
        env=environment.uv_environment(place.environ),
    )  # fmt: skip
    path = place.scratch / "locked.txt"
    path.write_text(text, encoding="utf-8")
    return path


def folder_for_tests(package: Package, test: Test, place: TestPlace) -> Path | None:
    """A copy of the package's folder for tests that run in it; `None` if `test.cwd` is not set.

    It omits the sources of the package's module, so that the tests import the installed wheel.
    """
    if not test.cwd:
        return None
    folder, copy = place.root / package.folder, place.scratch / "package"
    remove_tree(copy, ignore_errors=True)
    top = package.module.split(".")[0]
    source = str(package.manifests.maturin.get("python-source", "."))
    hidden = {Path(place) / name for place in (".", "src", source) for name in (top, f"{top}.py")} if top else set()
    for relative in map(Path, files_below(folder, ".")):
        if not (folder / relative).is_file() or any(relative.is_relative_to(one) for one in hidden):
            continue
        (copy / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / relative, copy / relative)
    return copy
