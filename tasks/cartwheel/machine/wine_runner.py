"""Run one command under Wine and report an exit code that Wine cannot pass on.  Runs alone; standard library only."""

import subprocess
import sys

_STATUS = {0xC0000005: "access violation", 0xC00000FD: "stack overflow", 0xC0000409: "aborted"}


def main() -> int:
    """The command's exit code; 120 if it has more than 8 bits."""
    code = subprocess.call(sys.argv[1:])
    if 0 <= code < 256:
        return code
    words = f"0x{code % 2**32:08X}" + (f" ({_STATUS[code]})" if code in _STATUS else "")
    print(f"cartwheel: the program ended with exit code {words}", file=sys.stderr)
    return 120


if __name__ == "__main__":
    sys.exit(main())
