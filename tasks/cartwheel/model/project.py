"""A project: its packages and, for each, every wheel it ships, with all that the configuration says of it.

Everything left out of `[tool.cartwheel]` is derived here from what the manifests say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model import python as pythons
from cartwheel.model.destination import CRATES, kind_of
from cartwheel.model.errors import ConfigError
from cartwheel.model.manifests import (
    Manifests,
    bindings_of,
    default_python,
    inside,
    minimum_python,
    module_of,
    normalised,
    package_name,
    truth,
)
from cartwheel.model.sense import refuse_idle, refuse_nonsense, refuse_too_old
from cartwheel.model.settings import (
    ChangelogSettings,
    ChecklistItem,
    IndexSettings,
    Override,
    ReleaseSettings,
    Settings,
    Test,
    Tunable,
    VersionPattern,
    decode,
)
from cartwheel.model.target import ANY, Target, platform_tag, target_named, version_of_floor
from cartwheel.model.version import pep440, tag_name

USUAL_TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)

OVERRIDABLE = ("targets", "python", "floor", "toolchain", "features", "profile", "publish")
"""Keys that a doit variable (`profile=dev`) or the environment (`CARTWHEEL_PROFILE=dev`) may set for one run."""

_LISTS = ("targets", "python", "features", "publish")


class Wheel(Struct, frozen=True, kw_only=True):
    """One wheel: what it is for and how it is made."""

    package: str
    target: Target
    python: str
    floor: str
    toolchain: str
    """As declared; empty where the default for this machine is taken."""
    features: tuple[str, ...]
    profile: str
    environment: Mapping[str, str]
    untested: str
    """Why it may be published although no machine has run its tests; empty where it may not."""
    file: str

    @property
    def segments(self) -> str:
        """`<triple>:<package>:<python>`, the part of a task's name after the stage."""
        return f"{self.target.triple}:{self.package}:{self.python}"

    @property
    def place(self) -> str:
        """The same as a path, for records, reports and cargo's directories."""
        return f"{self.target.triple}/{self.package}/{self.python}"


class Package(Struct, frozen=True, kw_only=True):
    """One thing with a name on an index."""

    name: str
    key: str
    """The normalised name: its segment in task names."""
    folder: str
    version: str
    backend: str
    """`maturin`, or `pep517` for everything built by its own backend."""
    bindings: str
    """`pyo3`, `cffi`, `bin`, or empty without a crate."""
    module: str
    """The dotted name of what the tests import."""
    manifest: str
    """The crate's Cargo.toml relative to the project, or empty."""
    wheels: tuple[Wheel, ...]
    publish: tuple[str, ...]
    private: bool
    """Built and checked, and never sent to an index."""
    tag: str
    versions: tuple[VersionPattern, ...]
    changelog: ChangelogSettings
    bump_message: str
    checklist: tuple[ChecklistItem, ...]
    test: Test
    inputs: tuple[str, ...]
    environment_pass: tuple[str, ...]
    cargo_directory: str
    """`wheel` or `triple`: which wheels compile in one directory."""
    sccache: bool
    minimum_python: str
    manifests: Manifests

    @property
    def dist(self) -> str:
        """The folder of its finished files."""
        return "dist/private" if self.private else "dist"

    @property
    def sdist(self) -> str:
        """The source distribution's file name."""
        return f"{normalised(self.name)}-{self.version}.tar.gz"

    @property
    def tag_name(self) -> str:
        """The tag of this version."""
        return tag_name(self.tag, truth(self.manifests).text, name=self.name)


class Project(Struct, frozen=True, kw_only=True):
    """All packages of a repository and how it is released."""

    packages: tuple[Package, ...]
    indexes: Mapping[str, IndexSettings]
    release: ReleaseSettings
    overrides: Mapping[str, str]
    """What was set for this run only."""
    rehearsed: bool = False
    """Its indexes are stand-ins on this machine."""
    started_by: str = ""
    """The tag that started this pipeline's run; empty for any other run."""

    @property
    def made_by_ci(self) -> bool:
        """Whether the pipeline that the tag starts makes the wheels; that pipeline itself, and a rehearsal, do all."""
        return self.release.origin == "ci" and not self.rehearsed and not self.started_by

    @property
    def wheels(self) -> tuple[tuple[Package, Wheel], ...]:
        """Every wheel with its package, in the configuration's order."""
        return tuple((package, wheel) for package in self.packages for wheel in package.wheels)


def rehearsing(project: Project, stand_ins: Mapping[str, IndexSettings]) -> Project:
    """The same project with every destination replaced by the stand-in of its kind; what is never published goes to
    the one that is like PyPI.  Raises `ConfigError` where a kind has none."""
    packages = tuple(replace(p, publish=p.publish or (REHEARSAL,)) for p in project.packages)
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
    return replace(project, packages=packages, indexes=indexes, rehearsed=True, started_by="")


