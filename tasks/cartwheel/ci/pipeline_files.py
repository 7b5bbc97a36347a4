"""Pipelines as they are committed: where they differ from the configuration, and how they are written."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Mapping
from difflib import unified_diff
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.ci import publish_lock
from cartwheel.ci.jobs import Build, Job, Pipeline
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.repository_facts import repository_facts
from cartwheel.ci.selection import Selection
from cartwheel.filesystem.files import write_atomically
from cartwheel.filesystem.repository_files import repository_root
from cartwheel.model.config.release_settings import CiSettings
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Project
from cartwheel.provenance.attestations import AUDIENCE

SHOWN = 30
"""Lines of a difference that are shown."""


class Forge(Struct, frozen=True, kw_only=True):
    """One row of `FORGES`: where a forge looks for its pipeline, and what writes it."""

    name: str
    path: str
    """The default path, relative to the repository."""
    lock: str
    """The lock of jobs that may publish, relative to the repository."""
    module: str
    """The writer: `HEAD`, `path(ci)`, `files(pipeline, present)`, `plan_outputs(selection)`, `secret_place(job,
    variable)`, and `runs(build)` if the answer differs from the build's own."""

    @property
    def _writer(self) -> Any:
        return import_module(self.module)

    def path_in(self, ci: CiSettings) -> str:
        """The path of the pipeline's main file, relative to the repository."""
        path: str = self._writer.path(ci)
        return path

    def files(self, pipeline: Pipeline, present: Mapping[str, str]) -> Mapping[str, str]:
        """The texts of the pipeline's files by path; newer pins of the `present` texts are kept."""
        texts: Mapping[str, str] = self._writer.files(pipeline, present)
        return texts

    def runs(self, build: Build) -> bool:
        """Whether its machine for a build can run what that makes."""
        can: bool = getattr(self._writer, "runs", lambda build: build.runs)(build)
        return can

    def secret_place(self, job: Job, variable: str) -> str:
        """The forge's name of the place where a person stores a job's secret of that name."""
        place: str = self._writer.secret_place(job, variable)
        return place

    def ours(self, text: str) -> bool:
        """Whether `doit ci` wrote that file."""
        return text.startswith(f"# {self._writer.HEAD[0]}")

    def plan_outputs(self, selected: Selection) -> Mapping[str, str]:
        """The values that the plan of one run hands to its other jobs, by name, each on one line."""
        values: Mapping[str, str] = self._writer.plan_outputs(selected)
        return values


_ROWS = (
    Forge(
        name="github", path=".github/workflows/release.yml", lock=".github/cartwheel-publish.txt",
        module="cartwheel.ci.github_workflow",
    ),
    Forge(
        name="gitlab", path=".gitlab-ci.yml", lock=".gitlab/cartwheel-publish.txt",
        module="cartwheel.ci.gitlab_pipeline",
    ),
)  # fmt: skip

FORGES = {row.name: row for row in _ROWS}


def forge_by_name(name: str) -> Forge:
    """The forge of that name; raises `ConfigError`."""
    if name not in FORGES:
        raise ConfigError(f"ci: unknown forge '{name}'{did_you_mean(name, FORGES)}")
    return FORGES[name]


def project_pipeline(root: Path, project: Project, *, version: str) -> Pipeline:
    """The pipeline of the project in `root`, as its repository needs it."""
    return pipeline(project, version=version, where=repository_facts(root))


_DEFAULTS = CiSettings()


def committed_forges(root: Path, ci: CiSettings = _DEFAULTS) -> tuple[Forge, ...]:
    """The forges that have a pipeline written by `doit ci`."""
    top = repository_root(root)
    return tuple(forge for forge in FORGES.values() if forge.ours(_text(top, forge.path_in(ci))))


def refusals(root: Path, project: Project, *, version: str) -> tuple[str, ...]:
    """Why a tag would start no pipeline that builds the wheels as configured; `version` is cartwheel's own."""
    if project.ci.own or committed_forges(root, project.ci):
        return differences(root, project, version=version)
    top = repository_root(root)
    paths = (forge.path_in(project.ci) for forge in FORGES.values())
    theirs = [f"{path} was not written by doit ci" for path in paths if _text(top, path)]
    reason = " and ".join(theirs) or "there is no pipeline that doit ci wrote"
    return (
        f'release.from is "ci", and {reason}; write one and commit it: doit ci {" | ".join(FORGES)}',
        'or say [tool.cartwheel.ci] own = true where a pipeline of your own releases, or release.from = "here"',
    )


def differences(root: Path, project: Project, *, version: str) -> tuple[str, ...]:
    """Where committed pipelines differ from the configuration, in words; empty if they are equal.

    A newer pin of an action is no difference.  `version` is cartwheel's own.
    """
    forges = committed_forges(root, project.ci)
    if not forges:
        return ()
    pipeline = project_pipeline(root, project, version=version)
    return tuple(line for forge in forges for line in _difference(repository_root(root), forge, pipeline, version))


