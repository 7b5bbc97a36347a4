"""The ledger: what was sent to one index for one version, the answers, and the times; valid after a kill at any
moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartwheel.destinations.protocol import Answer
from cartwheel.filesystem.files import write_atomically
from cartwheel.filesystem.windows_files import replace_file
from cartwheel.model.errors import StepFailed

SHOWN_WITHIN = timedelta(hours=1)
"""An index lists a file within this time after taking it (half an hour was seen); later the file counts as lost and
is sent again."""


class Ledger:
    """One file for one index and version, written atomically before and after every upload.

    States of a file: `sending` (if it stays so, the run was killed before the answer came), `sent`, `there` (the index
    has these bytes, from this run or another), `unknown` (no answer, or a server error: it may have arrived) and
    `refused`. Each row has the digest, the time, and the answer's status and words.
    """

    def __init__(
        self, path: Path, *, index: str, url: str, project: str, version: str, say: Callable[[str], None]
    ) -> None:
        self._path = path
        self._head = {"schema": 1, "index": index, "url": url, "project": project, "version": version}
        self._files = self._load(say)

    def was_accepted(self, file: str, sha256: str) -> bool:
        """Whether the index accepted these bytes within `SHOWN_WITHIN`."""
        row = self._files.get(file, {})
        return row.get("state") == "sent" and row.get("sha256") == sha256 and not _is_old(row)

    def holds(self, file: str, sha256: str) -> bool:
        """Whether the ledger says that the index has these bytes."""
        row = self._files.get(file, {})
        return row.get("state") in ("sent", "there") and row.get("sha256") == sha256

    def refusals(self, planned: Mapping[str, str]) -> tuple[str, ...]:
        """Files that were sent earlier with other bytes, whether the index lists them or not."""
        return tuple(
            f"{file}: it was sent on {row.get('at')} with sha256 {row.get('sha256')}, and is {planned[file]} now; "
            "a published file is never replaced: release the next version"
            for file, row in sorted(self._files.items())
            if file in planned and row.get("state") in ("sent", "there") and row.get("sha256") != planned[file]
        )

    def note(self, file: str, sha256: str, state: str, answer: Answer | None = None) -> None:
        """Records the state of a file; raises `StepFailed` if the ledger cannot be written."""
        row: dict[str, object] = {
            "sha256": sha256,
            "state": state,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if answer:
            row |= {"status": answer.status, "words": answer.words}
        self._files[file] = row
        text = json.dumps({**self._head, "files": self._files}, indent=1)
        try:
            write_atomically(self._path, text.encode() + b"\n")
        except OSError as error:
            raise StepFailed(
                f"{file}: {state}, but the ledger {self._path} cannot be written ({error.strerror}); "
                "make it writable and start again: the index itself is asked"
            ) from None

    def _load(self, say: Callable[[str], None]) -> dict[str, dict[str, object]]:
        """The rows of an earlier run; a ledger that is damaged or for another address is renamed and ignored."""
        try:
            document = json.loads(self._path.read_bytes())
            rows = {str(file): dict(row) for file, row in document["files"].items()}
            if {key: document.get(key) for key in self._head} == self._head:
                return rows
            replace_file(self._path, self._path.with_name(f"{self._path.name}.earlier"))
            say(f"{self._path.name}: of another address, {document.get('url')}; kept as {self._path.name}.earlier")
            return {}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StepFailed(
                f"the ledger {self._path} cannot be read ({error.strerror}); make it readable, or move it away"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            aside = self._path.with_name(self._path.name + ".damaged")
            replace_file(self._path, aside)
            say(f"{self._path.name}: damaged and set aside as {aside.name}; the index itself is asked")
            return {}


def _is_old(row: Mapping[str, object]) -> bool:
    """Whether a row is too old to rely on; a time in the future comes from a wrong clock and counts as old."""
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(str(row.get("at")))
        return not timedelta(0) <= age <= SHOWN_WITHIN
    except (ValueError, TypeError):
        return True
