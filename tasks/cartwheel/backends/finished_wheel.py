"""Finishes wheels: bills of materials, licences, and bytes that do not depend on this machine."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from cartwheel.cargo.crate_sources import crate_licences
from cartwheel.filesystem.read_set import source_top
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.process.environment import cargo_home
from cartwheel.provenance import sbom
from cartwheel.provenance.licences import with_third_party
from cartwheel.provenance.wheel_files import rewrite


def with_own_bill(
    built: Path,
    package: Package,
    wheel: Wheel,
    env: Mapping[str, str],
    work: Work,
    crates: Mapping[str, str],
    workspace: Path,
) -> None:
    """Rewrite a wheel that was just built.

    `crates`: those that the target resolves, empty if unknown. `workspace`: the folder of their lockfile.
    """
    moment = int(env["SOURCE_DATE_EPOCH"])

    def edit(contents: Mapping[str, bytes]) -> Mapping[str, bytes]:
        needed = package.third_party or not any(map(sbom.is_document, contents))
        licences = crate_licences(crates, cargo_home(env), workspace) if needed else ()
        facts = sbom.Facts(
            name=package.name, version=package.version, moment=moment, project=source_top(work.root).as_posix(),
            triple=wheel.target.triple, crates=crates,
            licences={f"{row.name} {row.version}": row.licence for row in licences},
        )  # fmt: skip
        changed = sbom.with_bill(contents, facts)
        return with_third_party(changed, licences) if package.third_party else changed

    rewrite(built, moment, edit)


def finish(repaired: Path, raw: Path, package: Package, wheel: Wheel, env: Mapping[str, str], work: Work) -> None:
    """Rewrite a repaired wheel; files that are not in the raw wheel were grafted."""
    moment = int(env["SOURCE_DATE_EPOCH"])
    with zipfile.ZipFile(raw) as archive:
        before = set(archive.namelist())
    facts = sbom.Facts(
        name=package.name, version=package.version, moment=moment, project=source_top(work.root).as_posix(),
        triple=wheel.target.triple,
    )  # fmt: skip

    def edit(contents: Mapping[str, bytes]) -> Mapping[str, bytes]:
        grafted = [name for name in contents if name not in before]
        changed = sbom.with_grafted(sbom.with_bill(contents, facts), grafted)
        return with_third_party(changed) if package.third_party else changed

    rewrite(repaired, moment, edit)
