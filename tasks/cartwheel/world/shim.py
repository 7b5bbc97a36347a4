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


def main() -> int:
    """The command's exit code; 127 where it cannot be started."""
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
