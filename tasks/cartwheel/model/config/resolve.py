"""From manifests to a project: the keys of `[tool.cartwheel]`, and a default for every key that is missing.

Raises `ConfigError` if the configuration contradicts itself, a manifest or an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from cartwheel.model.config.bindings import bindings_of, module_of, stable_abi
from cartwheel.model.config.cargo_profiles import is_debug, profiles
from cartwheel.model.config.config_checks import refuse_invalid_values, refuse_misplaced_keys
from cartwheel.model.config.default_python import default_python, minimum_python
from cartwheel.model.config.layers import SettingLayers, first
from cartwheel.model.config.manifests import Manifests, from_git, package_name, path_in, table_name, truth
from cartwheel.model.config.maturin_refusals import refuse_as_maturin
from cartwheel.model.config.omissions import omissions
from cartwheel.model.config.plan_checks import (
    refuse_cargo_keys,
    refuse_duplicates,
    refuse_published_debug,
    refuse_two_versions,
    refuse_unmatched_selections,
    refuse_unplanned,
    refuse_unpublishable,
)
from cartwheel.model.config.release_settings import CacheSettings, ChangelogSettings, CiSettings, ReleaseSettings
from cartwheel.model.config.settings import Settings, Test
from cartwheel.model.config.table import decode
from cartwheel.model.config.targets import destinations, every_selection, package_targets
from cartwheel.model.config.wheel_plan import WheelPlan
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package, Project
from cartwheel.model.versions.version import highest, pep440, version_in
from cartwheel.model.wheels.python import refuse_invalid_requirement
from cartwheel.model.wheels.target import ANY
from cartwheel.model.wheels.test_plan import refuse_untestable
from cartwheel.model.wheels.wheel_name import canonical_name, normalised_name

VERSION = "version"

OVERRIDABLE = ("targets", "python", "floor", "toolchain", "features", "profile", "publish", VERSION)
"""Keys that a doit variable (`profile=dev`) or the environment (`CARTWHEEL_PROFILE=dev`) may set for one run."""

_LISTS = ("targets", "python", "features", "publish")


def folders(root: Mapping[str, Any]) -> tuple[str, ...]:
    """The folders of a project's packages, from the root's pyproject.toml."""
    named = _table(root, "pyproject.toml").packages
    if root.get("tool", {}).get("uv", {}).get("package") is False and (named is None or "." in named):
        raise ConfigError(
            "[tool.cartwheel] packages: the root is no package, by [tool.uv] package = false; name the folders of the "
            'packages, such as packages = ["packages/one"]'
        )
    return tuple(dict.fromkeys((".",) if named is None else named))


def resolve_project(
    root: Mapping[str, Any],
    packages: Iterable[Manifests],
    overrides: Mapping[str, str],
    *,
    tags: tuple[str, ...] = (),
    started_by: str = "",
) -> Project:
    """The project that the manifests describe.

    `overrides`: keys set for this run, as text.  `tags`: the tags of HEAD, for packages whose version comes from git;
    `started_by`: the tag that started this run.  Raises `ConfigError`.
    """
    common = _table(root, "pyproject.toml")
    packages = tuple(packages)
    refuse_misplaced_keys(common, root=True, package=any(m.folder == "." for m in packages), where="[tool.cartwheel]")
    once = _settings_of(overrides)
    run_version = _version_of_run(overrides, packages)
    known = (started_by, tags)
    read = tuple(
        _with_version(m, _own(m, common), common, run_version, known, single=len(packages) == 1) for m in packages
    )
    resolved = tuple(_package(m, common, once, single=len(read) == 1) for m in read)
    if common.overrides or common.variants:
        every = (row for m in read for row in every_selection(m, _own(m, common), common))
        refuse_unmatched_selections((*common.overrides, *common.variants), every, "[tool.cartwheel]")
    refuse_duplicates(resolved)
    refuse_unplanned(resolved, once)
    return Project(
        packages=resolved,
        indexes=common.index or {},
        release=common.release or ReleaseSettings(),
        ci=common.ci or CiSettings(),
        cache=_cache(common),
        overrides=dict(overrides),
    )


def _cache(common: Settings) -> CacheSettings:
    return CacheSettings(url=common.cache) if isinstance(common.cache, str) else common.cache or CacheSettings()


def _table(pyproject: Mapping[str, Any], where: str) -> Settings:
    prefix = "" if where == "pyproject.toml" else f"{where} "
    where = f"{prefix}[tool.cartwheel]"
    settings = decode(Settings, pyproject.get("tool", {}).get("cartwheel", {}), where=where)
    refuse_invalid_values(settings, where)
    return settings


def _own(manifests: Manifests, common: Settings) -> Settings:
    where = path_in(manifests.folder, "pyproject.toml")
    return common if manifests.folder == "." else _table(manifests.pyproject, where)


def _settings_of(overrides: Mapping[str, str]) -> Settings:
    raw = {key: _split(text) if key in _LISTS else text for key, text in overrides.items() if key != VERSION}
    settings = decode(Settings, raw, where="a setting for this run,")
    refuse_invalid_values(settings, "a setting for this run,")
    return settings


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


def _version_of_run(overrides: Mapping[str, str], packages: Iterable[Manifests]) -> str:
    """The version set for this run, for packages whose version comes from git."""
    version = overrides.get(VERSION, "")
    if not version:
        return ""
    if not any(from_git(manifests.pyproject) for manifests in packages):
        raise ConfigError(
            f"version for this run: every version here stands in a file; change it with: doit bump {version}"
        )
    try:
        return pep440(version)
    except ConfigError as error:
        raise ConfigError(f"version for this run: {error}") from None


def _with_version(
    manifests: Manifests,
    own: Settings,
    common: Settings,
    run_version: str,
    known: tuple[str, tuple[str, ...]],
    *,
    single: bool,
) -> Manifests:
    """With the version of a package that has it from git: this run's, that of the tag that started it, or that of
    HEAD's highest tag."""
    if not from_git(manifests.pyproject):
        return manifests
    where = path_in(manifests.folder, "pyproject.toml")
    refuse_two_versions(manifests, own, table_name(manifests))
    form, name = first((own, common), "tag", _default_tag(single=single)), package_name(manifests, where)
    starting, tags = known
    version = run_version or version_in(form, starting, name=name)
    return replace(manifests, version=version or highest(version_in(form, tag, name=name) for tag in tags))


