"""The command lines of maturin in workflows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from cartwheel.adoption.shell_variables import assignments


def package_folder(folder: str, options: Mapping[str, list[str]]) -> str:
    """The folder of the crate that a command in `folder` builds."""
    manifest = (options.get("-m") or options.get("--manifest-path") or [""])[-1]
    below = manifest.rpartition("/")[0] if manifest.endswith("Cargo.toml") else ""
    whole = "/".join(part for part in (folder, below) if part not in ("", "."))
    return re.sub(r"(?:^|/)\./", "/", whole).strip("/") or "."


_VALUED = ("-i", "--interpreter", "-m", "--manifest-path", "--target", "--compatibility", "--manylinux", "--features",
           "-F", "--profile", "-o", "--out", "--auditwheel", "-j", "--bindings", "-b", "--config")  # fmt: skip
_SAME = {"--interpreter": "-i", "-F": "--features"}


def maturin_options(arguments: list[str]) -> dict[str, list[str]]:
    """Options of a maturin command line, each with its values; `-i` takes as many words as follow."""
    options: dict[str, list[str]] = {}
    option = ""
    for word in arguments:
        name, equals, value = word.partition("=")
        if word.startswith("-") and not re.fullmatch(r"-\d.*", word):
            if re.fullmatch(r"-[iFmo]\S+", word) and not equals:
                name, value, equals = word[:2], word[2:], "="
            option = _SAME.get(name, name)
            options.setdefault(option, [])
            if equals:
                options[option].append(value)
                option = option if option == "-i" else ""
            elif name not in _VALUED:
                option = ""
        elif option:
            options[option].append(word)
            option = option if option == "-i" else ""
    return options


def words_and_options(words: Iterable[str], valued: str) -> tuple[list[str], dict[str, str]]:
    """The words of a command line that are no options, and the values of its options.

    `valued`: a pattern of the options whose value may be the next word; `--name=value` is read for each option.
    """
    plain: list[str] = []
    values: dict[str, str] = {}
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            option = name if not equals and re.fullmatch(valued, name) else ""
            values |= {name: value} if equals else {}
        elif option:
            values[option], option = word, ""
        else:
            plain.append(word)
    return plain, values


def split_words(text: str) -> list[str]:
    """The words of a command, as a shell reads them if it can."""
    try:
        return shlex.split(text.replace("\n", " "))
    except ValueError:
        return text.split()


_DROPPED = {
    "--no-default-features": "[tool.maturin] no-default-features = true",
    "--all-features": "[tool.maturin] all-features = true",
    "--config": "[tool.maturin] config",
}
"""Options of `maturin build` that change a wheel, with the key of maturin's own that all its wheels share (maturin
1.9, `maturin build --help`)."""


def arguments_left_out(options: Mapping[str, list[str]], rustc: Iterable[str]) -> Iterable[str]:
    """What a maturin build is given and no key takes over, in words. `rustc`: the arguments after `--`."""
    for name, place in _DROPPED.items():
        if name in options:
            text = " ".join((name, *options[name]))
            yield f"'{text}' is not taken over; if the wheels need it, write it as {place}"
    if words := " ".join(rustc):
        yield f"the arguments '{words}' for rustc are not taken over; for every crate they are flags = [\"{words}\"]"


def config_settings_left_out(arguments: str, earlier: str) -> Iterable[str]:
    """A line if a plain build gives its backend options, in its own arguments or in a variable that they name."""
    used = [text for name, text in assignments(earlier) if re.search(rf"\$\{{?{name}\b", arguments)]
    options = re.findall(r"(?:--config-settings?[= ]|(?<!\S)-C ?)[\"']?[^\s\"']+", " ".join((arguments, *used)))
    if options:
        yield (
            f"'{' '.join(dict.fromkeys(options))}' is not taken over; features are the key features, other options "
            "belong to the backend's own table"
        )


def working_folder(script: str, folder: str) -> str:
    """The folder that a script of the root changes to first; `folder` if it changes to none."""
    match = re.search(r"^\s*\(?\s*(?:cd|pushd)\s+([\w./-]+)", script, re.MULTILINE)
    return match[1] if match and folder == "." else folder


def folder_after(folder: str, path: str) -> str:
    """The folder that `cd PATH` leads to from a folder of the repository, `.` for its root, which it never leaves."""
    parts: list[str] = []
    for part in (*folder.split("/"), *path.split("/")):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts) or "."


def folder_up(folder: str) -> str:
    """The way from a folder of the repository to its root, such as `../..`; empty in the root."""
    return "/".join(".." for _ in folder.split("/")) if folder != "." else ""
