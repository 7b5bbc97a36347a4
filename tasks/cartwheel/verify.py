"""Verify: an index shows every file of a release with the same bytes, and the version installs from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cartwheel.gate import verified_digests
from cartwheel.machine.host import this_machine
from cartwheel.model.check_report import tests
from cartwheel.model.destination import GITHUB, kind_of
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, packages_with_same_tag
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels import test_plan
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.model.wheels.python import PURE
from cartwheel.process import environment, run

if TYPE_CHECKING:
    from cartwheel.destinations.pypi_index import Index
    from cartwheel.model.check_report import TestRun
    from cartwheel.testing.test_environment import FreshEnvironment, Installer


def steps(project: Project) -> Iterable[Step]:
    """One step for each package and index; named alone, it only looks: nothing is tagged or sent for it."""
    for package in project.packages:
        for name in package.publish:
            yield Step(
                name=f"verify:{name}:{package.key}",
                doc=f"{package.name} {package.version}, installed from {name} and tested",
                needs=tuple(artifact.path for artifact in package_artifacts(package)),
                follows=tuple(
                    f"publish:{name}:{p.key}" for p in (package, *_with_the_same_page(project, package, name))
                ),
                always=True,
                act=lambda work, package=package, name=name: _verify(project, package, name, work),  # type: ignore[misc]
            )


def _with_the_same_page(project: Project, package: Package, name: str) -> tuple[Package, ...]:
    """Packages whose files must be there before the release of this one is seen by anybody."""
    return packages_with_same_tag(package, project.packages, name) if kind_of(name, project.indexes) == GITHUB else ()


def _verify(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.destinations.pypi_index import resolve
    from cartwheel.destinations.verify_index import wait_until_listed
    from cartwheel.publish import elsewhere

    if other := elsewhere(project, name):
        other.verify(project, package, name, work)
        return {}
    index = resolve(name, project.indexes)
    expected = verified_digests(package, work.root)
    wrong = wait_until_listed(index, package.name, package.version, expected, say=work.announce)
    if wrong:
        raise StepFailed("\n".join((f"{name} does not show what was published:", *wrong)))
    run = _installed(package, index, expected, work)
    work.announce(f"installed from {name} with Python {run.python}: " + (run.not_run or f"{tests(run.count)} passed"))
    return {}


def _installed(package: Package, index: Index, expected: Mapping[str, str], work: Work) -> TestRun:
    """Install the very version from the index, as a user would, and run its tests."""
    from cartwheel.destinations.verify_index import environment_for_index, install_commands, once_shown, requirement
    from cartwheel.machine.interpreters import NoInterpreter, cannot_run, some
    from cartwheel.testing.test_environment import UV, installed_tests_pass

    env = environment.tool_environment(work.snapshot.environ)
    own = [wheel for wheel in package.wheels if not cannot_run(wheel.target, this_machine(), wheel.floor)]
    base = some(own[0].python if own else PURE, package.minimum_python, env)
    if isinstance(base, NoInterpreter):
        raise StepFailed(f"{package.name}: {base.why}, and its tests need it; install it")
    pinned = work.scratch / "pinned.txt"
    pinned.write_text(requirement(package.name, package.version, expected), encoding="utf-8")

    def install(made: FreshEnvironment, tool: Installer, needs: tuple[str, ...]) -> None:
        if tool is not UV:
            raise StepFailed("uv does not start here, and installing from one index alone needs it; install uv again")
        alone, rest = install_commands(
            run.module_command("uv"), made.interpreter, index, package.name, package.version,
            requirements=pinned, extras=package.test.extras, source=not own,
        )  # fmt: skip
        env_alone = environment_for_index(made.env)
        once_shown(lambda: work.log.run(alone, cwd=work.scratch, env=env_alone), index, say=work.announce)
        work.log.run(
            (*rest, *test_plan.requirements_for_tests(package, package.test), *needs), cwd=work.scratch, env=made.env
        )

    return installed_tests_pass(
        install, base=base, module=package.module, command=() if package.test.skip else package.test.command,
        tests_from=work.root / package.folder, scratch=work.scratch / "tests", log=work.log, env=env,
    )  # fmt: skip
