"""Installs a release from its index into a fresh environment and runs its tests there."""

from __future__ import annotations

from collections.abc import Mapping

from cartwheel.destinations.credentials import reading_credentials
from cartwheel.destinations.protocol import Release
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_install import (
    BUILD_SECONDS,
    INSTALL_SECONDS,
    install_commands,
    install_when_visible,
    installer_environment,
    requirement,
)
from cartwheel.machine.host import this_machine
from cartwheel.machine.interpreters import NoInterpreter, any_interpreter, cannot_run
from cartwheel.model.check_report import tests
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.python import PURE
from cartwheel.process import environment, run
from cartwheel.testing.fresh_environment import FreshEnvironment
from cartwheel.testing.installers import UV, Installer, installer_variables
from cartwheel.testing.test_environment import run_installed_tests
from cartwheel.testing.wheel_tests import TestPlace, folder_for_tests, requirements


def check_installation(release: Release, index: Index, expected: Mapping[str, str]) -> str:
    """Returns a line about the result; `expected`: the SHA-256 of each file of the release.

    Raises `StepFailed` if the installation or the tests fail.
    """
    package, log = release.package, release.log
    assert log is not None
    env = environment.tool_environment(release.environ)
    own = [wheel for wheel in package.wheels if not cannot_run(wheel.target, this_machine(), wheel.floor)]
    base = any_interpreter(
        own[0].python if own else PURE, package.oldest_interpreter, environment.uv_environment(release.environ)
    )
    if isinstance(base, NoInterpreter):
        raise StepFailed(f"{package.name}: {base.why}, and its tests need it; install it")
    folder = release.root / package.folder
    place = TestPlace(root=release.root, scratch=release.scratch, log=log, environ=release.environ)
    copy = folder_for_tests(package, package.test, place)
    pinned = release.scratch / "pinned.txt"
    pinned.write_text(requirement(package.name, package.version, expected), encoding="utf-8")
    credentials = reading_credentials(index, release.environ)
    if credentials:
        log.hide((credentials.password,))

    def install(fresh_env: FreshEnvironment, tool: Installer, needs: tuple[str, ...]) -> None:
        if tool is not UV:
            raise StepFailed("uv does not start here, and installing from one index alone needs it; install uv again")
        alone, rest = install_commands(
            run.module_command("uv"), fresh_env.interpreter, index, package.name, package.version,
            requirements=pinned, extras=package.test.extras, source=not own,
        )  # fmt: skip
        installer = installer_environment(fresh_env.installer_env, credentials)
        limit = BUILD_SECONDS if not own else INSTALL_SECONDS
        install_when_visible(
            lambda: log.run(alone, cwd=release.scratch, env=installer, seconds=limit), index, say=release.say
        )
        others = (*rest, *requirements(package, package.test, place), *needs)
        log.run(others, cwd=release.scratch, env=installer, seconds=BUILD_SECONDS)

    ran = run_installed_tests(
        install, base=base, module=package.module, command=() if package.test.skip else package.test.command,
        tests_from=copy or folder, scratch=release.scratch / "tests", log=log, env=env,
        installer_env=installer_variables(release.environ, folder, release.scratch / "installer"),
        cwd=copy / package.test.cwd if copy else None,
    )  # fmt: skip
    return f"installed from {index.name} with Python {ran.python}: " + (ran.not_run or f"{tests(ran.count)} passed")
