"""The value of a key for one wheel.  From the strongest: this run's setting, the variant, the last override that
selects the wheel, the package's table, the root's, the default."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import Struct

from cartwheel.model.config.settings import Override, Select, Settings, Test, Tunable, Variant
from cartwheel.model.wheels.target import Target


class SettingLayers(Struct, frozen=True, kw_only=True):
    """The tables that apply to a package's wheels."""

    once: Settings
    """The settings of this run."""
    own: Settings
    common: Settings
    """The root's table; identical to `own` for the package in the root."""

    @property
    def tables(self) -> tuple[Settings, ...]:
        """The tables of files, strongest first, each once."""
        return (self.own,) if self.own is self.common else (self.own, self.common)

    def overrides(self, target: Target, python: str = "") -> tuple[Override, ...]:
        """The overrides that select a wheel, strongest first; without `python`, those that select by target alone."""
        every = (o for table in self.tables for o in reversed(table.overrides))
        return tuple(o for o in every if selects(o.select, target.triple, python))

    def variants(self, target: Target) -> tuple[Variant, ...]:
        """The variants that are built for a target."""
        every = (v for table in self.tables for v in table.variants)
        return tuple(v for v in every if pattern_matches(chosen_by(v.select).target, target.triple))

    def of(self, key: str, default: Any, target: Target, python: str = "", variant: Variant | None = None) -> Any:
        """The value of a key of `Tunable` for a wheel."""
        return first(self.tunables(target, python, variant), key, default)

    def tunables(self, target: Target, python: str = "", variant: Variant | None = None) -> tuple[Tunable, ...]:
        """All tables that apply to a wheel, strongest first."""
        special = (variant,) if variant else ()
        return (self.once, *special, *self.overrides(target, python), self.own, self.common)

    def skip_reason(self, target: Target, python: str) -> str:
        """Why a wheel is not built; empty if it is."""
        return first(self.overrides(target, python), "skip", "") or ""

    def dropped_files(self) -> tuple[tuple[str, str], ...]:
        """Which files may end and why, by pattern: `dropped`, and what the overrides skip (`TRIPLE` or
        `TRIPLE:PYTHON`)."""
        configured = (row for table in self.tables for row in (table.dropped or {}).items())
        skips = ((chosen_by(o.select), o.skip) for table in self.tables for o in table.overrides if o.skip)
        return (
            *configured,
            *(
                (target if chosen.python == "*" else f"{target}:{python}", reason)
                for chosen, reason in skips
                for target in chosen.target.split()
                for python in chosen.python.split()
            ),
        )

    def test(self, base: Test, target: Target, python: str) -> Test:
        """The package's `test` table with the keys that overrides change."""
        for override in reversed(self.overrides(target, python)):
            base = _merge(base, override.test) if override.test else base
        return base


def chosen_by(select: str | Select) -> Select:
    """A selection in the longer of its two forms."""
    return Select(target=select) if isinstance(select, str) else select


def selects(select: str | Select, triple: str, python: str) -> bool:
    """Whether it selects a wheel; a selection by interpreter selects nothing if `python` is empty."""
    chosen = chosen_by(select)
    return pattern_matches(chosen.target, triple) and (
        chosen.python == "*" or (bool(python) and pattern_matches(chosen.python, python))
    )


def first(layers: Iterable[Tunable], key: str, default: Any) -> Any:
    """The value of the first layer that sets the key."""
    for layer in layers:
        value = getattr(layer, key, None)
        if value is not None:
            return value
    return default


def pattern_matches(patterns: str, name: str) -> bool:
    """Whether one of the patterns, separated by spaces, matches the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns.split())


_UNSET = Test()


def _merge(base: Test, changes: Test) -> Test:
    values = {f.name: getattr(changes, f.name) for f in msgspec.structs.fields(Test)}
    return msgspec.structs.replace(base, **{k: v for k, v in values.items() if v != getattr(_UNSET, k)})
