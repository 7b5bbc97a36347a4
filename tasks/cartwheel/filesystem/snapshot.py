"""One look at the disk and the environment: digests, tool versions, and answers cached between runs on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from cartwheel.filesystem.digests import Digests
from cartwheel.filesystem.files import create_state_folder, write_atomically


class AnswerCache:
    """A cache in one local file. Keys name everything that the answer depends on; losing the file costs only time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, dict[str, str]] | None = None
        self._loading = threading.Lock()
        self._used: set[str] = set()
        self._new = False

    def __call__(self, key: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """The cached answer; if missing, the result of `make`, which is then cached."""
        answers = self._load()
        self._used.add(key)
        if key not in answers:
            answers[key] = dict(make())
            self._new = True
        return answers[key]

    def _load(self) -> dict[str, dict[str, str]]:
        with self._loading:  # all threads share one dictionary
            if self._answers is None:
                try:
                    loaded = json.loads(self._path.read_bytes())
                    self._answers = {k: v for k, v in loaded.items() if isinstance(v, dict)}
                except (OSError, ValueError, AttributeError):
                    self._answers = {}
            return self._answers

    def save(self) -> None:
        """Store new answers. A large cache keeps only the answers that this run used."""
        if not self._new or self._answers is None:
            return
        large = len(self._answers) >= 500
        answers = {key: value for key, value in dict(self._answers).items() if not large or key in self._used}
        try:
            write_atomically(self._path, json.dumps(answers).encode(), durable=False)
        except OSError:
            pass
        self._new = False


class DiskSnapshot:
    """The snapshot of the project in `root` (see `model.step.Snapshot`)."""

    def __init__(self, root: Path, environ: Mapping[str, str], version_of: Callable[[str, DiskSnapshot], str]) -> None:
        local = root / ".cartwheel" / "local"
        self.root = root
        self.environ = environ
        self.readonly = False
        """Whether nothing learned in this run is stored."""
        self._version_of = version_of
        self.files = Digests(local / "digests.json", root)
        self.remember = AnswerCache(local / "answers.json")
        self._tools: dict[str, str] = {}

    def digest(self, path: str) -> str:
        """See `Snapshot.digest`."""
        return self.files(path)

    def digests(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """See `Snapshot.digests`."""
        return self.files.group(paths)

    def moved(self, path: str) -> bool:
        """See `Snapshot.moved`."""
        return self.files.moved(path)

    def tool(self, name: str) -> str:
        """See `Snapshot.tool`."""
        if name not in self._tools:
            self._tools[name] = self._version_of(name, self)
        return self._tools[name]

    def renew(self) -> None:
        """Drop all digests of this process, because another run may have changed files."""
        self.files.forget()

    def save(self) -> None:
        """Store what this run learned, unless it is `readonly`."""
        if not self.readonly:
            create_state_folder(self.root)
            self.files.save()
            self.remember.save()
