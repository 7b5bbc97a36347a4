"""What an index shows after a release: every file with the same bytes, and the version that installs from there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cartwheel.destinations import retries
from cartwheel.destinations.pypi_index import Index, Listed, download_digest, listing
from cartwheel.destinations.retries import Patience
from cartwheel.model.errors import StepFailed

Say = Callable[[str], None]

_OTHER_INDEXES = ("UV_INDEX*", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE")
"""Variables that would lead uv to other indexes than the one that is verified."""


def wait_until_listed(
    index: Index,
    project: str,
    version: str,
    expected: Mapping[str, str],
    *,
    deadline: float = 1800.0,
    say: Say,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, ...]:
    """Wait until the index lists every expected file (SHA-256 by name); what is wrong then, none: all is well.

    A file that is not listed yet is waited for, up to `deadline` seconds; one with other bytes is wrong at once.  An
    index that gives no digests is asked for the files themselves.
    """
    end, seconds, told = clock() + deadline, 1.0, ""
    while True:
        rows, trouble = _rows(index, project, version)
        wrong = differences(expected, rows)
        missing = tuple(file for file in expected if file not in {row.file for row in rows})
        if wrong or not missing:
            return wrong or _by_download(expected, rows)
        if clock() >= end:
            return tuple(
                f"{file}: not on {index.name} after {deadline:.0f} s; start again later"
                + (f" ({trouble})" if trouble else "")
                for file in missing
            )
        line = f"{index.name} shows {len(expected) - len(missing)} of {len(expected)} files; waiting"
        line += f" ({trouble})" if trouble else ""
        if line != told:
            say(line)
            told = line
        (sleep or retries.sleep)(min(seconds, max(0.1, end - clock())))
        seconds = min(seconds * 1.5, 30.0)


def differences(expected: Mapping[str, str], rows: tuple[Listed, ...]) -> tuple[str, ...]:
    """Files that are listed with other bytes, or withdrawn, or not expected at all."""
    lines = []
    for row in rows:
        wanted = expected.get(row.file)
        if wanted is None:
            lines.append(f"{row.file}: on the index, and not part of the release")
        elif row.sha256 not in ("", wanted):
            lines.append(f"{row.file}: listed with sha256 {row.sha256}, expected {wanted}")
        elif row.yanked:
            lines.append(f"{row.file}: listed as withdrawn")
    return tuple(lines)


def requirement(name: str, version: str, expected: Mapping[str, str]) -> str:
    """The one line of a requirements file that admits these files of that version and no others."""
    hashes = sorted(set(expected.values()))
    return " ".join((f"{name}=={version}", *(f"--hash=sha256:{digest}" for digest in hashes))) + "\n"


def install_commands(
    uv: tuple[str, ...],
    python: Path,
    index: Index,
    name: str,
    version: str,
    *,
    requirements: Path,
    extras: tuple[str, ...] = (),
    source: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """How uv installs the very version into the environment of `python`, in two commands.

    First it alone, from this index alone, with the hashes in `requirements` (the text of `requirement`) and no cache.
    Then its dependencies, from the main index, where nobody can put a namesake on a practice index.  `source`: no
    wheel of the release runs here, so that it is built from the sdist.
    """
    install = (*uv, "pip", "install", "--python", str(python))
    alone = (
        *install, "--no-config", "--no-cache", "--no-deps", "--require-hashes", "--default-index", index.simple,
        *(() if source else ("--only-binary", name)), "--requirements", str(requirements),
    )  # fmt: skip
    extra = f"[{','.join(extras)}]" if extras else ""
    return alone, (*install, f"{name}{extra}=={version}")


INSTALLING = Patience(tries=9, base=5.0)
"""About five minutes: caches in front of an index may give an installer an older page than we were given."""
_UNSEEN = re.compile(r"no version of|not found in the package registry", re.IGNORECASE)
"""What uv says where the page that it reads has no such version (uv 0.9)."""


def once_shown(
    install: Callable[[], None], index: Index, *, say: Say, sleep: Callable[[float], None] | None = None
) -> None:
    """Install; where the installer does not see yet what is listed, again a little later.  Raises `StepFailed`."""
    for attempt in range(1, INSTALLING.tries + 1):
        try:
            install()
            return
        except StepFailed as error:
            if attempt == INSTALLING.tries or not _UNSEEN.search(str(error)):
                raise
        seconds = retries.pause(attempt, 0, INSTALLING)
        say(f"the installer does not see it on {index.name} yet; again in {seconds:.0f} s")
        (sleep or retries.sleep)(seconds)


def environment_for_index(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that name other indexes, for the first of the two commands."""
    from fnmatch import fnmatchcase

    return {k: v for k, v in environ.items() if not any(fnmatchcase(k, pattern) for pattern in _OTHER_INDEXES)}


def _rows(index: Index, project: str, version: str) -> tuple[tuple[Listed, ...], str]:
    said: list[str] = []
    try:
        return listing(index, project, version, patience=Patience(tries=1), say=said.append), "".join(said)
    except StepFailed as error:
        return (), str(error)


def _by_download(expected: Mapping[str, str], rows: tuple[Listed, ...]) -> tuple[str, ...]:
    lines = []
    for row in rows:
        if not row.sha256:
            found = download_digest(row)
            if found != expected[row.file]:
                lines.append(f"{row.file}: it downloads with sha256 {found}, expected {expected[row.file]}")
    return tuple(lines)
