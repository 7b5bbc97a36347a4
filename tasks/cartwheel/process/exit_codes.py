"""Exit codes in words: Windows' status codes and POSIX signals."""

from __future__ import annotations

import os
import signal

_STATUS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC00000FD: "stack overflow",
    0xC0000135: "a DLL that it needs is missing",
    0xC0000138: "a DLL that it needs lacks a function",
    0xC0000139: "a DLL that it needs lacks a function",
    0xC000013A: "ended by Ctrl-C",
    0xC0000142: "a DLL failed to start",
    0xC0000374: "heap corruption",
    0xC0000409: "aborted",
}
"""NTSTATUS values that end a process (Microsoft's [MS-ERREF] 2.3.1, November 2026)."""

_CRASHES = ("SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGSEGV")
"""Signals that a shell reports as 128 plus their number; smaller codes above 128 also mean something else (git)."""


def exit_code_in_words(code: int) -> str:
    """An exit code for messages: `1`, `139 (SIGSEGV)`, `0xC0000005 (access violation)`."""
    status = code % 2**32
    if status >= 0x80000000 and (os.name == "nt" or code >= 0):
        return f"0x{status:08X}" + (f" ({_STATUS[status]})" if status in _STATUS else "")
    crashes = {int(getattr(signal, name, 0)): name for name in _CRASHES}
    name = "" if os.name == "nt" else crashes.get(-code if code < 0 else code - 128, "")
    return f"{code} ({name})" if name else str(code)
