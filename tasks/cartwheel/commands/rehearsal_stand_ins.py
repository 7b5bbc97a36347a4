"""The stand-ins of a rehearsal: an index, a release page and a registry of crates, all on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.cargo.config_files import cargo_home
from cartwheel.model.destination import CRATES, GITHUB, PYPI, kind_of
from cartwheel.process.step_log import StepLog
from cartwheel.run_context import RunContext

if TYPE_CHECKING:
    from cartwheel.stand_ins.crates import CrateShelf
    from cartwheel.stand_ins.github import ReleaseShelf


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
        """The files that the stand-in index holds."""
        return self.home / "index"

    @property
    def kept(self) -> Path:
        """cargo's directories between two rehearsals, so that the second compiles little."""
        return self.home / "cargo"


class StandIns:
    """A stand-in on this machine for each kind of destination that the project publishes to; a context."""

    def __init__(self, shop: RunContext, stage: RehearsalFolders) -> None:
        self._shop, self._stage = shop, stage
        self._until = ExitStack()
        self.settings: dict[str, dict[str, object]] = {}
        """What replaces the settings of every index, by kind."""
        self._page: ReleaseShelf | None = None
        self._crates: CrateShelf | None = None
        self._locked: tuple[str, ...] = ()

    def __enter__(self) -> StandIns:
        from cartwheel.stand_ins.pypi import LoopbackIndex

        project = self._shop.project
        kinds = {kind_of(name, project.indexes) for package in project.packages for name in package.publish}
        with ExitStack() as started:
            index = started.enter_context(LoopbackIndex(self._stage.index))
            self.settings[PYPI] = {"url": index.url, "simple": index.simple}
            if GITHUB in kinds:
                self._page = started.enter_context(_release_page(self._stage))
                self.settings[GITHUB] = {"url": self._page.base, "repository": self._page.repository}
            if CRATES in kinds:
                self._crates = started.enter_context(_locked_crates(self._shop, self._stage).open())
                self._locked = self._crates.holds()
                self.settings[CRATES] = {"url": self._crates.index}
            self._until = started.pop_all()
        self.settings = {kind: {**row, "kind": kind, "rehearsal": True} for kind, row in self.settings.items()}
        return self

    def __exit__(self, *error: object) -> None:
        self._until.close()

    def told(self) -> str:
        """What went elsewhere than to the index, a line each."""
        lines = []
        if self._page:
            for row in self._page.releases.values():
                state = "a draft" if row["draft"] else "published"
                lines.append(
                    f"release page {row['tag_name']}: {state}, {len(self._page.files(row['tag_name']))} files\n"
                )
        if self._crates:
            sent = [crate for crate in self._crates.holds() if crate not in self._locked]
            lines.append(f"crates: {', '.join(sent) or 'none'}\n")
        return "".join(lines)


def _release_page(stage: RehearsalFolders) -> AbstractContextManager[ReleaseShelf]:
    from cartwheel.repository.git import Repository
    from cartwheel.stand_ins.github import ReleaseShelf

    def tags() -> Mapping[str, str]:
        with Repository(stage.remote) as remote:
            return remote.tags()

    return ReleaseShelf(tags).open()


def _locked_crates(shop: RunContext, stage: RehearsalFolders) -> CrateShelf:
    """A registry of all crates that the workspaces to be published have locked, which cargo fetches first."""
    from cartwheel.filesystem.manifest_files import read_toml
    from cartwheel.process import environment
    from cartwheel.stand_ins.crates import CrateShelf, third_party

    env = environment.tool_environment(shop.world.environ)
    log = StepLog(stage.home / "crates.log", shown_as=str(stage.home / "crates.log"))
    home = cargo_home(env)
    shelf = CrateShelf()
    for manifest in sorted({p.manifests.workspace_path or p.manifest for p in shop.project.packages if p.manifest}):
        workspace = (stage.clone / manifest).parent
        log.run(("cargo", "fetch", "--locked", "--manifest-path", str(stage.clone / manifest)), cwd=workspace, env=env)
        argv = ("cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--manifest-path")
        metadata = json.loads(log.read((*argv, str(stage.clone / manifest)), cwd=workspace, env=env))
        lock = read_toml(workspace / "Cargo.lock", "Cargo.lock")
        found = third_party(metadata, lock, tuple((home / "registry" / "cache").glob("*")))
        for (name, version), crate in found.crates.items():
            shelf.add(found.rows[name][version], crate)
    return shelf
