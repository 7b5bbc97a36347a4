"""The installed package, from its extension module up."""

import hashlib
import mmap
import os
import random
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest
import tidemark
from tidemark import Chunk, FileIdentity


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def test_the_version_is_that_of_the_installed_distribution() -> None:
    assert tidemark.__version__ == metadata.version("tidemark")


def test_the_package_says_that_it_is_typed() -> None:
    assert resources.files(tidemark).joinpath("py.typed").is_file()


def test_a_digest_is_the_sha_256() -> None:
    for data in (b"", b"abc", noise(1, 100_000)):
        assert tidemark.digest(data) == hashlib.sha256(data).hexdigest()


def test_nothing_has_no_chunks_and_a_little_has_one() -> None:
    assert tidemark.split(b"") == []
    assert tidemark.split(b"hello") == [Chunk(0, 5, hashlib.sha256(b"hello").hexdigest())]


def test_chunks_put_together_are_the_input() -> None:
    data = noise(2, 500_000)
    chunks = tidemark.split(data, average=4096)
    assert b"".join(data[chunk.slice] for chunk in chunks) == data
    assert all(chunk.digest == tidemark.digest(data[chunk.slice]) for chunk in chunks)
    assert all(1024 <= chunk.length <= 16384 for chunk in chunks[:-1])


def test_chunks_are_the_same_on_every_platform() -> None:
    data = b"".join(b"%d squared is %d\n" % (n, n * n) for n in range(400))
    lengths = [chunk.length for chunk in tidemark.split(data, average=1024)]
    assert lengths == [1039, 1234, 1304, 1082, 1171, 1065, 1332]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_will_do(kind: type) -> None:
    data = noise(3, 50_000)
    assert tidemark.split(kind(data)) == tidemark.split(data)
    assert tidemark.digest(kind(data)) == tidemark.digest(data)


def test_a_mapped_file_is_split_like_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(noise(4, 100_000))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert tidemark.split(mapped) == tidemark.split(path.read_bytes())


@pytest.mark.parametrize("data", ["text", 5, None])
def test_what_is_not_bytes_is_a_type_error(data: object) -> None:
    with pytest.raises(TypeError):
        tidemark.split(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("average", [0, 128, 1000, 2**25])
def test_an_average_that_is_not_offered_is_a_value_error(average: int) -> None:
    with pytest.raises(ValueError, match=rf"power of two from 256 to 16777216, not {average}$"):
        tidemark.split(b"data", average=average)


def test_only_the_changed_part_of_a_new_version_is_missing() -> None:
    old = noise(5, 1_000_000)
    new = old[:500_000] + b"inserted" + old[500_000:]
    store = {chunk.digest for chunk in tidemark.split(old)}
    chunks = tidemark.missing(new, store)
    assert 1 <= len(chunks) <= 6
    assert any(b"inserted" in new[chunk.slice] for chunk in chunks)
    assert tidemark.missing(old, store) == []


def test_repeated_content_is_missing_once() -> None:
    chunks = tidemark.missing(bytes(1024 * 5), set(), average=256)
    assert [(chunk.offset, chunk.length) for chunk in chunks] == [(0, 1024)]


def test_similarity_runs_from_nothing_in_common_to_all() -> None:
    a, b, c = (noise(seed, 300_000) for seed in (6, 7, 8))
    assert tidemark.similarity(a, a) == 1.0
    assert tidemark.similarity(a, b) == 0.0
    assert tidemark.similarity(a + b, a + c, average=1024) == pytest.approx(1 / 3, abs=0.03)


def test_hard_links_are_one_file_and_copies_are_not(tmp_path: Path) -> None:
    original, link, copy = (tmp_path / name for name in ("original", "link", "copy"))
    original.write_bytes(b"content")
    copy.write_bytes(b"content")
    os.link(original, link)
    assert tidemark.file_identity(original) == tidemark.file_identity(link)
    assert tidemark.file_identity(original) != tidemark.file_identity(copy)


def test_an_identity_survives_renaming_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "before"
    path.write_bytes(b"before")
    identity = tidemark.file_identity(path)
    path = path.rename(tmp_path / "after")
    path.write_bytes(b"after")
    assert tidemark.file_identity(str(path)) == identity


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no inodes")
def test_on_unix_an_identity_is_device_and_inode(tmp_path: Path) -> None:
    status = tmp_path.stat()
    assert tidemark.file_identity(tmp_path) == FileIdentity(status.st_dev, status.st_ino)


def test_a_missing_file_is_reported_as_python_does(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    with pytest.raises(FileNotFoundError) as caught:
        tidemark.file_identity(path)
    assert Path(caught.value.filename) == path
    assert "os error" not in str(caught.value)
