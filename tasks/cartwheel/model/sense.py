"""Configurations that can be read and cannot be meant; each is refused when it is read, not on release day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath, PureWindowsPath

from cartwheel.model.destination import kind_of
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.settings import IndexSettings, Override, Settings
from cartwheel.model.version import has_one_field, wrong_tag_form

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def refuse_nonsense(settings: Settings, where: str) -> None:
    """Raises `ConfigError` for the first value of a table that cannot be meant."""
    for line in _nonsense(settings):
        raise ConfigError(f"{where} {line}")


def _nonsense(settings: Settings) -> Iterable[str]:
    for key in ("targets", "python"):
        if getattr(settings, key) == ():
            yield f"{key}: found an empty list; name at least one, or leave the key out for the default"
    for key in ("targets", "python", "publish", "packages"):
        values = getattr(settings, key) or ()
        for value in values:
            if values.count(value) > 1:
                yield f"{key}: '{value}' stands there twice; name it once"
    for name in (*(settings.publish or ()), *(settings.index or ())):
        if not _NAME.fullmatch(name):
            yield f"publish: '{name}' is no name of an index; expected letters, digits, '.', '_' and '-'"
    for place, index in (settings.index or {}).items():
        for rule, because in index.rules.items():
            if not because.strip():
                yield f"index.{place} rules: '{rule}' has no reason; say why it is let pass"
    for path in settings.inputs or ():
        if (
            PurePosixPath(path).is_absolute()
            or PureWindowsPath(path).is_absolute()
            or ".." in PurePosixPath(path).parts
        ):
            yield f"inputs: '{path}' lies outside the package; expected a path inside it"
    for key, reason in (("untested", settings.untested), ("test.skip", settings.test.skip if settings.test else "")):
        if reason and not reason.strip():
            yield f"{key}: found a blank; expected the reason, in words"
    if settings.release:
        for key, text in (("branch", settings.release.branch), ("remote", settings.release.remote)):
            if not _REF.fullmatch(text):
                yield f"release.{key}: '{text}' is no name that git takes"
    for line in wrong_tag_form(settings.tag) if settings.tag is not None else ():
        yield f"tag: {settings.tag!r} {line}"
    yield from _senseless_message(settings.bump_message)
    for where in settings.versions or ():
        if not has_one_field(where.pattern):
            yield f"versions: {where.pattern!r} has not one place for the version; expected {{version}} once in it"
    names: set[str] = set()
    for item in settings.checklist or ():
        if bool(item.run) == bool(item.manual.strip()):
            yield "checklist: an entry is either a command (run) or a question (manual); found both or neither"
        if item.run and not item.run[0].strip():
            yield "checklist: run begins with a blank; expected a command and its arguments"
        if item.slug in names:
            yield f"checklist: two entries are named '{item.slug}'; give one another 'name'"
        names.add(item.slug)
    yield from _misplaced(settings)
    if settings.index and "pypi" in settings.index and settings.index["pypi"].rehearsal:
        yield "index.pypi: the real index is no place to practise; remove 'rehearsal', or use testpypi"


_FIELDS = ("name", "version", "tag")
"""Of a commit's message."""


def _senseless_message(template: str | None) -> Iterable[str]:
    if template is not None and not template.strip():
        yield "bump-message: found a blank; expected a message such as 'Version {version}'"
    for field in re.findall(r"\{(\w*)\}", template or ""):
        if field not in _FIELDS:
            yield f"bump-message: '{{{field}}}' stands for nothing{did_you_mean(field, _FIELDS)}"


_ONLY_FOR = {
    "simple": "pypi",
    "rules": "pypi",
    "rehearsal": "pypi",
    "auth": "pypi",
    "repository": "github",
    "crates": "crates",
}
"""Keys of an index that mean something for one kind alone."""


_UNSAID = IndexSettings()


def _misplaced(settings: Settings) -> Iterable[str]:
    for name, table in (settings.index or {}).items():
        kind = kind_of(name, settings.index or {})
        for key, only in _ONLY_FOR.items():
            if getattr(table, key) != getattr(_UNSAID, key) and kind != only:
                yield f"index.{name}: '{key}' is for kind '{only}', and this is of kind '{kind}'; remove one of the two"
        if table.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", table.repository, re.ASCII):
            yield f"index.{name}: repository '{table.repository}'; expected owner/name"
        if table.crates == ():
            yield f"index.{name}: crates: found an empty list; name at least one, or leave the key out for the default"


def refuse_idle(overrides: Iterable[Override], triples: Iterable[str], where: str) -> None:
    """An override that matches no target is a slip of the pen; raises `ConfigError`."""
    known = tuple(triples)
    for override in overrides:
        for pattern in override.select.split() or [""]:
            if not any(fnmatchcase(triple, pattern) for triple in known):
                raise ConfigError(f"{where} overrides: '{pattern}' selects none of the targets {', '.join(known)}")


def refuse_too_old(pythons: Iterable[str], pyproject: Mapping[str, object], where: str) -> None:
    """An interpreter that `requires-python` excludes; raises `ConfigError`."""
    project = pyproject.get("project", {})
    wanted = project.get("requires-python", "") if isinstance(project, Mapping) else ""
    oldest = re.search(r">=\s*3\.(\d+)", str(wanted))
    for python in pythons:
        minor = re.fullmatch(r"(?:pypy)?3\.(\d+)t?", python)
        if oldest and minor and int(minor[1]) < int(oldest[1]):
            raise ConfigError(f"{where} python: '{python}' is older than requires-python ('{wanted}') allows")
