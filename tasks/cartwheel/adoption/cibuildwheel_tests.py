"""How cibuildwheel tests each wheel (variables, `[tool.cibuildwheel]`, its overrides), as keys of `test`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.adoption.built_wheels import BuildCall
from cartwheel.adoption.cibuildwheel_options import (
    Options,
    command_text,
    matches,
    needs_shell,
    own_placeholders,
    shell_words,
    words_of,
)
from cartwheel.adoption.command_lines import folder_up
from cartwheel.model.wheels.wheel_name import normalised_name

Test = Mapping[str, Any]
"""`command`, `requires`, `extras`, `groups`, `cwd` and `skip`, as far as they are set."""

SKIPPED = "skipped by cibuildwheel's test-skip"
UNTESTED = "cibuildwheel has no test command for it"
_MOVED = re.compile(r"cd\s+[\"']?\{(?:project|package)\}(?:/([\w./-]+))?[\"']?\s*&&\s*(.*)", re.DOTALL)


def wheel_tests(options: Options, identifier: str, folder: str) -> Test:
    """The tests of one wheel; empty for a command that only a shell can run. `folder`: of its package."""
    test: dict[str, Any] = {}
    command = command_text(options.value("test-command"))
    if not command:
        return {"skip": UNTESTED}
    if moved := _MOVED.fullmatch(command):
        test["cwd"] = _from_package(moved[1] or "", folder) if "{project}" in command else moved[1] or "."
        command = moved[2].strip()
    words = shell_words(command) if command and not needs_shell(command) else []
    if not words:
        return {}
    test["command"] = [own_placeholders(word, folder) for word in words]
    if requires := _requirements(options.value("test-requires"), folder):
        test["requires"] = requires
    for name in ("extras", "groups"):
        value = options.value(f"test-{name}")
        if names := re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else list(map(str, value or ())):
            test[name] = [row for row in names if row and (name == "groups" or _is_extra(row, options))]
    if matches(identifier, words_of(options.words("test-skip"))):
        test["skip"] = SKIPPED
    return test


def _is_extra(name: str, options: Options) -> bool:
    """Whether the package has an extra of that name; pip ignores an unknown one."""
    project = options.pyproject.get("project", {})
    known = {normalised_name(extra) for extra in project.get("optional-dependencies", ())}
    return normalised_name(name) in known or "optional-dependencies" in project.get("dynamic", ())


def shell_test(options: Options) -> str:
    """The test command if only a shell can run it, which no key can express; empty for any other."""
    value = options.value("test-command")
    command = command_text(value)
    moved = _MOVED.fullmatch(command)
    rest = moved[2] if moved else command
    return command if needs_shell(rest) or (command and not shell_words(rest)) else ""


def _from_package(name: str, folder: str) -> str:
    """A folder of the repository relative to the package."""
    if folder != "." and (f"{name}/").startswith(f"{folder}/"):
        return name.removeprefix(folder).strip("/") or "."
    return "/".join(part for part in (folder_up(folder), name) if part) or "."


def _requirements(value: Any, folder: str) -> list[str]:
    """Requirements, each `-r FILE` and `-c FILE` as one."""
    words = shell_words(value) if isinstance(value, str) else list(map(str, value or ()))
    rows: list[str] = []
    for word in words:
        word = re.sub(
            r"\{(project|package)\}/?", lambda m: f"{folder_up(folder)}/" * (m[1] == "project" and folder != "."), word
        )
        if rows and rows[-1] in ("-r", "--requirement", "-c", "--constraint"):
            rows[-1] = f"{'-c' if 'c' in rows[-1] else '-r'} {word}"
        else:
            rows.append(word)
    return rows


class BuildTests(Struct, frozen=True, kw_only=True):
    """The tests of a package's wheels."""

    table: Test = {}
    """What most wheels share."""
    overrides: tuple[Mapping[str, Any], ...] = ()
    origin: str = ""


def build_tests(calls: Iterable[BuildCall], wheels: Iterable[tuple[str, str]], targets: Iterable[str]) -> BuildTests:
    """The keys of `test` for the wheels that cibuildwheel builds. `wheels`: triple and interpreter of each in the
    plan; `targets`: those of the plan."""
    planned: dict[str, dict[str, None]] = {}
    for triple, python in wheels:
        planned.setdefault(triple, {})[python] = None
    known = set(targets)
    rows = [
        (triple, call.pythons, dict(call.tests), f"{call.workflow}, job {call.job}")
        for call in calls for triple in call.triples if call.tests and triple in known
    ]  # fmt: skip
    counted = Counter(repr(_without_skip(test)) for _, pythons, test, _ in rows if _without_skip(test) for _ in pythons)
    if not counted:
        return BuildTests()
    first = next(row for row in rows if repr(_without_skip(row[2])) == counted.most_common(1)[0][0])
    table = _without_skip(first[2])
    by_test: dict[str, tuple[dict[str, Any], dict[str, dict[str, None]]]] = {}
    for triple, pythons, test, _ in rows:
        other = {key: value for key, value in test.items() if table.get(key) != value}
        if "command" in test:
            other |= {key: "" if key == "cwd" else [] for key in table if key not in test}
        if other:
            places = by_test.setdefault(repr(other), (other, {}))[1]
            places.setdefault(triple, {}).update(dict.fromkeys(pythons))
    overrides: list[dict[str, Any]] = []
    for other, places in by_test.values():
        whole = [triple for triple, pythons in places.items() if set(planned.get(triple, ())) <= set(pythons)]
        if whole:
            overrides.append({"select": " ".join(whole), "test": other})
        for triple, names in places.items():
            if triple not in whole and (some := [name for name in names if name in planned.get(triple, ())]):
                overrides.append({"select": {"target": triple, "python": " ".join(some)}, "test": other})
    return BuildTests(table=table, overrides=tuple(overrides), origin=first[3])


def _without_skip(test: Test) -> dict[str, Any]:
    return {key: value for key, value in test.items() if key != "skip"}
