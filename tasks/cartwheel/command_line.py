"""The command line and environment of one run: tasks that are named, and settings for this run alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from doit.doit_cmd import get_var

from cartwheel.model.config import resolve
from cartwheel.model.errors import ConfigError, did_you_mean

_KNOWN_ENVIRONMENT = (
    "CARTWHEEL_FROZEN", "CARTWHEEL_REHEARSAL", "CARTWHEEL_REHEARSAL_TOKEN", "CARTWHEEL_ENGINE", "CARTWHEEL_IN_IMAGE",
    "CARTWHEEL_RELEASED_BRANCH",
    "CARTWHEEL_RELEASED_TREE",
)  # fmt: skip
_OWN_ENVIRONMENT = (
    "CARTWHEEL_INDEX_",
    "CARTWHEEL_SYSROOT_",
    "CARTWHEEL_WINE_PYTHON_",
    "CARTWHEEL_CARGO",
    "CARTWHEEL_TEST_",
)


def settings_for_run(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of this run alone: `NAME=VALUE` arguments win over `CARTWHEEL_NAME` variables.

    Raises `ConfigError` if one is unknown.
    """
    prefix = "CARTWHEEL_"
    named = {f"{prefix}{key.upper()}": key for key in resolve.OVERRIDABLE}
    for name in environ:
        known = (*named, *_KNOWN_ENVIRONMENT)
        if name.startswith(prefix) and name not in known and not name.startswith(_OWN_ENVIRONMENT):
            raise ConfigError(f"environment variable {name} is not known{did_you_mean(name, known)}")
    settings = {key: environ[name] for name, key in named.items() if environ.get(name)}
    for argument in sys.argv[1:]:
        name, equals, _ = argument.partition("=")
        if equals and not name.startswith("-") and argument not in pins(sys.argv):
            if name not in resolve.OVERRIDABLE:
                raise ConfigError(f"variable '{argument}' is not known{did_you_mean(name, resolve.OVERRIDABLE)}")
            settings[name] = _value(name)
    return settings


def _value(name: str) -> str:
    value = get_var(name)
    if not value:
        raise ConfigError(f"'{name}=' has no value; write {name}=VALUE, or leave it out")
    return str(value)


def pins(arguments: Iterable[str]) -> tuple[str, ...]:
    """The words of the form `NAME==VERSION`. doit takes them for variables and does not pass them to a command."""
    return tuple(a for a in arguments if "==" in a and not a.startswith("-"))


def words(arguments: Iterable[str]) -> tuple[str, ...]:
    """The command line's tasks and commands, without options, the files and folders that options name, and settings."""
    line = tuple(arguments)
    return tuple(
        word
        for option, word in zip(("", *line), line, strict=False)
        if not word.startswith("-") and "=" not in word and option not in _BEFORE_A_PATH
    )


_BEFORE_A_PATH = ("-f", "--file", "-d", "--dir", "-o", "--output-file", "--db-file")


QUIET, USUAL, VERBOSE = 0, 1, 2
"""How much a run says: the table and failures alone; a line for each step; also all output of the tools."""

_VERBOSITY = {"-q": QUIET, "--quiet": QUIET, "-v": VERBOSE, "--verbose": VERBOSE}


def verbosity(arguments: Iterable[str]) -> int:
    """How much the run says, by the last `-q` or `-v` on the command line.  doit's own `-v 2` counts as `-v`."""
    return next((_VERBOSITY[word] for word in reversed(tuple(arguments)) if word in _VERBOSITY), USUAL)


def patterns(arguments: Iterable[str]) -> tuple[str, ...]:
    """The words of the command line that are patterns."""
    return tuple(word for word in words(arguments) if "*" in word)
