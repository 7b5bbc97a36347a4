"""`doit rehearse`: the whole release of the checked-out commit on this machine, with stand-ins for its destinations.

A scratch clone gets a bare remote and an index on the loopback interface; there the very same `doit release` runs.
The user's tree, tags and branches are only read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand
from msgspec import Struct

from cartwheel.action import Workshop
from cartwheel.commands.plan import workshop_of
from cartwheel.model.destination import CRATES, GITHUB, PYPI, kind_of
from cartwheel.model.errors import CartwheelError, did_you_mean
from cartwheel.model.target import ANY
from cartwheel.summary import size, tested
from cartwheel.world import run
from cartwheel.world.host import this_machine

if TYPE_CHECKING:
    from cartwheel.index.loopback_crates import CrateShelf
    from cartwheel.index.loopback_github import ReleaseShelf


class Rehearse(DoitCmdBase):  # type: ignore[misc]
    """The command, as doit's plugin `rehearse`."""

    name = "rehearse"
    doc_purpose = "release the checked-out commit for practice: to a throw-away index and remote on this machine"
    doc_usage = ""
    doc_description = "Leaves the tree, the tags and the branches of this repository as they are."
    cmd_options = (
        {
            "name": "targets",
            "short": "",
            "long": "targets",
            "type": list,
            "default": [],
            "help": "all, host (the default) or triples; may be given several times",
        },
    )

    def _execute(self, targets: list[str], pos_args: list[str]) -> int:
        shop = workshop_of(self.task_list)
        write = self.outstream.write
        try:
            chosen = _chosen(shop, [*targets, *pos_args])
            return rehearse(shop, chosen, write)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None


class Stage(Struct, frozen=True, kw_only=True):
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


def _chosen(shop: Workshop, words: Iterable[str]) -> tuple[str, ...]:
    """The triples to rehearse, of those that the project has."""
    known = dict.fromkeys(w.target.triple for _, w in shop.project.wheels)
    named = [part for word in words for part in word.replace(",", " ").split()] or ["host"]
    host = this_machine()
    chosen: list[str] = []
    for word in named:
        if word == "all":
            chosen += known
        elif word == "host":
            chosen += (w.target.triple for _, w in shop.project.wheels if host.runs(w.target))
        elif word in known:
            chosen.append(word)
        else:
            raise InvalidCommand(f"--targets: '{word}' is no target of this project{did_you_mean(word, known)}")
    return tuple(dict.fromkeys(t for t in chosen if t != ANY))


def rehearse(shop: Workshop, targets: tuple[str, ...], write: Any) -> int:
    """Do it; the exit code of the release.  Raises `CartwheelError` where it cannot be started."""
    from cartwheel.world.git import Repository

    began = time.monotonic()
    run.stop_on_signals()
    with Repository(shop.root) as repository:
        commit, dirty = repository.head(), repository.dirty()
    write(f"rehearsing commit {commit[:12]} for {', '.join(targets) or 'any'}\n")
    if dirty:
        write(f"note: {len(dirty)} changed or new files are not committed, so they are not part of it\n")
    with _stage(shop.root) as stage:
        _set_up(shop, stage)
        with StandIns(shop, stage) as stand_ins:
            env = {
                **_without_tokens(shop.world.environ),
                "CARTWHEEL_REHEARSAL": json.dumps(stand_ins.settings),
                "CARTWHEEL_TARGETS": " ".join((*targets, ANY)),
            }
            argv = (sys.executable, "-m", "doit", "--file", "dodo.py", "release")
            code = run.show(argv, cwd=stage.clone, env=_without_git(env))
        _note_existing_tags(shop, write)
        if code:
            write(f"the rehearsal failed; it lies in {stage.clone}, with the logs in .cartwheel/logs\n")
            return code
        write(_table(stage))
        write(stand_ins.told())
        write(f"rehearsed in {time.monotonic() - began:.0f} s; nothing left this machine\n")
    return 0


class StandIns:
    """A stand-in on this machine for each kind of destination that the project publishes to; a context."""

    def __init__(self, shop: Workshop, stage: Stage) -> None:
        self._shop, self._stage = shop, stage
        self._until = ExitStack()
        self.settings: dict[str, dict[str, object]] = {}
        """What replaces the settings of every index, by kind."""
        self._page: ReleaseShelf | None = None
        self._crates: CrateShelf | None = None
        self._locked: tuple[str, ...] = ()

    def __enter__(self) -> StandIns:
        from cartwheel.index.loopback import LoopbackIndex

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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


def _release_page(stage: Stage) -> AbstractContextManager[ReleaseShelf]:
    from cartwheel.index.loopback_github import ReleaseShelf
    from cartwheel.world.git import Repository

    def tags() -> Mapping[str, str]:
        with Repository(stage.remote) as remote:
            return remote.tags()

    return ReleaseShelf(tags).open()


