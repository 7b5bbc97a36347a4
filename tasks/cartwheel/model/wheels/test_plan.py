"""The Pythons that test a wheel, and the requirements of its tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.settings import Test
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Package, Wheel
from cartwheel.model.wheels.python import ABI3, ABI3T, FIRST_ABI3T, PURE, SUPPORTED, allows_python, minor, oldest
from cartwheel.model.wheels.target import ANY
from cartwheel.model.wheels.wheel_name import normalised_name

_VERSION = r"(pypy|graalpy)?3\.(\d+)(t?)(?:-v8)?"


def pythons(package: Package, wheel: Wheel) -> tuple[str, ...]:
    """The Pythons that run the wheel's tests.

    A wheel for one Python is tested with that Python; other wheels with those in `test.python`, else with every
    supported one.  A program is tested with `py3`, any Python.
    """
    if not _for_many(wheel):
        return (wheel.python,)
    if wheel.test.python:
        return wheel.test.python
    if wheel.python == PURE and not package.module:
        return (PURE,)
    first = oldest(ABI3T if wheel.python == ABI3T else ABI3, package.oldest_interpreter)
    if wheel.python == ABI3T:
        return (first, f"{first}t")
    requirement = package.manifests.requires_python
    versions = (v for v in SUPPORTED if minor(v) >= minor(first) and allows_python(requirement, v))
    return tuple(versions) or (first,)


def from_sdist(package: Package) -> tuple[Wheel, ...]:
    """The wheels that an installer may build from the source distribution, preferred first.

    For a crate, wheels of the stable ABI come first, because any interpreter can build them; for other backends,
    compiled wheels come first.
    """
    if package.manifest:
        return tuple(sorted(package.wheels, key=lambda wheel: wheel.python not in (ABI3, PURE)))
    return tuple(sorted(package.wheels, key=lambda wheel: wheel.target.triple == ANY))


def every_python_required(wheel: Wheel) -> bool:
    """Whether each of the wheel's Pythons must run the tests, because the configuration names them."""
    return bool(wheel.test.python) or not _for_many(wheel)


def _for_many(wheel: Wheel) -> bool:
    return wheel.python in (PURE, ABI3, ABI3T)


def settings(package: Package, test: Test) -> Mapping[str, str]:
    """The non-empty test settings by name; a change makes the check stale."""
    groups = [_groups_with(package.manifests, name) for name in test.groups]
    rows = {
        "test.command": " ".join(test.command),
        "test.extras": " ".join(test.extras),
        "test.groups": " ".join(test.groups),
        "test.groups.say": json.dumps(groups, sort_keys=True) if test.groups else "",
        "test.locked": "yes" if test.locked else "",
        "test.cwd": test.cwd,
        "test.requires": " ".join(test.requires),
        "test.python": " ".join(test.python),
        "test.compile": "yes" if test.compile else "",
        "test.skip": test.skip,
        "module": package.module,
    }
    return {name: value for name, value in rows.items() if value}


def requirements_for_tests(package: Package, test: Test) -> tuple[str, ...]:
    """The requirements to install beside the wheel and its extras: dependency groups, then `test.requires`."""
    if not test.groups:
        return test.requires
    from packaging.dependency_groups import resolve_dependency_groups

    groups = (
        row for name in test.groups for row in resolve_dependency_groups(_groups_with(package.manifests, name), name)
    )
    return (*groups, *test.requires)


def _groups_with(manifests: Manifests, name: str) -> dict[str, Any]:
    """The dependency groups of the file that defines `name`: the package's pyproject.toml, or the workspace root's."""
    own = manifests.pyproject.get("dependency-groups", {})
    names = {normalised_name(group) for group in own}
    return dict(own if normalised_name(name) in names else manifests.groups_above)


def requirements_file(line: str) -> str:
    """The file of requirements or constraints that an entry of `test.requires` or a line of such a file names, relative
    to the package or to that file; empty if it is a requirement."""
    return requirements_option(line)[1]


