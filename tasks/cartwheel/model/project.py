"""A project: its packages and, for each package, every wheel with its settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.manifests import Manifests, from_git, truth
from cartwheel.model.config.release_settings import (
    CacheSettings,
    ChangelogSettings,
    ChecklistItem,
    CiSettings,
    IndexSettings,
    ReleaseSettings,
    VersionPattern,
)
from cartwheel.model.config.settings import Before, Test, Training
from cartwheel.model.config.values import RunnerGroup, Secret
from cartwheel.model.destination import kind_of
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.versions.version import tag_name
from cartwheel.model.wheels.python import minor, oldest_python
from cartwheel.model.wheels.target import ANY, Target
from cartwheel.model.wheels.wheel_name import normalised_name

DEBUG = "debug"
"""The subfolder for debug wheels in `dist/` and for their state in `.cartwheel/`."""


def state_folder(*, debug: bool) -> str:
    """The folder of records, raw wheels and reports, relative to the project."""
    return f".cartwheel/{DEBUG}" if debug else ".cartwheel"


BEFORE = "before"
"""The name of the step setting that holds the `before` commands."""


def before_setting(commands: tuple[Before, ...]) -> Mapping[str, str]:
    """The `before` commands as one step setting; empty without commands."""
    return {BEFORE: "; ".join(" ".join(before.run) for before in commands)} if commands else {}


class Wheel(Struct, frozen=True, kw_only=True):
    """One wheel: its target and Python, and its build and test settings."""

    package: str
    target: Target
    python: str
    variant: str
    """The name of its `variants` entry; empty for the usual wheel."""
    floor: str
    toolchain: str
    """The configured value; empty for this machine's default."""
    image: str
    """The configured value for the toolchain `container`; empty for the target's default image."""
    features: tuple[str, ...]
    profile: str
    flags: tuple[str, ...]
    environment: Mapping[str, str | Secret]
    before: tuple[Before, ...]
    pgo: Training | None
    runner: str | tuple[str, ...] | RunnerGroup
    """The CI machine that builds it: label, labels or group; empty for the default."""
    test: Test
    untested: str
    """The reason to publish it although its tests ran on no machine; empty if tests are required."""
    debug: bool
    """It has a debug profile and is never published."""
    file: str
    raw: str
    """Its file name before repair."""

    @property
    def segments(self) -> str:
        """`<triple>:<package>:<python>[:<variant>]`, the part of a task's name after the stage."""
        return ":".join(self._parts)

    @property
    def place(self) -> str:
        """The segments as a path, for records, reports and raw wheels."""
        return "/".join(self._parts)

    @property
    def _parts(self) -> tuple[str, ...]:
        return (self.target.triple, self.package, self.python, *((self.variant,) if self.variant else ()))

    @property
    def settings(self) -> Mapping[str, str]:
        """The non-empty settings that a build depends on, by name; a change makes the build stale."""
        settings = {
            "floor": self.floor,
            "toolchain": self.toolchain,
            "image": self.image,
            "features": " ".join(self.features),
            "profile": self.profile,
            "flags": " ".join(self.flags),
            "python": self.python,
            "pgo": " ".join((*self.pgo.run, *self.pgo.requires)) if self.pgo else "",
            **before_setting(self.before),
        }
        return {name: value for name, value in settings.items() if value}


class Package(Struct, frozen=True, kw_only=True):
    """One distribution: a name on an index, with its wheels and its source distribution."""

    name: str
    key: str
    """The normalised name, used in task names."""
    folder: str
    version: str
    backend: str
    """`maturin`, or `pep517` for every other backend."""
    bindings: str
    """`pyo3`, `cffi`, `uniffi`, `bin`, or empty without a crate."""
    module: str
    """The dotted name of the module that the wheels provide."""
    manifest: str
    """The crate's Cargo.toml relative to the project, or empty."""
    wheels: tuple[Wheel, ...]
    left_out: tuple[str, ...]
    """Configured interpreters that get no wheel; one line each, with the reason."""
    publish: tuple[str, ...]
    private: bool
    """Built and checked, but never uploaded."""
    tag: str
    versions: tuple[VersionPattern, ...]
    changelog: ChangelogSettings
    bump_message: str
    checklist: tuple[ChecklistItem, ...]
    test: Test
    inputs: tuple[str, ...]
    environment: Mapping[str, str | Secret]
    """The environment variables for building the source distribution."""
    before: tuple[Before, ...]
    """The commands to run before the source distribution is built."""
    environment_pass: tuple[str, ...]
    cargo_directory: str
    """`wheel` or `triple`: the unit that has a separate cargo target directory."""
    sccache: bool
    minimum_python: str
    """The oldest CPython of the stable ABI's tag, else of `requires-python`."""
    manifests: Manifests
    debug: bool
    """This run makes debug wheels; their files and state are in separate folders."""
    third_party: bool = False
    """Whether its wheels hold the licence texts of what others wrote."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Files of the last release that this release may drop: pairs of pattern and reason."""

    @property
    def from_git(self) -> bool:
        """Whether the version comes from git and is in no file."""
        return from_git(self.manifests.pyproject)

    @property
    def oldest_interpreter(self) -> str:
        """The oldest CPython that builds and tests a stable ABI wheel; `requires-python` may refuse the tag's."""
        required = self.manifests.requires_python
        return max(self.minimum_python, oldest_python(required) if required else "", key=minor)

    @property
    def compiled(self) -> bool:
        """Whether any of its wheels holds compiled code."""
        return any(wheel.target.triple != ANY for wheel in self.wheels)

    @property
    def dist(self) -> str:
        """The folder of its finished files, relative to the project."""
        return f"dist/{DEBUG}" if self.debug else "dist/private" if self.private else "dist"

    @property
    def state(self) -> str:
        """The folder of its raw wheels and reports, relative to the project."""
        return state_folder(debug=self.debug)

    @property
    def sdist(self) -> str:
        """The source distribution's file name."""
        return f"{normalised_name(self.name)}-{self.version}.tar.gz"

    @property
    def tag_name(self) -> str:
        """The tag of this version."""
        return tag_name(self.tag, truth(self.manifests).text, name=self.name)


