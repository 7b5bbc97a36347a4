"""A later run of adopt: what the index or the repository has that the configuration does not plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cartwheel.adoption.adopted_files import FileEdit, dodo_edit, gitignore_edit, text_with_overrides
from cartwheel.adoption.build_folders import calls_of
from cartwheel.adoption.evidence import AdoptionRow, PackageEvidence, adoption_rows, dropped_keys, package_table
from cartwheel.adoption.file_sets import compare, with_reasons
from cartwheel.adoption.layout import SkippedFolder, matches_folder
from cartwheel.adoption.parsed_files import parsed_toml
from cartwheel.adoption.proposal import planned_files, planned_project
from cartwheel.adoption.release_keys import GitFacts
from cartwheel.adoption.shipped_wheels import ShippedWheel, shipped_wheels
from cartwheel.ci.other_publishers import other_publishers
from cartwheel.commands.adopt import Adoption, PackageAdoption
from cartwheel.commands.adopt_added import add_packages
from cartwheel.commands.adopt_git import adopted_texts
from cartwheel.commands.adopt_new import forge_of, package_adoption
from cartwheel.commands.adopt_workflows import calls_at_adoption, changed_keys, new_wheels, no_longer_built
from cartwheel.filesystem.toml_edits import with_value
from cartwheel.model.config.manifests import path_in
from cartwheel.model.project import Package, Project
from cartwheel.model.wheels.artifacts import package_artifacts

Texts = Mapping[str, str]


def changes(
    root: Path, texts: Texts, evidence: tuple[PackageEvidence, ...], skipped: tuple[SkippedFolder, ...],
    git: GitFacts, excluded: tuple[str, ...] = (),
) -> Adoption:  # fmt: skip
    """The changes since the project was adopted; `excluded` is added to the packages that are left out."""
    project, deleted = _present_project(root, texts)
    known = {package.folder: package for package in project.packages}
    gone = [folder for folder in known if any(matches_folder(folder, pattern) for pattern in excluded)]
    rows, edited, added, notes = [], dict(texts), [], []
    if deleted:
        _take_out(edited, deleted, project.packages)
        notes += [f"{folder} has no pyproject.toml any more, and is taken out of 'packages'" for folder in deleted]
    old_texts = adopted_texts(root, texts)
    old_calls = calls_at_adoption(old_texts, texts) if old_texts else ()
    for row in evidence:
        package = known.get(row.package.folder)
        if package is None:
            added.append(row)
            continue
        adopted = _package(row, package)
        rows.append(adopted)
        single = len(project.packages) == 1
        lost = {line.what for line in adopted.rows if line.state == "lost" and not line.why}
        if lost:
            shipped = [wheel for file in row.files for wheel in shipped_wheels(file) if wheel.known]
            _plan_again(edited, shipped, package, lost, single=single)
        if old_texts:
            old = calls_of(row.package.folder, old_calls, list(known))
            if wheels := new_wheels(row, old, package):
                adopted = rows[-1] = replace(adopted, rows=(*adopted.rows, *_rows_of_new_builds(wheels, row)))
                _plan_again(edited, wheels, package, {wheel.file for wheel in wheels}, single=single)
            notes += [*changed_keys(row, old), *no_longer_built(row, old, package)]
        if dropped := dropped_keys(adopted.rows, package.dropped):
            _drop(edited, _path_of_table(package, single=single), dropped)
    if excluded:
        _exclude(edited, excluded, gone)
    if added:
        add_packages(edited, [folder for folder in known if folder not in gone], tuple(added))
        rows += _adoptions_of_new(edited, tuple(added))
    edits = [
        FileEdit(path=path, old=texts.get(path, ""), new=text)
        for path, text in edited.items()
        if text != texts.get(path, "")
    ]
    new = [edit for edit in (dodo_edit(texts), gitignore_edit(texts)) if edit]
    return Adoption(
        root=root,
        packages=tuple(rows),
        skipped=skipped,
        edits=(*edits, *new),
        rivals=other_publishers(root, project),
        notes=(*notes, *_added_notes(added)),
        again=True,
        forge=forge_of(texts, git),
        workflows_compared=bool(old_texts),
    )


def _added_notes(added: Iterable[PackageEvidence]) -> Iterable[str]:
    return (
        f"{row.package.folder}: {row.package.name} is new, and is added to 'packages'; to leave it out from now "
        f"on: doit adopt --exclude {row.package.folder}"
        for row in added
    )


def _rows_of_new_builds(wheels: Iterable[ShippedWheel], row: PackageEvidence) -> Iterable[AdoptionRow]:
    for wheel in wheels:
        sources = [c.workflow for c in row.calls if wheel.triple in c.triples]
        yield AdoptionRow(state="gained", what=wheel.file, why=f"{sources[0]} builds it since the adoption")


def _present_project(root: Path, texts: Texts) -> tuple[Project, tuple[str, ...]]:
    """The project without packages whose folder was deleted, and these folders; raises `ConfigError`."""
    from cartwheel.cargo.package_manifests import read_package
    from cartwheel.filesystem.manifest_files import read_root
    from cartwheel.model.config.resolve import folders, resolve_project
    from cartwheel.pipeline import read_project

    top = read_root(root)
    named = folders(top)
    deleted = tuple(folder for folder in named if path_in(folder, "pyproject.toml") not in texts)
    left = [folder for folder in named if folder not in deleted]
    if not deleted or not left:
        return read_project(root, {}), ()
    tool = top["tool"]
    top = {**top, "tool": {**tool, "cartwheel": {**tool["cartwheel"], "packages": left}}}
    return resolve_project(top, [read_package(root, f, top if f == "." else None) for f in left], {}), deleted


def _take_out(texts: dict[str, str], deleted: Collection[str], left: tuple[Package, ...]) -> None:
    """Takes folders out of `packages` in place in `texts`. An only package that is left keeps the form of its tags."""
    root = parsed_toml(texts, "pyproject.toml")["tool"]["cartwheel"]
    keys: dict[str, Any] = {"packages": [folder for folder in root["packages"] if folder not in deleted]}
    own = parsed_toml(texts, path_in(left[0].folder, "pyproject.toml")).get("tool", {}).get("cartwheel", {})
    if len(left) == 1 and not {"tag"} & {*root, *own}:
        keys["tag"] = f"{left[0].name}-v{{version}}"
    for key, value in keys.items():
        data = with_value(
            texts["pyproject.toml"].encode(), ("tool", "cartwheel"), key, value, shown_as="pyproject.toml"
        )
        texts["pyproject.toml"] = data.decode()


def _exclude(texts: dict[str, str], excluded: tuple[str, ...], gone: Iterable[str]) -> None:
    """Adds patterns to `excluded-packages` of the root's table and takes the folders `gone` out of `packages`, in place
    in `texts`."""
    path = "pyproject.toml"
    table = parsed_toml(texts, path)["tool"]["cartwheel"]
    keys = {"excluded-packages": list(dict.fromkeys((*table.get("excluded-packages", ()), *excluded)))}
    if "packages" in table:
        keys["packages"] = [folder for folder in table["packages"] if folder not in gone]
    for key, rows in keys.items():
        if rows != table.get(key):
            data = with_value(texts[path].encode(), ("tool", "cartwheel"), key, rows, shown_as=path)
            texts[path] = data.decode()


def _adoptions_of_new(texts: Texts, added: tuple[PackageEvidence, ...]) -> Iterable[PackageAdoption]:
    """The plan of the new packages with the tables in `texts`; raises `ConfigError` if that is impossible."""
    root = parsed_toml(texts, "pyproject.toml")
    for row in added:
        table = parsed_toml(texts, path_in(row.package.folder, "pyproject.toml"))
        project = planned_project(
            {
                **root,
                "tool": {**root["tool"], "cartwheel": {**root["tool"]["cartwheel"], "packages": [row.package.folder]}},
            },
            [replace(row.manifests, pyproject=table)],
        )
        (files,) = planned_files(project).values()
        yield package_adoption(row, package_table(row), files)


def _package(row: PackageEvidence, package: Package) -> PackageAdoption:
    planned = tuple(artifact.file for artifact in package_artifacts(package))
    comparison = with_reasons(compare(row.files, planned), package.dropped)
    lines = tuple(line for line in adoption_rows(comparison, package_table(row), planned) if line.state != "gained")
    return PackageAdoption(
        name=package.name,
        folder=package.folder,
        version=row.released,
        source=f"{row.released} on {row.index}" if row.files else "",
        published=row.files,
        planned=planned,
        rows=lines if row.files else (),
        unread=row.unread,
    )


def _path_of_table(package: Package, *, single: bool) -> str:
    """The file with the package's table."""
    return "pyproject.toml" if single else path_in(package.folder, "pyproject.toml")


