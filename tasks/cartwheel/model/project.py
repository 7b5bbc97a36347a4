"""A project: its packages and, for each, every wheel it ships, with its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.manifests import Manifests, from_git, truth
from cartwheel.model.config.release_settings import (
    ChangelogSettings,
    ChecklistItem,
    CiSettings,
    IndexSettings,
    ReleaseSettings,
    VersionPattern,
)
from cartwheel.model.config.settings import Before, Test
from cartwheel.model.config.values import RunnerGroup, Secret
from cartwheel.model.destination import kind_of
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import tag_name
from cartwheel.model.wheels.target import ANY, Target
from cartwheel.model.wheels.wheel_name import normalised_name

DEBUG = "debug"
"""The folder of debug wheels in `dist/`, and of their state."""


def state_folder(*, debug: bool) -> str:
    """The folder of records, raw wheels and reports."""
    return f".cartwheel/{DEBUG}" if debug else ".cartwheel"


BEFORE = "before"
"""The setting of a step that holds the commands before it."""


def said_before(commands: tuple[Before, ...]) -> Mapping[str, str]:
    """The commands before a step, as one of its settings; no setting without commands."""
    return {BEFORE: "; ".join(" ".join(before.run) for before in commands)} if commands else {}


class Wheel(Struct, frozen=True, kw_only=True):
    """One wheel: what it is for and how it is made."""

    package: str
    target: Target
    python: str
    variant: str
    """The name of its `variants` entry; empty for the usual wheel."""
    floor: str
    toolchain: str
    """As configured; empty for this machine's default."""
    image: str
    """As configured, for toolchain `container`; empty for the target's default image."""
    features: tuple[str, ...]
    profile: str
    flags: tuple[str, ...]
    environment: Mapping[str, str | Secret]
    before: tuple[Before, ...]
    runner: str | tuple[str, ...] | RunnerGroup
    """The machine that builds it in CI, by label, labels or group; empty for the default."""
    test: Test
    untested: str
    """Why it may be published although no machine has run its tests; empty if it may not."""
    debug: bool
    """It is built for debugging and never published."""
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
        """The settings that a build depends on, by name, without empty ones; a change is a reason to build again."""
        said = {
            "floor": self.floor,
            "toolchain": self.toolchain,
            "image": self.image,
            "features": " ".join(self.features),
            "profile": self.profile,
            "flags": " ".join(self.flags),
            "python": self.python,
            **said_before(self.before),
        }
        return {name: value for name, value in said.items() if value}


class Package(Struct, frozen=True, kw_only=True):
    """One thing with a name on an index."""

    name: str
    key: str
    """The normalised name: its segment in task names."""
    folder: str
    version: str
    backend: str
    """`maturin`, or `pep517` for every other backend."""
    bindings: str
    """`pyo3`, `cffi`, `uniffi`, `bin`, or empty without a crate."""
    module: str
    """The dotted name of the module that the wheels are imported as."""
    manifest: str
    """The crate's Cargo.toml relative to the project, or empty."""
    wheels: tuple[Wheel, ...]
    left_out: tuple[str, ...]
    """What a list of interpreters names and no wheel is for, with the reason; a line each."""
    publish: tuple[str, ...]
    private: bool
    """Built and checked, and never uploaded."""
    tag: str
    versions: tuple[VersionPattern, ...]
    changelog: ChangelogSettings
    bump_message: str
    checklist: tuple[ChecklistItem, ...]
    test: Test
    inputs: tuple[str, ...]
    environment: Mapping[str, str | Secret]
    """The variables that its source distribution is built with: its table's or the root's."""
    before: tuple[Before, ...]
    """The commands before its source distribution: its table's or the root's."""
    environment_pass: tuple[str, ...]
    cargo_directory: str
    """`wheel` or `triple`: what has a cargo target directory."""
    sccache: bool
    minimum_python: str
    manifests: Manifests
    debug: bool
    """This run makes debug wheels; they and their state have folders of their own."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Files of the last release that may end: patterns and reasons."""

    @property
    def from_git(self) -> bool:
        """Whether its version comes from git and is in no file."""
        return from_git(self.manifests.pyproject)

    @property
    def compiled(self) -> bool:
        """Whether some of its wheels hold compiled code."""
        return any(wheel.target.triple != ANY for wheel in self.wheels)

    @property
    def dist(self) -> str:
        """The folder of its finished files."""
        return f"dist/{DEBUG}" if self.debug else "dist/private" if self.private else "dist"

    @property
    def state(self) -> str:
        """The folder of its raw wheels and reports."""
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
    overrides: Mapping[str, str]
    """The settings of this run, as text."""
    rehearsed: bool = False
    """Its indexes are stand-ins on this machine."""
    started_by: str = ""
    """The tag that started this pipeline's run; empty for any other run."""

    @property
    def debug(self) -> bool:
        """Whether this run makes debug wheels."""
        return any(package.debug for package in self.packages)

    @property
    def made_by_ci(self) -> bool:
        """Whether the wheels are built by the pipeline that the tag starts; false in that pipeline and in a rehearsal,
        which build them."""
        return self.release.origin == "ci" and not self.rehearsed and not self.started_by

    @property
    def wheels(self) -> tuple[tuple[Package, Wheel], ...]:
        """Every wheel with its package, in the configuration's order."""
        return tuple((package, wheel) for package in self.packages for wheel in package.wheels)


