"""Makes source distributions reproducible: the same bytes in every clone, independent of the backend."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Collection
from pathlib import Path


def normalise(sdist: Path, moment: int, without: Collection[str] = ()) -> None:
    """Rewrite the archive with sorted members, one time, no owner, and permissions independent of the umask.

    `moment`: the time of every member in seconds since 1970 (SOURCE_DATE_EPOCH). Names, contents, links and the
    executable bit are kept. `without`: members at the top that are left out.
    """
    packed = io.BytesIO()
    with (
        tarfile.open(sdist) as old,
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=moment) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        members = {member.name.rstrip("/"): member for member in old}
        for name, member in sorted(members.items()):
            if name.partition("/")[2] in without:
                continue
            plain = tarfile.TarInfo(name)
            plain.type, plain.linkname, plain.mtime = member.type, member.linkname, moment
            plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            content = old.extractfile(member) if member.isfile() else None
            plain.size = member.size if content else 0
            new.addfile(plain, content)
    sdist.write_bytes(packed.getvalue())