def requirements_option(line: str) -> tuple[str, str]:
    """The installer's option (`-r` or `-c`) and the file that an entry names; empty if it is a requirement."""
    match = re.fullmatch(r"(?:(-r|--requirement)|-c|--constraint)(?:\s+|=)(\S.*)", line.strip())
    return ("-r" if match[1] else "-c", match[2]) if match else ("", "")


def _is_requirement(text: str) -> bool:
    if re.fullmatch(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", text, re.ASCII):  # packaging takes 8 ms to import
        return True
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def refuse_untestable(python: str, minimum: str, test: Test, manifests: Manifests, where: str) -> None:
    """Raises `ConfigError` for test settings that cannot work for a wheel."""
    for line in (*_wrong_pythons(python, minimum, test), *_unknown(test, manifests)):
        raise ConfigError(f"{where} {line}")


def _wrong_pythons(python: str, minimum: str, test: Test) -> Iterable[str]:
    for name in test.python:
        match = re.fullmatch(_VERSION, name)
        if match is None or (match[1] and match[3]):
            yield f"test.python: unknown interpreter '{name}'; expected one like '3.13', '3.14t' or 'pypy3.11'"
        elif test.python.count(name) > 1:
            yield f"test.python: '{name}' is listed twice; name it once"
        elif int(match[2]) < minor(minimum):
            yield f"test.python: '{name}' is older than the wheel takes ({minimum})"
        elif python == ABI3 and (match[1] or match[3]):
            yield f"test.python: '{name}' takes no wheel for the stable ABI; plan a separate wheel for it"
        elif python == ABI3T and (match[1] or int(match[2]) < FIRST_ABI3T):
            yield f"test.python: '{name}' takes no wheel for abi3t; expected 3.{FIRST_ABI3T} or newer"


def _is_misspelt(field: str) -> bool:
    """Whether a field of a test command is meant to be `package`."""
    from difflib import get_close_matches

    return bool(get_close_matches(field, ("package",), cutoff=0.8))


def _unknown(test: Test, manifests: Manifests) -> Iterable[str]:
    pyproject = manifests.pyproject
    for part in test.command:
        for field in re.findall(r"\{(\w+)\}", part):
            if field != "package" and _is_misspelt(field):
                yield f"test.command: '{{{field}}}' stands for nothing; did you mean '{{package}}'?"
    for line in test.requires:
        if not requirements_file(line) and not _is_requirement(line):
            yield f"test.requires: '{line}' is no requirement; expected one like 'numpy>=2', '-r FILE' or '-c FILE'"
    if test.cwd.startswith("/") or ".." in test.cwd.split("/"):
        yield f"test.cwd: '{test.cwd}' lies outside the package; name a folder in it, '.' for its own"
    groups = {normalised_name(n) for n in (*pyproject.get("dependency-groups", {}), *manifests.groups_above)}
    for name in test.groups:
        if normalised_name(name) not in groups:
            yield f"test.groups: there is no [dependency-groups] {name}{did_you_mean(name, groups)}"
    project = pyproject.get("project", {})
    extras = {normalised_name(name) for name in project.get("optional-dependencies", {})}
    for name in test.extras if project and "optional-dependencies" not in project.get("dynamic", ()) else ():
        if normalised_name(name) not in extras:
            yield f"test.extras: '{name}' is not in [project.optional-dependencies]{did_you_mean(name, extras)}"


def without_tests(package: Package) -> tuple[str, ...]:
    """One line if missing test commands would block the release of the package; needs no built file."""
    files = tuple(w.file for w in package.wheels if not (w.test.command or w.test.skip or w.untested))
    if not package.publish or not files:
        return ()
    which = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return (
        f"{package.name}: no test command is known for {which}, so it would not be published; set test.command, or "
        "test.skip or 'untested' with the reason",
    )