def _drop(texts: dict[str, str], path: str, dropped: Mapping[str, str]) -> None:
    """Adds patterns and reasons to `dropped` of the table in a file, in place in `texts`."""
    place = ("tool", "cartwheel")
    data = texts[path].encode()
    if "dropped" not in parsed_toml(texts, path).get("tool", {}).get("cartwheel", {}):
        data = with_value(data, place, "dropped", dict(dropped), shown_as=path)
    else:
        for pattern, why in dropped.items():
            data = with_value(data, (*place, "dropped"), pattern, why, shown_as=path)
    texts[path] = data.decode()


def _plan_again(
    texts: dict[str, str], wheels: Iterable[ShippedWheel], package: Package, lost: Collection[str], *, single: bool
) -> None:
    """Adds the targets and interpreters of unplanned wheels to the package's table, in place in `texts`; `lost`: the
    files that are not planned."""
    wheels = tuple(wheels)
    mine: dict[str, tuple[str, ...]] = {}
    for wheel in package.wheels:
        mine[wheel.target.triple] = (*mine.get(wheel.target.triple, ()), wheel.python)
    targets = list(mine)
    overrides: list[dict[str, Any]] = []
    for triple in dict.fromkeys(wheel.triple for wheel in wheels if wheel.file in lost):
        for_target = [w for w in wheels if w.triple == triple]
        pythons = tuple(dict.fromkeys((*mine.get(triple, ()), *(w.python for w in for_target))))
        targets += [triple] if triple not in targets else []
        keys = {
            "python": list(pythons),
            **({"floor": for_target[0].floor} if triple not in mine and for_target[0].floor else {}),
        }
        overrides.append({"select": triple, **keys})
    path = _path_of_table(package, single=single)
    data = texts[path].encode()
    if targets != list(mine):
        data = with_value(data, ("tool", "cartwheel"), "targets", targets, shown_as=path)
    texts[path] = text_with_overrides(path, data.decode(), overrides)
