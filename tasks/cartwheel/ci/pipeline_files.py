"""Pipelines as they are committed: where they differ from the configuration, and how they are written anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import unified_diff
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.ci.jobs import Build, Job, Pipeline
from cartwheel.ci.project_pipeline import pipeline
from cartwheel.ci.selection import Selection
from cartwheel.filesystem.files import write_atomically
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Project

SHOWN = 30
"""Lines of a difference that are shown."""


class Forge(Struct, frozen=True, kw_only=True):
    """One row of `FORGES`: where a forge looks for its pipeline, and what writes it."""

    name: str
    path: str
    """Relative to the project."""
    module: str
    """The writer: `HEAD`, `render(pipeline, present)`, `plan_outputs(selection)`, `secret_place(job, variable)`, and
    `runs(build)` if the answer differs from the build's own."""

    @property
    def _writer(self) -> Any:
        return import_module(self.module)

    def text(self, wanted: Pipeline, present: str) -> str:
        """The file as it should be; newer pins of the `present` one are kept."""
        made: str = self._writer.render(wanted, present)
        return made

    def runs(self, build: Build) -> bool:
        """Whether its machine for a build can run what that makes."""
        can: bool = getattr(self._writer, "runs", lambda build: build.runs)(build)
        return can

    def secret_place(self, job: Job, variable: str) -> str:
        """What it calls the place where a person keeps the secret of that name for a job."""
        place: str = self._writer.secret_place(job, variable)
        return place

    def ours(self, text: str) -> bool:
        """Whether cartwheel wrote that file."""
        return text.startswith(f"# {self._writer.HEAD[0]}")

    def plan_outputs(self, selected: Selection) -> Mapping[str, str]:
        """What the plan's job tells the other jobs of one run, by name, each on one line."""
        found: Mapping[str, str] = self._writer.plan_outputs(selected)
        return found


_ROWS = (
    Forge(name="github", path=".github/workflows/release.yml", module="cartwheel.ci.github_workflow"),
    Forge(name="gitlab", path=".gitlab-ci.yml", module="cartwheel.ci.gitlab_pipeline"),
)

FORGES = {row.name: row for row in _ROWS}


def forge_by_name(name: str) -> Forge:
    """The forge of that name; raises `ConfigError`."""
    if name not in FORGES:
        raise ConfigError(f"ci: '{name}' is no forge that pipelines are written for{did_you_mean(name, FORGES)}")
    return FORGES[name]


def committed_forges(root: Path) -> tuple[Forge, ...]:
    """The forges for which a pipeline of ours is there."""
    return tuple(forge for forge in FORGES.values() if forge.ours(_text(root, forge)))


def refusals(root: Path, project: Project, *, version: str) -> tuple[str, ...]:
    """Why a tag would start no pipeline that makes the wheels as the configuration says, in words; `version` is
    cartwheel's own."""
    if project.ci.own or committed_forges(root):
        return differences(root, project, version=version)
    theirs = [f"{forge.path} was not written by doit ci" for forge in FORGES.values() if _text(root, forge)]
    found = " and ".join(theirs) or "there is no pipeline that doit ci wrote"
    return (
        f'release.from is "ci", and {found}; write one and commit it: doit ci {" | ".join(FORGES)}',
        'or say [tool.cartwheel.ci] own = true where a pipeline of your own releases, or release.from = "here"',
    )


def differences(root: Path, project: Project, *, version: str) -> tuple[str, ...]:
    """Where the pipelines that are there differ from what the configuration says, in words; nothing where none does.

    A newer version of an action is no difference; `version` is cartwheel's own.
    """
    wanted = pipeline(project, version=version)
    return tuple(line for forge in committed_forges(root) for line in _difference(root, forge, wanted))


def _difference(root: Path, forge: Forge, wanted: Pipeline) -> Iterable[str]:
    present = _text(root, forge)
    text = forge.text(wanted, present)
    if text == present:
        return
    yield f"{forge.path} is not what the configuration says; write it again and commit it: doit ci {forge.name}"
    diff = unified_diff(present.splitlines(), text.splitlines(), "as it is", "as it should be", lineterm="", n=1)
    lines = [line for line in diff if not line.startswith("@@")]
    yield from (f"  {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"  … and {len(lines) - SHOWN} lines more"


def write(root: Path, wanted: Pipeline, forge: Forge) -> bool:
    """Write a forge's pipeline; whether that changed anything.

    Raises `ConfigError` where a file is in the way that somebody else wrote.
    """
    path = root / forge.path
    present = _text(root, forge)
    if present and not forge.ours(present):
        raise ConfigError(f"{forge.path} is there and was not written by doit ci; move it away first")
    text = forge.text(wanted, present)
    if text != present:
        write_atomically(path, text.encode())
    return text != present


def _text(root: Path, forge: Forge) -> str:
    """With line endings as git has them in the repository; empty where the file is not there."""
    try:
        return (root / forge.path).read_bytes().decode().replace("\r\n", "\n")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ConfigError(f"{forge.path}: is not UTF-8 text; move it away, and write it again: doit ci") from None
    except OSError as error:
        raise ConfigError(
            f"{forge.path}: cannot be read ({error.strerror}); a pipeline is a file there; move it away"
        ) from None
