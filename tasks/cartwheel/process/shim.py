"""Run one command, and end it with all its descendants when the requesting process is gone.

Standard input is a pipe from the requesting process; its end means that the process is gone.  Standard library only.
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
    """Let a signal to the group end the command and not this process.

    The command may ignore the signal; then only this process can end it once the requesting process is gone.  The
    command itself starts with default handlers.  Returns the list that collects received signals.
    """
    signals: list[int] = []
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if os.name != "nt":
            signal.signal(getattr(signal, name), lambda number, frame: signals.append(number))
    return signals


def main() -> int:
    """The command's exit code; 127 if it cannot be started."""
    signals = _outlive_the_command()
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    code = child.wait()
    if signals:
        os.killpg(0, signal.SIGKILL)  # descendants of the command may ignore the signal too
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
