"""From manifests to a project: what `[tool.cartwheel]` says, and everything left out of it derived from what the
manifests say.  Raises `ConfigError` where that cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.build_backend import (
    BACKENDS_TAKE,
    backend_of,
    oldest_system,
    raw_name,
    refuse_older_than_python,
)
from cartwheel.model.config.cargo_features import refuse_unknown
from cartwheel.model.config.config_checks import (
    refuse_cargo_keys,
    refuse_idle,
    refuse_nonsense,
    refuse_not_abi3,
    refuse_too_old,
    refuse_two_versions,
)
from cartwheel.model.config.layers import SettingLayers, chosen_by, first, pattern_matches
from cartwheel.model.config.manifests import (
    Manifests,
    StableAbi,
    bindings_of,
    default_python,
    from_git,
    inside,
    is_debug,
    minimum_python,
    module_of,
    package_name,
    profiles,
    stable_abi,
    table_name,
    truth,
)
from cartwheel.model.config.release_settings import ChangelogSettings, CiSettings, ReleaseSettings
from cartwheel.model.config.settings import Settings, Test, Variant
from cartwheel.model.config.table import decode
from cartwheel.model.destination import CRATES, PYPI, kind_of
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.versions.version import highest, pep440, version_in
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.container_image import CONTAINER, refuse_no_image
from cartwheel.model.wheels.target import (
    ANY,
    Target,
    makes,
    platform_tag,
    pypi_takes,
    refuse_impossible,
    target_by_name,
)
from cartwheel.model.wheels.test_plan import refuse_untestable
from cartwheel.model.wheels.wheel_name import normalised_name

USUAL_TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)

VERSION = "version"

OVERRIDABLE = ("targets", "python", "floor", "toolchain", "features", "profile", "publish", VERSION)
"""Keys that a doit variable (`profile=dev`) or the environment (`CARTWHEEL_PROFILE=dev`) may set for one run."""

_LISTS = ("targets", "python", "features", "publish")


def folders(root: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of a project's packages, from the root's pyproject.toml."""
    named = _table(root, "pyproject.toml").packages
    return tuple(dict.fromkeys((".",) if named is None else named))


def resolve_project(
    root: Mapping[str, Any],
    packages: Iterable[Manifests],
    overrides: Mapping[str, str],
    *,
    tags: tuple[str, ...] = (),
    started_by: str = "",
) -> Project:
    """The project that the manifests describe; raises `ConfigError` where they cannot be meant.

    `tags`: those of HEAD, for packages whose version comes from git; `started_by`: the tag that started this run.
    """
    common = _table(root, "pyproject.toml")
    packages = tuple(packages)
    if not any(m.folder == "." for m in packages) and any(
        value is not None for value in (common.versions, common.version_from, common.version, common.module)
    ):
        raise ConfigError(
            "[tool.cartwheel] version, versions, version-from, module: these belong into the package's own table; "
            "move them"
        )
    once = _settings_of(overrides)
    said = _version_said(overrides, packages)
    known = (started_by, tags)
    read = tuple(_versioned(m, _own(m, common), common, said, known, single=len(packages) == 1) for m in packages)
    made = tuple(_package(m, common, once, single=len(read) == 1) for m in read)
    if common.overrides or common.variants:
        every = (row for m in read for row in _made(m, _own(m, common), common))
        refuse_idle((*common.overrides, *common.variants), every, "[tool.cartwheel]")
    _refuse_doubles(made)
    _refuse_unplanned(made, once)
    return Project(
        packages=made,
        indexes=common.index or {},
        release=common.release or ReleaseSettings(),
        ci=common.ci or CiSettings(),
        overrides=dict(overrides),
    )


def _table(pyproject: Mapping[str, Any], where: str) -> Settings:
    prefix = "" if where == "pyproject.toml" else f"{where} "
    where = f"{prefix}[tool.cartwheel]"
    settings = decode(Settings, pyproject.get("tool", {}).get("cartwheel", {}), where=where)
    refuse_nonsense(settings, where)
    return settings


def _settings_of(overrides: Mapping[str, str]) -> Settings:
    raw = {key: _split(text) if key in _LISTS else text for key, text in overrides.items() if key != VERSION}
    return decode(Settings, raw, where="a setting for this run,")


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _version_said(overrides: Mapping[str, str], packages: Iterable[Manifests]) -> str:
    """The version that is said for this run, for the packages whose version comes from git."""
    said = overrides.get(VERSION, "")
    if not said:
        return ""
    if not any(from_git(manifests.pyproject) for manifests in packages):
        raise ConfigError(
            f"version for this run: every version here stands in a file; change it with: doit bump {said}"
        )
    try:
        return pep440(said)
    except ConfigError as error:
        raise ConfigError(f"version for this run: {error}") from None