_TAG_VARIABLES = (("CI_COMMIT_TAG", ""), ("GITHUB_REF", "refs/tags/"), ("CIRCLE_TAG", ""), ("BITBUCKET_TAG", ""))
"""Where a pipeline says which tag started it, and what stands before the tag there.  GitLab's and GitHub's
documentation of predefined variables, CircleCI's and Bitbucket's likewise, November 2026."""


def started_by(project: Project, environ: Mapping[str, str]) -> Project:
    """The same project, in a run that a tag may have started."""
    tags = (
        environ[name].removeprefix(prefix)
        for name, prefix in _TAG_VARIABLES
        if environ.get(name, "").startswith(prefix) and environ.get(name)
    )
    return replace(project, started_by=next(tags, ""))


REHEARSAL = "rehearsal"
"""The index that a rehearsal publishes private packages to."""


def folders(root: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of a project's packages, from the root's pyproject.toml."""
    named = _table(root, "pyproject.toml").packages
    return tuple(dict.fromkeys((".",) if named is None else named))


def understood(root: Mapping[str, Any], packages: Iterable[Manifests], overrides: Mapping[str, str]) -> Project:
    """The project that the manifests describe; raises `ConfigError` where they cannot be meant."""
    common = _table(root, "pyproject.toml")
    packages = tuple(packages)
    if not any(m.folder == "." for m in packages) and (common.versions or common.version_from):
        raise ConfigError(
            "[tool.cartwheel] versions, version-from: these belong into the package's own table; move them"
        )
    once = _settings_of(overrides)
    read = tuple(packages)
    made = tuple(_package(m, common, once, single=len(read) == 1) for m in read)
    if common.overrides:
        refuse_idle(
            common.overrides, (t for m in read for t in _declared(m, _own(m, common), common)), "[tool.cartwheel]"
        )
    _refuse_doubles(made)
    _refuse_unplanned(made, once)
    return Project(
        packages=made,
        indexes=common.index or {},
        release=common.release or ReleaseSettings(),
        overrides=dict(overrides),
    )


def _table(pyproject: Mapping[str, Any], where: str) -> Settings:
    prefix = "" if where == "pyproject.toml" else f"{where} "
    where = f"{prefix}[tool.cartwheel]"
    settings = decode(Settings, pyproject.get("tool", {}).get("cartwheel", {}), where=where)
    refuse_nonsense(settings, where)
    return settings


def _settings_of(overrides: Mapping[str, str]) -> Settings:
    raw = {key: _split(text) if key in _LISTS else text for key, text in overrides.items()}
    return decode(Settings, raw, where="a setting for this run,")


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _package(manifests: Manifests, common: Settings, once: Settings, *, single: bool) -> Package:
    where = inside(manifests.folder, "pyproject.toml")
    own = _own(manifests, common)
    if manifests.folder != "." and own.packages is not None:
        raise ConfigError(f"{where} [tool.cartwheel]: 'packages' belongs into the root's table; move it there")
    layers = (once, own, common)
    name = package_name(manifests, where)
    key = normalised(name).replace("_", "-")
    backend = "maturin" if manifests.cargo_path else "pep517"
    bindings = bindings_of(manifests)
    minimum = minimum_python(manifests)
    version = pep440(truth(manifests).text)
    targets = _targets(manifests, once, own, common, where)
    publish = _destinations(manifests, layers, single=single)
    _refuse_mismatch(targets, manifests, where)
    context = _Context(
        layers=layers, where=where, package=key, stem=f"{normalised(name)}-{version}", minimum=minimum,
        python=_first(layers, "python", default_python(manifests, bindings, minimum)),
    )  # fmt: skip
    if own is not common:
        refuse_idle(own.overrides, _declared(manifests, own, common), f"{where} [tool.cartwheel]")
    refuse_too_old(context.python, manifests.pyproject, f"{where} [tool.cartwheel]")
    default_tag = "v{version}" if single else "{name}-v{version}"
    return Package(
        name=name,
        key=key,
        folder=manifests.folder,
        version=version,
        backend=backend,
        bindings=bindings,
        module=module_of(manifests, name),
        manifest=manifests.cargo_path,
        wheels=tuple(wheel for target in targets for wheel in context.wheels(target)),
        publish=publish,
        private=not publish,
        tag=_first(layers, "tag", default_tag),
        versions=own.versions or (),
        changelog=_first(layers, "changelog", ChangelogSettings()),
        bump_message=_first(layers, "bump_message", "Version {version}" if single else "{name} {version}"),
        checklist=_first(layers, "checklist", ()),
        test=_test(_first(layers, "test", Test()), manifests),
        inputs=_first(layers, "inputs", ()),
        environment_pass=_first(layers, "environment_pass", ()),
        cargo_directory=_first(layers, "cargo_directory", "wheel"),
        sccache=_first(layers, "sccache", False),
        minimum_python=minimum,
        manifests=manifests,
    )


class _Context(Struct, frozen=True, kw_only=True):
    """What the wheels of one package have in common."""

    layers: tuple[Settings, ...]
    where: str
    package: str
    stem: str
    minimum: str
    python: tuple[str, ...]

    def wheels(self, target: Target) -> Iterable[Wheel]:
        where = f"{'' if self.where == 'pyproject.toml' else self.where + ' '}[tool.cartwheel]"
        floor = self._tuned("floor", target, target.floor)
        if self.layers[0].floor is None:
            version_of_floor(target, floor, where=f"{where} floor")
        else:
            version_of_floor(target, floor, where="floor for this run (name the targets it is for: targets=TRIPLE)")
        for python in self.python:
            tag, abi = pythons.tags(python, self.minimum, where=f"{where} python")
            yield Wheel(
                package=self.package,
                target=target,
                python=python,
                floor=floor,
                toolchain=self._tuned("toolchain", target, ""),
                features=self._tuned("features", target, ()),
                profile=self._tuned("profile", target, "release"),
                environment=self._tuned("environment", target, {}),
                untested=self._tuned("untested", target, ""),
                file=f"{self.stem}-{tag}-{abi}-{platform_tag(target, floor)}.whl",
            )

    def _tuned(self, key: str, target: Target, default: Any) -> Any:
        """For one run, then the last override that matches, then the package, the root, the default."""
        once, own, common = self.layers
        matching = (o for table in (own, common) for o in reversed(table.overrides) if _matches(o, target))
        return _first((once, *matching, own, common), key, default)


def _own(manifests: Manifests, common: Settings) -> Settings:
    where = inside(manifests.folder, "pyproject.toml")
    return common if manifests.folder == "." else _table(manifests.pyproject, where)


def _declared(manifests: Manifests, own: Settings, common: Settings) -> tuple[str, ...]:
    """The triples that the configuration names for the package, or the usual ones."""
    declared: tuple[str, ...] = _first((own, common), "targets", USUAL_TARGETS if manifests.cargo_path else (ANY,))
    return declared


def _targets(manifests: Manifests, once: Settings, own: Settings, common: Settings, where: str) -> tuple[Target, ...]:
    """The package's targets; what is named for one run chooses among them."""
    place = f"{'' if where == 'pyproject.toml' else where + ' '}[tool.cartwheel] targets"
    targets = tuple(target_named(triple, where=place) for triple in _declared(manifests, own, common))
    if once.targets is None:
        return targets
    wanted = {target_named(triple, where="targets for this run").triple for triple in once.targets} | {ANY}
    return tuple(target for target in targets if target.triple in wanted)


def _destinations(manifests: Manifests, layers: tuple[Settings, ...], *, single: bool) -> tuple[str, ...]:
    """Where the package is published.  One without a crate takes no registry of crates over from the root's table or
    from what is set for one run, and may not name one itself."""
    once, own, common = layers
    named: tuple[str, ...] = _first(layers, "publish", ("pypi",))
    if manifests.cargo_path:
        return named
    registries = tuple(name for name in named if kind_of(name, common.index or {}) == CRATES)
    its_own = own is not common and once.publish is None and own.publish is not None
    if registries and (single or its_own):
        raise ConfigError(
            f"{inside(manifests.folder, 'pyproject.toml')} [tool.cartwheel] publish: '{registries[0]}' takes crates, "
            "and this package has none; take it out"
        )
    return tuple(name for name in named if name not in registries)


def _matches(override: Override, target: Target) -> bool:
    return any(fnmatchcase(target.triple, pattern) for pattern in override.select.split())


def _first(layers: Iterable[Tunable], key: str, default: Any) -> Any:
    """The value of the first layer that says one."""
    for layer in layers:
        value = getattr(layer, key, None)
        if value is not None:
            return value
    return default


def _test(test: Test, manifests: Manifests) -> Test:
    if test.command or not manifests.has_tests:
        return test
    return Test(
        command=("pytest", "{package}/tests"), extras=test.extras, requires=("pytest", *test.requires), skip=test.skip
    )


def _refuse_mismatch(targets: tuple[Target, ...], manifests: Manifests, where: str) -> None:
    for target in targets:
        if manifests.cargo_path and target.triple == ANY:
            raise ConfigError(f"{where} [tool.cartwheel] targets: 'any' is for pure Python; this package has a crate")
        if not manifests.cargo_path and target.triple != ANY:
            raise ConfigError(f"{where} [tool.cartwheel] targets: '{target.triple}' needs a crate; found none")


def _refuse_unplanned(packages: tuple[Package, ...], once: Settings) -> None:
    """Targets for this run that no package has would build nothing, and say nothing."""
    planned = {wheel.target.triple for package in packages for wheel in package.wheels}
    if once.targets and not planned.union({ANY}).intersection(once.targets):
        raise ConfigError(f"targets for this run: no package has the target '{once.targets[0]}'; see: doit plan")


def _refuse_doubles(packages: tuple[Package, ...]) -> None:
    seen: dict[str, str] = {}
    for package in packages:
        if package.key in seen.values():
            raise ConfigError(f"two packages are named '{package.name}'; names on an index are unique")
        for wheel in package.wheels:
            if wheel.file in seen:
                raise ConfigError(
                    f"[tool.cartwheel] targets: {wheel.target.triple} and another target of {package.name} would both "
                    f"be {wheel.file}; remove one"
                )
            seen[wheel.file] = package.key
