"""Decisions that differ on Windows, covered by values on every system."""

from __future__ import annotations

import ast
import io
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cartwheel.commands.seek import replace_unencodable
from cartwheel.filesystem import binaries, windows_files
from cartwheel.filesystem.files import disk_error_in_words
from cartwheel.filesystem.read_set import relative_name, without_verbatim_prefix
from cartwheel.inputs import wheel_tree
from cartwheel.inputs.wheel_tree import packed_files
from cartwheel.process.command_words import shell_text, split_command
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


@pytest.mark.skipif(os.name == "nt", reason="a link to a folder needs a right there")
def test_a_link_to_a_folder_is_removed_and_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    windows_files.remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.rglob("*")] == ["target", "file"]


@pytest.mark.parametrize(("tag", "junction"), [(0xA0000003, True), (0xA000000C, False), (0, False)])
def test_a_junction_is_told_from_a_symbolic_link_and_a_folder(tag: int, junction: bool) -> None:
    assert windows_files.is_junction(cast(os.stat_result, SimpleNamespace(st_reparse_tag=tag))) is junction


def test_a_package_is_listed_without_what_a_junction_in_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As maturin packs it: Rust shows a junction as a link.  One to a folder above would never end."""
    for name in ("src/tide/__init__.py", "src/tide/inner/a.txt", "src/tide/inner/loop/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def listed() -> set[str]:
        settings = {"python-source": "src", "module-name": "tide"}
        return set(packed_files(tmp_path, tmp_path, pyproject={"tool": {"maturin": settings}}, cargo={}))

    every = listed()
    os.utime(tmp_path / "src/tide/inner/loop", (9, 9))
    monkeypatch.setattr(wheel_tree, "is_junction", lambda status: status.st_mtime == 9)
    assert every - listed() == {"src/tide/inner/loop/b.txt"}


def test_a_missing_folder_is_removed_without_an_error(tmp_path: Path) -> None:
    windows_files.remove_tree(tmp_path / "missing")


def replaced(path: Path) -> None:
    """Replace the file by one with the text `new`."""
    new = path.with_name("new")
    new.write_text("new")
    windows_files.replace_file(new, path)


@pytest.mark.parametrize("act", [windows_files.delete_file, replaced])
def test_a_read_only_file_is_deleted_and_replaced(tmp_path: Path, act: Callable[[Path], None]) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    file.chmod(stat.S_IREAD)
    act(file)
    assert not file.exists() or file.read_text() == "new"
    windows_files.delete_file(tmp_path / "missing")


@pytest.mark.parametrize("act", [windows_files.delete_file, replaced])
def test_a_file_that_another_program_has_open_for_a_moment_is_deleted_and_replaced(
    tmp_path: Path, act: Callable[[Path], None]
) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    with file.open() as held:
        closing = threading.Timer(0.3, held.close)
        closing.start()
        act(file)
        closing.join()
    assert not file.exists() or file.read_text() == "new"


class WindowsError(OSError):
    """An error of Windows on any system."""

    def __init__(self, winerror: int, filename: str) -> None:
        super().__init__(2, "The system cannot find the path specified", filename)
        self.winerror = winerror


@pytest.mark.parametrize(
    ("winerror", "length", "explains"), [(3, 300, True), (206, 300, True), (3, 200, False), (112, 300, False)]
)
def test_a_path_that_is_too_long_for_windows_is_named_as_such(winerror: int, length: int, explains: bool) -> None:
    words = disk_error_in_words(WindowsError(winerror, "C:\\" + "a" * length))
    assert ("Windows takes paths of 259 characters unless LongPathsEnabled is set" in words) == explains


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("\\\\?\\C:\\a\\größe", "C:\\a\\größe"),
        ("\\\\?\\UNC\\server\\share\\a", "\\\\server\\share\\a"),
        ("\\\\?\\Volume{1-2}\\a", "\\\\?\\Volume{1-2}\\a"),
        ("\\\\server\\share\\a", "\\\\server\\share\\a"),
        ("C:\\a", "C:\\a"),
        ("/a", "/a"),
        ("", ""),
    ],
)
def test_a_resolved_path_of_rust_is_read_without_its_prefix(path: str, plain: str) -> None:
    assert without_verbatim_prefix(path) == plain


@pytest.mark.skipif(os.name != "nt", reason="drives and verbatim paths are of Windows")
@pytest.mark.parametrize("form", ["{0}", "\\\\?\\{0}", "{1}", "{2}"])
def test_a_file_of_the_project_has_one_name_however_its_path_is_written(tmp_path: Path, form: str) -> None:
    file = tmp_path / "src" / "lib.rs"
    text = str(file)
    written = form.format(text, text[0].swapcase() + text[1:], text.replace("\\", "/").upper())
    assert relative_name(written, tmp_path).lower() == "src/lib.rs"


@pytest.mark.parametrize(
    ("argv", "posix", "windows"),
    [
        (("doit", "check:any"), "doit check:any", "doit check:any"),
        (("doit", "check:*"), "doit 'check:*'", "doit check:*"),
        (("a b", ""), "'a b' ''", '"a b" ""'),
        (("C:\\a & b\\", "x^y", "50%"), "'C:\\a & b\\' 'x^y' 50%", '"C:\\a & b\\\\" "x^y" "50%"'),
        (('say "hi"',), "'say \"hi\"'", '"say \\"hi\\""'),
    ],
)
def test_a_command_is_shown_with_the_quotes_of_the_shell(argv: tuple[str, ...], posix: str, windows: str) -> None:
    assert shell_text(argv, windows=False) == posix
    assert shell_text(argv, windows=True) == windows


def test_a_shown_command_is_parsed_by_a_program_as_it_was(tmp_path: Path) -> None:
    words = ("a b", 'c"d', "e\\", "f g\\", '\\"', "", "ö&^|<>()!,;='")
    printing = shell_text((sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *words))
    done = subprocess.run(printing if os.name == "nt" else ["sh", "-c", printing], capture_output=True, check=True)
    assert ast.literal_eval(done.stdout.decode()) == [*words]


@pytest.mark.parametrize(
    ("text", "posix", "windows"),
    [
        ("gcc -O2", ["gcc", "-O2"], ["gcc", "-O2"]),
        ('"C:\\Program Files\\cl.exe" /O2', ["C:\\Program Files\\cl.exe", "/O2"], ["C:\\Program Files\\cl.exe", "/O2"]),
        ("C:\\mingw\\gcc.exe -v", ["C:mingwgcc.exe", "-v"], ["C:\\mingw\\gcc.exe", "-v"]),
        ("a\\ b '' # c", ["a b", "", "#", "c"], ["a\\", "b", "", "#", "c"]),
    ],
)
def test_a_command_in_a_setting_is_split_as_its_system_writes_it(
    text: str, posix: list[str], windows: list[str]
) -> None:
    assert split_command(text, windows=False) == posix
    assert split_command(text, windows=True) == windows


@pytest.mark.parametrize(
    ("encoding", "errors", "written"),
    [
        ("cp437", "strict", "1.0 ? 1.1 größe"),
        ("cp932", "strict", "1.0 → 1.1 gr??e"),
        ("cp1252", "strict", "1.0 ? 1.1 größe"),
        ("cp1252", "surrogateescape", "1.0 ? 1.1 größe"),
        ("ascii", "surrogateescape", "1.0 ? 1.1 gr??e"),
        ("utf-8", "surrogateescape", "1.0 → 1.1 größe"),
        ("utf-8", "strict", "1.0 → 1.1 größe"),
        ("ascii", "backslashreplace", "1.0 \\u2192 1.1 gr\\xf6\\xdfe"),
    ],
)
def test_text_for_a_pipe_with_a_code_page_is_written_with_what_the_page_has(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str, written: str
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, "stdout", stream)
    replace_unencodable()
    stream.write("1.0 → 1.1 größe")
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding) == written  # type: ignore[attr-defined]


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
