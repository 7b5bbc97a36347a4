"""A project of plain steps for tests of the state: no compiler, but the real actions, records, lock and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DODO = '''
"""Two targets, each compiled from sources and then packed; `slow` sleeps before it compiles."""
import os, sys
from pathlib import Path

from cartwheel import pipeline
from cartwheel.command_line import words
from cartwheel.inputs.folder_sources import TreeSources
from cartwheel.model.step import Step
from cartwheel.filesystem.files import move_into_place

ROOT = Path(__file__).resolve().parent
COMPILE = """
import sys, time, pathlib
out, seconds, *sources = sys.argv[1:]
text = "".join(pathlib.Path(s).read_text() for s in sources)
pathlib.Path("ran.log").open("a").write(out + " ")
path = pathlib.Path(out)
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(text[: len(text) // 2])
time.sleep(float(seconds))
path.write_text("".join(line for line in text.splitlines(True) if not line.startswith("#")))
"""


def compile_(out, sources):
    def act(work):
        made = work.scratch / "made"
        seconds = os.environ.get("SLOW", "0")
        if written := os.environ.get("REWRITES"):
            (ROOT / written).write_text((ROOT / written).read_text())
        work.log.run((sys.executable, "-c", COMPILE, str(made), seconds, *sources), cwd=ROOT, env=dict(os.environ))
        move_into_place(made, ROOT / out)
        return {}
    return act


def steps(stage):
    for name in ("one", "two"):
        raw, done = f".cartwheel/raw/{name}", f"dist/{name}"
        if stage == "build":
            yield Step(name=f"build:{name}", doc=name, makes=(raw,), sources=TreeSources(folders=("src",)), heavy=True,
                       settings={"profile": os.environ.get("PROFILE", "release")},
                       act=compile_(raw, ["src/common.txt", f"src/{name}.txt"]))
        else:
            yield Step(name=f"repair:{name}", doc=name, needs=(raw,), makes=(done,), after=(f"build:{name}",),
                       act=compile_(done, [raw]))


class Plain(pipeline.Pipeline):
    def steps(self, stage):
        return steps(stage)


from cartwheel.model.project import Project
from cartwheel.model.config.release_settings import ReleaseSettings
wheels = Plain(Project(packages=(), indexes={}, release=ReleaseSettings(), overrides={}), ROOT, os.environ,
               words(sys.argv[1:]))
DOIT_CONFIG = wheels.doit_config | {"default_tasks": ["repair"]}
task_build = wheels.build
task_repair = wheels.repair


def task_own():
    """A task of the project's own."""
    return {"actions": ["echo own >> own.log"], "file_dep": ["src/common.txt"]}
'''


class Graph:
    """The project in a folder, and doit in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "src").mkdir(parents=True)
        for name in ("common", "one", "two"):
            self.write(f"src/{name}.txt", f"{name}\n")
        self.write("dodo.py", DODO)

    def write(self, path: str, text: str) -> None:
        """Write a file below the root."""
        (self.root / path).write_text(text)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """doit, running."""
        return subprocess.Popen(
            [sys.executable, "-m", "doit", *arguments], cwd=self.root, env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def doit(self, *arguments: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
        """doit's output; it must end with that exit code."""
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return out + err

    def ran(self) -> list[str]:
        """The names of what was compiled since the last call."""
        log = self.root / "ran.log"
        words = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(Path(word).parts[-2] for word in words)

    def outputs(self) -> dict[str, str]:
        """The finished files."""
        return {p.name: p.read_text() for p in sorted((self.root / "dist").glob("*"))}
