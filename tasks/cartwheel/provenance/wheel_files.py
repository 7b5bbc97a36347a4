"""Rewrites a finished wheel so that its bytes do not depend on the machine: order, modes, times and RECORD."""

from __future__ import annotations

import csv
import io
import stat
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cartwheel.filesystem.windows_files import replace_file
from cartwheel.model.wheels.wheel_record import record_hash, record_name

Contents = dict[str, bytes]
"""The files of a wheel by name."""

_EARLIEST = 315532800
"""1 January 1980, the first time that zip can hold, in seconds since 1970."""


def rewrite(wheel: Path, moment: int, edit: Callable[[Contents], Mapping[str, bytes]]) -> None:
    """Replace the wheel by one with the files that `edit` returns, sorted, with RECORD written anew.

    `moment`: the time of every entry, in seconds since 1970. Folders have no entries, since their modes follow the
    umask. The executable bit, links and uncompressed entries are kept. The wheel is replaced by a rename.
    """
    with zipfile.ZipFile(wheel) as old:
        entries = {entry.filename: entry for entry in old.infolist() if not entry.is_dir()}
        contents = dict(edit({name: old.read(entry) for name, entry in entries.items()}))
    record = record_name(contents)
    contents[record] = _record(contents, record)
    part = wheel.with_name(f"{wheel.name}.part")
    with zipfile.ZipFile(part, "w") as new:
        for name in sorted(contents, key=lambda name: (".dist-info/" in name, name == record, name)):
            old_entry = entries.get(name)
            entry = zipfile.ZipInfo(name, time.gmtime(max(moment, _EARLIEST))[:6])
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = _mode(old_entry) << 16
            stored = old_entry is not None and old_entry.compress_type == zipfile.ZIP_STORED
            new.writestr(entry, contents[name], zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    replace_file(part, wheel)


def _mode(entry: zipfile.ZipInfo | None) -> int:
    mode = entry.external_attr >> 16 if entry else 0
    if stat.S_ISLNK(mode):
        return mode
    return stat.S_IFREG | (0o755 if mode & 0o100 else 0o644)


def _record(contents: Mapping[str, bytes], record: str) -> bytes:
    """RECORD's text. Signatures of RECORD have no digest (binary distribution format)."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    for name in sorted(contents):
        if name in (record, f"{record}.jws", f"{record}.p7s"):
            rows.writerow((name, "", ""))
        else:
            rows.writerow((name, record_hash(contents[name]), len(contents[name])))
    return text.getvalue().encode()