def _versioned(
    manifests: Manifests,
    own: Settings,
    common: Settings,
    said: str,
    known: tuple[str, tuple[str, ...]],
    *,
    single: bool,
) -> Manifests:
    """With the version of a package that has it from git: what is said for this run, what the tag says that started it,
    or the highest tag of HEAD."""
    if not from_git(manifests.pyproject):
        return manifests
    where = inside(manifests.folder, "pyproject.toml")
    refuse_two_versions(manifests, own, table_name(manifests))
    form, name = first((own, common), "tag", _default_tag(single=single)), package_name(manifests, where)
    starting, tags = known
    found = said or version_in(form, starting, name=name)
    return replace(manifests, version=found or highest(version_in(form, tag, name=name) for tag in tags))


def _default_tag(*, single: bool) -> str:
    return "v{version}" if single else "{name}-v{version}"


def _package(manifests: Manifests, common: Settings, once: Settings, *, single: bool) -> Package:
    where = inside(manifests.folder, "pyproject.toml")
    own = _own(manifests, common)
    if manifests.folder != "." and own.packages is not None:
        raise ConfigError(f"{where} [tool.cartwheel]: 'packages' belongs into the root's table; move it there")
    layers = (once, own, common)
    name = package_name(manifests, where)
    key = normalised_name(name).replace("_", "-")
    backend = "maturin" if manifests.cargo_path else "pep517"
    bindings = bindings_of(manifests)
    features = first(layers, "features", ())
    abi = stable_abi(manifests, features)
    minimum = minimum_python(manifests, abi)
    version = pep440(truth(manifests).text)
    targets = _targets(manifests, once, own, common, where)
    publish = _destinations(manifests, layers, single=single)
    _refuse_mismatch(targets, manifests, where)
    table = table_name(manifests)
    if not manifests.cargo_path and (single or own is not common):
        refuse_cargo_keys(own, once if single else Settings(), table)
    debug = is_debug(once.profile or "", profiles(manifests))
    test = _test(first(layers, "test", Test()), manifests)
    context = _Context(
        tuning=SettingLayers(once=once, own=own, common=common), where=table, package=key,
        stem=f"{normalised_name(name)}-{version}", features=features, abi=abi, minimum=minimum,
        python=default_python(manifests, bindings, abi), test=test,
        bindings=bindings, debug=debug, manifests=manifests,
    )  # fmt: skip
    if own.python and targets and all(target.triple == ANY for target in targets):
        raise ConfigError(f"{table} python: a wheel for 'any' is for every Python 3; name targets, or remove it")
    wheels = tuple(wheel for target in targets for wheel in context.wheels(target))
    if not wheels and once.targets is None and once.python is None:
        raise ConfigError(f"{table} overrides: no wheel is left of {name}; take one 'skip' out, or the package")
    _refuse_published_debug(wheels, publish, manifests, table)
    _refuse_untakeable(wheels, publish, common, table)
    for python, said in dict.fromkeys((wheel.python, wheel.test) for wheel in wheels):
        refuse_untestable(python, minimum, said, manifests.pyproject, table)
    if own is not common:
        refuse_idle((*own.overrides, *own.variants), _made(manifests, own, common), table)
    return Package(
        name=name,
        key=key,
        folder=manifests.folder,
        version=version,
        backend=backend,
        bindings=bindings,
        module=module_of(manifests, name) if own.module is None else own.module,
        manifest=manifests.cargo_path,
        wheels=wheels,
        publish=() if debug else publish,
        private=debug or not publish,
        tag=first(layers, "tag", _default_tag(single=single)),
        versions=own.versions or (),
        changelog=first(layers, "changelog", ChangelogSettings()),
        bump_message=first(layers, "bump_message", "Version {version}" if single else "{name} {version}"),
        checklist=first(layers, "checklist", ()),
        test=test,
        inputs=first(layers, "inputs", ()),
        environment=first(layers, "environment", {}),
        before=first(layers, "before", ()),
        environment_pass=first(layers, "environment_pass", ()),
        cargo_directory=first(layers, "cargo_directory", "wheel"),
        sccache=first(layers, "sccache", False),
        minimum_python=minimum,
        manifests=manifests,
        debug=debug,
        dropped=context.tuning.dropped(),
    )


