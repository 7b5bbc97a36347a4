"""The example package as a separate project: the real doit, cargo and maturin in a scratch folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psutil

from support.projects import DODO
from support.repositories import git, repository

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "examples/tidemark"
MOMENT = "1767225600"
"""SOURCE_DATE_EPOCH of all builds: the same sources give the same bytes."""
UNOPTIMISED = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
"""What these tests look at does not depend on the optimiser, which takes a third of their time."""

HOST = "x86_64-unknown-linux-gnu"
MUSL = "x86_64-unknown-linux-musl"
MAC = "aarch64-apple-darwin"
WINDOWS = "x86_64-pc-windows-gnu"
TARGETS = (HOST, MUSL, MAC, WINDOWS)

_NOT_A_SOURCE = ("target", "__pycache__", ".venv", ".cartwheel", "dist", "*.so", "*.pyd")
_RAN = re.compile(r"^  ok  (\S+)", re.MULTILINE)


def tasks(stage: str, *triples: str) -> set[str]:
    """The names of one stage's tasks for these targets, or for all four."""
    return {f"{stage}:{triple}:tidemark:abi3" for triple in triples or TARGETS}


def wheels(*triples: str) -> set[str]:
    """The names of what makes the finished wheels for these targets."""
    return tasks("build", *triples) | tasks("repair", *triples)


def chains(*triples: str) -> set[str]:
    """The names of all that is done for these targets, from the sources to the report."""
    return wheels(*triples) | tasks("check", *triples)


def without_rust() -> str:
    """PATH without the folders that hold a Rust tool."""
    folders = os.environ["PATH"].split(os.pathsep)
    rust = ("cargo", "rustc", "rustup")
    return os.pathsep.join(f for f in folders if not any((Path(f) / name).exists() for name in rust))


class Example:
    """The project in a folder, and doit in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path) -> Example:
        """A repository of one commit: this one's dodo.py and the example, as they are in the working tree."""
        repository(root)
        (root / "dodo.py").write_text(DODO, encoding="utf-8")
        shutil.copy(ROOT / ".gitignore", root)
        shutil.copytree(ROOT / PACKAGE, root / PACKAGE, ignore=shutil.ignore_patterns(*_NOT_A_SOURCE))
        (root / "pyproject.toml").write_text(f'[tool.cartwheel]\npackages = ["{PACKAGE}"]\n')
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "the example")
        return cls(root)

    def cloned(self, root: Path) -> Example:
        """Another clone of the same commit, with nothing built in it."""
        git(self.root, "clone", "--quiet", str(self.root), str(root))
        return Example(root)

    # ---- doit

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """doit, running."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(("CARTWHEEL_", "CARGO_ENCODED", "RUSTFLAGS"))}
        return subprocess.Popen(
            [sys.executable, "-m", "doit", *arguments],
            cwd=self.root, env={**own, **UNOPTIMISED, "SOURCE_DATE_EPOCH": MOMENT, **(env or {})},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def doit(self, *arguments: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
        """doit's output; it must end with that exit code."""
        process = self.start(*arguments, env=env)
        output, _ = process.communicate(timeout=900)
        assert process.returncode == code, f"exit {process.returncode}\n{output}"
        return output

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> set[str]:
        """The names of the tasks that ran."""
        return set(_RAN.findall(self.doit("-n", "2", *arguments, env=env)))

    def plan(self, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, list[str]]:
        """The tasks that would run, with the reasons."""
        document = json.loads(self.doit("plan", "--json", *arguments, env=env))
        return {task["name"]: task["why"] for task in document["tasks"] if task["state"] == "run"}

    # ---- files

    def path(self, name: str) -> Path:
        """A file of the package."""
        return self.root / PACKAGE / name

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a source; the old words must be in it once."""
        text = self.path(name).read_text()
        assert text.count(old) == 1, f"{name} holds '{old}' {text.count(old)} times"
        self.path(name).write_text(text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        """Add to the end of a file."""
        with self.path(name).open("a") as file:
            file.write(text)

    def wheel(self, triple: str) -> Path:
        """The finished wheel for a target."""
        return self.root / "dist" / "private" / FILES[triple]

    def raw(self, triple: str) -> Path:
        """The wheel as it was built, before it was repaired."""
        return self.root / f".cartwheel/wheels/{triple}/tidemark/abi3/{FILES[triple]}"

    def report(self, triple: str) -> dict[str, object]:
        """The report of its check."""
        read = json.loads((self.root / f".cartwheel/checks/{triple}/tidemark/abi3.json").read_bytes())
        assert isinstance(read, dict)
        return read

    def digests(self, *triples: str) -> dict[str, str]:
        """The SHA-256 of the finished wheels, and nothing else may lie beside them."""
        names = {path.name for path in (self.root / "dist" / "private").iterdir()}
        assert names <= set(FILES.values()), "only whole files under planned names are in dist/"
        return {t: sha256(self.wheel(t).read_bytes()).hexdigest() for t in triples or TARGETS if self.wheel(t).exists()}

    def holds(self, triple: str) -> set[str]:
        """The files in a wheel."""
        with zipfile.ZipFile(self.wheel(triple)) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}

    def log(self, stage: str, triple: str) -> str:
        """The log of a task's last run."""
        return (self.root / f".cartwheel/logs/{stage}-{triple}-tidemark-abi3.log").read_text()

    def traces(self) -> dict[str, int]:
        """When each log was written, and when each of cargo's directories last changed: what a compiler would move."""
        logs = list((self.root / ".cartwheel" / "logs").iterdir())
        cargo = [p for p in (self.root / ".cartwheel" / "cargo").rglob("*") if p.name in (".fingerprint", "deps")]
        return {path.relative_to(self.root).as_posix(): path.stat().st_mtime_ns for path in (*logs, *cargo)}

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Afterwards sources, records and finished files are what they were before.

        cargo's directories are not: what is written back is newer than they are, so cargo looks at it again.
        """
        before = self._contents()
        try:
            yield
        finally:
            now = self._contents()
            for path in now.keys() - before.keys():
                path.unlink()
            for path, content in before.items():
                if now.get(path) != content:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            for folder in sorted((p for p in self.path("").rglob("*") if p.is_dir()), reverse=True):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _contents(self) -> dict[Path, bytes]:
        digests = {}
        for parent, folders, files in os.walk(self.root):
            folders[:] = [f for f in folders if f not in (".git", "cargo", "local", "__pycache__")]
            digests.update({Path(parent, file): Path(parent, file).read_bytes() for file in files})
        return digests

    # ---- processes

    def processes(self) -> list[str]:
        """Command lines of processes that work in the project or were told of a path in it."""
        paths = []
        for process in psutil.process_iter(["cmdline", "cwd", "status"]):
            words = " ".join(process.info["cmdline"] or [])
            here = str(self.root) in words or (process.info["cwd"] or "").startswith(str(self.root))
            if here and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
                paths.append(words)
        return paths


FILES = {
    HOST: "tidemark-0.1.0-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    MUSL: "tidemark-0.1.0-cp311-abi3-musllinux_1_2_x86_64.whl",
    MAC: "tidemark-0.1.0-cp311-abi3-macosx_11_0_arm64.whl",
    WINDOWS: "tidemark-0.1.0-cp311-abi3-win_amd64.whl",
}
"""The files that `doit plan` names."""
