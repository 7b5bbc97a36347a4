"""Stands in for cargo while maturin builds: runs it, and keeps a copy of the JSON messages on its standard output.

maturin starts the program that $CARGO names.  Standard library only; it is started without site-packages.
"""

import os
import subprocess
import sys


def main() -> int:
    """cargo's exit code."""
    cargo = os.environ.pop("CARTWHEEL_CARGO")
    kept = os.environ.pop("CARTWHEEL_CARGO_MESSAGES")
    os.environ.pop("CARGO", None)
    if not any(argument.startswith("--message-format") for argument in sys.argv[1:]):
        return subprocess.call([cargo, *sys.argv[1:]])
    with open(kept, "ab") as copy:
        child = subprocess.Popen([cargo, *sys.argv[1:]], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for line in child.stdout:
            copy.write(line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        return child.wait()


if __name__ == "__main__":
    sys.exit(main())