def _difference(top: Path, forge: Forge, pipeline: Pipeline, version: str) -> Iterable[str]:
    present = _present(top, forge, pipeline)
    for path, text in forge.files(pipeline, present).items():
        if text == present[path]:
            continue
        yield f"{path} is not what the configuration says; write it again and commit it: doit ci {forge.name}"
        diff = unified_diff(
            present[path].splitlines(), text.splitlines(), "as it is", "as it should be", lineterm="", n=1
        )
        lines = [line for line in diff if not line.startswith("@@")]
        yield from (f"  {line}" for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield f"  … and {len(lines) - SHOWN} lines more"
    if _needs_lock(pipeline) and not _lock_is_current(top, forge, pipeline, version):
        yield f"{forge.lock} is missing or not of cartwheel {version}; write and commit it: doit ci {forge.name}"


def unlocked_cartwheel(root: Path, project: Project, *, version: str) -> tuple[str, ...]:
    """A line for each lock without a hash of cartwheel itself: the jobs that publish would install it unchecked.

    With `ci.install` the configuration names where cartwheel comes from: the commit itself, or an address that should
    have a digest.
    """
    top = repository_root(root)
    if project.ci.own:
        return ()
    if project.ci.install:
        return tuple(
            f"ci.install: '{word}' may hold another cartwheel tomorrow; name a commit of 40 digits, or add #sha256=…"
            for word in project.ci.install
            if "://" in word and not re.search(r"@[0-9a-f]{40,64}\b|#.*\bsha256=[0-9a-f]{64}", word)
        )
    return tuple(
        f"{forge.lock} has no hash of cartwheel {version} itself; once an index has that version, renew and commit it: "
        "doit ci lock"
        for forge in committed_forges(root, project.ci)
        if (text := _text(top, forge.lock)) and "cartwheel" not in publish_lock.locked_names(text)
    )


def write_files(
    root: Path, pipeline: Pipeline, forge: Forge, version: str, environ: Mapping[str, str] = os.environ
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Write a forge's pipeline and its lock.  Returns `written` or `is as it should be` by path, and a warning if the
    jobs cannot install cartwheel.

    Raises `ConfigError`, before anything is written, if a file of another author is in the way.
    """
    top = repository_root(root)
    present = _present(top, forge, pipeline)
    for path, text in present.items():
        if text and not forge.ours(text):
            raise ConfigError(f"{path} is there and was not written by doit ci; {_way_out(top, forge)}")
    texts = dict(forge.files(pipeline, present))
    if _needs_lock(pipeline) and not _lock_is_current(top, forge, pipeline, version):
        texts[forge.lock] = _new_lock(pipeline, version, environ, renew=False)
    changed = {}
    for path, text in texts.items():
        changed[path] = "is as it should be" if text == present.get(path) else "written"
        if text != present.get(path):
            write_atomically(top / path, text.encode())
    return changed, _unavailable(pipeline, texts.get(forge.lock) or _text(top, forge.lock), version, environ)


def _unavailable(pipeline: Pipeline, lock: str, version: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """A line if no index has the version of cartwheel that the jobs would install."""
    if pipeline.ci.install or "cartwheel" in publish_lock.locked_names(lock):
        return ()
    if publish_lock.own_line(version, environ):
        return (f"an index has cartwheel {version}, and the lock has no hash of it: doit ci lock",) if lock else ()
    return (
        f"cartwheel {version} is on no index that this machine reaches, so the jobs cannot install it yet; name what "
        'they install, such as a commit: [tool.cartwheel.ci] install = ["git+https://HOST/NAME@COMMIT"]',
    )


_OTHER_NAMES = {
    "github": tuple(f".github/workflows/{name}.yml" for name in ("wheels", "publish-wheels", "cartwheel")),
    "gitlab": (".gitlab/wheels.yml", ".gitlab/publish-wheels.yml", ".gitlab/cartwheel.yml"),
}
"""Names of a pipeline's file if another author has the default one; the first that is free."""


def free_file(forge: Forge, texts: Container[str]) -> str:
    """A name for the pipeline's file that the repository does not have yet."""
    return next((name for name in _OTHER_NAMES[forge.name] if name not in texts), _OTHER_NAMES[forge.name][-1])


def _way_out(top: Path, forge: Forge) -> str:
    names = [name for name in _OTHER_NAMES[forge.name] if (top / name).exists()]
    key = f'[tool.cartwheel.ci.{forge.name}] file = "{free_file(forge, names)}"'
    how = {"github": "choose another name", "gitlab": "have it include another file"}[forge.name]
    return f"move it away first, or {how}: {key}"


def renew_lock(
    root: Path, pipeline: Pipeline, forge: Forge, version: str, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Resolve a forge's lock anew and write it; returns a warning if the jobs cannot install cartwheel.

    Raises `CartwheelError`.
    """
    text = _new_lock(pipeline, version, environ, renew=True)
    write_atomically(repository_root(root) / forge.lock, text.encode())
    return _unavailable(pipeline, text, version, environ)


def _new_lock(pipeline: Pipeline, version: str, environ: Mapping[str, str], *, renew: bool) -> str:
    return publish_lock.new_lock(version, environ, _lock_needs(pipeline), own=not pipeline.ci.install, renew=renew)


def _lock_needs(pipeline: Pipeline) -> publish_lock.Needs:
    return publish_lock.Needs(
        sources=publish_lock.from_sources(pipeline.cartwheel),
        attests=any(AUDIENCE in job.audiences for job in pipeline.jobs),
    )


def _needs_lock(pipeline: Pipeline) -> bool:
    return any(job.locked for job in pipeline.jobs)


def _lock_is_current(top: Path, forge: Forge, pipeline: Pipeline, version: str) -> bool:
    return publish_lock.is_current(_text(top, forge.lock), version, _lock_needs(pipeline))


def _present(top: Path, forge: Forge, pipeline: Pipeline) -> Mapping[str, str]:
    return {path: _text(top, path) for path in forge.files(pipeline, {})}


def _text(top: Path, path: str) -> str:
    """A file's text with the line endings that git stores; empty if the file is missing."""
    try:
        return (top / path).read_bytes().decode().replace("\r\n", "\n")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; move it away, and write it again: doit ci") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); a pipeline is a file there; move it away"
        ) from None
