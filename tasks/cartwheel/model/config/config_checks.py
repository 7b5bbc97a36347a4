"""Invalid values that have the right type; each is refused when the table is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath

from cartwheel.model.config.ci_checks import ci_problems, plain_name_problems, runner_problems
from cartwheel.model.config.layers import chosen_by
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.values import Secret
from cartwheel.model.destination import KINDS, KNOWN, PYPI, holds_userinfo, is_address, kind_of, token_variable
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.versions.version import has_one_field, wrong_tag_form

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_CACHE = r"oci://[A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+|file:///[^?#]+"
_REF = r"[A-Za-z0-9][A-Za-z0-9._/-]*"


def refuse_invalid_values(settings: Settings, where: str) -> None:
    """Raises `ConfigError` for the first invalid value of a table."""
    for line in _problems(settings):
        raise ConfigError(f"{where} {line}")


def _problems(settings: Settings) -> Iterable[str]:
    if settings.targets == ():
        yield "targets: found an empty list; name at least one, or leave the key out for the default"
    if settings.packages == ():
        yield "packages: found an empty list; name at least one folder, or leave the key out for the root itself"
    if settings.module and not all(part.isidentifier() for part in settings.module.split(".")):
        yield f"module: '{settings.module}' cannot be imported; expected a dotted name such as 'stone.core'"
    yield from _tunable_problems(settings)
    yield from _selection_problems(settings)
    for key in ("targets", "publish", "packages"):
        values = getattr(settings, key) or ()
        for value in values:
            if values.count(value) > 1:
                yield f"{key}: '{value}' is listed twice; name it once"
    for name in (*(settings.publish or ()), *(settings.index or ())):
        if not re.fullmatch(_NAME, name):
            yield f"publish: {name!r} is no name of an index; expected letters, digits, '.', '_' and '-'"
    yield from _token_problems((*(settings.publish or ()), *(settings.index or {})))
    for place, index in (settings.index or {}).items():
        for key, text in (("url", index.url), ("simple", index.simple)):
            if text and not is_address(text) and kind_of(place, settings.index or {}) == PYPI:
                yield f"index.{place} {key}: no address that can be requested; expected one such as https://HOST/PATH/"
            if holds_userinfo(text or ""):
                yield (
                    f"index.{place} {key}: holds a user name or password, which everybody reads; take it out, set "
                    f"{token_variable(place)} in the environment, and name the user as index.{place}.user"
                )
        for rule, because in index.rules.items():
            if not because.strip():
                yield f"index.{place} rules: '{rule}' has no reason; say why it is waived"
        yield from plain_name_problems(index.environment, f"index.{place} environment")
    for pattern, because in (settings.dropped or {}).items():
        if not because.strip():
            yield f"dropped: '{pattern}' has no reason; say why such files end"
    for name in settings.environment_pass or ():
        yield from _variable_problems(name, "environment-pass")
    for path in settings.inputs or ():
        yield from _outside_problems(path, "inputs")
    if settings.test and settings.test.skip and not settings.test.skip.strip():
        yield "test.skip: found a blank; expected the reason, in words"
    if settings.ci:
        tables = {**dict.fromkeys((*KNOWN, *(settings.publish or ())), IndexSettings()), **(settings.index or {})}
        yield from ci_problems(settings.ci, {table.environment or name for name, table in tables.items()})
    if settings.cache is not None:
        url = settings.cache if isinstance(settings.cache, str) else settings.cache.url
        if not re.fullmatch(_CACHE, url):
            yield f"cache: found '{url}'; expected oci://HOST/NAME (NAME in lower case) or file:///FOLDER"
    if settings.release:
        for key, text in (("branch", settings.release.branch), ("remote", settings.release.remote)):
            if not re.fullmatch(_REF, text) and (text or key == "branch"):
                yield f"release.{key}: '{text}' is no name that git takes"
    for line in wrong_tag_form(settings.tag) if settings.tag is not None else ():
        yield f"tag: {settings.tag!r} {line}"
    if settings.tag and not re.fullmatch(r"[\w./+@{}-]+", settings.tag):
        yield f"tag: {settings.tag!r}; expected letters, digits and any of ._/+@- around the version"
    for path in settings.packages or ():
        outside = PurePosixPath(path).is_absolute() or ".." in path.split("/")
        if outside or not path.isprintable() or path != path.strip():
            yield f"packages: {path!r} is no folder of the project; expected one such as 'bindings/python'"
    yield from _message_problems(settings.bump_message)
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
    yield from _index_problems(settings)
    if settings.index and "pypi" in settings.index and settings.index["pypi"].rehearsal:
        yield "index.pypi: the real index is no place to practise; remove 'rehearsal', or use testpypi"


def _token_problems(names: Iterable[str]) -> Iterable[str]:
    """Two indexes with one token variable would send the token of one to the host of the other."""
    owners: dict[str, str] = {}
    for name in names:
        other = owners.setdefault(token_variable(name), name)
        if other != name:
            yield f"index: '{other}' and '{name}' both take their token from {token_variable(name)}; rename one of them"


def _outside_problems(path: str, key: str) -> Iterable[str]:
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()
    if absolute or ".." in PurePosixPath(path).parts:
        yield f"{key}: '{path}' lies outside the package; expected a path inside it"


def _tunable_problems(settings: Settings) -> Iterable[str]:
    """Invalid values of the keys that may differ between wheels, in the main table, overrides and variants."""
    named = [("", settings), *(("overrides ", o) for o in settings.overrides)]
    for place, table in (*named, *(("variants ", v) for v in settings.variants)):
        if table.python == ():
            yield f"{place}python: found an empty list; name at least one, or leave the key out for the default"
        for value in table.python or ():
            if (table.python or ()).count(value) > 1:
                yield f"{place}python: '{value}' is listed twice; name it once"
        for before in table.before or ():
            if not before.run or not before.run[0].strip():
                yield f"{place}before: run begins with a blank; expected a command and its arguments"
            for path in before.inputs:
                yield from _outside_problems(path, f"{place}before: inputs")
        yield from _environment_problems(table.environment or {}, f"{place}environment")
        for key in ("image", "profile"):
            if (value := getattr(table, key)) is not None and not value.strip():
                yield f"{place}{key}: found a blank; say something, or leave the key out"
        if table.runner is not None:
            yield from runner_problems(table.runner, f"{place}runner")
        if table.profile and not re.fullmatch(r"[A-Za-z0-9_-]+", table.profile.strip()):
            yield f"{place}profile: {table.profile!r}; expected letters, digits, '_' and '-', as cargo does"
        for key, reason in (("untested", table.untested), ("skip", getattr(table, "skip", None))):
            if reason and not reason.strip():
                yield f"{place}{key}: found a blank; expected the reason, in words"


def _environment_problems(values: Mapping[str, str | Secret], key: str) -> Iterable[str]:
    for name, value in values.items():
        yield from _variable_problems(name, key)
        if isinstance(value, Secret):
            if not re.fullmatch(_VARIABLE, value.secret):
                yield f"{key}: {name}: secret {value.secret!r}; expected a variable's name: letters, digits and '_'"
        elif "\0" in value:
            yield f"{key}: {name}: found a NUL in its value, which no variable can hold; remove it"


def _variable_problems(name: str, key: str) -> Iterable[str]:
    if not name.strip() or "=" in name or "\0" in name:
        yield f"{key}: {name!r} is no name of a variable; expected one without '=' and NUL, such as 'CFLAGS'"


def _selection_problems(settings: Settings) -> Iterable[str]:
    for override in settings.overrides:
        chosen = chosen_by(override.select)
        if override.python is not None and chosen.python != "*":
            yield f"overrides: '{chosen.python}' selects wheels by their python, so it cannot say which there are"
    names = [variant.name for variant in settings.variants]
    for variant in settings.variants:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", variant.name):
            yield f"variants: name '{variant.name}'; expected lower-case letters, digits and '-'"
        if names.count(variant.name) > 1:
            yield f"variants: two are named '{variant.name}'; give one another name"
        if variant.build_tag and not re.fullmatch(r"[0-9][A-Za-z0-9_.]*", variant.build_tag):
            yield f"variants: build-tag '{variant.build_tag}'; expected a digit, then letters and digits (PEP 427)"


_FIELDS = ("name", "version", "tag")
"""Of a commit's message."""


