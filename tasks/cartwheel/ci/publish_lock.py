"""The lock of jobs that hold an identity or a token: every package that publishing imports, with hashes.

A wheel of cartwheel ships a lock of its extras `publish` and `attest` (`publish_lock.txt`); `doit ci` writes what the
jobs need of it into the project, and `doit ci lock` resolves it anew.  The form is that of `pip install
--require-hashes --no-deps`; no index is named.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import requires
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from cartwheel.ci.jobs import PYTHON
from cartwheel.model.errors import CartwheelError, ConfigError

SHIPPED = Path(__file__).with_name("publish_lock.txt")

PUBLISH, ATTEST = "publish", "attest"
"""The extras of cartwheel that list what publishing imports, and what signs and verifies attestations."""

NOT_IMPORTED = (
    "dnspython", "docutils", "email-validator", "jaraco-classes", "jaraco-context", "jaraco-functools", "jeepney",
    "keyring", "markdown-it-py", "mdurl", "more-itertools", "nh3", "pycparser", "pygments", "readme-renderer",
    "secretstorage",
)  # fmt: skip
"""Dependencies of twine, rich, sigstore and cffi that an upload never imports: keyrings of desktops, `twine check`,
Markdown, checks of e-mail addresses, C parsing (read in the modules that signing and uploading load, twine 7.0, rich
15.0, sigstore 4.5, November 2026)."""

_SIGNING_ALONE = ("cffi", "cryptography")
"""Dependencies of keyrings of desktops too, which no upload imports; signing does."""

_FROM_SOURCES = ("hatchling>=1.27", "editables>=0.3")
"""The build requirements of cartwheel, for an installation from its sources."""


def head(version: str) -> str:
    """The first line of a lock."""
    return f"# What cartwheel {version} publishes with, locked; written by `doit ci`, renewed by `doit ci lock`.\n"


def locked_names(text: str) -> frozenset[str]:
    """The names of the packages in a lock."""
    return frozenset(re.findall(r"^([a-z0-9-]+)==", text, re.M))


class Needs(Struct, frozen=True, kw_only=True):
    """The work of the jobs with a lock, besides publishing."""

    sources: bool = False
    """They install cartwheel from a folder, see `from_sources`."""
    attests: bool = False
    """They have an identity, with which they sign attestations."""


def is_current(text: str, version: str, needs: Needs) -> bool:
    """Whether a lock is of this version of cartwheel and holds what it ships for these jobs."""
    names = locked_names(text) - {"cartwheel"}
    return text.startswith(head(version)) and names == locked_names(shipped_lock(needs))


def shipped_lock(needs: Needs) -> str:
    """The lock that this version of cartwheel ships for these jobs, without a first line."""
    text, _, sources = SHIPPED.read_text(encoding="utf-8").partition(_SOURCES)
    text, _, attest = text.partition(_ATTEST)
    return text + attest * needs.attests + sources * needs.sources


def from_sources(arguments: Iterable[str]) -> bool:
    """Whether arguments of `pip install` install cartwheel from a folder, which has to be built first."""
    words = tuple(arguments)
    return any(word in ("-e", "--editable") or word.startswith((".", "/", "--editable=")) for word in words)


def new_lock(version: str, environ: Mapping[str, str], needs: Needs, *, own: bool, renew: bool) -> str:
    """The text of a lock; without cartwheel itself if no index has that version.

    `own`: cartwheel comes from an index and so is part of the lock.  `renew`: resolve every package now, instead of
    taking the versions that this version of cartwheel ships.  Raises `CartwheelError` if that is impossible.
    """
    text = _fresh_lock(environ, needs) if renew else shipped_lock(needs)
    return head(version) + (own_line(version, environ, quick=not renew) if own else "") + text


def own_line(version: str, environ: Mapping[str, str], *, quick: bool = True) -> str:
    """The line of cartwheel itself in a lock; empty if no index that this machine reaches has that version."""
    try:
        return _resolve((f"cartwheel=={version}",), environ, "--no-deps", quick=quick)
    except CartwheelError:
        return ""


def _fresh_lock(environ: Mapping[str, str], needs: Needs) -> str:
    extras = (PUBLISH, ATTEST) if needs.attests else (PUBLISH,)
    names = NOT_IMPORTED if needs.attests else (*NOT_IMPORTED, *_SIGNING_ALONE)
    left_out = tuple(word for name in names for word in ("--no-emit-package", name))
    return _resolve((*_requirements(extras), *(_FROM_SOURCES if needs.sources else ())), environ, *left_out)


def _requirements(extras: Iterable[str]) -> tuple[str, ...]:
    """The requirements of these extras, as the installed cartwheel declares them."""
    marker = re.compile(rf"""\s*;\s*extra == ["']({"|".join(extras)})["']""")
    return tuple(marker.sub("", line) for line in requires("cartwheel") or () if marker.search(line))


def _resolve(requirements: Iterable[str], environ: Mapping[str, str], *options: str, quick: bool = False) -> str:
    from cartwheel.process.environment import tool_environment
    from cartwheel.process.run import capture, module_command

    once = {"UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"} if quick else {}
    with TemporaryDirectory() as folder:
        file = Path(folder, "requirements.in")
        file.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        argv = (
            *module_command("uv"), "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate",
            "--no-emit-index-url", "--no-emit-find-links", "--python-version", PYTHON,
            "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:", *options, str(file),
        )  # fmt: skip
        text = capture(argv, cwd=Path(folder), env=tool_environment(environ, ("UV_*",)) | once)
    if not locked_names(text):
        raise ConfigError("ci: nothing was resolved for the lock")
    return re.sub(r"^\s*#.*\n|^--.*\n", "", text, flags=re.M)


_ATTEST = "# To attest files:\n"
_SOURCES = "# To build cartwheel from its sources:\n"


def main() -> None:
    """Renew the lock that cartwheel ships: one resolution, in three parts."""
    import os

    whole = _fresh_lock(os.environ, Needs(sources=True, attests=True))
    publish = locked_names(_fresh_lock(os.environ, Needs()))
    attest = locked_names(_fresh_lock(os.environ, Needs(attests=True)))
    parts: dict[str, list[str]] = {"": [], _ATTEST: [], _SOURCES: []}
    for row, name in re.findall(r"^(([a-z0-9-]+)==.*(?:\n    --hash.*)+\n)", whole, re.M):
        parts["" if name in publish else _ATTEST if name in attest else _SOURCES].append(row)
    SHIPPED.write_text("".join(mark + "".join(rows) for mark, rows in parts.items()), encoding="utf-8")
    sys.stdout.write(
        ", ".join(f"{len(rows)}" for rows in parts.values()) + " packages locked: publish, attest, sources\n"
    )


if __name__ == "__main__":
    main()
