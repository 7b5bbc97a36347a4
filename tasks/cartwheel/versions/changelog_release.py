"""The changelogs of a new version: the unreleased part becomes its entry, by us or by the configured program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package
from cartwheel.model.versions import release_notes
from cartwheel.model.versions.changelog_headings import UNRELEASED
from cartwheel.model.versions.version import pep440, tag_name
from cartwheel.versions.changelog_file import Changelog, changelog_of, needs_entry, without_entry

Contents = Mapping[str, bytes | None]
"""The new content of each file by its path in the project; `None` removes the file."""


def changelogs_of_release(
    root: Path, packages: Iterable[Package], version: str, date: str, ignored: tuple[str, ...]
) -> tuple[Contents, tuple[str, ...]]:
    """The changelog files with the unreleased part as the version's entry, and one line for each change.

    Raises `ConfigError` or `StepFailed` if the version needs an entry and the unreleased part is empty.
    """
    files: dict[str, bytes | None] = {}
    lines: list[str] = []
    for package in packages:
        log = changelog_of(root, package)
        if log.path in files:
            continue
        if package.changelog.command and not log.notes(version):
            changed = _by_command(root, package, version, date)
            files |= changed
            program = package.changelog.command[0]
            lines += [f"{path}: {'removed' if changed[path] is None else 'written'} by {program}" for path in changed]
        elif log.path:
            text = _text_at_release(root, package, log, version, date, ignored)
            if text != log.text:
                files[log.path] = text.encode()
                lines.append(f"{log.path}: what was unreleased is {version} of {date}")
                lines += _unmoved_link(log)
    return files, tuple(lines)


def _text_at_release(
    root: Path, package: Package, log: Changelog, version: str, date: str, ignored: tuple[str, ...]
) -> str:
    """The changelog with the unreleased part as the entry of `version`; unchanged if the version needs no entry."""
    if log.notes(version):
        return release_notes.changelog_with_date(log.text, version, date=date, name=log.name, rst=log.rst)
    needs = needs_entry(package, pep440(version))
    missing = without_entry(root, package, UNRELEASED, ignored=ignored) if needs else ()
    if missing and package.publish:
        raise StepFailed("\n".join(missing))
    waits = not needs and package.changelog.required == "final"
    if waits or not log.notes(UNRELEASED):
        return log.text
    tag = tag_name(package.tag, version, name=package.name)
    try:
        return release_notes.changelog_for_release(log.text, version, date=date, tag=tag, name=log.name, rst=log.rst)
    except ConfigError as error:
        raise ConfigError(f"{log.path}: {error}") from None


def _unmoved_link(log: Changelog) -> tuple[str, ...]:
    url = release_notes.unmoved_link(log.text, log.name, rst=log.rst)
    return (f"{log.path}: the link of what is unreleased has an unknown form; change it by hand: {url}",) if url else ()


def _by_command(root: Path, package: Package, version: str, date: str) -> Contents:
    """The files that the configured program changes in a clone of the commit; raises `StepFailed` if it fails."""
    from cartwheel.process import environment
    from cartwheel.process.run import capture
    from cartwheel.repository.clones import local_clone
    from cartwheel.repository.git import Repository

    fields = {"version": version, "pep440": pep440(version), "date": date}
    fields["tag"] = tag_name(package.tag, version, name=package.name)
    argv = tuple(_fill(part, fields) for part in package.changelog.command)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, Repository(root) as here:
        below = root.resolve().relative_to(here.root.resolve())
        clone = Path(folder, "clone")
        local_clone(here.root, clone)
        capture(argv, cwd=clone / below / package.folder, env=environment.tool_environment(os.environ))
        with Repository(clone) as repo:
            dirty = (Path(path) for path in repo.dirty())
            changed = [path.relative_to(below).as_posix() for path in dirty if path.is_relative_to(below)]
        new = [path for path in changed if not (root / path).exists()]
        if new:
            raise StepFailed(f"{argv[0]} would add {', '.join(new)}; commit a first one, which it then changes")
        log = changelog_of(clone / below, package)
        if package.changelog.origin == "file" and not log.notes(version):
            where = log.path or "the changelog"
            raise StepFailed(f"{' '.join(argv)}: after it {where} has no entry for {version}")
        return {p: (clone / below / p).read_bytes() if (clone / below / p).exists() else None for p in changed}


def _fill(text: str, fields: Mapping[str, str]) -> str:
    for name, value in fields.items():
        text = text.replace(f"{{{name}}}", value)
    return text
