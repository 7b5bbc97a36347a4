"""A wrapper for cargo while maturin builds: runs cargo and saves a copy of the JSON messages on its standard output.

maturin starts the program in $CARGO. Only the standard library is used: the wrapper starts without site-packages.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

_OURS = ("CARTWHEEL_CARGO", "CARTWHEEL_CARGO_MESSAGES", "CARGO", "CARGO_TARGET_DIR")
_JOBSERVER = "CARGO_MAKEFLAGS"
_SWITCH = "CARGO_TARGET_APPLIES_TO_HOST"
_UNSTABLE = (_SWITCH, "CARGO_UNSTABLE_TARGET_APPLIES_TO_HOST", "__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS")


def main() -> int:
    """Run cargo; returns its exit code."""
    messages = os.environ["CARTWHEEL_CARGO_MESSAGES"]
    environ = {name: value for name, value in os.environ.items() if name not in _OURS}
    arguments, env = limit_zig_linker(sys.argv[1:], environ)
    env, pipe = with_open_jobserver(env)
    argv = [os.environ["CARTWHEEL_CARGO"], *arguments]
    if not any(argument.startswith("--message-format") for argument in arguments):
        return subprocess.call(argv, env=env, pass_fds=pipe)
    with open(messages, "ab") as copy:
        child = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, pass_fds=pipe)
        assert child.stdout is not None
        for line in child.stdout:
            copy.write(line)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        return child.wait()


def with_open_jobserver(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[int, ...]]:
    """The environment with the jobserver as open files instead of a path, and the files to pass on.

    cargo passes its jobserver on to build scripts, and some of them (with the crates cmake or openssl-src) to make. GNU
    make 4.2 and 4.3 fail on `fifo:`, which make knows since 4.4; every make takes two open files (November 2026).
    """
    flags, sign, path = env.get(_JOBSERVER, "").partition("--jobserver-auth=fifo:")
    try:
        pipe = tuple(os.open(path, os.O_RDWR) for _ in range(2)) if sign else ()
    except OSError:  # the process that made the pipe has ended
        pipe = ()
    if not pipe:
        return {**env}, ()
    pair = ",".join(map(str, pipe))
    return {**env, _JOBSERVER: f"{flags}--jobserver-fds={pair} --jobserver-auth={pair}"}, pipe


def limit_zig_linker(arguments: Sequence[str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment for cargo. If zig links for the host's own triple, zig is limited to the final crate.

    cargo-zigbuild (0.24, in maturin 1.16) sets zig as the linker of the triple and uses an unstable cargo switch to
    exclude build scripts and macros. That switch changes the fingerprints of host output, so all of it would be
    compiled again. A linker passed as rustc argument needs no switch: it comes last, and the last one wins (cargo and
    rustc 1.95).
    """
    target = arguments[arguments.index("--target") + 1] if "--target" in arguments[:-1] else ""
    name = f"CARGO_TARGET_{target.upper().replace('-', '_')}_LINKER"
    linker = env.get(name, "")
    if arguments[:1] != ["rustc"] or env.get(_SWITCH) != "false" or "zigcc" not in linker:
        return [*arguments], {**env}
    separator = () if "--" in arguments else ("--",)
    left = {key: value for key, value in env.items() if key not in (name, *_UNSTABLE)}
    return [*arguments, *separator, "-C", f"linker={linker}"], left


def as_exit_argument(code: int) -> int:
    """An exit code in the range that `sys.exit` passes on: Windows' codes are unsigned, a signal's is negative."""
    if os.name == "nt":
        return code - 2**32 if code >= 2**31 else code
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(as_exit_argument(main()))
