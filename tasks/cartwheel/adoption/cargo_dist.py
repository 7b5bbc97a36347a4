"""The targets of cargo-dist's configuration, as builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.adoption.built_wheels import CARGO_DIST, BuildCall
from cartwheel.adoption.parsed_files import Texts, parsed_toml


def cargo_dist_calls(texts: Texts) -> Iterable[BuildCall]:
    """One call for each target (cargo-dist 0.30: dist-workspace.toml, dist.toml, `metadata.dist` in Cargo.toml)."""
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("dist-workspace.toml", ("dist",)),
        ("dist.toml", ("dist",)),
        ("Cargo.toml", ("workspace", "metadata", "dist")),
        ("Cargo.toml", ("package", "metadata", "dist")),
    )
    for path, keys in places:
        table: Any = parsed_toml(texts, path)
        for key in keys:
            table = table.get(key, {}) if isinstance(table, Mapping) else {}
        targets = table.get("targets", ()) if isinstance(table, Mapping) else ()
        if targets:
            for triple in map(str, targets):
                yield BuildCall(tool=CARGO_DIST, workflow=path, job="dist", triples=(triple,))
            return
