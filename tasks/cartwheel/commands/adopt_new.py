"""The first adoption of a project: dodo.py, the tables and .gitignore, verified by planning with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cartwheel import __version__
from cartwheel.adoption.adopted_files import FileEdit, dodo_edit, gitignore_edit, table_edit
from cartwheel.adoption.evidence import (
    PackageEvidence,
    PackageTable,
    adoption_rows,
    dropped_keys,
    package_table,
    unplanned_rows,
    version_keys,
)
from cartwheel.adoption.file_sets import compare
from cartwheel.adoption.layout import SkippedFolder, test_runners
from cartwheel.adoption.parsed_files import parsed_toml
from cartwheel.adoption.proposal import planned_files, planned_project, with_table
from cartwheel.adoption.proposed_keys import usual_triples
from cartwheel.adoption.publishers import publishers, started_by_tags
from cartwheel.adoption.release_keys import GitFacts, release_table, unresolved_indexes
from cartwheel.adoption.tags_and_changelog import foreign_tag
from cartwheel.adoption.uploads import index_addresses
from cartwheel.adoption.workflows import Workflow
from cartwheel.ci.other_publishers import advice
from cartwheel.ci.pipeline_files import FORGES, Forge, committed_forges, free_file, project_pipeline
from cartwheel.commands.adopt import Adoption, PackageAdoption
from cartwheel.commands.ci_advice import missing_tests
from cartwheel.model.config.bindings import bindings_of, stable_abi
from cartwheel.model.config.default_python import default_python
from cartwheel.model.config.manifests import path_in
from cartwheel.model.destination import kind_row
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Project

Texts = Mapping[str, str]


def first_adoption(
    root: Path, texts: Texts, evidence: tuple[PackageEvidence, ...], skipped: tuple[SkippedFolder, ...],
    pipelines: tuple[Workflow, ...], git: GitFacts, excluded: tuple[str, ...] = (),
) -> Adoption:  # fmt: skip
    """All files that the project needs, and what they plan."""
    release = _release(evidence, pipelines, git, index_addresses(texts))
    evidence = tuple(replace(row, checked_by=_checked_by(row, release[0])) for row in evidence)
    package_tables = tuple(package_table(row) for row in evidence)
    tables, comments = _tables(evidence, package_tables, release)
    _name_pipeline(tables["."], comments["."], texts, FORGES[forge_of(texts, git)])
    if excluded:
        tables["."] = {"excluded-packages": list(excluded), **tables["."]}
    project = _planned_project(texts, evidence, tables)
    planned = planned_files(project)
    packages = tuple(
        package_adoption(row, table, planned[row.package.folder])
        for row, table in zip(evidence, package_tables, strict=True)
    )
    for package in packages:
        if package.published and (dropped := dropped_keys(package.rows)):
            tables["." if len(packages) == 1 else package.folder]["dropped"] = dropped
    dockerfiles = _dockerfiles(root, texts, evidence, package_tables)
    edits = [dodo_edit(texts), *_table_edits(texts, tables, comments), *dockerfiles, gitignore_edit(texts)]
    publish = tables["."].get("publish", ["pypi"])
    tags = [package.tag.replace("{name}", package.name) for package in project.packages]
    return Adoption(
        root=root,
        packages=packages,
        skipped=skipped,
        edits=tuple(edit for edit in edits if edit),
        rivals=advice(
            texts,
            ours=[forge.path for forge in committed_forges(root)],
            tags=tags,
            indexes=publish,
            trigger=tables["."].get("ci", {}).get("trigger", "tag"),
        ),
        notes=tuple(
            dict.fromkeys(
                (
                    *_notes(texts, evidence, package_tables, pipelines),
                    *_tag_notes(evidence, git, tags),
                    *_test_notes(root, project, FORGES[forge_of(texts, git)]),
                )
            )
        ),
        again=False,
        forge=forge_of(texts, git),
        new=git.new,
    )


def package_adoption(evidence: PackageEvidence, table: PackageTable, planned: tuple[str, ...]) -> PackageAdoption:
    """A package that is new to the configuration: what it ships, and what its proposed table plans."""
    rows = adoption_rows(compare(table.expected, planned), table, planned) if table.expected else unplanned_rows(table)
    return PackageAdoption(
        name=evidence.package.name,
        folder=evidence.package.folder,
        version=evidence.released,
        source=table.source,
        published=table.expected,
        planned=planned,
        rows=rows,
        unread=evidence.unread,
    )


def _release(
    evidence: tuple[PackageEvidence, ...], pipelines: tuple[Workflow, ...], git: GitFacts, addresses: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The root's keys about the release, and their comments."""
    crates = any(row.package.rust for row in evidence)
    single = len(evidence) == 1
    forms = [row.tag or ("v{version}" if single else f"{row.package.name}-v{{version}}") for row in evidence]
    senders = publishers(started_by_tags(pipelines, forms), addresses)
    return release_table(senders, git, crates=crates, addresses=addresses)


