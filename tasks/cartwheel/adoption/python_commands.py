"""The commands that Python code starts: sessions of nox, tasks of doit and invoke, scripts with `subprocess`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from cartwheel.model.python_constants import function_name, parsed

_PROGRAMS = re.compile(
    r"(?:\w+=\S* )*(?:(?:\S*/)?(?:twine|maturin|uv|uvx|poetry|pdm|hatch|flit|rye|cargo|gh|cibuildwheel|pyproject-build"
    r"|pip[\d.]*|make|just|nox|tox|bash|sh|docker|podman|(?:python[\d.]*|py) (?:-m |\S*setup\.py))\b|\./)"
)
"""The start of commands that matter here; other lists of texts are no commands."""


def script_commands(text: str, env: Mapping[str, str], arguments: Iterable[str]) -> list[str]:
    """The commands of a whole script. Parts known only at run time are `${…}`."""
    tree = _parse(text)
    return _Commands(tree, env, arguments).of(tree) if tree else []


def function_commands(
    text: str, names: Iterable[str], env: Mapping[str, str], arguments: Iterable[str], *, decorator: str = ""
) -> list[str] | None:
    """The commands of functions, by their names or by the `name` of a decorator; None if one is missing.

    Without names: of all functions with that decorator, as nox runs them.
    """
    tree = _parse(text)
    if tree is None:
        return None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    by_name = {name: node for node in functions for name in _names(node)}
    chosen_names = [name.partition("(")[0] for name in names]
    if not chosen_names:
        chosen = [node for node in functions if decorator and decorator in map(function_name, node.decorator_list)]
    elif all(name in by_name for name in chosen_names):
        chosen = [by_name[name] for name in chosen_names]
    else:
        return None
    commands = _Commands(tree, env, arguments)
    return [row for node in chosen for row in commands.of(node)]


def _parse(text: str) -> ast.Module | None:
    return parsed(text) if text.strip() else None


def _names(node: ast.FunctionDef) -> Iterable[str]:
    """The names of a session or task: those of the decorator, else the function's, also with dashes."""
    for row in node.decorator_list:
        if isinstance(row, ast.Call):
            for keyword in row.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)
    yield node.name
    yield node.name.replace("_", "-")


class _Commands:
    """Reads commands from syntax trees of one file."""

    def __init__(self, tree: ast.Module, env: Mapping[str, str], arguments: Iterable[str]) -> None:
        self._env = env
        self._arguments = list(arguments)
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self._values: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                text = self._text(node.value)
                if text and not text.startswith("${"):
                    self._values[node.targets[0].id] = text

    def of(self, tree: ast.AST, depth: int = 0) -> list[str]:
        """The commands in a tree, and those of the functions of the file that it calls."""
        rows: dict[str, None] = {}
        grown = _additions(tree)
        for node in ast.walk(tree):
            line = ""
            if isinstance(node, ast.Call):
                line = self._call(node)
                name = function_name(node)
                if isinstance(tree, ast.FunctionDef) and name in self._functions and name != tree.name and depth < 3:
                    rows |= dict.fromkeys(self.of(self._functions[name], depth + 1))
            elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.List, ast.Tuple)):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                more = [part for name in names for part in grown.get(name, ())]
                line = " ".join(self._words([*node.value.elts, *more]))
            elif isinstance(node, ast.Assign) and _is_environ(node.targets[0]):
                rows[f"export {self._text(node.targets[0].slice)}={self._text(node.value)}"] = None  # type: ignore[attr-defined]
            elif isinstance(node, (ast.List, ast.Tuple)):
                for part in node.elts:
                    text = self._text(part)
                    rows |= {text: None} if " " in text and _PROGRAMS.match(text) else {}
                    if isinstance(part, (ast.List, ast.Tuple)):
                        inner = " ".join(self._words(part.elts))
                        rows |= {inner: None} if _PROGRAMS.match(inner) else {}
            if line and _PROGRAMS.match(line):
                rows[line] = None
        return list(rows)

    def _call(self, node: ast.Call) -> str:
        first = node.args[0] if node.args else None
        words = self._words(first.elts if isinstance(first, (ast.List, ast.Tuple)) else node.args)
        env = next((word.value for word in node.keywords if word.arg == "env"), None)
        pairs = zip(env.keys, env.values, strict=True) if isinstance(env, ast.Dict) else ()
        set_first = [f"{self._text(key)}={self._text(value)}" for key, value in pairs if key is not None]
        return " ".join((*set_first, *words)) if words else ""

    def _words(self, nodes: Iterable[ast.expr]) -> list[str]:
        words: list[str] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                words += self._arguments if "posargs" in ast.dump(node) else [f"${{{ast.unparse(node.value)}}}"]
            else:
                words.append(self._text(node))
        return [re.sub(r"\s*\n\s*", " ", word) for word in words]

    def _text(self, node: ast.AST) -> str:
        """The text of an expression; `${…}` for what is known only at run time."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self._text(node.value)
        if isinstance(node, ast.Name) and node.id in self._values:
            return self._values[node.id]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left) + self._text(node.right)
        source = ast.unparse(node)
        if source == "sys.executable":
            return "python"
        if asked := re.match(r"""os\.(?:environ\[|environ\.get\(|getenv\()'(\w+)'(?:, '([^']*)')?[\])]$""", source):
            return self._env.get(asked[1], asked[2] or f"${{{asked[1]}}}")
        return f"${{{re.sub(r'[^A-Za-z0-9_]+', '_', source)}}}"


def _additions(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """What is added to lists, by the name of the list."""
    added: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            rows = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
            added.setdefault(node.target.id, []).extend(rows)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in ("append", "extend", "insert")
            and node.args
        ):
            last = node.args[-1]
            rows = last.elts if isinstance(last, (ast.List, ast.Tuple)) else [last]
            added.setdefault(node.func.value.id, []).extend(rows)
    return added


def _is_environ(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("os.environ", "session.env", "environ")
