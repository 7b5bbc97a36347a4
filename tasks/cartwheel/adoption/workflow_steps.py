"""The steps of a GitHub job with all expressions filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.adoption.called_scripts import expand_calls
from cartwheel.adoption.expressions import UNKNOWN, as_text, may_run, substitute, variables
from cartwheel.adoption.parsed_files import Texts, parsed_yaml
from cartwheel.adoption.step_outputs import Values, outputs_and_variables
from cartwheel.adoption.workflows import DESTINATIONS, RUN_TIME_VALUE, JobStep


def job_steps(
    rows: Iterable[Any], context: Mapping[str, Any], texts: Texts, folder: str, *, depth: int = 0
) -> Iterable[JobStep]:
    """The steps; later ones see the variables and outputs that earlier scripts write."""
    outputs: dict[str, Any] = {}
    later: dict[str, Any] = {}
    context = {**context, "steps": outputs}
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        name = str(row.get("id", ""))
        seen = {**context, "env": {**context["env"], **later}}
        if not may_run(row.get("if"), seen):
            outputs.setdefault(name, {"outputs": {}})
            continue
        seen["env"] = env = {**seen["env"], **variables(row.get("env"), seen)}
        uses = as_text(substitute(row.get("uses", ""), seen))
        inputs = {str(k): v for k, v in (substitute(row.get("with") or {}, seen)).items()}
        if name:
            outputs[name] = {"outputs": Values()}
        if uses.startswith("./") and depth < 3:
            yield from _composite(uses, inputs, seen, texts, folder, depth)
            continue
        seen_values = {key: _step_text(key, value, row) for key, value in env.items()}
        place = as_text(substitute(row.get("working-directory", folder), seen)) or "."
        script = expand_calls(as_text(substitute(row.get("run", ""), seen)), place, texts, seen_values)
        made, exported = outputs_and_variables(script, env) if "GITHUB_" in script else ({}, {})
        for variable, value in exported.items():
            later[variable] = _either(later.get(variable, value), value) if "if" in row else value
        if name:
            outputs[name]["outputs"].update(made)
        action = uses.partition("@")[0].lower()
        yield JobStep(
            uses=_RENAMED.get(action, action),
            version=uses.partition("@")[2],
            run=script,
            with_={key: _step_text(key, value, row) for key, value in inputs.items()},
            env=seen_values,
            folder=place,
            name=as_text(row.get("name", "")),
        )


_RENAMED = {
    "messense/maturin-action": "pyo3/maturin-action",
    "konstin/maturin-action": "pyo3/maturin-action",
    "joerick/cibuildwheel": "pypa/cibuildwheel",
}
"""Former names of actions, which GitHub redirects."""


def _either(one: Any, other: Any) -> Any:
    """A value that conditional steps set: PyPI if they choose between PyPI and TestPyPI, unknown if they differ."""
    if one == other:
        return one
    public = re.compile(r"https?://(?:upload\.|test\.)?pypi\.(?:org|python\.org)/")
    if all(isinstance(value, str) and public.match(value) for value in (one, other)):
        return next((value for value in (one, other) if "test." not in value), UNKNOWN)
    return UNKNOWN


def _step_text(key: str, value: Any, step: Mapping[str, Any]) -> str:
    """The text of an input or a variable; a choice between literal addresses of PyPI and TestPyPI is empty."""
    if value is UNKNOWN and key == "target":
        return RUN_TIME_VALUE
    if value is not UNKNOWN or key not in DESTINATIONS:
        return as_text(value)
    written = str({**(step.get("env") or {}), **(step.get("with") or {})}.get(key, ""))
    public = re.search(r"//(?:upload\.|test\.)?pypi\.(?:org|python)", written)
    return "" if public and not re.search(r"\b(?:secrets|vars)\.", written) else RUN_TIME_VALUE


def _composite(
    uses: str, values: Mapping[str, Any], context: Mapping[str, Any], texts: Texts, folder: str, depth: int
) -> Iterable[JobStep]:
    """The steps of a composite action of the same repository."""
    place = uses.removeprefix("./").rstrip("/")
    text = next((texts[p] for p in (f"{place}/action.yml", f"{place}/action.yaml") if p in texts), "")
    try:
        document = parsed_yaml(text) or {}
    except ValueError:
        return
    inputs = {name: (row or {}).get("default") for name, row in (document.get("inputs") or {}).items()}
    rows = (document.get("runs") or {}).get("steps") or ()
    yield from job_steps(rows, {**context, "inputs": {**inputs, **values}}, texts, folder, depth=depth + 1)
