"""The targets of a package and the indexes it is published to."""

from __future__ import annotations

from collections.abc import Iterable

from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.build_backend import backend_of, setuptools_rust_manifest
from cartwheel.model.config.default_python import default_python
from cartwheel.model.config.layers import SettingLayers, first
from cartwheel.model.config.manifests import Manifests, path_in, table_name
from cartwheel.model.config.settings import Settings
from cartwheel.model.destination import kind_row
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.target import ANY, Target, target_by_name

USUAL_TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)


def declared_triples(manifests: Manifests, own: Settings, common: Settings) -> tuple[str, ...]:
    """The triples that the configuration names for a package, or the usual ones."""
    by_backend = backend_of(manifests.pyproject).compiles(manifests.pyproject) or manifests.setup_compiles
    compiled = manifests.cargo_path or by_backend
    declared: tuple[str, ...] = first((own, common), "targets", USUAL_TARGETS if compiled else (ANY,))
    return declared


def package_targets(manifests: Manifests, once: Settings, own: Settings, common: Settings) -> tuple[Target, ...]:
    """The targets of a package; those of this run choose among them."""
    place = f"{table_name(manifests)} targets"
    targets = tuple(target_by_name(triple, where=place) for triple in declared_triples(manifests, own, common))
    if manifests.cargo_path and any(target.triple == ANY for target in targets):
        raise ConfigError(f"{place}: 'any' is for pure Python; this package has a crate")
    if once.targets is None:
        return targets
    selected = {target_by_name(triple, where="targets for this run").triple for triple in once.targets} | {ANY}
    return tuple(target for target in targets if target.triple in selected)


def every_selection(manifests: Manifests, own: Settings, common: Settings) -> Iterable[tuple[str, str]]:
    """Triple and interpreter of every wheel of the configuration, skipped ones included, whatever this run sets."""
    layers = SettingLayers(once=Settings(), own=own, common=common)
    features = first((own, common), "features", ())
    abi = stable_abi(manifests, features)
    usual = default_python(manifests, bindings_of(manifests, features), abi)
    for triple in declared_triples(manifests, own, common):
        target = target_by_name(triple, where="targets")
        pythons_here = (pythons.PURE,) if triple == ANY else layers.of("python", usual, target)
        of_variants = (python for variant in layers.variants(target) for python in variant.python or ())
        yield from ((triple, python) for python in (*pythons_here, *of_variants))


def destinations(manifests: Manifests, layers: tuple[Settings, ...], *, single: bool) -> tuple[str, ...]:
    """The indexes of a package, in order.

    A package that is never published is not published by this run's setting either.  One without a crate skips the
    registries of crates of the root's table; raises `ConfigError` if its own table names one.
    """
    once, own, common = layers
    if first((own, common), "publish", ("pypi",)) == ():
        return ()
    named: tuple[str, ...] = first(layers, "publish", ("pypi",))
    if manifests.cargo_path:
        return named
    registries = tuple(name for name in named if kind_row(name, common.index or {}).needs_crate)
    its_own = own is not common and once.publish is None and own.publish is not None
    if registries and (single or its_own):
        if setuptools_rust_manifest(manifests.pyproject):
            return named
        raise ConfigError(
            f"{path_in(manifests.folder, 'pyproject.toml')} [tool.cartwheel] publish: '{registries[0]}' takes crates, "
            "and this package has none; remove it"
        )
    return tuple(name for name in named if name not in registries)
