"""A package's changelog on disk, and drafts from the commits since its last tag."""

from __future__ import annotations

import json
import re
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.manifest_files import toml_or_nothing
from cartwheel.filesystem.read_set import is_outside, relative_name
from cartwheel.model.config.manifests import path_in
from cartwheel.model.errors import ConfigError
from cartwheel.model.project import Package
from cartwheel.model.versions.changelog_headings import CHANGELOG_FOLDERS, CHANGELOG_NAMES, UNRELEASED, entries
from cartwheel.model.versions.release_notes import coming_entry, draft, notes_from_commits, notes_of
from cartwheel.repository.git import Repository
from cartwheel.repository.tags import last_tag

_OFFERED = 20
"""The maximum number of commits shown in a refusal; `doit changelog --draft` shows all."""

_SUFFIXES = (".md", ".markdown", ".rst", ".txt", "")
_FRAGMENTS = ("changelog.d", "changelog.d/unreleased", "newsfragments", "news", "changes", ".changes/unreleased",
              "changelog_entries", "docs/newsfragments", "docs/changelog.d", "releasenotes/notes")  # fmt: skip
"""Folders in which towncrier, scriv, changie, reno and similar tools keep changelog fragments, November 2026."""
_TOOLS = (
    ("towncrier", "towncrier.toml", ("towncrier", "build", "--yes", "--version", "{version}")),
    ("scriv", "changelog.d/scriv.ini", ("scriv", "collect", "--version", "{version}")),
    ("git-cliff", "cliff.toml", ("git-cliff", "--tag", "{tag}", "--output", "CHANGELOG.md")),
)
"""Programs that write a changelog: the name of their table in pyproject.toml, their file, a usual command."""


class Changelog(Struct, frozen=True, kw_only=True):
    """A package's changelog; `path` is empty if it has none."""

    path: str = ""
    """Relative to the project."""
    text: str = ""
    """With its original line endings."""
    name: str = ""
    """The package's name, which may be part of headings."""

    @property
    def rst(self) -> bool:
        """Whether it is reStructuredText: by its suffix, else by underlined version headings."""
        if not self.path or self.path.endswith((".md", ".markdown", ".rst")):
            return self.path.endswith(".rst")
        return not entries(self.text, self.name) or not entries(self.text, self.name)[0].heading.marks

    @property
    def has_entries(self) -> bool:
        """Whether any heading names a version or the unreleased part."""
        return bool(entries(self.text, self.name, rst=self.rst))

    def notes(self, version: str) -> str:
        """The notes of a version, or of `unreleased`; empty if missing."""
        return notes_of(self.text, version, self.name, rst=self.rst)

    def heading(self, version: str) -> str:
        """An example of a heading for a version, in the style of this changelog."""
        entry = next(iter(entries(self.text, self.name)), None)
        marks = entry.heading.marks if entry else "##"
        return f"{version}, underlined" if self.rst or not marks else f"{marks} {version}"


def changelog_of(root: Path, package: Package) -> Changelog:
    """The changelog of a package.

    Raises `ConfigError` if the configured file does not exist, is outside the project, or is not UTF-8 text.
    """
    if package.changelog.origin != "file":
        return Changelog()
    named = package.changelog.file
    where = f"{path_in(package.folder, 'pyproject.toml')} [tool.cartwheel] changelog.file"
    if not named:
        changelogs = (_load(root, path, package) for path in _candidates(root / package.folder))
        own = path_in(package.folder, "changelog.md")
        return next((one for one in changelogs if one.has_entries or one.path.lower() == own.lower()), Changelog())
    path = root / package.folder / named
    if not path.is_file():
        raise ConfigError(f"{where}: there is no '{named}'; create it, or correct it")
    return _load(root, path, package)


def _candidates(folder: Path) -> list[Path]:
    """Files whose names are usual for changelogs, preferred first."""
    rows: list[Path] = []
    for place in (folder / name for name in CHANGELOG_FOLDERS):
        files = (
            {path.name.lower(): path for path in sorted(place.iterdir()) if path.is_file()} if place.is_dir() else {}
        )
        names = (f"{name}{suffix}" for name in CHANGELOG_NAMES for suffix in _SUFFIXES)
        rows += [files[name] for name in names if name in files]
    return rows


def _load(root: Path, path: Path, package: Package) -> Changelog:
    shown = relative_name(path.resolve(), root)
    if is_outside(shown):
        where = f"{path_in(package.folder, 'pyproject.toml')} [tool.cartwheel] changelog.file"
        raise ConfigError(f"{where}: '{path.name}' lies outside the project; expected a file in it")
    try:
        return Changelog(path=shown, text=path.read_bytes().decode(), name=package.name)
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: is not UTF-8 text; save it as such") from None