def rehearsal_project(project: Project, stand_ins: Mapping[str, IndexSettings]) -> Project:
    """The same project with every destination replaced by the stand-in of its kind; what is never published goes to
    the one that is like PyPI.  Raises `ConfigError` where a kind has none."""
    packages = tuple(
        replace(p, publish=p.publish or (REHEARSAL,), wheels=tuple(_rehearsed_wheel(wheel) for wheel in p.wheels))
        for p in project.packages
    )
    published = {name for package in packages for name in package.publish}
    indexes: dict[str, IndexSettings] = {}
    for name in sorted({REHEARSAL, *project.indexes, *published}):
        stand_in, asked = stand_ins.get(kind_of(name, project.indexes)), project.indexes.get(name)
        if stand_in:
            indexes[name] = replace(
                stand_in, crates=asked.crates if asked else None, rules=asked.rules if asked else {}
            )
        elif name in published:
            raise ConfigError(f"rehearsal: there is no stand-in for '{name}'; start it with: doit rehearse")
    release = replace(project.release, remote="")  # the clone has one remote, whatever the project's is called
    return replace(project, packages=packages, indexes=indexes, release=release, rehearsed=True, started_by="")


def _rehearsed_wheel(wheel: Wheel) -> Wheel:
    """A wheel whose tests this machine cannot run does not stop a rehearsal; `doit rehearse` names it at its end."""
    return wheel if wheel.untested or not wheel.test.command else replace(wheel, untested=NOT_TESTED_HERE)


NOT_TESTED_HERE = "a rehearsal goes on without the interpreters that are not here"

_TAG_VARIABLES = (("CI_COMMIT_TAG", ""), ("GITHUB_REF", "refs/tags/"), ("CIRCLE_TAG", ""), ("BITBUCKET_TAG", ""))
"""Where a pipeline says which tag started it, and what stands before the tag there.  GitLab's and GitHub's
documentation of predefined variables, CircleCI's and Bitbucket's likewise, November 2026."""


def started_by(project: Project, environ: Mapping[str, str]) -> Project:
    """The same project, in a run that a tag may have started."""
    return replace(project, started_by=starting_tag(environ))


def starting_tag(environ: Mapping[str, str]) -> str:
    """The tag that started a pipeline's run, empty in any other."""
    tags = (
        environ[name].removeprefix(prefix)
        for name, prefix in _TAG_VARIABLES
        if environ.get(name, "").startswith(prefix) and environ.get(name)
    )
    return next(tags, "")


REHEARSAL = "rehearsal"
"""The index that a rehearsal publishes private packages to."""


def packages_with_same_tag(package: Package, packages: Iterable[Package], index: str) -> tuple[Package, ...]:
    """The other packages whose release on this index has the same tag."""
    return tuple(p for p in packages if p.key != package.key and index in p.publish and p.tag_name == package.tag_name)


def declared_inputs(package: Package, wheel: Wheel | None) -> tuple[str, ...]:
    """What the configuration names that counts for a package and for one of its wheels, relative to the package."""
    return (*package.inputs, *(name for before in (wheel.before if wheel else ()) for name in before.inputs))
