"""GitLab on this machine: gitlab-ci-local runs the generated pipeline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from support.boulder import TOKEN, dry_python
from support.example import ROOT
from support.images import Images
from support.projects import environment
from support.repositories import git

LOCAL = shutil.which("gitlab-ci-local") or ""


class Ran(Struct, frozen=True, kw_only=True):
    """One run of the pipeline."""

    code: int
    results: dict[str, str]
    """The result of every job that ran: `success`, `failure`, or `up to date` where it ended before it did anything."""
    output: str


class Forge:
    """GitLab, as far as gitlab-ci-local goes: jobs run on this machine, each in a copy of the sources."""

    def __init__(
        self, folder: Path, remote: Path, *, secrets: Mapping[str, str] | None = None, engine: Images | None = None
    ) -> None:
        """`secrets`: variables besides the token of the index shelf.  `engine`: runs jobs in containers."""
        self.engine = engine
        self.secrets = {"CARTWHEEL_INDEX_SHELF_TOKEN": TOKEN, **(secrets or {})}
        self.clone = folder / "clone"
        self.remote = remote
        folder.mkdir()
        git(folder, "clone", "--quiet", str(remote), "clone")
        self.bin = folder / "bin"
        self.bin.mkdir()
        python = self.bin / "python3"  # an environment that has cartwheel, in place of one to install it into
        here = f"{dry_python(folder / 'dry')}:{Path(sys.executable).parent}"
        python.write_text(
            '#!/bin/sh\nif [ "$GIT_SUBMODULE_STRATEGY" = recursive ]; then '  # a runner of GitLab does that itself
            "git submodule --quiet update --init --recursive || exit 1; fi\n"
            f'test "$1 $2" = "-m venv" && mkdir -p "$3/bin" && '
            f'echo \'PATH="{here}:$PATH"; export PATH\' > "$3/bin/activate"\n'
        )
        python.chmod(0o755)

    def run(self, *arguments: str, tag: str = "", merge_request: bool = False, contained: bool = False) -> Ran:
        """Run the pipeline of a push of the branch, of a tag or of a merge request; `arguments` choose among its jobs.

        `contained`: each job runs in its image, which sees the files of this machine.
        """
        git(self.clone, "pull", "--quiet", "--tags")
        chosen: tuple[str, ...] = ()
        if tag:
            chosen = ("--variable", f"CI_COMMIT_TAG={tag}", "--unset-variable", "CI_COMMIT_BRANCH")
        if merge_request:
            chosen = ("--variable", "CI_PIPELINE_SOURCE=merge_request_event", "--unset-variable", "CI_COMMIT_BRANCH")
        argv = (
            LOCAL, *(self._container() if contained else ("--force-shell-executor",)), "--shell-isolation",
            "--no-artifacts-to-source", "--no-color",
            "--max-job-name-padding", "0", "--concurrency", "2", "--pull-policy", "if-not-present", *chosen, *arguments,
            *(word for name, value in self.secrets.items() for word in ("--variable", f"{name}={value}")),
            "--variable", "GITLAB_CI=true",
            "--variable", f"CI_REPOSITORY_URL={self.remote}",
        )  # fmt: skip
        # gitlab-ci-local gives bash a socket as its input.  With SHLVL below 1, bash then takes itself for a remote
        # login and reads ~/.bashrc, which may put another python3 first on PATH.
        more = {"PATH": os.pathsep.join((str(self.bin), os.environ["PATH"])), "SHLVL": "2"}
        more |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
        env = environment({**more, **(self.engine.env if self.engine else {})})
        done = subprocess.run(argv, cwd=self.clone, env=env, capture_output=True, text=True)
        output = done.stdout + done.stderr
        return Ran(code=done.returncode, results=_results(output), output=output)

    def _container(self) -> tuple[str, ...]:
        assert self.engine
        folders = dict.fromkeys(("/usr", "/etc", *_tools(), str(self.bin.parents[2])))
        volumes = (word for folder in folders for word in ("--volume", f"{folder}:{folder}"))
        return ("--helper-image", self.engine.debian("amd64"), "--network", "host", *volumes)

    @contextmanager
    def without(self, build: str) -> Iterator[None]:
        """Without the artifacts of that build job, for as long as the block runs."""
        (place,) = (self.clone / ".gitlab-ci-local" / "artifacts").glob(f"*{build}*")
        lost = place.rename(self.clone.parent / "lost")
        yield
        lost.rename(place)


def _tools() -> Iterator[str]:
    """The folders of this checkout and of the programs that its jobs run."""
    yield str(ROOT)
    yield str(Path.home())
    yield from (sys.prefix, sys.base_prefix)
    yield from (os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME") if name in os.environ)
    if cargo := shutil.which("cargo"):
        yield str(Path(cargo).parent)


_ENDS = {"PASS": "success", "FAIL": "failure"}


def _results(output: str) -> dict[str, str]:
    matches = re.findall(r"^ (PASS|FAIL) +(.+?) *$", output, re.M)
    idle = set(re.findall(r"^.+? +> (\S+) is up to date$", output, re.M))
    return {
        (name := _name(job)): "up to date" if end == "PASS" and name in idle else _ENDS[end] for end, job in matches
    }


def _name(job: str) -> str:
    """The build of a job of the matrix, else the job."""
    return match[1] if (match := re.fullmatch(r"build-\S+ \[([^],]+)\S*\]", job)) else job


def results(*ran: str, idle: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> dict[str, str]:
    return {
        **dict.fromkeys(ran, "success"), **dict.fromkeys(idle, "up to date"), **dict.fromkeys(failed, "failure"),
    }  # fmt: skip
