"""Bump: sets the next version in every place at once, with the changelog's heading and a commit, or changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Project, packages_named
from cartwheel.model.versions.next_version import next_version
from cartwheel.model.versions.version import pep440, semver, tag_name

Say = Callable[[str], None]


class BumpPlan(Struct, frozen=True, kw_only=True):
    """The changes of a bump."""

    packages: tuple[Package, ...]
    """All packages whose version is set in the place that changes."""
    now: str
    version: str
    """In the manifest's notation, like `now`."""
    crates: tuple[str, ...]
    """The crates that share the version."""
    files: Mapping[str, bytes | None]
    """The new content of each file, by its path in the project; None: the file is removed."""
    lines: tuple[str, ...]
    """The changes in words, for the user."""
    message: str
    """The commit message."""


def bump_plan(root: Path, project: Project, names: Iterable[str], words: tuple[str, ...], *, date: str) -> BumpPlan:
    """The plan for giving the named packages the version that `words` describe; only reads files.

    `names`: empty for all packages if they share one version. `date`: `YYYY-MM-DD`, for the changelog. Raises
    `ConfigError` or `StepFailed` with all obstacles.
    """
    from cartwheel.filesystem.edits import new_contents
    from cartwheel.repository.scm_version import tracked_files
    from cartwheel.version_sync import surveys
    from cartwheel.versions.changelog_file import unnamed_tool
    from cartwheel.versions.changelog_release import changelogs_of_release
    from cartwheel.versions.version_places import survey, version_disagreements

    project = _without_git(project, tuple(names))
    by_package = dict(zip((p.key for p in project.packages), surveys(root, project), strict=True))
    wrong = tuple(line for one in by_package.values() for line in version_disagreements(one.places))
    if wrong:
        raise StepFailed(
            "\n".join(("versions disagree; first make them one: doit version-sync", *dict.fromkeys(wrong)))
        )
    homes = {key: (one.truth.path, one.truth.at) for key, one in by_package.items()}
    home = _home(project, tuple(names), homes)
    packages = tuple(package for package in project.packages if homes[package.key] == home)
    now = by_package[packages[0].key].truth.found
    version = next_version(now, words, rust=Path(home[0]).name == "Cargo.toml")
    tracked = tracked_files(root, os.environ)
    after = [survey(root, p.folder, p.versions, to=version, tracked=tracked) for p in packages]
    moved = [place for one in after for place in one.places]
    logs, about_logs = changelogs_of_release(root, packages, version, date, project.release.ignore_tags)
    clash = sorted({place.path for place in moved if place.found != place.expected} & logs.keys())
    if clash:
        raise ConfigError(f"{clash[0]} is a changelog, which keeps its old versions; remove it from 'versions'")
    tools = (line for package in packages for line in unnamed_tool(root, package))
    notes = (*(note for one in after for note in one.notes), *about_logs, *tools)
    lines = [f"{p.path}: {p.what} {p.found} → {p.expected}" for p in moved if p.found != p.expected]
    return BumpPlan(
        packages=packages, now=now, version=version,
        crates=tuple(name for package in packages for name in by_package[package.key].crates),
        files={**new_contents(root, moved), **logs},
        lines=tuple(dict.fromkeys((*lines, *notes))),
        message=_message(packages, version),
    )  # fmt: skip


def refuse_taken(root: Path, project: Project, bump: BumpPlan, *, offline: bool) -> None:
    """Raises `StepFailed` if the version is already tagged or published, or is lower than the last tag.

    `offline`: skips the remote and the indexes; tag and publish ask them in any case.
    """
    from cartwheel.repository.git import Repository
    from cartwheel.repository.tags import last_tag, remote_of

    wrong: list[str] = []
    with Repository(root) as repo:
        remote = "" if offline else remote_of(repo, project.release.remote)
        refs = repo.remote_refs(remote) if remote else {}
        tags = repo.tags()
        for package in (p for p in bump.packages if p.publish):
            tag = tag_name(package.tag, bump.version, name=package.name)
            last = last_tag(repo, package.tag, package.name, refs=refs, ignored=project.release.ignore_tags)
            places = (("here", tag in tags), (f"on {remote}", f"refs/tags/{tag}" in refs))
            wrong += [f"the tag {tag} is {place} already; name another version" for place, there in places if there]
            wrong += _too_low(last, bump, tag)
    for package in bump.packages:
        for name in () if offline else package.publish:
            held = _taken_files(root, project, package, name, bump)
            if held:
                wrong.append(f"{name} holds {package.name} {bump.version} already ({held[0]}); name another version")
    if wrong:
        raise StepFailed("\n".join(dict.fromkeys(wrong)))


