"""Decisions that differ on Windows, covered by values on every system."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cartwheel.filesystem import binaries, windows_files
from cartwheel.process.exit_codes import exit_code_in_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "0"),
        (1, "1"),
        (0xC0000005, "0xC0000005 (access violation)"),
        (0xC0000135, "0xC0000135 (a DLL that it needs is missing)"),
        (0xC0000409, "0xC0000409 (aborted)"),
        (0x80000003, "0x80000003"),
    ],
)
def test_an_unsigned_exit_code_of_windows_is_shown_as_a_status(code: int, words: str) -> None:
    assert exit_code_in_words(code) == words


@pytest.mark.skipif(os.name == "nt", reason="signals end processes on POSIX")
def test_an_exit_code_of_a_crash_names_the_signal() -> None:
    assert exit_code_in_words(-11) == "-11 (SIGSEGV)"
    assert exit_code_in_words(139) == "139 (SIGSEGV)"
    assert exit_code_in_words(129) == "129"


def test_a_folder_with_read_only_files_and_folders_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    (folder / "aa").mkdir(parents=True)
    (folder / "aa" / "file").write_text("x")
    (folder / "aa" / "file").chmod(stat.S_IREAD)
    if os.name != "nt":
        (folder / "aa").chmod(stat.S_IREAD | stat.S_IEXEC)
    windows_files.remove_tree(folder)
    assert not folder.exists()


def test_a_missing_folder_is_removed_without_an_error(tmp_path: Path) -> None:
    windows_files.remove_tree(tmp_path / "missing")


def test_the_change_time_moves_with_an_edit_that_keeps_size_and_modification_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    before = file.stat()
    changed = windows_files.change_time_ns(file, before)
    end = 0
    while windows_files.change_time_ns(file, file.stat()) == changed and end < 1000:
        file.write_text("two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        end += 1
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert windows_files.change_time_ns(file, file.stat()) > changed


def test_a_machine_that_lief_does_not_know_is_named_by_its_number() -> None:
    class Known:
        name = "X86_64"

    assert binaries._name(Known()) == "X86_64"
    assert binaries._name(0x1234) == "unknown-0x1234"
