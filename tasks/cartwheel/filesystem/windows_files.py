"""File operations that Windows does otherwise than POSIX: change times, replacing open files, read-only files."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_PATIENCE = 2.0
"""Seconds to wait for a file that another program holds open, such as a virus scanner or an indexer."""

_HELD_OPEN = (5, 32, 33)
"""ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION (winerror.h)."""


def change_time_ns(path: str | Path, status: os.stat_result) -> int:
    """When the file's content or metadata last changed, in nanoseconds; `status` is its `os.stat`.

    Windows: `st_ctime` is the creation time there; the file system's ChangeTime is read instead.
    """
    if sys.platform != "win32":
        return status.st_ctime_ns
    return _windows_change_time(os.fspath(path)) or status.st_mtime_ns


_kernel: Any = None


def _windows_change_time(path: str) -> int:
    """ChangeTime of GetFileInformationByHandleEx in nanoseconds since 1970; 0 if it cannot be read."""
    import ctypes
    from ctypes import wintypes

    global _kernel
    if _kernel is None:
        kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
        kernel.CreateFileW.restype = wintypes.HANDLE
        kernel.CreateFileW.argtypes = (
            wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD, wintypes.DWORD,
            wintypes.HANDLE,
        )  # fmt: skip
        kernel.GetFileInformationByHandleEx.argtypes = (
            wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD,
        )  # fmt: skip
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        _kernel = kernel
    # FILE_READ_ATTRIBUTES; shared for reading, writing and deleting; OPEN_EXISTING; FILE_FLAG_BACKUP_SEMANTICS
    handle = _kernel.CreateFileW(path, 0x80, 7, None, 3, 0x02000000, None)
    if handle in (None, wintypes.HANDLE(-1).value):
        return 0
    try:
        times = (ctypes.c_int64 * 5)()  # FILE_BASIC_INFO: creation, access, write, change; attributes
        if not _kernel.GetFileInformationByHandleEx(handle, 0, ctypes.byref(times), ctypes.sizeof(times)):
            return 0
        return (int(times[3]) - 116_444_736_000_000_000) * 100
    finally:
        _kernel.CloseHandle(handle)


def replace_file(source: str | Path, to: str | Path) -> None:
    """Rename `source` to `to`, replacing a file there.  Raises `OSError`.

    Windows replaces no read-only file, so the file is made writable first. It also refuses while another program holds
    the file open without sharing it, so the rename is retried for two seconds.
    """
    _patiently(lambda: os.replace(source, to), to)


def delete_file(path: str | Path) -> None:
    """Delete a file; no effect if it is missing.  Raises `OSError`.

    Windows refuses for the reasons that `replace_file` names.
    """
    with suppress(FileNotFoundError):
        _patiently(lambda: os.unlink(path), path)


def _patiently(act: Callable[[], None], path: str | Path) -> None:
    """Run `act`, which replaces or deletes `path`, until Windows permits it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return act()
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _HELD_OPEN or time.monotonic() > deadline:
                raise
        if not os.access(path, os.W_OK):
            os.chmod(path, stat.S_IWRITE)
        time.sleep(0.05)


def held_open(error: OSError) -> bool:
    """Whether Windows refused because another program holds the file open.

    A rename onto an open file is refused as ERROR_ACCESS_DENIED, like a write to a folder without permission.
    """
    code, target = getattr(error, "winerror", None), Path(str(getattr(error, "filename2", None) or "."))
    return code in (32, 33) or (code == 5 and target.is_file() and os.access(target, os.W_OK))


_JUNCTION = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT (winnt.h)."""


def is_junction(status: os.stat_result) -> bool:
    """Whether an `os.lstat` is that of a junction: a link to a folder on Windows, which Python shows as a folder."""
    return getattr(status, "st_reparse_tag", 0) == _JUNCTION


def remove_tree(folder: str | Path, *, ignore_errors: bool = False) -> None:
    """Delete a folder with everything in it, or a link or junction to one; no effect if it is missing.

    Raises `OSError` if something stays, unless `ignore_errors`; then the rest is deleted.  Read-only files, such as
    git's objects, are made writable first, because Windows deletes no others.
    """
    if not os.path.lexists(folder):
        return
    if Path(folder).is_symlink() or is_junction(os.lstat(folder)):
        os.unlink(folder)
        return

    def failed(function: Callable[..., Any], path: str, error: BaseException) -> None:
        try:
            _retry_writable(function, path, error)
        except OSError:
            if not ignore_errors:
                raise

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=failed)
    else:
        shutil.rmtree(folder, onerror=lambda function, path, info: failed(function, path, info[1]))


def _retry_writable(function: Callable[..., Any], path: str, error: BaseException) -> None:
    if isinstance(error, FileNotFoundError):
        return
    if not isinstance(error, PermissionError) or function not in (os.unlink, os.rmdir):
        raise error
    if os.name == "nt":
        os.chmod(path, stat.S_IWRITE)
    else:
        parent = os.path.dirname(path)
        os.chmod(parent, os.stat(parent).st_mode | stat.S_IRWXU)
    _patiently(lambda: function(path), path)
