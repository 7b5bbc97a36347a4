"""Runs one command with a standard input that stays open for exactly as long as somebody waits for it.

A container engine's client is only a messenger: ending it leaves the container at work.  What runs in the container
watches its standard input instead (`toolchain.container`), and the client, in a session of its own so that no signal
to our group takes it away before it has passed that on, tells it when this process ends, however that ends.
Standard library only.
"""

import os
import signal
import subprocess
import sys


def main() -> int:
    """The command's exit code; 127 where it cannot be started."""
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
