"""A release is the commit: if the working tree differs from it, tags and files are made in a clean checkout.

Results of earlier runs are copied there and back, so only what differs in the commit is built again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.filesystem.digests import file_digest
from cartwheel.filesystem.files import remove
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.process import environment

FROM_COMMIT = ("tag", "publish", "release")
"""The stages that run on the commit."""

_STATE = (
    ".cartwheel/records",
    ".cartwheel/wheels",
    ".cartwheel/checks",
    ".cartwheel/ledgers",
    ".cartwheel/logs",
    "dist",
)


class ReleaseCheckout:
    """The differences of the working tree from the commit, and the run in a clean checkout that replaces this one."""

    def __init__(self, root: Path, differences: tuple[str, ...], words: tuple[str, ...]) -> None:
        self._root = root
        self._differences = differences
        self._words = words
        self._running = threading.Lock()
        self._done = False

    @classmethod
    def of_run(
        cls, root: Path, project: Project, environ: Mapping[str, str], arguments: Iterable[str]
    ) -> ReleaseCheckout:
        """The checkout for a run of doit with these `arguments`; without differences if the run releases nothing or
        is a pipeline's."""
        words = tuple(a for a in arguments if not a.startswith("-"))
        command = next((word for word in words if "=" not in word), "")
        named = tuple(word for word in words if "=" in word or ("*" not in word and word.split(":")[0] in FROM_COMMIT))
        here = command == "run" or command.split(":")[0] in _TASKS
        other = project.rehearsed or project.made_by_ci or project.started_by or environment.in_ci(environ)
        if not here or all("=" in word for word in named) or other or environment.released_branch(environ):
            return cls(root, (), ())
        return cls(root, differences(root), named)

    def instead_of(self, step: Step) -> Step:
        """The step itself, or one that runs the whole release in the checkout. `ready` steps always run here."""
        if not self._differences or step.name.startswith("ready:"):
            return step
        after = tuple(name for name in step.after if name.split(":")[0] in ("ready", *FROM_COMMIT))
        return Step(name=step.name, doc=step.doc, after=after, follows=step.follows, always=True, act=self._run)

    def _run(self, work: Work) -> Mapping[str, tuple[str, ...]]:
        with self._running:
            if not self._done:
                first, *more = self._differences
                named = f"{first} and {len(more)} more" if more else first
                work.announce(f"the working tree is not the commit: {named}; what follows is done in a clean checkout")
                release_from_commit(self._root, self._words)
                self._done = True
        return {}


_TASKS = ("build", "repair", "check", "sdist", "checklist", "ready", "version-sync", "verify", *FROM_COMMIT)


def differences(root: Path) -> tuple[str, ...]:
    """Files of the working tree that differ from the commit although `git status` shows none, with the reason.

    These are files hidden by git's settings on this machine, and ignored files that earlier builds read.
    """
    from cartwheel.repository.git import Repository
    from cartwheel.repository.hidden_changes import hidden_changes

    try:
        with Repository(root) as repo:
            return (*hidden_changes(repo), *uncommitted_inputs(root)) if repo.head() else ()
    except CartwheelError:
        return ()  # the step that needs the commit reports it


def uncommitted_inputs(root: Path) -> tuple[str, ...]:
    """Files that the last builds read and that are not in the commit, with the step that read them."""
    from cartwheel.model.record import UnreadableRecord, from_json, listing_from_json
    from cartwheel.repository.scm_version import tracked_files

    folder = root / ".cartwheel" / "records"
    tracked = frozenset(tracked_files(root, os.environ, submodules=True))
    if not tracked:
        return ()
    paths: dict[str, str] = {}
    for path in sorted((*folder.glob("build/**/*.json"), *folder.glob("sdist/**/*.json"))):
        try:
            record, name = from_json(path.read_bytes())
            listing = listing_from_json((folder / "listings" / f"{name}.json").read_bytes(), name)
        except (OSError, UnreadableRecord):
            continue  # the step will run again
        known = tracked.union(record.seen.generated, record.makes, record.needs)
        for place, digest in listing.items():
            if digest and place not in known and not place.startswith(_OURS) and (root / place).is_file():
                paths.setdefault(place, record.task)
    return tuple(f"{place} (read by {task}, and ignored by git)" for place, task in paths.items())


_OURS = (".cartwheel/", "dist/", "/")


