"""Scripts and task runners that a step of a workflow calls, with their commands written out in place of the call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from cartwheel.adoption.command_lines import folder_after, split_words, words_and_options
from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.python_commands import function_commands, script_commands
from cartwheel.adoption.shell_loops import joined_lines, unroll_loops
from cartwheel.adoption.shell_variables import ASSIGNED, plain_value
from cartwheel.adoption.task_files import just_commands, make_commands, table_commands, tox_commands

_DEEPEST = 6
_LAUNCHER = re.compile(
    r"(?:sudo|exec|time|command|env|uvx|pipx\s+run"
    r"|(?:uv|poetry|pipenv|conda)\s+run(?:\s+--?[\w-]+(?:[= ](?!-)[\w./-]+(?=\s+\S))?)*"
    r"|\S*python[\d.]*\s+-m(?=\s+(?:nox|tox|doit|invoke|poethepoet)\b))\s+"
)
_SHELLS = re.compile(r"(?:bash|sh|zsh|dash|pwsh|powershell|source|\.)(?:\s+-(?!c\b)[\w-]+(?:\s+pipefail)?)*\s+")
_SCRIPT = re.compile(r"""["']?([^\s"'<>|]*[\w-])["']?((?:\s.*)?)$""", re.DOTALL)
_PYTHON = re.compile(r"\S*py(?:thon)?[\d.]*(?:\.exe)?(?:\s+-[\dBIOSsuWX.]+)*\s+")
_CONTAINER = re.compile(r"\b(?:docker|podman)\s+run\b.*\s(?:\S*(?:manylinux|musllinux)\S*)\s+")


def expand_calls(script: str, folder: str, texts: Texts, env: Mapping[str, str], *, depth: int = 0) -> str:
    """The script with the commands of each script, Makefile target, session or task that it calls.

    A call whose file or target cannot be read stays as it is. `folder`: where the script runs; `env`: its variables.
    """
    if depth > _DEEPEST or not script.strip():
        return script
    lines: list[str] = []
    place = folder
    for line in joined_lines(script).splitlines():
        if contained := _CONTAINER.match(line.strip()):
            lines.append(_in_container(line, contained, texts, env, depth))
            continue
        parts = re.split(r"(\s*(?:&&|;(?!;)|\|\|)\s*)", line) if not re.search(r"['\"].*[;&|].*['\"]", line) else [line]
        written, changed = [], False
        for part in parts:
            if moved := re.match(r"\s*\(?\s*(?:cd|pushd)\s+([\w./-]+)\s*$", part):
                place = folder_after(place, moved[1])
            body = _body(part.strip().removeprefix("(").removesuffix(")"), place, texts, env, depth)
            changed = changed or body is not None
            written.append(part if body is None else f"\n{body}\n")
        if changed:
            lines += [
                row for text in written for row in text.splitlines() if not re.fullmatch(r"\s*(?:&&|;|\|\|)?\s*", row)
            ]
        else:
            lines.append(line)
    return "\n".join(lines)


def _body(command: str, folder: str, texts: Texts, env: Mapping[str, str], depth: int) -> str | None:
    """The commands that one command runs through a script or a task runner; None for another command."""
    assigned: dict[str, str] = {}
    while match := _LAUNCHER.match(command) or ASSIGNED.match(command):
        assigned |= {match[1]: match[2]} if match.re is ASSIGNED else {}
        command = command[match.end() :]
    seen = {**env, **{name: plain_value(word) for name, word in assigned.items()}}
    rows = _commands(command, folder, texts, seen)
    if rows is None:
        return None
    place, lines = rows
    own = expand_calls("\n".join(lines), place, texts, seen, depth=depth + 1)
    moved = [f"cd {place}"] if place != folder and lines else []
    return "\n".join((*(f"export {name}={word}" for name, word in assigned.items()), *moved, own))


def _commands(command: str, folder: str, texts: Texts, env: Mapping[str, str]) -> tuple[str, Iterable[str]] | None:
    """The folder and the commands that a call runs; None if it is no call, or one that cannot be read."""
    words = split_words(command)
    if not words:
        return None
    program = words[0].rpartition("/")[2].removesuffix(".exe")
    if runner := _RUNNERS.get(program):
        place = _option(words, ("-C", "--directory", "-d", "--working-directory")) if program != "doit" else ""
        there = folder_after(folder, place) if place else folder
        lines = runner(words[1:], there, texts, env)
        return None if lines is None else (there, lines)
    shell = _SHELLS.match(command)
    python = _PYTHON.match(command)
    called = shell or python
    match = _SCRIPT.match(command[called.end() :] if called else command)
    path = _script_path(match[1], folder, texts) if match else ""
    if not path or not match:
        return None
    if path.endswith(".py") or (python and not shell):
        return folder, script_commands(texts[path], env, split_words(match[2]))
    if not shell and "/" not in match[1] and "\\" not in match[1]:
        return None
    there = path.rpartition("/")[0] or "."
    text = re.sub(r"\$\(dirname\s+[^)]*\)|\$\{?PSScriptRoot\b\}?", lambda _: there, texts[path])
    return folder, [_with_arguments(unroll_loops(text), split_words(match[2]))]


def _script_path(name: str, folder: str, texts: Texts) -> str:
    """The path of a script that was read, by its name in a command; empty if no script matches."""
    parts = [
        part
        for part in re.sub(r"\$\{?\w+\}?|\$\([^)]*\)", "", name).replace("\\", "/").split("/")
        if part not in ("", ".")
    ]
    for start in range(len(parts) if name.startswith(("/", "$", "{")) else 1):
        rest = "/".join(parts[start:])
        for path in (folder_after(folder, rest), rest):
            if texts.get(path, "").strip():
                return path
    return ""


def _option(words: Iterable[str], names: tuple[str, ...]) -> str:
    """The value of an option with several names; empty if it is missing."""
    _, values = words_and_options(words, "|".join(names))
    return next((values[name] for name in names if name in values), "")


def _with_arguments(text: str, arguments: list[str]) -> str:
    """A shell script with its arguments in place of `$1`, `${2:-default}` and `$@`."""

    def value(match: re.Match[str]) -> str:
        name, default = match[1] or match[3], match[2] or ""
        if name in ("@", "*"):
            return " ".join(arguments)
        number = int(name)
        return arguments[number - 1] if 0 < number <= len(arguments) else default or match[0]

    return re.sub(r"\$(?:\{([1-9@*])(?::?[-=]([^}]*))?\}|([1-9@*]))", value, text.replace('"$@"', "$@"))


def _in_container(line: str, image: re.Match[str], texts: Texts, env: Mapping[str, str], depth: int) -> str:
    """A line of `docker run` whose container runs a script of the repository, with the script's commands."""
    start = line.index(image[0].strip()) + len(image[0].strip())
    command = line[start:].strip()
    body = _body(command, ".", texts, env, depth)
    if body is None:
        return line
    commands = " && ".join(
        row.strip() for row in unroll_loops(body).splitlines() if row.strip() and not row.startswith("#")
    )
    return f"{line[:start]} sh -c '{commands.replace(chr(39), chr(34))}'"


