"""The commands of targets and tasks: Makefile, justfile, tox, and tables of scripts in TOML or YAML."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.adoption.parsed_files import parsed_toml, parsed_yaml
from cartwheel.adoption.shell_loops import braces, joined_lines

# make and just --------------------------------------------------------------------------------------------------------

_RULE = re.compile(r"^([^\s#:=][^:=#]*?)\s*::?(?!=)\s*([^#;]*?)\s*(?:;(.*))?(?:#.*)?$")
_SET = re.compile(r"^\s*(?:(export)\s+|override\s+)?([\w.-]+)\s*(\?|:{1,3}|\+)?=\s*(.*?)\s*$")


def make_commands(
    text: str, names: Iterable[str], values: Mapping[str, str], env: Mapping[str, str]
) -> list[str] | None:
    """The commands of targets and of what they depend on; the first target's without names. None if one is missing.

    `values`: variables of the command line.
    """
    rules: dict[str, tuple[list[str], list[str]]] = {}
    known: dict[str, str] = {}
    exported: dict[str, None] = {}
    of_target: dict[str, dict[str, str]] = {}
    current: list[str] = []
    for line in joined_lines(text).splitlines():
        if line.startswith("\t"):
            for name in current:
                rules[name][1].append(line.strip())
        elif match := _SET.match(line):
            if match[3] != "?" or match[2] not in {**env, **known}:
                known[match[2]] = f"{known.get(match[2], '')} {match[4]}".strip() if match[3] == "+" else match[4]
            exported |= {match[2]: None} if match[1] else {}
        elif match := _RULE.match(line):
            current = match[1].split()
            own = _SET.match(match[2] + ("" if match[3] is None else ";" + match[3]))
            for name in current:
                if own:
                    of_target.setdefault(name, {})[own[2]] = own[4]
                    continue
                needs, body = rules.setdefault(name, ([], []))
                needs += match[2].replace("|", " ").split()
                body += [match[3].strip()] if match[3] else []
        elif line.strip() and not line.startswith("#"):
            current = []
    chosen = list(names) or [name for name in rules if not name.startswith(".") and "%" not in name][:1]
    if not chosen or any(name not in rules for name in chosen):
        return None
    order: dict[str, None] = {}
    for name in chosen:
        _visit(name, rules, order)
    lines = [f"export {name}={_expand(known[name], {**env, **known, **values})}" for name in exported if name in known]
    for name in order:
        seen = {**env, **known, **of_target.get(name, {}), **values, "MAKE": "make", "@": name}
        lines += [_expand(row.lstrip("@-+"), seen) for row in rules[name][1]]
    return lines


def _visit(name: str, rules: Mapping[str, tuple[list[str], list[str]]], order: dict[str, None]) -> None:
    """Adds a target to `order` behind its prerequisites; as make, it drops one that would close a circle."""
    if name in order or name not in rules:
        return
    order[name] = None
    for need in rules[name][0]:
        _visit(need, rules, order)
    del order[name]
    order[name] = None


def _expand(text: str, values: Mapping[str, str]) -> str:
    """Variables of make filled in; an unknown one is left to the shell."""
    for _ in range(5):
        text = re.sub(r"\$[({]([\w.@-]+)[)}]", lambda m: values.get(m[1], f"\0{{{m[1]}}}"), text)
    return text.replace("$$", "$").replace("\0", "$")


_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)((?:\s+[+*$]?[\w-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|\w+))?)*)\s*:(?!=)(.*)$")
_PARAMETER = re.compile(r"[+*$]*([\w-]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|\w+))?")


def just_commands(
    text: str, words: Iterable[str], values: Mapping[str, str], env: Mapping[str, str]
) -> list[str] | None:
    """The commands of recipes, each followed by its arguments; the first recipe's without words. None if one is
    missing."""
    recipes: dict[str, tuple[list[tuple[str, str]], str, list[str]]] = {}
    known: dict[str, str] = {}
    aliases: dict[str, str] = {}
    body: list[str] = []
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and line.strip():
            body.append(line.strip())
        elif match := re.match(r"^(export\s+|alias\s+)?([\w-]+)\s*:=\s*(.*?)\s*$", line):
            aliases[match[2]] = match[3]
            known[match[2]] = _just_value(match[3], known, env)
        elif match := _RECIPE.match(line):
            body = []
            parameters = [(m[1], m[2] or "''") for m in _PARAMETER.finditer(match[2])]
            recipes[match[1]] = (parameters, match[3].partition("#")[0], body)
    rest = list(words) or list(recipes)[:1]
    lines: list[str] = []
    while rest:
        name = rest.pop(0)
        name = name if name in recipes else aliases.get(name, "")
        if name not in recipes:
            return None
        count = min(len(recipes[name][0]), len(rest))
        lines += _recipe(name, rest[:count], recipes, {**known, **values}, 0)
        rest = rest[count:]
    return lines or None


def _recipe(
    name: str, arguments: list[str], recipes: Mapping[str, Any], known: Mapping[str, str], depth: int
) -> list[str]:
    parameters, needs, body = recipes[name]
    defaults = {key: _just_value(default, known, {}) for key, default in parameters}
    own = {**defaults, **dict(zip(defaults, arguments, strict=False))}
    seen = {**known, **own}
    lines: list[str] = []
    for match in re.finditer(r"\(\s*([\w-]+)([^)]*)\)|([\w-]+)", needs):
        need = match[1] or match[3]
        if need in recipes and depth < 5:
            words = [seen.get(word, word.strip("\"'")) for word in (match[2] or "").split()]
            lines += _recipe(need, words, recipes, known, depth + 1)
    filled = (re.sub(r"\{\{\s*(.*?)\s*\}\}", lambda m: seen.get(m[1], f"${{{m[1]}}}"), row) for row in body)
    return [*lines, *(row.lstrip("@-") for row in filled if not row.startswith("#!"))]


def _just_value(text: str, known: Mapping[str, str], env: Mapping[str, str]) -> str:
    if asked := re.match(r"""env(?:_var)?(?:_or_default)?\(\s*["'](\w+)["'](?:\s*,\s*["']([^"']*)["'])?\s*\)""", text):
        return env.get(asked[1], asked[2] or f"${{{asked[1]}}}")
    return known.get(text, text.strip("\"'") if text[:1] in ("'", '"') else f"${{{text}}}")


# tox ------------------------------------------------------------------------------------------------------------------


def tox_commands(
    files: Mapping[str, str], names: Iterable[str], env: Mapping[str, str], arguments: str
) -> list[str] | None:
    """The commands of environments, from the text of tox.ini, setup.cfg, tox.toml or pyproject.toml by name."""
    sections = _tox_sections(files)
    lines: list[str] = []
    for name in names:
        section = sections.get(f"testenv:{name}") or sections.get("testenv")
        if section is None:
            return None
        variables = section.get("setenv", section.get("set_env", ""))
        pairs = (row.partition("=") for row in variables.splitlines() if "=" in row)
        lines += [f"export {key.strip()}={value.strip()}" for key, _, value in pairs]
        for key in ("commands_pre", "commands", "commands_post"):
            lines += joined_lines(section.get(key, "")).splitlines()
    rows = [_fill_tox(re.sub(r"^\s*[-!]?\s*(?:[\w{},!.-]+:\s+)?", "", row), sections, env, arguments) for row in lines]
    return [row for row in rows if row] or None


def _tox_sections(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    legacy = parsed_toml(files, "pyproject.toml").get("tool", {}).get("tox", {}).get("legacy_tox_ini", "")
    for text in (files.get("tox.ini", ""), files.get("setup.cfg", ""), str(legacy)):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        sections = {
            f"{head.partition(':')[0]}:{name}" if ":" in head else head: dict(parser[head])
            for head in parser.sections()
            for name in braces(head.partition(":")[2], r"\{([^{}]*)\}")
        }
        if any(name.startswith("testenv") for name in sections):
            return sections
    native = parsed_toml(files, "tox.toml") or parsed_toml(files, "pyproject.toml").get("tool", {}).get("tox", {})
    rows = {f"testenv:{name}": row for name, row in native.get("env", {}).items()}
    rows |= {"testenv": native["env_run_base"]} if "env_run_base" in native else {}
    return {name: _native(row) for name, row in rows.items() if isinstance(row, Mapping)}


def _native(row: Mapping[str, Any]) -> dict[str, str]:
    """An environment in TOML as the INI file has it."""
    texts = {
        key: "\n".join(
            " ".join(w if isinstance(w, str) else "{posargs}" for w in command) for command in row.get(key, ())
        )
        for key in ("commands_pre", "commands", "commands_post")
    }
    pairs = row.get("set_env", {})
    return {**texts, "set_env": "\n".join(f"{name}={value}" for name, value in pairs.items())}


def _fill_tox(text: str, sections: Mapping[str, Mapping[str, str]], env: Mapping[str, str], arguments: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if section := re.fullmatch(r"\[([^\]]+)\](\w+)", name):
            return sections.get(section[1], {}).get(section[2], "")
        kind, _, rest = name.partition(":")
        if kind == "posargs":
            return arguments or rest
        if kind == "env":
            key, _, default = rest.partition(":")
            return env.get(key, default or f"$({key})")
        return {"envpython": "python", "toxinidir": ".", "tox_root": "."}.get(kind, f"$({name})")

    for _ in range(3):
        text = re.sub(r"(?<!\$)\{([^{}]*)\}", value, text)
    return re.sub(r"\$\(([^)]*)\)", r"${\1}", text).strip()


# tables of scripts ----------------------------------------------------------------------------------------------------

_PLACES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "poe": (("pyproject.toml", ("tool", "poe", "tasks")),),
    "task": (
        ("pyproject.toml", ("tool", "taskipy", "tasks")),
        *((name, ("tasks",)) for name in ("Taskfile.yml", "Taskfile.yaml")),
    ),
    "pdm": (("pyproject.toml", ("tool", "pdm", "scripts")),),
    "rye": (("pyproject.toml", ("tool", "rye", "scripts")),),
    "pixi": (("pixi.toml", ("tasks",)), ("pyproject.toml", ("tool", "pixi", "tasks"))),
    "hatch": (("pyproject.toml", ("tool", "hatch", "envs")), ("hatch.toml", ("envs",))),
}  # fmt: skip
"""Where each runner has its tasks (their manuals, November 2026)."""


def table_commands(program: str, names: list[str], files: Mapping[str, str]) -> list[str] | None:
    """The commands of a task in the tables of a runner, with the arguments that follow it; None if it is missing."""
    if not names:
        return None
    for file, keys in _PLACES[program]:
        table: Any = _yaml(files.get(file, "")) if "Taskfile" in file else parsed_toml(files, file)
        for key in keys:
            table = table.get(key, {}) if isinstance(table, Mapping) else {}
        name = names[0]
        if program == "hatch":
            env, _, script = name.rpartition(":")
            table = table.get(env or "default", {}).get("scripts", {}) if isinstance(table, Mapping) else {}
            name = script
        if isinstance(table, Mapping) and name in table:
            lines = list(_of_value(table[name], table, 0))
            return [*lines[:-1], " ".join((lines[-1], *names[1:]))] if lines else []
    return None


def _of_value(value: Any, table: Mapping[str, Any], depth: int) -> Iterable[str]:
    """The commands of a task: a text, a list of tasks or commands, or a table with one of these."""
    if depth > 15:
        return
    if isinstance(value, str):
        yield from _of_value(table[value], table, depth + 1) if value in table else [value]
    elif isinstance(value, list):
        for row in value:
            yield from _of_value(row, table, depth + 1)
    elif isinstance(value, Mapping):
        for pair in (value.get("env") or {}).items() if isinstance(value.get("env"), Mapping) else ():
            yield f"export {pair[0]}={pair[1]}"
        for key in ("deps", "depends-on", "depends_on", "sequence", "composite", "chain", "cmds", "task", "ref"):
            yield from _of_value(value.get(key, ()), table, depth + 1)
        command = value.get("cmd", value.get("shell", ""))
        yield from [" ".join(map(str, command)) if isinstance(command, list) else str(command)] if command else []


def _yaml(text: str) -> Any:
    try:
        return parsed_yaml(text) if text else {}
    except ValueError:
        return {}