class _Context(Struct, frozen=True, kw_only=True):
    """What the wheels of one package have in common."""

    tuning: SettingLayers
    where: str
    package: str
    stem: str
    features: tuple[str, ...]
    """What its wheels are built with where nothing says otherwise, and with them:"""
    abi: StableAbi
    minimum: str
    python: tuple[str, ...]
    """What wheels are for where nothing says otherwise."""
    test: Test
    bindings: str
    debug: bool
    manifests: Manifests

    def wheels(self, target: Target) -> Iterable[Wheel]:
        """Those of one target: the usual ones, then its variants'."""
        usual = self._python(target)
        yield from (self._wheel(target, python) for python in usual if not self.tuning.skipped(target, python))
        for variant in self.tuning.variants(target):
            only = chosen_by(variant.select).python
            named = variant.python or tuple(python for python in usual if pattern_matches(only, python))
            yield from (self._wheel(target, p, variant) for p in named if not self.tuning.skipped(target, p))

    def _python(self, target: Target) -> tuple[str, ...]:
        if target.triple == ANY:
            return (pythons.PURE,)
        named: tuple[str, ...] = self.tuning.of("python", self.python, target)
        return named

    def _wheel(self, target: Target, python: str, variant: Variant | None = None) -> Wheel:
        def tuned(key: str, default: Any) -> Any:
            return self.tuning.of(key, default, target, python, variant)

        refuse_too_old(python, self.manifests.requires_python, self.where)
        features = self._features(tuned("features", ()))
        stable, minimum = self._stable(features)
        if self.bindings == "pyo3" and pythons.ABI3 in stable.kinds:
            refuse_not_abi3(python, minimum, self.where)
        floor = tuned("floor", target.floor if self.crate else oldest_system(target, python))
        refuse_impossible(target, floor, where=self._where_the_floor_is())
        if not self.crate:
            refuse_older_than_python(target, floor, python, self._where_the_floor_is())
        tag, abi = pythons.tags(python, minimum, where=f"{self.where} python")
        build = f"{variant.build_tag}-" if variant and variant.build_tag else ""
        image = tuned("image", "") if target.system == "linux" else ""
        toolchain = self._toolchain(tuned("toolchain", CONTAINER if image else ""))
        if image and toolchain not in ("", CONTAINER):
            self._refuse_idle_image(image, toolchain, (target, python, variant))
        if toolchain == CONTAINER and target.triple != ANY:
            refuse_no_image(target, floor, image, python, where=f"{self.where} image")
        if self.crate and self.tuning.once.toolchain is None and not makes(toolchain, target):
            raise ConfigError(
                f"{self.where} toolchain: '{toolchain}' makes no wheels for {target.triple}; put it into an override "
                "that selects what it is for"
            )
        file = f"{self.stem}-{build}{tag}-{abi}-{platform_tag(target, floor)}.whl"
        return Wheel(
            package=self.package,
            target=target,
            python=python,
            variant=variant.name if variant else "",
            floor=floor,
            toolchain=toolchain,
            image=image,
            features=features,
            profile=tuned("profile", str(self.manifests.maturin.get("profile", "release"))) if self.crate else "",
            flags=tuned("flags", ()),
            environment=tuned("environment", {}),
            before=tuned("before", ()),
            runner=tuned("runner", ""),
            test=self.tuning.test(self.test, target, python),
            untested=tuned("untested", ""),
            debug=self.debug,
            file=file,
            raw=file if self.crate else raw_name(file, target, floor),
        )

    @property
    def crate(self) -> bool:
        """Whether cargo compiles it; what is meant for cargo and said in the root's table passes other packages by."""
        return bool(self.manifests.cargo_path)

    def _stable(self, features: tuple[str, ...]) -> tuple[StableAbi, str]:
        """What the crate asks for with these features, and the oldest Python then."""
        if features == self.features or not self.crate:
            return self.abi, self.minimum
        abi = stable_abi(self.manifests, features)
        return abi, minimum_python(self.manifests, abi)

    def _features(self, named: tuple[str, ...]) -> tuple[str, ...]:
        if not self.crate:
            return ()
        refuse_unknown(named, self.manifests.cargo, where=f"{self.where} features")
        return named

    def _toolchain(self, declared: str) -> str:
        return declared if self.crate or declared in BACKENDS_TAKE else ""

    def _refuse_idle_image(self, image: str, toolchain: str, wheel: tuple[Target, str, Variant | None]) -> None:
        """A toolchain that is said of more special wheels than the image, or for this run, stands in for it."""
        for layer in self.tuning.said_of(*wheel):
            if layer.image is not None:
                raise ConfigError(
                    f"{self.where} image: '{image}' is for toolchain 'container', and {wheel[0].triple} has "
                    f"'{toolchain}'; remove one of the two"
                )
            if layer.toolchain is not None:
                return

    def _where_the_floor_is(self) -> str:
        if self.tuning.once.floor is None:
            return f"{self.where} floor"
        return "floor for this run (name the targets it is for: targets=TRIPLE)"


def _own(manifests: Manifests, common: Settings) -> Settings:
    where = inside(manifests.folder, "pyproject.toml")
    return common if manifests.folder == "." else _table(manifests.pyproject, where)


def _declared(manifests: Manifests, own: Settings, common: Settings) -> tuple[str, ...]:
    """The triples that the configuration names for the package, or the usual ones."""
    compiled = manifests.cargo_path or backend_of(manifests.pyproject).compiles(manifests.pyproject)
    declared: tuple[str, ...] = first((own, common), "targets", USUAL_TARGETS if compiled else (ANY,))
    return declared


