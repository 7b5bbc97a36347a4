"""One line for a pyproject.toml that doit cannot read, and a quiet end on Ctrl-C.

doit parses pyproject.toml before it loads any plugin, so an invalid file ends in its traceback (doit 0.37, `DoitMain`,
November 2026). `cartwheel-start.pth` installs this hook for processes that run doit. It changes nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


def hook(default: ExceptHook) -> ExceptHook:
    """An excepthook that explains an unreadable configuration file and exits with 3; `default` handles the rest.

    Ctrl-C in a command of a cartwheel project that only reads (`doit list`) exits with 130, without a traceback.
    """

    def explain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if kind is KeyboardInterrupt and "cartwheel.pipeline" in sys.modules:
            sys.exit(130)
        file = _configuration_file(traceback) if isinstance(error, (ValueError, OSError)) else ""
        if not file:
            default(kind, error, traceback)
            return
        sys.stderr.write(f"ERROR: {_reason(file)}\n")
        sys.exit(3)

    return explain


def _configuration_file(traceback: TracebackType | None) -> str:
    """The file that doit was parsing; empty if the error comes from elsewhere."""
    while traceback:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "load_config_toml" and frame.f_globals.get("__name__") == "doit.doit_cmd":
            return str(frame.f_locals["filename"])
        traceback = traceback.tb_next
    return ""


def _reason(file: str) -> str:
    from pathlib import Path

    from cartwheel.filesystem.manifest_files import read_toml
    from cartwheel.model.errors import ConfigError

    try:
        read_toml(Path(file), file)
    except ConfigError as error:
        return str(error)
    return f"{file}: begins with a byte order mark, which doit does not read; save it as UTF-8 without one"
