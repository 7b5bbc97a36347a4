"""The wheels of one package: for each target its interpreters and variants, each with the settings that apply to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from cartwheel.model.config.bindings import PYO3, StableAbi, stable_abi
from cartwheel.model.config.build_backend import BACKEND_TOOLCHAINS, raw_name, refuse_older_than_python
from cartwheel.model.config.cargo_features import refuse_unknown
from cartwheel.model.config.default_python import minimum_python
from cartwheel.model.config.floors import default_floor, refuse_other_deployment_target
from cartwheel.model.config.layers import SettingLayers, chosen_by, pattern_matches
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.config.plan_checks import refuse_excluded_python, refuse_not_abi3
from cartwheel.model.config.settings import Test, Variant
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Wheel
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.container_image import CONTAINER, refuse_no_image
from cartwheel.model.wheels.target import ANY, Target, builds_for, platform_tag, refuse_impossible


class WheelPlan(Struct, frozen=True, kw_only=True):
    """What the wheels of one package have in common."""

    layers: SettingLayers
    where: str
    """The table's name in messages."""
    package: str
    stem: str
    """Name and version at the start of each file's name."""
    features: tuple[str, ...]
    """The features of a wheel without an override; `abi` and `minimum` follow from them."""
    abi: StableAbi
    minimum: str
    python: tuple[str, ...]
    """What wheels are for by default."""
    test: Test
    bindings: str
    debug: bool
    manifests: Manifests
    abis: dict[tuple[tuple[str, ...], str], StableAbi] = {}
    """The stable ABI by features and interpreter, once it is known."""

    def wheels(self, target: Target) -> Iterable[Wheel]:
        """The wheels of one target: the usual ones, then those of its variants."""
        usual = self._interpreters(target)
        yield from (self._wheel(target, python) for python in usual if not self.layers.skip_reason(target, python))
        for variant in self.layers.variants(target):
            only = chosen_by(variant.select).python
            named = variant.python or tuple(python for python in usual if pattern_matches(only, python))
            yield from (self._wheel(target, p, variant) for p in named if not self.layers.skip_reason(target, p))

    def uses_default_python(self, target: Target) -> bool:
        """Whether the configuration leaves the target's interpreters to the default."""
        return self.layers.of("python", None, target) is None

    def unpublished_interpreters(self, target: Target) -> tuple[str, ...]:
        """The configured interpreters that are not published for this target's system."""
        named: tuple[str, ...] = () if target.triple == ANY else self.layers.of("python", (), target)
        return tuple(python for python in named if not self._has_interpreter(python, target))

    def _interpreters(self, target: Target) -> tuple[str, ...]:
        if target.triple == ANY:
            return (pythons.PURE,)
        named: tuple[str, ...] = self.layers.of("python", self.python, target)
        for override in self.layers.overrides(target):
            for python in override.python or ():
                if not self._has_interpreter(python, target):
                    raise ConfigError(
                        f"{self.where} overrides: python '{python}' is not published for {target.triple}; remove it"
                    )
        published = tuple(python for python in named if self._has_interpreter(python, target))
        if not published:
            raise ConfigError(
                f"{self.where} python: {', '.join(named)} is not published for {target.triple}; remove that target, or "
                "name another interpreter in an override that selects it"
            )
        return published

    def _has_interpreter(self, python: str, target: Target) -> bool:
        """Whether there is such an interpreter for a target; an image of one's own may hold any."""
        return pythons.runs_on(python, target.system, target.libc, target.arch) or bool(
            self.layers.of("image", "", target, python)
        )

    def _wheel(self, target: Target, python: str, variant: Variant | None = None) -> Wheel:
        def setting(key: str, default: Any) -> Any:
            return self.layers.of(key, default, target, python, variant)

        refuse_excluded_python(python, self.manifests.requires_python, self.where)
        features = self._features(setting("features", ()))
        minimum = self._minimum(features, python)
        floor = setting("floor", default_floor(self.manifests, target, python))
        self._refuse_floor(target, floor, python)
        tag, abi = pythons.tags(python, minimum, where=f"{self.where} python")
        build = f"{variant.build_tag}-" if variant and variant.build_tag else ""
        image = setting("image", "") if target.system == "linux" else ""
        toolchain = self._toolchain(setting("toolchain", CONTAINER if image else ""))
        self._refuse_toolchain(toolchain, image, floor, (target, python, variant))
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
            profile=setting("profile", str(self.manifests.maturin.get("profile", "release"))) if self.crate else "",
            flags=setting("flags", ()),
            environment=setting("environment", {}),
            before=setting("before", ()),
            pgo=setting("pgo", None) if self.crate else None,
            runner=setting("runner", ""),
            test=self.layers.test(self.test, target, python),
            untested=setting("untested", ""),
            debug=self.debug,
            file=file,
            raw=file if self.crate else raw_name(file, target, floor),
        )

    @property
    def crate(self) -> bool:
        """Whether cargo compiles the package; keys for cargo in the root's table do not reach other packages."""
        return bool(self.manifests.cargo_path)

    def _minimum(self, features: tuple[str, ...], python: str) -> str:
        """The oldest Python of the stable ABI with these features.  Raises `ConfigError` if the features make a wheel
        for the stable ABI of one that is planned for a version."""
        if not self.crate:
            return self.minimum
        if features == self.features and python in (pythons.ABI3, pythons.ABI3T):
            return self.minimum
        key = (features, python)
        if key not in self.abis:
            self.abis[key] = stable_abi(self.manifests, features, python)
        abi = self.abis[key]
        minimum = minimum_python(self.manifests, abi)
        if self.bindings == PYO3 and pythons.ABI3 in abi.kinds:
            refuse_not_abi3(python, minimum, self.where)
        return minimum

    def _refuse_floor(self, target: Target, floor: str, python: str) -> None:
        where = self._where_the_floor_is()
        refuse_impossible(target, floor, where=where)
        if not self.crate:
            refuse_older_than_python(target, floor, python, where)
        refuse_other_deployment_target(self.manifests, target, floor, self.where)

    def _features(self, named: tuple[str, ...]) -> tuple[str, ...]:
        if not self.crate:
            return ()
        refuse_unknown(named, self.manifests.cargo, where=f"{self.where} features")
        return named

    def _toolchain(self, declared: str) -> str:
        return declared if self.crate or declared in BACKEND_TOOLCHAINS else ""

    def _refuse_toolchain(
        self, toolchain: str, image: str, floor: str, wheel: tuple[Target, str, Variant | None]
    ) -> None:
        target, python, _ = wheel
        if image and toolchain not in ("", CONTAINER):
            self._refuse_idle_image(image, toolchain, wheel)
        if toolchain == CONTAINER and target.triple != ANY:
            refuse_no_image(target, floor, image, python, where=f"{self.where} image")
        if self.crate and self.layers.once.toolchain is None and not builds_for(toolchain, target):
            raise ConfigError(
                f"{self.where} toolchain: '{toolchain}' makes no wheels for {target.triple}; put it into an override "
                "that selects its targets"
            )

    def _refuse_idle_image(self, image: str, toolchain: str, wheel: tuple[Target, str, Variant | None]) -> None:
        """A more special layer, or this run, may set another toolchain than the image's."""
        for layer in self.layers.tunables(*wheel):
            if layer.image is not None:
                raise ConfigError(
                    f"{self.where} image: '{image}' is for toolchain 'container', and {wheel[0].triple} has "
                    f"'{toolchain}'; remove one of the two"
                )
            if layer.toolchain is not None:
                return

    def _where_the_floor_is(self) -> str:
        if self.layers.once.floor is None:
            return f"{self.where} floor"
        return "floor for this run (name the targets it is for: targets=TRIPLE)"