def refuse_uncommitted_inputs(root: Path, project: Project, environ: Mapping[str, str]) -> None:
    """Raises `StepFailed` if a file to release was built from a file that is not in the commit."""
    if project.rehearsed or project.made_by_ci or project.started_by or environment.in_ci(environ):
        return
    paths = () if environment.released_branch(environ) else uncommitted_inputs(root)
    if paths:
        raise StepFailed(
            "\n".join(("a release is the commit, and these are not in it:", *(f"  {line}" for line in paths), _AGAIN))
        )


def refuse_moved_tags(package: Package, work: Work, *, rehearsed: bool) -> None:
    """Raises `StepFailed` if a file was built from what `git describe` printed before the tag; a rehearsal says so."""
    from cartwheel.inputs import git_reads
    from cartwheel.machine.host import machine_id
    from cartwheel.model.record import UnreadableRecord, from_json

    tasks = {f"sdist:{package.key}", *(f"build:{wheel.segments}" for wheel in package.wheels)}
    folder = work.root / ".cartwheel" / "records"
    for path in sorted((*folder.glob("build/**/*.json"), *folder.glob("sdist/**/*.json"))):
        try:
            record, _ = from_json(path.read_bytes())
        except (OSError, UnreadableRecord):
            continue
        if record.task not in tasks or record.machine != machine_id():
            continue
        read = {name: value for name, value in record.seen.local.items() if name in git_reads.LOCAL}
        moved = [name for name, value in read.items() if value != git_reads.ask(name, work.root)]
        if moved and not rehearsed:
            raise StepFailed(
                f"{record.task} read '{moved[0]}', and the tag changes what it says; "
                "run: doit publish (it builds the files again from the tag)"
            )
        if moved:
            work.announce(f"{record.task} reads '{moved[0]}', which the tag changes: {_TWO_RUNS}")
            return


_TWO_RUNS = "a release stops after the tag, and doit publish builds the files again"
_AGAIN = "commit them, or start again: then the release is made in a clean checkout of the commit"


def release_from_commit(root: Path, words: Iterable[str]) -> None:
    """Runs doit with `words` in a clean checkout of the commit. Raises `StepFailed` if that fails."""
    from cartwheel.process import run
    from cartwheel.repository.clones import clean_checkout
    from cartwheel.repository.git import Repository

    with Repository(root) as repo:
        branch, top = repo.branch, repo.root.resolve()
    place = _checkout_folder(top)
    clean_checkout(root, place)
    inner = place / root.resolve().relative_to(top)
    if not (inner / "dodo.py").is_file():
        raise StepFailed("dodo.py is not in the commit that is released; commit it")
    copy_results(root, inner)
    env = {**os.environ, environment.BRANCH: branch or "HEAD", environment.TREE: str(top)}
    try:
        code = run.show((sys.executable, "-m", "doit", "--file", "dodo.py", *words), cwd=inner, env=env)
    finally:
        copy_results(inner, root)
    if code:
        raise StepFailed(f"the release from the clean checkout in {place} failed; its own lines above say why")


def _checkout_folder(top: Path) -> Path:
    from platformdirs import user_cache_path

    name = f"{top.name}-{hashlib.sha256(str(top).encode()).hexdigest()[:12]}"
    return user_cache_path("cartwheel") / "releases" / name


def copy_results(source: Path, target: Path) -> None:
    """Copies records, reports, ledgers and files that are newer in `source` or missing in `target`.

    Files that only the replaced record made are removed, unless they were edited since.
    """
    for folder in _STATE:
        for path in sorted((source / folder).rglob("*")):
            there = target / path.relative_to(source)
            if path.is_file() and not path.name.startswith(".") and _is_newer(path, there):
                for outdated in _outdated(there, path, target):
                    remove(outdated)
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, there)


def _outdated(record: Path, newer: Path, root: Path) -> tuple[Path, ...]:
    """The unedited files below `root` that the step of `record` no longer makes; empty for what is no record."""
    from cartwheel.model.record import UnreadableRecord, from_json, replaced_outputs

    try:
        before, after = (from_json(path.read_bytes())[0] for path in (record, newer))
    except (OSError, UnreadableRecord):
        return ()
    paths = replaced_outputs(before, after.makes, lambda path: file_digest(root / path))
    return tuple(root / path for path in paths)


def _is_newer(path: Path, there: Path) -> bool:
    try:
        return path.stat().st_mtime_ns > there.stat().st_mtime_ns
    except OSError:
        return True