def _locked_crates(shop: Workshop, stage: Stage) -> CrateShelf:
    """A registry of all crates that the workspaces to be published have locked, which cargo fetches first."""
    from cartwheel.index.loopback_crates import CrateShelf, third_party
    from cartwheel.world import environment
    from cartwheel.world.manifests import read_toml

    env = environment.passed(shop.world.environ)
    log = run.Log(stage.home / "crates.log", shown_as=str(stage.home / "crates.log"))
    cargo_home = Path(env.get("CARGO_HOME") or Path.home() / ".cargo")
    shelf = CrateShelf()
    for manifest in sorted({p.manifests.workspace_path or p.manifest for p in shop.project.packages if p.manifest}):
        workspace = (stage.clone / manifest).parent
        log.run(("cargo", "fetch", "--locked", "--manifest-path", str(stage.clone / manifest)), cwd=workspace, env=env)
        argv = ("cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--manifest-path")
        metadata = json.loads(log.read((*argv, str(stage.clone / manifest)), cwd=workspace, env=env))
        lock = read_toml(workspace / "Cargo.lock", "Cargo.lock")
        found = third_party(metadata, lock, tuple((cargo_home / "registry" / "cache").glob("*")))
        for (name, version), crate in found.crates.items():
            shelf.add(found.rows[name][version], crate)
    return shelf


def _without_tokens(env: Mapping[str, str]) -> dict[str, str]:
    """Without what would let anybody publish anywhere: no stand-in asks for it."""
    return {name: value for name, value in env.items() if not _TOKEN.fullmatch(name)}


_TOKEN = re.compile(r"CARTWHEEL_INDEX_\w+_TOKEN|TWINE_PASSWORD|GITHUB_TOKEN|GH_TOKEN|CARGO_REGISTRY_TOKEN")


def _without_git(env: Mapping[str, str]) -> dict[str, str]:
    """Without variables that would point git at the user's repository, and with somebody to tag as."""
    who = {"GIT_AUTHOR_NAME": "rehearsal", "GIT_AUTHOR_EMAIL": "rehearsal@localhost"}
    who |= {k.replace("AUTHOR", "COMMITTER"): v for k, v in who.items()}
    return {k: v for k, v in env.items() if not k.startswith("GIT_")} | who


@contextmanager
def _stage(root: Path) -> Iterator[Stage]:
    """The rehearsal folder of this project, for one rehearsal at a time."""
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_path

    name = f"{root.name}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    home = user_cache_path("cartwheel") / "rehearsals" / name
    home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / "lock", timeout=0):
            yield Stage(home=home)
    except Timeout:
        raise InvalidCommand(f"another rehearsal of this project is running (it holds {home / 'lock'})") from None


def _set_up(shop: Workshop, stage: Stage) -> None:
    """A new clone, remote and index; cargo's directories are carried over."""
    from cartwheel.world.git import scratch_clone

    directories = stage.clone / ".cartwheel" / "cargo"
    if directories.is_dir():
        shutil.rmtree(stage.kept, ignore_errors=True)
        os.replace(directories, stage.kept)
    for folder in (stage.clone, stage.remote, stage.index):
        shutil.rmtree(folder, ignore_errors=True)
    without = tuple(package.tag_name for package in shop.project.packages)
    scratch_clone(
        shop.root, remote=stage.remote, clone=stage.clone, branch=shop.project.release.branch, without=without
    )
    if stage.kept.is_dir():
        directories.parent.mkdir(parents=True)
        os.replace(stage.kept, directories)


def _note_existing_tags(shop: Workshop, write: Any) -> None:
    from cartwheel.world.git import Repository

    with Repository(shop.root) as repository:
        head, tags = repository.head(), repository.tags()
    for package in shop.project.packages:
        if tags.get(package.tag_name, head) != head and package.publish:
            write(
                f"note: {package.tag_name} is already on another commit; a real release of {package.name} needs a new "
                "version first\n"
            )


def _table(stage: Stage) -> str:
    """The files that the index holds at the end: name, size, digest, seconds of work, tests."""
    from cartwheel.world.files import sha256_of

    rows = []
    for made in _records(stage):
        file = Path(made["path"]).name
        sent = next(stage.index.rglob(file), None)
        if sent is not None:
            seconds = f"{made['seconds']:.1f} s"
            rows.append((file, size(sent.stat().st_size), sha256_of(sent)[:12], seconds, tested(made["report"])))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    return "".join("  ".join((*(f"{c:{w}}" for c, w in zip(row, widths, strict=False)), row[4])) + "\n" for row in rows)


def _records(stage: Stage) -> Iterator[dict[str, Any]]:
    """What the clone's records say of each published file; the seconds of all its steps together."""
    folder = stage.clone / ".cartwheel" / "records"
    for path in sorted((*folder.glob("repair/*/*/*.json"), *folder.glob("sdist/*.json"))):
        record = json.loads(path.read_bytes())["record"]
        place = path.relative_to(folder).as_posix().split("/", 1)[1]
        place = place if path.parts[-2] != "sdist" else f"sdist/{path.name}"
        seconds = sum(
            json.loads(other.read_bytes())["record"]["seconds"]
            for stage_name in ("build", "repair", "sdist", "check")
            if (other := folder / stage_name / place).is_file()
        )
        seconds += record["seconds"] if path.parent.name == "sdist" else 0.0
        report = stage.clone / ".cartwheel" / "checks" / place
        for made in record["makes"]:
            yield {"path": made, "seconds": seconds, "report": report}