class Project(Struct, frozen=True, kw_only=True):
    """All packages of a repository and how it is released."""

    packages: tuple[Package, ...]
    indexes: Mapping[str, IndexSettings]
    release: ReleaseSettings
    ci: CiSettings = CiSettings()
    cache: CacheSettings = CacheSettings()
    overrides: Mapping[str, str]
    """Command-line overrides of this run, as text."""
    rehearsed: bool = False
    """Its indexes are stand-ins on this machine (`doit rehearse`)."""
    started_by: str = ""
    """The tag that started this pipeline's run; empty for any other run."""

    @property
    def debug(self) -> bool:
        """Whether this run makes debug wheels."""
        return any(package.debug for package in self.packages)

    @property
    def made_by_ci(self) -> bool:
        """Whether a tag's CI pipeline builds the wheels; false in that pipeline and in a rehearsal."""
        return self.release.origin == "ci" and not self.rehearsed and not self.started_by

    @property
    def wheels(self) -> tuple[tuple[Package, Wheel], ...]:
        """Every wheel with its package, in the configuration's order."""
        return tuple((package, wheel) for package in self.packages for wheel in package.wheels)


def rehearsal_project(project: Project, stand_ins: Mapping[str, IndexSettings]) -> Project:
    """The project with every destination replaced by the stand-in of its kind.

    Packages that are never published go to `REHEARSAL`.  Raises `ConfigError` if a kind has no stand-in.
    """
    if not all(re.match(r"(?:sparse\+)?http://127\.0\.0\.1[:/]", one.url) for one in stand_ins.values()):
        raise ConfigError(NO_STAND_IN)
    packages = tuple(
        replace(p, publish=p.publish or (REHEARSAL,), wheels=tuple(_rehearsed_wheel(wheel) for wheel in p.wheels))
        for p in project.packages
    )
    published = {name for package in packages for name in package.publish}
    indexes: dict[str, IndexSettings] = {}
    for name in sorted({REHEARSAL, *project.indexes, *published}):
        stand_in, configured = stand_ins.get(kind_of(name, project.indexes)), project.indexes.get(name)
        if stand_in:
            indexes[name] = replace(
                stand_in, crates=configured.crates if configured else None, rules=configured.rules if configured else {}
            )
        elif name in published:
            raise ConfigError(f"rehearsal: there is no stand-in for '{name}'; start it with: doit rehearse")
    release = replace(project.release, remote="")  # the clone's only remote may have another name
    return replace(project, packages=packages, indexes=indexes, release=release, rehearsed=True, started_by="")


def _rehearsed_wheel(wheel: Wheel) -> Wheel:
    """Waive tests that this machine cannot run; `doit rehearse` lists such wheels at its end."""
    return wheel if wheel.untested or not wheel.test.command else replace(wheel, untested=NOT_TESTED_HERE)


NO_STAND_IN = "CARTWHEEL_REHEARSAL: expected the stand-ins of doit rehearse on this machine, which sets it; unset it"
NOT_TESTED_HERE = "a rehearsal goes on without the interpreters that are not here"

_TAG_VARIABLES = (("CI_COMMIT_TAG", ""), ("GITHUB_REF", "refs/tags/"), ("CIRCLE_TAG", ""), ("BITBUCKET_TAG", ""))
"""The variables in which CI systems name the tag that started a run, and the prefix before the tag.

Source: documentation of predefined variables of GitLab, GitHub, CircleCI and Bitbucket, November 2026.
"""


def started_by(project: Project, environ: Mapping[str, str]) -> Project:
    """The project with `started_by` set from the environment.  See `starting_tag`."""
    return replace(project, started_by=starting_tag(environ))


def starting_tag(environ: Mapping[str, str]) -> str:
    """The tag that started this pipeline's run; empty for any other run."""
    tags = (
        environ[name].removeprefix(prefix)
        for name, prefix in _TAG_VARIABLES
        if environ.get(name, "").startswith(prefix) and environ.get(name)
    )
    return next(tags, "")


REHEARSAL = "rehearsal"
"""The stand-in index to which a rehearsal publishes private packages."""


def packages_named(project: Project, names: Iterable[str], option: str) -> tuple[Package, ...]:
    """The packages of these keys or names; raises `ConfigError`, which begins with `option`, for an unknown one."""
    known = {p.key: p for p in project.packages} | {p.name: p for p in project.packages}
    for name in names:
        if name not in known:
            raise ConfigError(f"{option}: there is no package '{name}'{did_you_mean(name, known)}")
    return tuple(known[name] for name in names)


def packages_with_same_tag(package: Package, packages: Iterable[Package], index: str) -> tuple[Package, ...]:
    """The other packages that have the same tag and are published to the same index."""
    return tuple(p for p in packages if p.key != package.key and index in p.publish and p.tag_name == package.tag_name)


def declared_inputs(package: Package, wheel: Wheel | None) -> tuple[str, ...]:
    """The configured input patterns for a package and one of its wheels, relative to the package."""
    trained = wheel.pgo.inputs if wheel and wheel.pgo else ()
    return (*package.inputs, *trained, *(name for before in (wheel.before if wheel else ()) for name in before.inputs))