def _name_pipeline(table: dict[str, Any], comments: dict[str, str], texts: Texts, forge: Forge) -> None:
    """Adds a name for the pipeline's file, in place, if a file of the user has the default one."""
    if not texts.get(forge.path, "").strip() or forge.ours(texts[forge.path]):
        return
    table.setdefault("ci", {})[forge.name] = {"file": free_file(forge, texts)}
    comments["ci"] = "; ".join(filter(None, (comments.get("ci", ""), f"{forge.path} is a file of yours")))


def _checked_by(row: PackageEvidence, release: Mapping[str, Any]) -> str:
    """The first index with PyPI's rules to which a package is published; empty without one."""
    names = () if row.package.private else release.get("publish", ("pypi",))
    return next((name for name in names if kind_row(name, {}).wheel_rules), "")


def _tables(
    evidence: tuple[PackageEvidence, ...],
    package_tables: tuple[PackageTable, ...],
    release_keys: tuple[Mapping[str, Any], Mapping[str, str]],
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]:
    """`[tool.cartwheel]` and its comments, by folder: the root's for the project, and each package's."""
    single = len(evidence) == 1
    release, why = release_keys
    root: dict[str, Any] = {}
    root_comments: dict[str, str] = {}
    folders = [row.package.folder for row in evidence]
    if folders != ["."]:
        root["packages"] = folders
    tables: dict[str, dict[str, Any]] = {".": root}
    comments: dict[str, dict[str, str]] = {".": root_comments}
    on_index = any(row.files for row in evidence)
    for row, package in zip(evidence, package_tables, strict=True):
        place = "." if single else row.package.folder
        own, notes = tables.setdefault(place, {}), comments.setdefault(place, {})
        own.update(package.table)
        notes.update(package.comments)
        for key, value in version_keys(row.manifests).items():
            tables.setdefault(row.package.folder, {})[key] = value
        default_tag = "v{version}" if single else f"{row.package.name}-v{{version}}"
        if row.tag and row.tag != default_tag:
            own["tag"] = row.tag
            notes["tag"] = "as the tags of this repository, or as those that start its workflows"
        if row.package.private or (not single and on_index and not row.files and not row.unread):
            own["publish"] = []
            notes["publish"] = "private" if row.package.private else f"not on {row.index}"
    shared = release if not single or "publish" not in root else {k: v for k, v in release.items() if k != "publish"}
    tables["."] = {**root, **shared} if "publish" not in root else {**shared, **root}
    root_comments.update(why)
    if lines := tuple(dict.fromkeys(line for package in package_tables for line in package.steps)):
        step = {"name": "packages of the system", "run": list(lines)}
        tables["."].setdefault("ci", {})["steps"] = {"before": {"build": [step]}}
        root_comments.setdefault("ci", "from the workflows")
    spell_out_defaults(tables, evidence, single=single, publish=release.get("publish", ["pypi"]))
    return tables, comments


def spell_out_defaults(
    tables: dict[str, dict[str, Any]], evidence: tuple[PackageEvidence, ...], *, single: bool,
    publish: Iterable[str] = ("pypi",),
) -> None:  # fmt: skip
    """Writes defaults out in the tables of other packages, since the root's table would change their defaults.

    `publish`: where the project publishes if the root's package is not published.
    """
    for row in evidence if not single else ():
        own = tables.setdefault(row.package.folder, {})
        if row.package.folder == ".":
            continue
        if "targets" in tables["."]:
            own.setdefault("targets", list(usual_triples(row.manifests)))
        if "python" in tables["."] and own.get("targets") != ["any"]:
            default = default_python(row.manifests, bindings_of(row.manifests), stable_abi(row.manifests))
            own.setdefault("python", list(default))
        if tables["."].get("publish") == [] and "publish" not in own:
            own["publish"] = list(publish)
        for key, nothing in _NOTHING.items() if row.package.compiled else ():
            if key in tables["."]:
                own.setdefault(key, nothing)
        if "test" in tables["."]:
            own.setdefault("test", {})