def refuse_mixed(root: Path, bump: BumpPlan, *, commit: bool) -> None:
    """Raises `StepFailed` if a file is in a submodule, if a file to commit has other changes, or if a file is above
    the project and not tracked by git."""
    from cartwheel.filesystem.read_set import is_outside
    from cartwheel.repository.git import Repository

    with Repository(root) as repo:
        paths = tuple((root / path).resolve() for path in bump.files)
        manifests = [path for path in bump.files if is_outside(path) and not path.endswith(".lock")]
        lost = [path for path in manifests if not repo.tracked_files([(root / path).resolve()])]
        if lost or any(os.path.isabs(path) for path in bump.files):
            raise StepFailed(
                f"{', '.join(lost or filter(os.path.isabs, bump.files))}: holds the version too, lies above the "
                "project and is not tracked by its git repository; put dodo.py and a pyproject.toml with "
                "[tool.cartwheel] packages beside the workspace's Cargo.toml, and that in git"
            )
        others = repo.foreign(paths)
        foreign = [name for name, path in zip(bump.files, paths, strict=True) if path in others]
        if foreign:
            raise StepFailed(
                f"{', '.join(foreign)}: lies in a submodule, so its version is that repository's; "
                "name it without an exact pin (=), or release it first"
            )
        changed = {(repo.root / path).resolve() for path in repo.dirty()} if commit else set()
        mixed = sorted(path.name for path in paths if path in changed)
        if mixed:
            raise StepFailed(
                f"{', '.join(mixed)}: holds changes that are not committed; commit or stash them, or --no-commit"
            )


def bump_diff(root: Path, bump: BumpPlan) -> Iterator[str]:
    """The changed lines as a unified diff without context."""
    for path, after in sorted(bump.files.items()):
        old, new = (data.decode(errors="replace").splitlines() for data in ((root / path).read_bytes(), after or b""))
        there = "/dev/null" if after is None else f"b/{path}"
        yield from unified_diff(old, new, f"a/{path}", there, n=0, lineterm="")


def apply_bump(root: Path, project: Project, bump: BumpPlan, *, commit: bool, say: Say) -> None:
    """Writes the files and commits them; if anything fails, every file is restored.

    Raises `StepFailed` if a file to commit has other changes, or if a hook refuses the commit.
    """
    from cartwheel.process.run import STOP, Interrupted
    from cartwheel.repository.git import Repository
    from cartwheel.repository.undo_note import replace_with_note

    refuse_mixed(root, bump, commit=commit)
    with Repository(root) as repo:
        paths = tuple((root / path).resolve() for path in bump.files)
        with replace_with_note(root, bump.files, what=f"bump to {bump.version}", commit=repo.head()):
            _refuse_disagreement(root, project)
            if STOP.is_set():
                raise Interrupted
            commit_id = repo.commit(repo.tracked_files(paths), bump.message) if commit else ""
        for line in (
            *bump.lines,
            *([f"committed as {commit_id[:12]}: {bump.message.splitlines()[0]}"] if commit_id else []),
        ):
            say(line)


def _without_git(project: Project, names: tuple[str, ...]) -> Project:
    """The project without the packages whose version comes from git; raises `ConfigError` if one of these is named."""
    meant = [p for p in project.packages if p.from_git and (p.name in names or p.key in names)]
    others = tuple(package for package in project.packages if not package.from_git)
    if meant or not others:
        package = (*meant, *project.packages)[0]
        raise ConfigError(
            f'{package.name} has its version from git (version = "scm"), so no file holds one; '
            "say it when it is released: doit release version=1.2.0"
        )
    return replace(project, packages=others)


def _home(project: Project, names: tuple[str, ...], homes: Mapping[str, tuple[object, ...]]) -> tuple[str, object]:
    """The place (file, position in it) that sets the version to change; raises `ConfigError` if it is ambiguous."""
    chosen = {homes[package.key] for package in packages_named(project, names, "--package")} or set(homes.values())
    if len(chosen) > 1:
        what = "these have versions of their own" if names else "the packages have versions of their own"
        raise ConfigError(f"{what}; name one of them: --package {' | '.join(names or sorted(homes))}")
    path, at = chosen.pop()
    return str(path), at


def _message(packages: tuple[Package, ...], version: str) -> str:
    names = ", ".join(package.name for package in packages)
    tag = tag_name(packages[0].tag, version, name=packages[0].name)
    template = packages[0].bump_message
    return template.replace("{name}", names).replace("{version}", version).replace("{tag}", tag)


def _too_low(last: tuple[str, str], bump: BumpPlan, tag: str) -> Iterable[str]:
    from packaging.version import Version

    from cartwheel.repository.tag_rules import not_a_version

    version, other = last
    if version and other != tag and Version(version) > Version(pep440(bump.version)):
        yield f"{bump.version} is lower than the last tag {other}; versions only go up{not_a_version(other)}"


def _taken_files(root: Path, project: Project, package: Package, name: str, bump: BumpPlan) -> tuple[str, ...]:
    """The files or crates of the new version that a destination already holds. See `Implementation.existing_files`."""
    from cartwheel.destinations.protocol import Release, implementation

    release = Release(
        project=project, package=package, index=name, root=root, environ=os.environ, say=lambda text: None
    )
    crates = dict.fromkeys(bump.crates, semver(bump.version))
    try:
        return implementation(name, project.indexes).existing_files(release, pep440(bump.version), crates)
    except StepFailed as error:
        raise StepFailed(f"{error}; or --offline, and publish asks it") from None


def _refuse_disagreement(root: Path, project: Project) -> None:
    from cartwheel.version_sync import surveys
    from cartwheel.versions.version_places import version_disagreements

    wrong = [line for one in surveys(root, project) for line in version_disagreements(one.places)]
    if wrong:
        raise StepFailed("\n".join(("after the change versions would disagree:", *dict.fromkeys(wrong))))