def package_notes(root: Path, package: Package, version: str = "", *, ignored: tuple[str, ...] = ()) -> str:
    """The notes of a version (default: the package's version); empty if missing.

    `ignored`: patterns of tags that are not versions.  Notes from commits exist only for the package's version and for
    `unreleased`; they cover the commits since the last tag.  Notes that GitHub generates are unknown here, and empty.
    """
    if package.changelog.origin == "file":
        return changelog_of(root, package).notes(version or package.version)
    if package.changelog.origin == "github" or version not in ("", package.version, UNRELEASED):
        return ""
    with Repository(root) as repo:
        _, tag = last_tag(repo, package.tag, package.name, but=package.tag_name, ignored=ignored)
        messages = repo.messages(tag, root / package.folder)
    own = re.escape(package.bump_message.partition("\n")[0]).replace(r"\{name\}", ".+")
    own = re.sub(r"\\{\w+\\}", r"\\S*\\d\\S*", own)  # "Version numbers" is no version's commit
    return notes_from_commits(message for message in messages if not re.fullmatch(own, message.partition("\n")[0]))


def notes_for_tag(root: Path, package: Package, *, ignored: tuple[str, ...] = ()) -> str:
    """The notes for a tag's message: the version's, or for a pre-release without notes the unreleased part."""
    own = package_notes(root, package, ignored=ignored)
    return own if own or needs_entry(package, package.version) else changelog_of(root, package).notes(UNRELEASED)


def needs_entry(package: Package, version: str) -> bool:
    """Whether the configuration requires a changelog entry for this PEP 440 version, if there is a changelog."""
    if package.changelog.required == "final":
        from packaging.version import Version

        return not Version(version).is_prerelease
    return package.changelog.required == "always"


def without_entry(root: Path, package: Package, version: str = "", *, ignored: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The reason that a version lacks required notes, and a draft of them; empty if it may be released.

    `version`: by default the package's; for `unreleased`, the unreleased part must have notes.
    """
    log = changelog_of(root, package)
    key = version or package.version
    if not log.path or log.notes(key) or not (key == UNRELEASED or needs_entry(package, key)):
        return ()
    what, fix = "nothing is under 'Unreleased'", "write what changed"
    if key == UNRELEASED:
        if coming_entry(log.text, log.name, rst=log.rst) is None:
            what = f"there is no heading like '{log.heading('Unreleased')}'"
            fix = "write what changed under one"
    else:
        what = f"there is no entry for {key}, expected a heading like '{log.heading(key)}'"
        coming = coming_entry(log.text, log.name, rst=log.rst) if log.notes(UNRELEASED) else None
        if coming:
            title = coming.heading.title
            fix = f"put it above what is under '{title}'" if coming.version == UNRELEASED else f"correct '{title}'"
    offered = draft_from_commits(root, package, ignored=ignored).splitlines()
    more = [f"- … and {len(offered) - _OFFERED} more: doit changelog --draft"] if len(offered) > _OFFERED else []
    since = ("the commits since the last tag:", *offered[:_OFFERED], *more) if offered else ()
    return (
        f"{log.path}: {what}; {fix} (changelog.required in [tool.cartwheel] says when)",
        *unnamed_tool(root, package),
        *since,
    )


def unnamed_tool(root: Path, package: Package) -> tuple[str, ...]:
    """A line if a tool should write the changelog, by its fragments or its configuration, and `changelog.command` names
    none."""
    if package.changelog.command or package.changelog.origin != "file":
        return ()
    folder = root / package.folder
    tools = toml_or_nothing(folder / "pyproject.toml").get("tool", {})
    configured = [command for name, file, command in _TOOLS if name in tools or (folder / file).is_file()]
    fix = f"name it: [tool.cartwheel] changelog.command, such as {json.dumps((*configured, _TOOLS[0][2])[0])}"
    for name in _FRAGMENTS:
        files = [path.name for path in (folder / name).glob("*.*") if path.name[:1] not in "._" and path.is_file()]
        count = len([file for file in files if not file.lower().startswith(("readme", "template", "scriv."))])
        if count and not (folder / name / "__init__.py").exists():
            some = f"{count} fragment{'s' if count > 1 else ''}"
            return (f"{path_in(package.folder, name)}: {some}, and no tool that gathers them; {fix}",)
    if configured and not changelog_of(root, package).notes(UNRELEASED):
        return (f"{configured[0][0]} is configured here, and no command runs it; {fix}",)
    return ()


def draft_from_commits(root: Path, package: Package, *, ignored: tuple[str, ...] = ()) -> str:
    """A list of the commits that touch the package's folder since its last tag, as a draft for the changelog."""
    with Repository(root) as repo:
        _, tag = last_tag(repo, package.tag, package.name, ignored=ignored)
        return draft(repo.subjects(tag, root / package.folder))