def _made(manifests: Manifests, own: Settings, common: Settings) -> Iterable[tuple[str, str]]:
    """Triple and interpreter of all that the configuration would make, skipped or not, whatever is set for one run."""
    tuning = SettingLayers(once=Settings(), own=own, common=common)
    abi = stable_abi(manifests, first((own, common), "features", ()))
    usual = default_python(manifests, bindings_of(manifests), abi)
    for triple in _declared(manifests, own, common):
        target = target_by_name(triple, where="targets")
        pythons_here = (pythons.PURE,) if triple == ANY else tuning.of("python", usual, target)
        of_variants = (python for variant in tuning.variants(target) for python in variant.python or ())
        yield from ((triple, python) for python in (*pythons_here, *of_variants))


def _targets(manifests: Manifests, once: Settings, own: Settings, common: Settings, where: str) -> tuple[Target, ...]:
    """The package's targets; what is named for one run chooses among them."""
    place = f"{'' if where == 'pyproject.toml' else where + ' '}[tool.cartwheel] targets"
    targets = tuple(target_by_name(triple, where=place) for triple in _declared(manifests, own, common))
    if once.targets is None:
        return targets
    wanted = {target_by_name(triple, where="targets for this run").triple for triple in once.targets} | {ANY}
    return tuple(target for target in targets if target.triple in wanted)


def _destinations(manifests: Manifests, layers: tuple[Settings, ...], *, single: bool) -> tuple[str, ...]:
    """Where the package is published.  One without a crate takes no registry of crates over from the root's table or
    from what is set for one run, and may not name one itself; one that is never published is not for one run either."""
    once, own, common = layers
    if first((own, common), "publish", ("pypi",)) == ():
        return ()
    named: tuple[str, ...] = first(layers, "publish", ("pypi",))
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


def _test(test: Test, manifests: Manifests) -> Test:
    if test.command or not manifests.has_tests:
        return test
    return replace(test, command=("pytest", "{package}/tests"), requires=("pytest", *test.requires))


def _refuse_published_debug(
    wheels: Iterable[Wheel], publish: tuple[str, ...], manifests: Manifests, where: str
) -> None:
    for wheel in wheels:
        if publish and not wheel.debug and is_debug(wheel.profile, profiles(manifests)):
            raise ConfigError(
                f"{where} profile: '{wheel.profile}' makes debug wheels, which are never published; set it for a run "
                f"instead: doit build:{wheel.target.triple} profile={wheel.profile}"
            )


def _refuse_untakeable(wheels: Iterable[Wheel], publish: tuple[str, ...], common: Settings, where: str) -> None:
    """A wheel that an index like PyPI takes from nobody; not where the index's `rules` let that pass."""
    tables = common.index or {}
    for name in (name for name in publish if kind_of(name, tables) == PYPI):
        let_pass = tables[name].rules if name in tables else {}
        for wheel in wheels:
            for tag in platform_tag(wheel.target, wheel.floor).split("."):
                if not pypi_takes(tag) and not {"platform-tag", f"platform-tag {tag}"} & let_pass.keys():
                    raise ConfigError(
                        f"{where} targets: {name} takes no wheel with the platform tag {tag} ({wheel.target.triple}); "
                        f"give it an override with skip, or say in index.{name} rules why it is taken there"
                    )


def _refuse_mismatch(targets: tuple[Target, ...], manifests: Manifests, where: str) -> None:
    for target in targets:
        if manifests.cargo_path and target.triple == ANY:
            raise ConfigError(f"{where} [tool.cartwheel] targets: 'any' is for pure Python; this package has a crate")


def _refuse_unplanned(packages: tuple[Package, ...], once: Settings) -> None:
    """Targets for this run that no package has would build nothing, and say nothing."""
    planned = {wheel.target.triple for package in packages for wheel in package.wheels}
    if once.targets and not planned.union({ANY}).intersection(once.targets):
        raise ConfigError(f"targets for this run: no package has the target '{once.targets[0]}'; see: doit plan")


def _refuse_doubles(packages: tuple[Package, ...]) -> None:
    seen: dict[str, Wheel] = {}
    names: set[str] = set()
    for package in packages:
        if package.key in names:
            raise ConfigError(f"two packages are named '{package.name}'; names on an index are unique")
        names.add(package.key)
        for wheel in package.wheels:
            if other := seen.get(wheel.file):
                both = f"{other.segments} and {wheel.segments}"
                advice = "give the variant a build-tag" if wheel.variant else "remove one of the targets"
                raise ConfigError(f"[tool.cartwheel]: {both} would both be {wheel.file}; {advice}")
            seen[wheel.file] = wheel
