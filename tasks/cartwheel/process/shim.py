"""Runs one command and ends it, with everything it started, when the process that asked for it is gone.

Standard input is a pipe from that process: its end means that nobody waits any more.  Standard library only.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_all(child: "subprocess.Popen[bytes]") -> None:
    if os.name == "nt":
        subprocess.call(("taskkill", "/F", "/T", "/PID", str(child.pid)), stdout=subprocess.DEVNULL)
        os._exit(1)
    os.killpg(0, signal.SIGKILL)


def _watch(child: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1):
        pass
    _end_all(child)


def _outlive_the_command() -> "list[int]":
    """Let a signal to the group end the command and not this process: the command may ignore it, and then only this
    process can still end it when the one that asked for it is gone.  The command itself starts with the usual handlers.

    Returns the list that the signals are put into.
    """
    told: list[int] = []
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if os.name != "nt":
            signal.signal(getattr(signal, name), lambda number, frame: told.append(number))
    return told


def main() -> int:
    """The command's exit code; 127 where it cannot be started."""
    told = _outlive_the_command()
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    code = child.wait()
    if told:
        os.killpg(0, signal.SIGKILL)  # what the command started may ignore the signal as well
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
