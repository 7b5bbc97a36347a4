"""Run one command, and end it with all its descendants when the requesting process is gone.

Standard input is a pipe from the requesting process; its end means that the process is gone.  On Windows a job object
holds the command and its descendants and ends with this process, however that ends.  Standard library only.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable


def _hold_in_job() -> "Callable[[subprocess.Popen[bytes]], None]":
    """Windows: put this process, and thereby its descendants, into a job object that dies with its last handle.

    This process has the only handle.  Returns a function that adds a child, for systems that refuse this process
    because another job holds it already.
    """
    if sys.platform != "win32":
        return lambda child: None
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
    kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    job = kernel.CreateJobObjectW(None, None)
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION: 144 bytes (112 on 32 bits); LimitFlags lie at byte 16 on both.
    limits = ctypes.create_string_buffer(144 if ctypes.sizeof(ctypes.c_void_p) == 8 else 112)
    limits[16:20] = (0x2000).to_bytes(4, "little")  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    kernel.SetInformationJobObject(job, 9, limits, len(limits))  # JobObjectExtendedLimitInformation
    kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
    return lambda child: kernel.AssignProcessToJobObject(job, int(child._handle)) and None


def _end_all() -> None:
    if os.name == "nt":
        os._exit(1)  # the job object ends the rest
    os.killpg(0, signal.SIGKILL)


def _watch() -> None:
    while os.read(0, 1):
        pass
    _end_all()


def _outlive_the_command() -> "list[int]":
    """Let a signal to the group end the command and not this process.

    The command may ignore the signal; then only this process can end it once the requesting process is gone.  The
    command itself starts with default handlers.  Returns the list that collects received signals.
    """
    received: list[int] = []
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if os.name != "nt":
            signal.signal(getattr(signal, name), lambda number, frame: received.append(number))
    return received


def _as_exit_argument(code: int) -> int:
    """An exit code in the range that `os._exit` accepts: Windows' codes are unsigned, a signal's is negative."""
    if os.name == "nt":
        return code - 2**32 if code >= 2**31 else code
    return code if code >= 0 else 128 - code


def main() -> int:
    """The command's exit code; 127 if it cannot be started."""
    received = _outlive_the_command()
    hold = _hold_in_job()
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
        hold(child)
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_watch, daemon=True).start()
    code = child.wait()
    if received:
        os.killpg(0, signal.SIGKILL)  # descendants of the command may ignore the signal too
    return _as_exit_argument(code)


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
