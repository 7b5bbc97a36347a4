"""The cache in one run: a damaged entry is skipped, any other fault ends the use of the cache; each is one line.

A cache that answers within its deadlines but slowly, and has nothing, is given up too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cartwheel.model.config.release_settings import CacheSettings
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Project
from cartwheel.model.record import Record
from cartwheel.model.step import Snapshot, Step
from cartwheel.model.wheels.artifacts import OUTWARD
from cartwheel.process.environment import in_ci
from cartwheel.process.run import capture


class CacheSession:
    """The shared cache during one run."""

    def __init__(
        self, settings: CacheSettings, environ: Mapping[str, str], *, proven: bool = False, main: str = ""
    ) -> None:
        self._settings = settings
        self._proven = proven
        self._main = main
        self._branches: tuple[str, ...] = ()
        self._environ = environ
        self._off = threading.Event()
        self._damaged: set[str] = set()
        self._saying = threading.Lock()
        self._misses = 0
        self._waited = 0.0
        """Seconds of the lookups that found nothing."""

    @property
    def reads(self) -> bool:
        """Whether there is a cache that this run may read."""
        return bool(self._settings.url)

    def result(
        self, step: Step, snapshot: Snapshot, tell: Callable[[str], None], *, same_tools: bool = True
    ) -> Record | None:
        """The record of a step whose files the cache has, after they are written; None for a miss or after a fault."""
        if not self._settings.url or self._off.is_set() or step.name in self._damaged:
            return None
        from cartwheel.shared_cache.entries import fetch, is_shared
        from cartwheel.shared_cache.store import CacheFault, DamagedEntry, store_at

        if not is_shared(step):
            return None
        try:
            store = store_at(self._settings.url, self._environ)
            self._branches = self._branches or (branch_of(snapshot.root, self._environ), self._main)
            branches = dict.fromkeys(self._branches)
            began = time.monotonic()
            record = fetch(step, snapshot, store, same_tools=same_tools, proven=self._proven, branches=branches)
            if record is None:
                self._count_miss(time.monotonic() - began, tell)
            return record
        except DamagedEntry as damage:
            self._damaged.add(step.name)
            tell(f"the entry of {step.name} in the shared cache is not used: {damage}")
            return None
        except CacheFault as fault:
            with self._saying:
                self._end(f"the shared cache is not used: {fault}", tell)
            return None

    def _count_miss(self, seconds: float, tell: Callable[[str], None]) -> None:
        with self._saying:
            self._misses += 1
            self._waited += seconds
            if self._waited > _PATIENCE and self._waited > self._misses * _SLOW:
                count = f"{self._misses} lookups" if self._misses > 1 else "a lookup"
                self._end(f"the shared cache is not used further: {count} took {self._waited:.0f} s in vain", tell)

    def _end(self, why: str, tell: Callable[[str], None]) -> None:
        if not self._off.is_set():
            self._off.set()
            tell(why)


_PATIENCE = 60.0
"""Seconds of lookups in vain after which a cache that is slow on average (`_SLOW`) is given up."""
_SLOW = 5.0


def session_of_run(project: Project, named: Iterable[str], environ: Mapping[str, str]) -> CacheSession:
    """The cache in a run that names these tasks.

    A release reads nothing, or with `release.reuse = "proven"` only what two machines built. Releases are a run that
    names a publishing task, one that a tag started, and a pipeline that a person or a schedule started, since that may
    publish. A rehearsal reads nothing.
    """
    cause = environ.get("GITHUB_EVENT_NAME") or environ.get("CI_PIPELINE_SOURCE")
    release = any(word.split(":")[0] in OUTWARD for word in named) or project.started_by or cause in _ASKED
    allowed = project.release.reuse == "proven" if release else project.cache.read == "always"
    settings = project.cache if allowed and not project.debug and not project.rehearsed else CacheSettings()
    return CacheSession(settings, environ, proven=bool(release), main=project.release.branch)


def branch_of(root: Path, environ: Mapping[str, str]) -> str:
    """The branch that is built: a pipeline's own or the checked-out one; empty if HEAD is detached."""
    for name in _BRANCHES:
        if environ.get(name):
            return environ[name]
    try:
        return capture(("git", "symbolic-ref", "--quiet", "--short", "HEAD"), cwd=root, env=environ).strip()
    except CartwheelError:
        return ""


_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH")
"""Variables of pipelines (documentation of GitHub and GitLab, November 2026)."""


_ASKED = ("release", "workflow_dispatch", "repository_dispatch", "schedule", "web", "api", "trigger", "pipeline")
"""What starts pipelines that may publish, besides tags and release pages (GitHub's events, GitLab's sources)."""


def refusal_to_write(settings: CacheSettings, environ: Mapping[str, str]) -> str:
    """Why this run may not write to the cache; empty if it may.

    Variables: GitHub's and GitLab's documentation of predefined variables, November 2026.
    """
    if settings.write == "never":
        return 'cache.write is "never"'
    if settings.write == "always" or not in_ci(environ):
        return ""
    if environ.get("CI_MERGE_REQUEST_IID") or environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return "a pull request only reads"
    protected = "true" in (environ.get("GITHUB_REF_PROTECTED"), environ.get("CI_COMMIT_REF_PROTECTED"))
    branch = environ.get("CI_COMMIT_BRANCH") or environ.get("GITHUB_REF_NAME")
    if protected or (branch and branch == environ.get("CI_DEFAULT_BRANCH")):
        return ""
    return 'only protected branches write; cache.write = "always" allows every branch'
