"""A kind of destination that exists only in the tests: a folder, into which files are copied.

It lies beside a project's dodo.py, which adds its row to the table of kinds; nothing else knows of it.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cartwheel.destinations.protocol import (
    Answer,
    DestinationStatus,
    Item,
    JobNeeds,
    Release,
    Standing,
    item_statuses,
    overall_state,
)
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.project import Project


def locate(project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
    """Any folder will do."""


def destination(release: Release) -> Drawer:
    """The release in the folder that `url` names."""
    assert release.settings
    return Drawer(Path(release.settings.url), release.environ)


def name_refusals(release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
    """A folder takes every name."""
    return ()


def existing_files(release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
    """The files of another version."""
    assert release.settings
    return tuple(path.name for path in Path(release.settings.url).glob(f"*-{version}[-.]*"))


def job_needs(name: str, settings: IndexSettings) -> JobNeeds:
    """Nothing but a token."""
    return JobNeeds()


class DrawerStandIn:
    """A folder of a rehearsal."""

    def __init__(self, folder: Path) -> None:
        self.settings = {"url": str(folder)}

    def summary(self) -> str:
        """How many files it holds."""
        return f"drawer: {len(list(Path(self.settings['url']).glob('*')))} files\n"


@contextmanager
def stand_in(project: Project, folder: Path, clone: Path, token: str) -> Iterator[DrawerStandIn]:
    """Another folder."""
    folder.mkdir(exist_ok=True)
    yield DrawerStandIn(folder)


class Drawer:
    """The files of one release in a folder."""

    name, content, lags, one_by_one, deadline = "drawer", "bytes", False, False, 5.0
    patience = Patience(tries=2, base=0.01)

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.url, self._folder, self._environ = str(folder), folder, environ

    @contextmanager
    def session(self) -> Iterator[None]:
        """No connection to end."""
        yield

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """The files."""
        return tuple(files)

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """A folder that is missing."""
        return () if self._folder.is_dir() else (f"{self.name}: no folder {self._folder}",)

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """The files in the drawer."""
        there = {path.name: sha256_of(path) for path in self._folder.iterdir()}
        return Standing(
            send=tuple(item.name for item in items if item.name not in there),
            there=tuple(item.name for item in items if there.get(item.name) == item.sha256),
            wrong=tuple(f"{i.name}: other bytes" for i in items if there.get(i.name, i.sha256) != i.sha256),
        )

    def prepare(self, standing: Standing) -> None:
        """Nothing."""

    def send(self, item: Item) -> Answer:
        """Copy one file; ends this process where a test says so."""
        if len(list(self._folder.iterdir())) == int(self._environ.get("CARTWHEEL_TEST_KILL_AT", "-1")):
            os.kill(os.getpid(), signal.SIGKILL)
        if (self._folder / "full").exists():
            return Answer(status=503, words="the drawer is full")
        shutil.copyfile(item.path, self._folder / item.name)
        return Answer(status=200, words="")

    def renew_credentials(self, answer: Answer) -> bool:
        """No."""
        return False

    def settles(self, answer: Answer) -> int:
        """One look."""
        return 1

    def refusal(self, item: Item, answer: Answer) -> str:
        """The drawer is full."""
        return f"{item.label}: {answer.words}; empty it and start again"

    def finish(self, items: Sequence[Item]) -> None:
        """Nothing."""

    def prove(self, items: Sequence[Item]) -> str:
        """Nothing further to prove: `look` shows the files."""
        return f"{len(items)} files in the drawer"

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """Each file."""
        items = item_statuses(digests, {path.name: sha256_of(path) for path in self._folder.iterdir()})
        return DestinationStatus(name=self.name, kind="drawer", state=overall_state(items), items=items)
