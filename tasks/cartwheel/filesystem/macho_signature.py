"""The code signature of a Mach-O image: whether it is present, and whether its page hashes fit the image."""

from __future__ import annotations

import hashlib
import struct

_SUPER_BLOB, _CODE_DIRECTORY = 0xFADE0CC0, 0xFADE0C02
_HASHES = {1: "sha1", 2: "sha256", 3: "sha256", 4: "sha384"}
"""Hash types of a code directory (Apple's xnu, osfmk/kern/cs_blobs.h, November 2026); type 3 is cut to 20 bytes."""


def signature_state(image: bytes, offset: int, size: int) -> str:
    """`valid`, `missing` or `invalid`: the state of the signature at `offset` in a thin Mach-O image.

    `size` is the signature's size in bytes; 0 if the image has no LC_CODE_SIGNATURE.  Only the hashes of the pages are
    compared, as the macOS kernel does for an ad-hoc signature; certificates are not read.
    """
    if not size:
        return "missing"
    try:
        directories = _directories(image[offset : offset + size])
        return "valid" if directories and all(_fits(image, one) for one in directories) else "invalid"
    except (struct.error, KeyError):
        return "invalid"


def _directories(blob: bytes) -> list[bytes]:
    """The code directories of a signature: the main one and those with other hashes."""
    magic, length, count = struct.unpack_from(">3I", blob)
    if magic != _SUPER_BLOB or length > len(blob):
        return []
    rows = (struct.unpack_from(">2I", blob, 12 + 8 * n) for n in range(count))
    starts = (start for _, start in rows if struct.unpack_from(">I", blob, start)[0] == _CODE_DIRECTORY)
    return [blob[start : start + struct.unpack_from(">I", blob, start + 4)[0]] for start in starts]


def _fits(image: bytes, directory: bytes) -> bool:
    hashes, _, _, count, limit = struct.unpack_from(">5I", directory, 16)
    size, kind, _, page = struct.unpack_from(">4B", directory, 36)
    step = 1 << page if page else limit
    if limit > len(image) or count != -(-limit // step):
        return False
    for n in range(count):
        digest = hashlib.new(_HASHES[kind], image[n * step : min((n + 1) * step, limit)]).digest()[:size]
        if digest != directory[hashes + n * size : hashes + (n + 1) * size]:
            return False
    return True