def _default_tag(*, single: bool) -> str:
    return "v{version}" if single else "{name}-v{version}"


def _package(manifests: Manifests, common: Settings, once: Settings, *, single: bool) -> Package:
    where, table = path_in(manifests.folder, "pyproject.toml"), table_name(manifests)
    own = _own(manifests, common)
    if own is not common:
        refuse_misplaced_keys(own, root=False, package=True, where=table)
    layers = (once, own, common)
    name = package_name(manifests, where)
    refuse_invalid_requirement(manifests.requires_python, where)
    publish = destinations(manifests, layers, single=single)
    if not manifests.cargo_path and (single or own is not common):
        refuse_cargo_keys(own, once if single else Settings(), table)
    plan = _wheel_plan(manifests, once, own, common, name=name)
    refuse_as_maturin(manifests, plan.bindings)
    targets = package_targets(manifests, once, own, common)
    if own.python and targets and all(target.triple == ANY for target in targets):
        raise ConfigError(f"{table} python: a wheel for 'any' is for every Python 3; name targets, or remove it")
    wheels = tuple(wheel for target in targets for wheel in plan.wheels(target))
    if not wheels and once.targets is None and once.python is None:
        raise ConfigError(f"{table} overrides: no wheel is left of {name}; remove one 'skip', or the package")
    refuse_published_debug(wheels, publish, manifests, table)
    refuse_unpublishable(wheels, publish, common.index or {}, table)
    for python, test in dict.fromkeys((wheel.python, wheel.test) for wheel in wheels):
        refuse_untestable(python, plan.minimum, test, manifests, table)
    if own is not common:
        refuse_unmatched_selections((*own.overrides, *own.variants), every_selection(manifests, own, common), table)
    return Package(
        name=name,
        key=plan.package,
        folder=manifests.folder,
        version=pep440(truth(manifests).text),
        backend="maturin" if manifests.cargo_path else "pep517",
        bindings=plan.bindings,
        module=module_of(manifests, name) if own.module is None else own.module,
        manifest=manifests.cargo_path,
        wheels=wheels,
        left_out=omissions(plan, targets, usual=first((own, common), "targets", None) is None),
        publish=() if plan.debug else publish,
        private=plan.debug or not publish,
        tag=first(layers, "tag", _default_tag(single=single)),
        versions=own.versions or (),
        changelog=first(layers, "changelog", ChangelogSettings()),
        bump_message=first(layers, "bump_message", "Version {version}" if single else "{name} {version}"),
        checklist=first(layers, "checklist", ()),
        test=plan.test,
        inputs=first(layers, "inputs", ()),
        environment=first(layers, "environment", {}),
        before=first(layers, "before", ()),
        environment_pass=first(layers, "environment_pass", ()),
        cargo_directory=first(layers, "cargo_directory", "wheel"),
        sccache=first(layers, "sccache", False),
        third_party=first(layers, "third_party", False),
        minimum_python=plan.minimum,
        manifests=manifests,
        dropped=plan.layers.dropped_files(),
        debug=plan.debug,
    )


def _wheel_plan(manifests: Manifests, once: Settings, own: Settings, common: Settings, *, name: str) -> WheelPlan:
    layers = (once, own, common)
    features = first(layers, "features", ())
    abi = stable_abi(manifests, features)
    bindings = bindings_of(manifests, features)
    return WheelPlan(
        layers=SettingLayers(once=once, own=own, common=common),
        where=table_name(manifests),
        package=canonical_name(name),
        stem=f"{normalised_name(name)}-{pep440(truth(manifests).text)}",
        features=features,
        abi=abi,
        minimum=minimum_python(manifests, abi),
        python=default_python(manifests, bindings, abi),
        test=_test(first(layers, "test", Test()), manifests),
        bindings=bindings,
        debug=is_debug(once.profile or "", profiles(manifests)),
        manifests=manifests,
    )


def _test(test: Test, manifests: Manifests) -> Test:
    if test.command or not manifests.has_tests:
        return test
    return replace(test, command=("pytest", "{package}/tests"), requires=("pytest", *test.requires))