def _message_problems(template: str | None) -> Iterable[str]:
    if template is not None and not template.strip():
        yield "bump-message: found a blank; expected a message such as 'Version {version}'"
    for field in re.findall(r"\{(\w*)\}", template or ""):
        if field not in _FIELDS:
            yield f"bump-message: '{{{field}}}' stands for nothing{did_you_mean(field, _FIELDS)}"


_DEFAULTS = IndexSettings()


def _index_problems(settings: Settings) -> Iterable[str]:
    for name, table in (settings.index or {}).items():
        kind = kind_of(name, settings.index or {})
        if kind not in KINDS:
            yield f"index.{name} kind: unknown value '{kind}'{did_you_mean(kind, KINDS)}"
            continue
        for key in dict.fromkeys(key for row in KINDS.values() for key in row.keys):
            only = [other for other, row in KINDS.items() if key in row.keys]
            if getattr(table, key) != getattr(_DEFAULTS, key) and kind not in only:
                kinds = "' and '".join(only)
                key = key.replace("_", "-")
                yield f"index.{name}: '{key}' is for kind '{kinds}', and this is of kind '{kind}'; remove one of them"
        if (table.attestations is False) != bool(table.unattested.strip()):
            yield (
                f"index.{name}: attestations = false and its reason belong together; write both, such as "
                'unattested = "the forge has no identities", or neither'
            )
        if table.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", table.repository, re.ASCII):
            yield f"index.{name}: repository '{table.repository}'; expected owner/name"
        if table.crates == ():
            yield f"index.{name}: crates: found an empty list; name at least one, or leave the key out for the default"


ROOT_ONLY = ("packages", "excluded_packages", "index", "release", "ci", "cache")
"""Keys about the whole project."""

PACKAGE_ONLY = ("version", "version_from", "versions", "module")
"""Keys about one package."""


def refuse_misplaced_keys(settings: Settings, *, root: bool, package: bool, where: str) -> None:
    """Raises `ConfigError` for a key in a table that does not use it.

    `root`: the table is the root's; `package`: it is a package's.
    """
    for key in ROOT_ONLY if not root else ():
        if getattr(settings, key) is not None:
            raise ConfigError(f"{where} {key}: belongs to the whole project; move it into the root's pyproject.toml")
    for key in PACKAGE_ONLY if not package else ():
        if getattr(settings, key) is not None:
            name = key.replace("_", "-")
            raise ConfigError(f"{where} {name}: belongs to one package; move it into that package's pyproject.toml")