TaskRunner = Callable[[list[str], str, Texts, Mapping[str, str]], Iterable[str] | None]
"""Takes a runner's arguments, its folder, the files and the variables; returns the commands, None if unknown."""


def _first(folder: str, names: Iterable[str], texts: Texts) -> str:
    """The text of the first of these files in a folder or a folder above."""
    names = tuple(names)
    while True:
        for name in names:
            if text := texts.get(folder_after(folder, name), ""):
                return text
        if folder in (".", ""):
            return ""
        folder = folder.rpartition("/")[0] or "."


def _plain(words: Iterable[str], valued: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """The names and the `NAME=value` of a command line without its options; `valued`: options with a value."""
    plain, _ = words_and_options(words, "|".join(valued))
    values = {name: value for name, equals, value in (word.partition("=") for word in plain) if equals}
    return [word for word in plain if "=" not in word], values


def _make(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    file = _option(words, ("-f", "--file", "--makefile"))
    text = _first(folder, [file] if file else ["GNUmakefile", "makefile", "Makefile"], texts)
    names, values = _plain(words, ("-C", "--directory", "-f", "--file", "--makefile", "-j"))
    return make_commands(text, names, values, env)


def _just(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    file = _option(words, ("-f", "--justfile"))
    text = _first(folder, [file] if file else ["justfile", "Justfile", ".justfile", "JUSTFILE"], texts)
    names, values = _plain(words, ("-f", "--justfile", "-d", "--working-directory", "--set"))
    return just_commands(text, names, values, env)


def _nox(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    own, _, more = " ".join(words).partition(" -- ")
    text = _first(folder, [_option(words, ("-f", "--noxfile")) or "noxfile.py"], texts)
    after = re.search(r"(?:^|\s)(?:-s|-e|--sessions?)(?:[ =])((?:(?!-)\S+\s*)+)", own)
    return function_commands(text, after[1].split() if after else (), env, more.split(), decorator="session")


def _tox(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    own, _, more = " ".join(words).partition(" -- ")
    names = (_option(own.split(), ("-e",)) or env.get("TOXENV", "")).split(",")
    files = {name: _first(folder, [name], texts) for name in ("tox.ini", "setup.cfg", "tox.toml", "pyproject.toml")}
    return tox_commands(files, [name for name in names if name], env, more)


def _doit(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    text = _first(folder, [_option(words, ("-f", "--file")) or "dodo.py"], texts)
    names, _ = _plain(words, ("-f", "--file", "-n", "-d", "--dir"))
    ours = re.search(r"\bcartwheel\b", text)
    tasks = [f"task_{name.partition(':')[0]}" for name in names if name != "run"]
    return None if ours else function_commands(text, tasks, env, ())


def _invoke(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
    return function_commands(_first(folder, ["tasks.py"], texts), _plain(words)[0], env, ())


def _table(program: str) -> TaskRunner:
    def commands(words: list[str], folder: str, texts: Texts, env: Mapping[str, str]) -> Iterable[str] | None:
        names, _ = _plain(words, ("-e", "--environment"))
        names = names[1:] if names[:1] == ["run"] else names if program in ("poe", "task") else []
        files = ("pyproject.toml", "pixi.toml", "hatch.toml", "Taskfile.yml", "Taskfile.yaml")
        return table_commands(program, names, {name: _first(folder, [name], texts) for name in files})

    return commands


_RUNNERS: Mapping[str, TaskRunner] = {
    "make": _make, "gmake": _make, "just": _just, "nox": _nox, "tox": _tox, "doit": _doit, "invoke": _invoke,
    "inv": _invoke, **{name: _table(name) for name in ("poe", "task", "pdm", "hatch", "pixi", "rye")},
}  # fmt: skip
TASK_RUNNERS = (*_RUNNERS, "npm", "yarn", "pnpm", "mise", "rake")
"""Programs that run tasks by name."""
RUNNER_NAMES = (*TASK_RUNNERS, "bash", "sh", "pwsh", r"\./\S+", r"python[\d.]*(?=\s+\S+\.py)")
"""The start of a call of a task or a script, as patterns."""
