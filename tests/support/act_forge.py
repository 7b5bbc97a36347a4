"""GitHub on this machine: act runs the generated workflow, with stubs for the actions it uses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.ci.action_pins import PINS
from support.boulder import TOKEN, dry_python
from support.projects import Project, environment

ACT = shutil.which("act") or ""
STUBS = Path(__file__).resolve().parents[1] / "act"
RUNNERS = ("ubuntu-24.04", "macos-15", "windows-2025")
"""All that the pipeline names: a job with another label would be left out in silence."""


class Ran(Struct, frozen=True, kw_only=True):
    """One run of the pipeline."""

    code: int
    results: dict[str, str]
    """The result of every job that ran, by its title."""
    output: str


class Forge:
    """GitHub, as far as act and the stub actions go."""

    def __init__(
        self,
        project: Project,
        folder: Path,
        *,
        secrets: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        labels: tuple[str, ...] = (),
    ) -> None:
        """`secrets`: besides the tokens of the indexes shelf and attic.  `variables`: what every job sees, such as a
        token in place of `github.token`, which act leaves empty.  `labels`: runners besides the usual ones."""
        self.project = project
        self.secrets = {"CARTWHEEL_INDEX_SHELF_TOKEN": TOKEN, "CARTWHEEL_INDEX_ATTIC_TOKEN": TOKEN, **(secrets or {})}
        self.variables = variables or {}
        self.labels = (*RUNNERS, *labels)
        self.folder = folder
        self.cache = folder / "cache"
        self.runs = 0
        folder.mkdir()

    def run(self, event: str, ref: str, *, lost: str = "", to: str = "") -> Ran:
        """Run the workflow for one event; `lost`: an artifact that cannot be downloaded, `to`: the input that a
        person chose."""
        self.runs += 1
        store = self.folder / f"run-{self.runs}"
        kind = "tag" if ref.startswith("refs/tags/") else "branch"
        told = self.folder / f"event-{self.runs}.json"
        content = {"ref": ref, "ref_type": kind, "repository": {"default_branch": "main"}}
        told.write_text(json.dumps({**content, **({"inputs": {"to": to}} if to else {})}))
        variables = {
            "CI_REMOTE": str(self.project.root.parent / "remote.git"),
            "CI_COMMIT_WANTED": ref
            if kind == "tag"
            else f"origin/{ref.removeprefix('refs/heads/')}"
            if ref.startswith("refs/heads/")
            else "origin/main",
            "CI_STORE": str(store),
            "CI_CACHE": str(self.cache),
            "CI_BIN": f"{dry_python(self.folder / 'bin')}:{Path(sys.executable).parent}",
            "CI_LOST": lost,
            "CI_RUN": str(self.runs),
            **self.variables,
        }
        argv = [
            ACT,
            event,
            "--json",
            "--no-skip-checkout",
            "--eventpath",
            str(told),
        ]
        argv += [word for name, value in self.secrets.items() for word in ("--secret", f"{name}={value}")]
        argv += [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        argv += [word for label in self.labels for word in ("--platform", f"{label}=-self-hosted")]
        for action, pin in PINS.items():
            stub = STUBS / action.removeprefix("actions/")
            argv += ["--local-repository", f"{action}@{pin.commit}={stub}"]
        done = subprocess.run(argv, cwd=self.project.root, env=self._environment(), capture_output=True, text=True)
        return Ran(code=done.returncode, results=_results(done.stdout), output=_output(done.stdout) + done.stderr)

    def saved_caches(self) -> int:
        """How many times files were kept for later runs."""
        return len(list(self.cache.glob("*.tar")))

    def _environment(self) -> dict[str, str]:
        """act's own folders are apart; what tools keep for all projects is not."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        home = {
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "own"),
            "ZIG_GLOBAL_CACHE_DIR": str(cache / "zig"),
            "CARGO_ZIGBUILD_CACHE_DIR": str(cache / "cargo-zigbuild"),
        }
        (self.folder / "config" / "act").mkdir(parents=True, exist_ok=True)
        (self.folder / "config" / "act" / "actrc").write_text("")
        asked = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
        return environment({**home, "UV_CACHE_DIR": asked.stdout.strip(), "PYTHONDONTWRITEBYTECODE": "1"})


def _lines(text: str) -> Iterator[dict[str, object]]:
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document


def _results(text: str) -> dict[str, str]:
    """act numbers the jobs of a matrix."""
    return {
        re.sub(r"-\d+$", "", str(line["job"]).removeprefix("release/").strip()): str(line["jobResult"])
        for line in _lines(text)
        if line.get("jobResult", "skipped") != "skipped"
    }


def _output(text: str) -> str:
    """The output of the commands, without act's own lines."""
    event = (f"{line.get('job', '')}| {str(line.get('msg', '')).rstrip()}" for line in _lines(text))
    return "\n".join(line for line in event if not any(word in line for word in ("⭐", "✅", "⚙", "LocalRepository")))


def builds(*triples: str) -> tuple[str, ...]:
    """The titles of the jobs that build these targets."""
    return tuple(f"Build {triple}" for triple in triples)


def succeeded(*titles: str) -> dict[str, str]:
    """The results of a run in which exactly these jobs ran, and all well."""
    return dict.fromkeys(titles, "success")
