"""Answers of `doit ci` to a running pipeline: what to build, the cache key, files of other jobs, nightly versions."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cartwheel import __version__
from cartwheel.ci.pipeline_files import Forge, project_pipeline
from cartwheel.ci.selection import Selection, selection
from cartwheel.commands.plan import FRESH, TaskForecast, closure, outlook
from cartwheel.model.config.values import runner_text
from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.model.record import SCHEMA
from cartwheel.run_context import RunContext
from cartwheel.version_sync import refuse_another_version


def matrix(context: RunContext, tasks: list[Any], to: str, forge: Forge) -> Iterable[str]:
    """`name=value` lines that say what this run builds; adds a summary to the forge's page."""
    refuse_another_version(context.project)
    forecasts = {one.name: one for one in outlook(closure(tasks, ["check", "sdist"]), elsewhere=True)}
    stale = {name for name, one in forecasts.items() if one.state != FRESH}
    pipeline = project_pipeline(context.root, context.project, version=__version__)
    selected = selection(context.project, pipeline, stale=stale, to=to)
    _refuse_lost_files(context, selected)
    _summarise(selected, forecasts, context)
    return (f"{name}={value}" for name, value in forge.plan_outputs(selected).items())


def place_files(context: RunContext, source: Path) -> Iterable[str]:
    """Moves the planned files of other jobs from the folder `source` to their places."""
    from cartwheel.ci.placed_files import place, planned_files

    if not source.is_dir():
        raise ConfigError(f"ci place: there is no folder {source}; no job handed anything on")
    pipeline = project_pipeline(context.root, context.project, version=__version__)
    moved, left = place(context.root, source, planned_files(context.project, pipeline))
    yield f"{len(moved)} files of other jobs are in their places"
    if left:
        more = f" and {len(left) - 20} more" if len(left) > 20 else ""
        yield f"left where they are, since nothing of that name is planned: {', '.join(left[:20])}{more}"


def set_nightly_version(context: RunContext, number: str) -> Iterable[str]:
    """Commits a development version of every published package, in this clone only."""
    from msgspec.structs import replace

    from cartwheel.new_version import apply_bump, bump_plan

    if not number.isdigit():
        raise ConfigError(f"ci nightly: found '{number}'; expected the number of the run")
    project = context.project
    quiet = replace(
        project, packages=tuple(replace(p, changelog=replace(p.changelog, required="never")) for p in project.packages)
    )
    done: set[str] = set()
    for package in quiet.packages:
        if package.from_git or package.key in done or not package.publish:
            continue
        version = nightly_version(package.version, number)
        bump = bump_plan(context.root, quiet, (package.name,), (version,), date="1970-01-01")
        done |= {other.key for other in bump.packages}
        apply_bump(context.root, quiet, bump, commit=True, say=lambda line: None)
        yield f"{', '.join(p.name for p in bump.packages)} {bump.now} → {bump.version}"


def nightly_version(version: str, number: str) -> str:
    """The version of a nightly run, `X.Y.Z.devN`: of the same release if `version` is a `.dev` version, else of the
    next patch."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    parts = [int(part) for part in (release[0] if release else "0").split(".")]
    parts += [0] * (3 - len(parts))
    if ".dev" not in version:
        parts[-1] += 1
    return f"{'.'.join(map(str, parts))}.dev{int(number)}"


def _refuse_lost_files(context: RunContext, selected: Selection) -> None:
    """Raises `StepFailed` if a release loses a file of the last one, or proves less of its origin, without a reason."""
    from cartwheel.last_release import change_before_release, losses_in_words, unread_in_words
    from cartwheel.lost_provenance import provenance_losses

    for package in context.project.packages if context.project.started_by else ():
        if package.key not in selected.packages:
            continue
        try:
            change = change_before_release(context.project, package, context.root)
        except CartwheelError as error:  # the publishing job reports an unreadable index
            _warn(unread_in_words(", ".join(package.publish), error))
            continue
        last, environ = change.last if change else None, context.snapshot.environ
        unproven = provenance_losses(context.project, package, last, context.root, environ, _warn)
        if lines := (*(losses_in_words(change) if change else ()), *unproven):
            raise StepFailed("\n".join(lines))


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def cache_key(context: RunContext) -> str:
    """The part of the cache key that must match for cached files to be useful: versions and compiler."""
    versions = (f"{package.key} {package.version}" for package in context.project.packages)
    parts = (__version__, str(SCHEMA), context.snapshot.tool("rustc"), *versions)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _summarise(selected: Selection, forecasts: Mapping[str, TaskForecast], context: RunContext) -> None:
    from cartwheel.ci.ci_output import CiOutput

    page = "".join(f"{line}\n" for line in _summary(selected, forecasts))
    if warning := CiOutput(context.snapshot.environ, context.root).add_page(page):
        sys.stderr.write(f"{warning}\n")


def _summary(selected: Selection, forecasts: Mapping[str, TaskForecast]) -> Iterable[str]:
    yield f"Releases {', '.join(selected.packages)}." if selected.packages else "Releases nothing."
    yield ""
    if not (selected.builds or selected.sdists):
        yield "Every file is up to date; nothing is built."
        return
    yield "| what | where | why |"
    yield "|---|---|---|"
    for chosen in selected.builds:
        names = [f"{stage}:{wheel}" for wheel in chosen.build.wheels for stage in ("build", "repair", "check")]
        yield f"| {chosen.build.name} | {runner_text(chosen.build.runner)} | {_why(names, forecasts)} |"
    for task in selected.sdists:
        yield f"| {task.removeprefix('check:')} | | {_why((task.removeprefix('check:'), task), forecasts)} |"


def _why(names: Iterable[str], forecasts: Mapping[str, TaskForecast]) -> str:
    stale = [forecasts[name] for name in names if name in forecasts and forecasts[name].state != FRESH]
    reasons = [why for forecast in stale for why in forecast.why]
    first = reasons[0] if reasons else "a release makes every file anew"
    return first.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
