"""The cache in one run: after the first fault it is off, and the fault is one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from cartwheel.model.config.release_settings import CacheSettings
from cartwheel.model.project import Project
from cartwheel.model.record import Record
from cartwheel.model.step import Snapshot, Step
from cartwheel.model.wheels.artifacts import OUTWARD


class CacheSession:
    """The shared cache during one run."""

    def __init__(self, settings: CacheSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._off = threading.Event()
        self._saying = threading.Lock()

    def result(
        self, step: Step, snapshot: Snapshot, tell: Callable[[str], None], *, same_tools: bool = True
    ) -> Record | None:
        """The record of a step whose files the cache has, after they are written; None for a miss or after a fault."""
        if not self._settings.url or self._off.is_set():
            return None
        from cartwheel.shared_cache.entries import fetch, is_shared
        from cartwheel.shared_cache.store import CacheFault, store_at

        if not is_shared(step):
            return None
        try:
            return fetch(step, snapshot, store_at(self._settings.url, self._environ), same_tools=same_tools)
        except CacheFault as fault:
            with self._saying:
                if not self._off.is_set():
                    self._off.set()
                    tell(f"the shared cache is not used: {fault}")
            return None


def read_in_run(project: Project, named: Iterable[str]) -> CacheSettings:
    """The settings of a run that names these tasks; without an address if the run must not read the cache.

    A release never reads it: neither a run that names a publishing task, nor one that a tag started, nor a rehearsal.
    """
    released = any(word.split(":")[0] in OUTWARD for word in named) or project.started_by or project.rehearsed
    return CacheSettings() if released or project.cache.read != "always" or project.debug else project.cache


def refusal_to_write(settings: CacheSettings, environ: Mapping[str, str]) -> str:
    """Why this run may not write to the cache; empty if it may.

    Variables: GitHub's and GitLab's documentation of predefined variables, November 2026.
    """
    if settings.write == "never":
        return 'cache.write is "never"'
    if settings.write == "always" or not (environ.get("CI") or environ.get("GITHUB_ACTIONS")):
        return ""
    if environ.get("CI_MERGE_REQUEST_IID") or environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return "a pull request only reads"
    protected = "true" in (environ.get("GITHUB_REF_PROTECTED"), environ.get("CI_COMMIT_REF_PROTECTED"))
    branch = environ.get("CI_COMMIT_BRANCH") or environ.get("GITHUB_REF_NAME")
    if protected or (branch and branch == environ.get("CI_DEFAULT_BRANCH")):
        return ""
    return 'only protected branches write; cache.write = "always" allows every branch'
