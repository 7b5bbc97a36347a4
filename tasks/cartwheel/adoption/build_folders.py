"""The folders of the packages that a plain build command builds, and builds of folders without a package."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cartwheel.adoption.built_wheels import CARGO_DIST, BuildCall
from cartwheel.adoption.command_lines import folder_after, split_words, words_and_options
from cartwheel.adoption.parsed_files import Texts, parsed_toml
from cartwheel.model.wheels.wheel_name import normalised_name

_VALUED = (
    r"-[owCpifdbc]|--(?:package|directory|project|outdir|out-dir|wheel-dir|dist-dir|config-settings?|python|installer"
    r"|index|default-index|index-url|extra-index-url|find-links|build-constraints?|constraint|config-file|cache-dir|exclude-newer|target|format|platform"
    r"|plat-name|python-tag|bdist-dir|no-binary|only-binary|color|env-file|requirement)"
)
"""Options of build, pip, uv and setup.py whose value is the next word (their manuals, November 2026)."""


def built_folders(command: str, rest: str, folder: str, texts: Texts) -> tuple[str, ...]:
    """The folders that a command builds. `rest`: its arguments; `folder`: where it runs."""
    words = split_words(rest)
    positional, values = words_and_options(words, _VALUED)
    for name in ("--directory", "--project"):
        folder = folder_after(folder, values[name]) if name in values else folder
    if "--all-packages" in words:
        return tuple(_by_name(texts).values()) or (folder,)
    if name := values.get("--package", ""):
        return (_by_name(texts).get(normalised_name(name), name),)
    script = re.search(r"([\w./-]+)/setup\.py", command)
    for word in (*positional, *([script[1]] if script else [])):
        for place in _places(re.sub(r"\[[^\]]*\]$", "", word), folder):
            if any(f"{place}/{name}".removeprefix("./") in texts for name in ("pyproject.toml", "setup.py")):
                return (place,)
        if "/" in word and "dist" not in word and not re.search(r"[$:*]|\.(?:whl|gz)$", word):
            return (folder_after(folder, word),)
    return (folder,)


def _places(word: str, folder: str) -> Iterable[str]:
    """What a word may name: a folder below the current one, or below the place where a container has the repository."""
    yield folder_after(folder, word)
    parts = [part for part in re.sub(r"\$\{?\w+\}?|\$\([^)]*\)", "", word).split("/") if part]
    if word.startswith(("/", "$")):
        yield from ("/".join(parts[start:]) or "." for start in range(len(parts) + 1))


def _by_name(texts: Texts) -> dict[str, str]:
    """The folders of all packages by normalised name."""
    names: dict[str, str] = {}
    for path in texts:
        if path.rpartition("/")[2] == "pyproject.toml":
            name = parsed_toml(texts, path).get("project", {}).get("name")
            if isinstance(name, str):
                names.setdefault(normalised_name(name), path.rpartition("/")[0] or ".")
    return names


def calls_of(
    folder: str, calls: Iterable[BuildCall], folders: Iterable[str], others: Iterable[str] = ()
) -> tuple[BuildCall, ...]:
    """The builds of one package: those in its folder. The only package of a repository also gets those in
    folders of no package, if it has none of its own.

    `folders`: those of all packages; `others`: folders that only look like a package.
    """
    rows = tuple(calls)
    mine = tuple(row for row in rows if row.folder == folder)
    if mine or len(set(folders)) != 1:
        return mine
    out = set(others)
    return tuple(row for row in rows if row.folder not in out)


def builds_without_package(
    calls: Iterable[BuildCall], folders: Iterable[str], taken: Iterable[BuildCall]
) -> Iterable[str]:
    """A line for each job that builds in a folder without a package; `taken`: builds that count for a package."""
    rows, known = tuple(taken), set(folders)
    for call in calls:
        if call.folder not in known and call not in rows and call.tool != CARGO_DIST:
            yield (
                f"{call.workflow}, job {call.job}: builds in '{call.folder}', which is no package's folder, so its "
                "files are in no plan; a package has a pyproject.toml with [build-system] there"
            )
