"""Times `doit ready` of the example, and a run in the clean checkout: `python -m benchmarks.ready`.

The remote and the index answer on this machine, each after LATENCY; a second row has an index that does not answer at
all.  The checkout's row is the time that a release takes longer if the working tree differs from the commit: the
checkout, records and files copied there and back, and a run that finds the host's wheels and the sdist up to date.
Nothing is asserted: a figure above its bar is printed as such.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from benchmarks.scratch import DOIT
from cartwheel.machine.host import this_machine

BAR = 3.0
"""Seconds for `ready`."""
CHECKOUT_BAR = 2.0
"""Seconds for the checkout of a project that is up to date."""
LATENCY = 0.3
"""Seconds before each answer of the remote and of the index."""
ROOT = Path(__file__).resolve().parents[1]
_TABLE = """
[tool.cartwheel.index.house]
url = "{base}/"
simple = "{base}/simple/"
"""


class _Index(BaseHTTPRequestHandler):
    """An empty index."""

    def do_GET(self) -> None:
        """Answers a page without files."""
        time.sleep(LATENCY)
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": "tidemark", "files": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


def main() -> int:
    """Prints a row for each kind of index."""
    with tempfile.TemporaryDirectory(prefix="cartwheel-ready-", ignore_cleanup_errors=True) as folder:
        with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            base = f"http://127.0.0.1:{server.server_address[1]}"
            _print("ready, index and remote that answer", _ready(Path(folder, "near"), base), BAR)
            server.shutdown()
        _print("ready, no index", _ready(Path(folder, "none"), "http://127.0.0.1:9"), BAR)
        _print("checkout of the commit, up to date", _checkout(Path(folder, "none", "project")), CHECKOUT_BAR)
    return 0


def _print(name: str, seconds: list[float], bar: float) -> None:
    verdict = "within" if max(seconds) <= bar else "ABOVE"
    sys.stdout.write(f"{name}: {median(seconds):.2f} s (max {max(seconds):.2f}, bar {bar:.0f} s) {verdict}\n")


def _ready(folder: Path, base: str) -> list[float]:
    environ = {**os.environ, "CARTWHEEL_INDEX_HOUSE_TOKEN": "a-token"}
    return _measured((*DOIT, "ready:tidemark"), _project(folder, base), environ)


def _checkout(project: Path) -> list[float]:
    """Runs in the checkout of a project whose wheels for this machine and whose sdist are made."""
    words = (f"repair:{this_machine().triple}:*", "sdist:*")
    environ = {**os.environ, "XDG_CACHE_HOME": str(project.parent / "cache")}
    subprocess.run((*DOIT, *words), cwd=project, env=environ, check=True, capture_output=True)
    return _measured((sys.executable, "-c", _IN_CHECKOUT, *words), project, environ)


_IN_CHECKOUT = """
import sys
from pathlib import Path
from cartwheel.release_checkout import release_from_commit
release_from_commit(Path.cwd(), sys.argv[1:])
"""


def _measured(command: tuple[str, ...], project: Path, environ: Mapping[str, str], *, times: int = 5) -> list[float]:
    found = []
    for _ in range(times + 1):
        began = time.monotonic()
        done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True)
        found.append(time.monotonic() - began)
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}")
    return found[1:]  # the first fills caches


def _project(folder: Path, base: str) -> Path:
    """The repository with its example, which is published to `base` and tested; its remote is slow."""
    folder.mkdir()
    project, remote = folder / "project", folder / "remote.git"
    _git(folder, "clone", "--quiet", "--no-local", str(ROOT), str(project))
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    (project / "pyproject.toml").write_text(text + _TABLE.format(base=base), encoding="utf-8")
    example = project / "examples" / "tidemark" / "pyproject.toml"
    text = example.read_text(encoding="utf-8")
    text = text.replace("publish = []", 'publish = ["house"]').replace('"Private :: Do Not Upload",', "")
    example.write_text(text, encoding="utf-8")
    _git(project, "checkout", "--quiet", "-B", "main")
    _git(project, "remote", "remove", "origin")
    subprocess.run((*DOIT, "ci", "github"), cwd=project, check=True, capture_output=True)
    _git(project, "-c", "user.name=a", "-c", "user.email=a@a", "commit", "--quiet", "--all", "--message", "published")
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    _git(project, "remote", "add", "origin", str(remote))
    _git(project, "push", "--quiet", "--set-upstream", "origin", "main")
    script = folder / "upload-pack"
    script.write_text(f'#!/bin/sh\nsleep {LATENCY}\nexec git-upload-pack "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    _git(project, "config", "remote.origin.uploadpack", str(script))
    return project


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(("git", *arguments), cwd=folder, check=True)


if __name__ == "__main__":
    sys.exit(main())
