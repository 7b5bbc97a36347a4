"""The stand-ins of a rehearsal: one on this machine for each kind of destination that the project publishes to."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from msgspec import Struct

from cartwheel.destinations.credentials import REHEARSAL_TOKEN
from cartwheel.destinations.protocol import StandIn
from cartwheel.model.destination import KINDS, PYPI, kind_of
from cartwheel.model.project import Project


class RehearsalFolders(Struct, frozen=True, kw_only=True):
    """The folders of a rehearsal."""

    home: Path

    @property
    def clone(self) -> Path:
        """The scratch clone."""
        return self.home / "project"

    @property
    def remote(self) -> Path:
        """The bare repository that stands in for the remote."""
        return self.home / "remote.git"

    @property
    def index(self) -> Path:
        """The files on the stand-in index."""
        return self.home / "index"

    @property
    def cargo_folder(self) -> Path:
        """cargo's directories, kept between rehearsals so that the next one compiles little."""
        return self.home / "cargo"


class StandIns:
    """A context manager that serves the stand-ins; they accept uploads only with a random token of this rehearsal."""

    def __init__(self, project: Project, folders: RehearsalFolders) -> None:
        self._project, self._folders = project, folders
        self._until = ExitStack()
        self._token = secrets.token_urlsafe(24)
        self._serving: dict[str, StandIn] = {}

    def __enter__(self) -> StandIns:
        published = (name for package in self._project.packages for name in package.publish)
        kinds = dict.fromkeys((PYPI, *(kind_of(name, self._project.indexes) for name in published)))
        with ExitStack() as started:
            for kind in kinds:
                module = import_module(KINDS[kind].module)
                folder = self._folders.index if kind == PYPI else self._folders.home / kind
                context = module.stand_in(self._project, folder, self._folders.clone, self._token)
                self._serving[kind] = started.enter_context(context)
            self._until = started.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._until.close()

    @property
    def settings(self) -> Mapping[str, Mapping[str, object]]:
        """The keys that replace the settings of every index, by kind."""
        return {kind: {**row.settings, "kind": kind, "rehearsal": True} for kind, row in self._serving.items()}

    @property
    def environ(self) -> Mapping[str, str]:
        """The variable with the token of this rehearsal's stand-ins."""
        return {REHEARSAL_TOKEN: self._token}

    def summary(self) -> str:
        """The files sent to destinations other than the index, a line each."""
        return "".join(row.summary() for row in self._serving.values())
