"""GitLab: the events that start a pipeline and its jobs, and the differences of a file that another one includes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cartwheel.ci.jobs import BUILD, GATHER, OWN, PLAN, PUBLISH, REPRODUCE, SDIST, VERIFY, Pipeline
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import around_version

PATH = ".gitlab-ci.yml"
"""The file that GitLab reads by default."""


def is_included(pipeline: Pipeline) -> bool:
    """Whether the file is for another one to include, which then decides on stages, defaults and events."""
    return pipeline.ci.gitlab.file != PATH


_LAST = (PUBLISH, VERIFY, REPRODUCE, OWN)
STAGES = {PLAN: PLAN, BUILD: BUILD, SDIST: BUILD, GATHER: GATHER, **dict.fromkeys(_LAST, "release")}
_COMMON_STAGES = {PLAN: "build", BUILD: "build", SDIST: "build", GATHER: "test", **dict.fromkeys(_LAST, "deploy")}
"""The stages of jobs; in a file to include those that every pipeline has."""


def stage(pipeline: Pipeline, role: str) -> str:
    """The stage of the jobs of a role."""
    return (_COMMON_STAGES if is_included(pipeline) else STAGES)[role]


def hidden_name(pipeline: Pipeline, name: str) -> str:
    """The name of a hidden job; a file to include has names that collide with no others."""
    return f".cartwheel-{name}" if is_included(pipeline) else f".{name}"


def events(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The rules for the events that start a run.  Raises `ConfigError` for an exclusion in `ci.paths`."""
    if excluded := [path for path in pipeline.ci.paths if path.startswith("!")]:
        what = f"'{excluded[0]}' excludes files, which GitLab's rules cannot"
        raise ConfigError(f"[tool.cartwheel] ci.paths: {what}; name those that count")
    changes = {"changes": list(pipeline.ci.paths)} if pipeline.ci.paths else {}
    rules: list[dict[str, Any]] = [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"', **changes}]
    if pipeline.choices:
        if pipeline.tags:
            rules.append({"if": tag_rule(pipeline.tags)})
        rules.append({"if": '$CI_PIPELINE_SOURCE == "web"'})
    return [*rules, *({"if": branch_rule(name), **changes} for name in pipeline.branches)]


def branch_rule(name: str) -> str:
    """A push to a branch, by name or pattern."""
    if "*" not in name:
        return f'$CI_COMMIT_BRANCH == "{name}"'
    pattern = re.sub(r"([^A-Za-z0-9_*-])", r"\\\1", name).replace("*", ".*")
    return f"$CI_COMMIT_BRANCH =~ /^{pattern}$/"


def tag_rule(forms: Iterable[str]) -> str:
    """A tag of one of these forms was pushed; who starts a run by hand on a tag says where to publish."""
    matches = " || ".join(f"$CI_COMMIT_TAG =~ {_pattern(form)}" for form in forms)
    return f'$CI_PIPELINE_SOURCE != "web" && ({matches})'


def _pattern(form: str) -> str:
    """A tag's form as a regular expression: a version begins with a digit."""
    before, after = (re.sub(r"([^A-Za-z0-9_-])", r"\\\1", part) for part in around_version(form))
    return f"/^{before}\\d.*{after}$/"
