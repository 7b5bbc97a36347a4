"""GitLab's pipeline file as the values of `workflows`: jobs with `extends`, `parallel: matrix` and variables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from cartwheel.adoption.called_scripts import expand_calls
from cartwheel.adoption.parsed_files import Texts, parsed_yaml
from cartwheel.adoption.workflows import JobRun, JobStep, Workflow

_RESERVED = frozenset(
    ("default", "include", "stages", "variables", "workflow", "image", "services", "cache", "before_script",
     "after_script", "pages", "spec")
)  # fmt: skip
"""Keys of the file that are no jobs (GitLab's CI/CD YAML reference, November 2026)."""


def gitlab_pipeline(path: str, texts: Texts) -> Workflow:
    """The pipeline with the local files that it includes."""
    document: dict[str, Any] = {}
    faults: list[str] = []
    _merge(document, path, texts, faults, depth=0)
    names = [name for name, body in document.items() if _is_job(name, body)]
    jobs = tuple(run for name in names for run in _runs(name, document, path, texts))
    tagged = any("CI_COMMIT_TAG" in str(body) or "tags" in str(body) for name, body in document.items())
    return Workflow(
        path=path,
        name="GitLab",
        forge="gitlab",
        triggers={"push": {"tags": ["*"]} if tagged else {}},
        jobs=jobs,
        faults=tuple(faults),
    )


def _is_job(name: str, body: Any) -> bool:
    return name not in _RESERVED and not name.startswith(".") and isinstance(body, Mapping)


def _merge(document: dict[str, Any], path: str, texts: Texts, faults: list[str], *, depth: int) -> None:
    try:
        read = parsed_yaml(_without_tags(texts[path]))
    except ValueError as error:
        faults.append(f"{path}: not YAML: {error}")
        return
    if not isinstance(read, Mapping):
        return
    included = read.get("include") or []
    for row in included if isinstance(included, list) else [included]:
        local = row if isinstance(row, str) else row.get("local", "") if isinstance(row, Mapping) else ""
        pattern = str(local).lstrip("/")
        names = [name for name in texts if fnmatchcase(name, pattern) and texts[name].strip()]
        if not names or depth >= 3:
            faults.append(f"{path}: includes {row}, which is not read from this repository")
        for name in names if depth < 3 else ():
            _merge(document, name, texts, faults, depth=depth + 1)
    document.update(read)


def _without_tags(text: str) -> str:
    """GitLab's own `!reference [a, b]` is a plain list to this reader."""
    return re.sub(r"!reference\s*\[([^\]]*)\]", r"[!reference, \1]", text).replace("[!reference", '["!reference"')


def _body(name: str, document: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """A job with what it extends."""
    own = document.get(name)
    if not isinstance(own, Mapping) or depth > 5:
        return {}
    parents = own.get("extends") or []
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged = _overlay(merged, _body(str(parent), document, depth + 1))
    return _overlay(merged, own)


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _overlay(merged[key], value) if both else value
    return merged


def _runs(name: str, document: Mapping[str, Any], path: str, texts: Texts) -> Iterable[JobRun]:
    body = _body(name, document)
    default = document.get("default") or {}
    parallel = body.get("parallel")
    rows = parallel.get("matrix", []) if isinstance(parallel, Mapping) else []
    for row in [combined for one in rows for combined in _combinations(one)] or [{}]:
        variables = {**_variables(document.get("variables")), **_variables(body.get("variables")), **row}
        image = body.get("image", default.get("image", document.get("image", "")))
        image = image.get("name", "") if isinstance(image, Mapping) else image
        before = body.get("before_script", default.get("before_script", document.get("before_script", [])))
        script = "\n".join((*_lines(before, document), *_lines(body.get("script"), document)))
        tags = tuple(map(str, body.get("tags", default.get("tags", ())) or ()))
        environment = body.get("environment", "")
        env = {k: _expand(v, variables) for k, v in variables.items()}
        yield JobRun(
            workflow=path,
            job=name,
            matrix=row,
            runner=_expand(" ".join(tags), variables),
            labels=tuple(_expand(tag, variables) for tag in tags),
            container=_expand(str(image or ""), variables),
            environment=str(environment.get("name", "") if isinstance(environment, Mapping) else environment),
            permissions={"id-token": "write"} if body.get("id_tokens") else {},
            needs=tuple(n if isinstance(n, str) else str(n.get("job", "")) for n in body.get("needs") or ()),
            steps=(JobStep(run=expand_calls(_expand(script, variables), ".", texts, env), env=env),),
        )


def _combinations(row: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    lists = {str(k): [str(x) for x in v] if isinstance(v, list) else [str(v)] for k, v in row.items()}
    yield from (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))


def _variables(table: Any) -> dict[str, str]:
    if not isinstance(table, Mapping):
        return {}
    return {str(k): str(v.get("value", "") if isinstance(v, Mapping) else v) for k, v in table.items()}


def _lines(script: Any, document: Mapping[str, Any]) -> Iterable[str]:
    if isinstance(script, str):
        yield script
        return
    rows = list(script or ())
    if rows[:1] == ["!reference"]:
        place: Any = document
        for key in rows[1:]:
            place = place.get(key, {}) if isinstance(place, Mapping) else {}
        yield from _lines(place if isinstance(place, (list, str)) else [], {})
        return
    for row in rows:
        yield from _lines(row, document)


def _expand(text: str, variables: Mapping[str, str]) -> str:
    for _ in range(3):
        text = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: str(variables.get(m[1] or m[2], m[0])), text)
    return text
