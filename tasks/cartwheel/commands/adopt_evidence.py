"""Gathers the evidence about each package: manifests, the newest release on the index, builds, tests, tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartwheel.adoption.build_folders import calls_of
from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.adoption.cargo_arguments import with_features_of_builds
from cartwheel.adoption.evidence import PackageEvidence
from cartwheel.adoption.layout import PackageCandidate, SkippedFolder, tests_of
from cartwheel.adoption.parsed_files import parsed_toml
from cartwheel.adoption.publishers import tag_patterns
from cartwheel.adoption.release_keys import GitFacts
from cartwheel.adoption.tags_and_changelog import changelog_of, form_in_triggers, tag_form
from cartwheel.adoption.workflows import Workflow
from cartwheel.model.config.manifests import path_in
from cartwheel.model.errors import CartwheelError, ConfigError

if TYPE_CHECKING:
    from cartwheel.commands.adopt import Released
    from cartwheel.model.config.manifests import Manifests


def gather_evidence(
    root: Path,
    texts: Mapping[str, str],
    layout: tuple[tuple[PackageCandidate, ...], tuple[SkippedFolder, ...]],
    pipelines: tuple[Workflow, ...],
    calls: tuple[BuildCall, ...],
    git: GitFacts,
    look: Released | None,
) -> tuple[PackageEvidence, ...]:
    """The evidence for each package: its manifests, its release on the index, its builds. `look` is None offline."""
    from cartwheel.cargo.package_manifests import read_package
    from cartwheel.destinations.pypi_index import resolve
    from cartwheel.last_release import comparison_name
    from cartwheel.model.config.manifest_schema import Pyproject, refuse_wrong_types

    rows, skipped = layout
    root_table = parsed_toml(texts, "pyproject.toml").get("tool", {}).get("cartwheel", {})
    tables, publish = comparison_name(root_table)
    evidence, single = [], len(rows) == 1
    for package in rows:
        path = path_in(package.folder, "pyproject.toml")
        pyproject = parsed_toml(texts, path)
        refuse_wrong_types(Pyproject, pyproject, path)
        own = calls_of(package.folder, calls, [row.folder for row in rows], [row.folder for row in skipped])
        manifests = with_features_of_builds(read_package(root, package.folder, pyproject), own)
        nothing: tuple[str, tuple[str, ...], str] = ("", (), "")
        if look and not package.private:
            released, files, unread = look(root, package.name, resolve(publish, tables))
        else:
            released, files, unread = nothing
        versions = [version for version in (released, _version(manifests)) if version]
        evidence.append(
            PackageEvidence(
                package=package,
                manifests=manifests,
                index=publish,
                released=released,
                files=files,
                unread=unread,
                calls=own,
                tests=tests_of(package, texts, pipelines),
                changelog=changelog_of(package.folder, texts),
                tag=tag_form(git.tags, package.name, versions, single=single)
                or form_in_triggers(tag_patterns(pipelines), package.name, single=single),
            )
        )
    return tuple(evidence)


def _version(manifests: Manifests) -> str:
    """The version in the manifests; empty if they state none."""
    from cartwheel.model.config.manifests import truth

    try:
        return truth(manifests).text
    except ConfigError:
        return ""


def latest_release(root: Path, name: str, index: Any) -> tuple[str, tuple[str, ...], str]:
    """Version and files of the newest release, and why these are unknown (else empty)."""
    from cartwheel.last_release import ONCE, last_release

    try:
        last = last_release(index, name, root=root, patience=ONCE, keep=False)
    except CartwheelError as error:
        return "", (), str(error)
    return (last.version, tuple(row.file for row in last.files), "") if last else ("", (), "")
