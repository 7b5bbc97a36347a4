"""Finishes wheels: bills of materials, and bytes that do not depend on this machine."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from cartwheel.filesystem.read_set import source_top
from cartwheel.model.project import Package, Wheel
from cartwheel.model.step import Work
from cartwheel.provenance import sbom
from cartwheel.provenance.wheel_files import rewrite


def with_own_bill(
    built: Path, package: Package, wheel: Wheel, env: Mapping[str, str], work: Work, crates: Mapping[str, str]
) -> None:
    """Rewrite a wheel that was just built; `crates`: those that the target resolves, empty if unknown."""
    moment = int(env["SOURCE_DATE_EPOCH"])
    facts = sbom.Facts(
        name=package.name, version=package.version, moment=moment, project=source_top(work.root).as_posix(),
        triple=wheel.target.triple, crates=crates,
    )  # fmt: skip
    rewrite(built, moment, lambda contents: sbom.with_bill(contents, facts))


def finish(built: Path, raw: Path, package: Package, wheel: Wheel, env: Mapping[str, str], work: Work) -> None:
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
        return sbom.with_grafted(sbom.with_bill(contents, facts), grafted)

    rewrite(built, moment, edit)