_NOTHING: Mapping[str, Any] = {"features": [], "flags": [], "environment": {}, "before": []}
"""Keys of builds and their defaults."""


def _planned_project(
    texts: Texts, evidence: tuple[PackageEvidence, ...], tables: Mapping[str, Mapping[str, Any]]
) -> Project:
    """The project with the new tables; raises `ConfigError` if the tables are invalid."""
    root = dict(parsed_toml(texts, "pyproject.toml"))
    root["tool"] = {**root.get("tool", {}), "cartwheel": dict(tables["."])}
    manifests = [
        row.manifests
        if "cartwheel" in row.manifests.pyproject.get("tool", {})  # an existing table stays as it is
        else with_table(row.manifests, tables.get(row.package.folder, {}))
        for row in evidence
    ]
    try:
        return planned_project(root, manifests)
    except ConfigError as error:
        raise ConfigError(f"adopt: what was found cannot be planned: {error}") from None


def _table_edits(
    texts: Texts, tables: Mapping[str, Mapping[str, Any]], comments: Mapping[str, Mapping[str, str]]
) -> Iterable[FileEdit | None]:
    for folder, table in tables.items():
        path = path_in(folder, "pyproject.toml")
        if "cartwheel" in parsed_toml(texts, path).get("tool", {}):
            continue  # an existing table stays as it is
        yield table_edit(path, texts.get(path, ""), table, comments.get(folder, {}))


def _notes(
    texts: Texts, evidence: tuple[PackageEvidence, ...], tables: tuple[PackageTable, ...], pipelines: Iterable[Workflow]
) -> Iterable[str]:
    for row, package in zip(evidence, tables, strict=True):
        if row.unread:
            followed = f"the plan follows {package.source}" if package.source else "the plan is the default"
            yield f"what is shipped of {row.package.name} is not known, so {followed}: {row.unread}"
        if not row.tests.table() and not row.manifests.has_tests:
            ways = test_runners(texts)
            hint = f" (the project runs {', '.join(ways)})" if ways else ""
            yield f'{row.package.name}: no tests found{hint}; name them: test = {{ command = ["pytest", "…"] }}'
        for file in package.files:
            yield (
                f"{row.package.name}: {file} installs what the workflow's script installs; Linux wheels are then built "
                "in a container. If nothing in it is needed, delete it and take the key 'image' out"
            )
    yield from (line for package in tables for line in package.left_out)
    if not all(row.package.private for row in evidence):
        addresses = index_addresses(texts)
        yield from unresolved_indexes(publishers(pipelines, addresses), texts, addresses)
    for workflow in pipelines:
        for fault in workflow.faults:
            yield fault if fault.startswith(workflow.path) else f"{workflow.path}: {fault}"


def _tag_notes(evidence: tuple[PackageEvidence, ...], git: GitFacts, forms: Iterable[str]) -> Iterable[str]:
    for row, form in zip(evidence, forms, strict=True):
        if tag := foreign_tag(git.tags, row.tag):
            yield (
                f"{row.package.name}: found tags such as '{tag}', whose version has underscores; the next tag is "
                f'{form}; for another one write tag = "…{{version}}"'
            )


def _test_notes(root: Path, project: Project, forge: Forge) -> Iterable[str]:
    """The notes of `doit ci` about targets whose tests no machine of the pipeline runs."""
    try:
        yield from missing_tests(project_pipeline(root, project, version=__version__), forge, project)
    except ConfigError:
        return  # `doit ci` refuses such a pipeline with the reason


def _dockerfiles(
    root: Path, texts: Texts, evidence: tuple[PackageEvidence, ...], tables: tuple[PackageTable, ...]
) -> Iterable[FileEdit]:
    """The new Dockerfiles of all packages; raises `ConfigError` if another file has the name."""
    for row, package in zip(evidence, tables, strict=True):
        for name, text in package.files.items():
            path = path_in(row.package.folder, name)
            if path in texts and (root / path).read_bytes() != text.encode():
                raise ConfigError(
                    f"adopt: {path} exists already, and the build's image would be written there; rename it"
                )
            if path not in texts:
                yield FileEdit(path=path, old="", new=text)


def forge_of(texts: Texts, git: GitFacts) -> str:
    """The forge for which `doit ci` should write the pipeline."""
    return "gitlab" if any("gitlab" in url for url in git.remotes.values()) or _only_gitlab(texts) else "github"


def _only_gitlab(texts: Texts) -> bool:
    return FORGES["gitlab"].path in texts and not any(path.startswith(".github/workflows/") for path in texts)
