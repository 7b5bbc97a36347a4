"""Run one command whose standard input stays open until this process ends.

Ending a container engine's client does not end the container.  The process in the container watches its standard input
instead (`toolchain.container`).  The client runs in a separate session, so that a signal to this process group does not
end it before the container sees the end of input, whatever ends this process.  Standard library only.
"""

import os
import signal
import subprocess
import sys


def main() -> int:
    """The command's exit code; 127 if it cannot be started."""
    try:
        client = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 127
    assert client.stdin is not None
    held = client.stdin
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if os.name != "nt":
            signal.signal(getattr(signal, name), lambda number, frame: held.close())
    code = client.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
