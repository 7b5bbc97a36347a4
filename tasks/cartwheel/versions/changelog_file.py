"""A package's changelog on disk, and what the commits since its last tag have to say where it says nothing."""

from __future__ import annotations

from pathlib import Path

from cartwheel.filesystem.read_set import is_outside, relative_name
from cartwheel.model.config.manifests import inside
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package
from cartwheel.model.versions.release_notes import UNRELEASED, draft, notes_of
from cartwheel.repository.git import Repository
from cartwheel.repository.tags import last_tag

_OFFERED = 20
"""Commits shown in a refusal; `doit changelog --draft` shows all."""


def changelog_path(root: Path, package: Package) -> str:
    """The package's changelog relative to the project; empty where it has none.

    Raises `ConfigError` where one is named that is not there, or it lies outside the project.
    """
    named = package.changelog.file
    path = root / package.folder / (named or "CHANGELOG.md")
    shown = relative_name(path.resolve(), root)
    where = inside(package.folder, "pyproject.toml")
    if is_outside(shown) and (named or path.is_file()):
        raise ConfigError(
            f"{where} [tool.cartwheel] changelog.file: '{named or path.name}' lies outside the project; "
            "expected a file in it"
        )
    if path.is_file():
        return shown
    if named:
        raise ConfigError(f"{where} [tool.cartwheel] changelog.file: there is no '{named}'; create it, or correct it")
    return ""


def changelog_text(root: Path, package: Package) -> str:
    """The changelog's text, line endings as they are; empty where there is none."""
    path = changelog_path(root, package)
    try:
        return (root / path).read_bytes().decode() if path else ""
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as such") from None


def package_notes(root: Path, package: Package, version: str = "") -> str:
    """The notes of a version (default: the package's own) in its changelog; empty where there are none."""
    return notes_of(changelog_text(root, package), version or package.version)


def notes_for_tag(root: Path, package: Package) -> str:
    """What a tag of the package's version says beside its name: the version's notes, or, for a pre-release without
    any, what is unreleased."""
    return package_notes(root, package) or (
        "" if needs_entry(package, package.version) else package_notes(root, package, UNRELEASED)
    )


def needs_entry(package: Package, version: str) -> bool:
    """Whether the configuration wants an entry for this version (PEP 440), if there is a changelog."""
    if package.changelog.required == "final":
        from packaging.version import Version

        return not Version(version).is_prerelease
    return package.changelog.required == "always"


def without_entry(root: Path, package: Package, version: str = "", *, ignored: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Why the version (default: the package's own) may not be released for want of notes, with what could be written;
    nothing where it may.  `unreleased`: whether what is to come has any."""
    path = changelog_path(root, package)
    wanted = version or package.version
    if not path or package_notes(root, package, wanted) or not (wanted == UNRELEASED or needs_entry(package, wanted)):
        return ()
    what = "nothing is under 'Unreleased'" if wanted == UNRELEASED else f"there is no entry for {wanted}"
    offered = offer(root, package, ignored=ignored).splitlines()
    more = [f"- … and {len(offered) - _OFFERED} more: doit changelog --draft"] if len(offered) > _OFFERED else []
    since = ("the commits since the last tag:", *offered[:_OFFERED], *more) if offered else ()
    return (f"{path}: {what}; write what changed (changelog.required in [tool.cartwheel] says when)", *since)


def offer(root: Path, package: Package, *, ignored: tuple[str, ...] = ()) -> str:
    """A list of the commits in the package's folder since its last tag, for the changelog."""
    with Repository(root) as repo:
        _, tag = last_tag(repo, package.tag, package.name, ignored=ignored)
        return draft(repo.subjects(tag, root / package.folder))
