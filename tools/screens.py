"""The screens in the README and the docs, as SVG from real runs: `python -m tools.screens [NAME ...]`.

The commands run in a pseudo-terminal, in a copy of examples/tidemark that would be published to PyPI.  The rehearsal
compiles for this machine: some minutes.  POSIX only.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screens"
COLUMNS, ROWS = 100, 120

SETTINGS = """[tool.cartwheel]
targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "aarch64-apple-darwin"]
test = { command = ["pytest", "{package}/tests"], extras = ["test"] }

[[tool.cartwheel.overrides]]
select = "aarch64-*"
untested = "no such machine at hand"
"""

SCREENS = {"help": ("help", "build"), "plan": ("plan",), "rehearse": ("rehearse",)}


def main(names: list[str]) -> None:
    """Run each command and write its screen."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder).resolve() / "tidemark"
        write_project(project)
        for name in names or SCREENS:
            screen(project, SCREENS[name], FOLDER / f"{name}.svg")


def write_project(root: Path) -> None:
    """The example, committed as a separate project."""
    shutil.copytree(ROOT / "examples" / "tidemark", root, ignore=shutil.ignore_patterns("target", ".cartwheel"))
    pyproject = root / "pyproject.toml"
    head = pyproject.read_text(encoding="utf-8").partition("[tool.cartwheel]")[0]
    pyproject.write_text(head.replace('    "Private :: Do Not Upload",\n', "") + SETTINGS, encoding="utf-8")
    dodo = (ROOT / "dodo.py").read_text(encoding="utf-8").partition("\n\n\n")[0]
    (root / "dodo.py").write_text(dodo + "\n", encoding="utf-8")
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0\n\n- First release.\n", encoding="utf-8")
    (root / ".gitignore").write_text("/.cartwheel/\n/dist/\n", encoding="utf-8")
    author = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    for words in (("init", "-q", "-b", "main"), ("add", "--all"), (*author, "commit", "-q", "-m", "The example")):
        subprocess.run(["git", *words], cwd=root, check=True)


def screen(root: Path, words: tuple[str, ...], file: Path) -> None:
    """Write what a user sees at the end of a command, without the folders of this machine."""
    from rich.console import Console

    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(f"[bold]$ doit {' '.join(words)}[/]", highlight=False)
    for line in recorded(root, words):
        console.print(line, overflow="fold")
    console.save_svg(str(file), title=f"doit {words[0]}", unique_id=file.stem)
    text = file.read_text(encoding="utf-8")
    file.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def recorded(root: Path, words: tuple[str, ...]) -> list[object]:
    """The lines of the last picture of a run in a pseudo-terminal, as rich's `Text`."""
    import fcntl
    import termios

    import pyte

    own, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "doit", *words], cwd=root, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)
    picture = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(picture)
    try:
        while part := os.read(own, 65536):
            stream.feed(part)
    except OSError:  # Linux, when the last program has closed the terminal
        pass
    os.close(own)
    lines = [_text(picture.buffer[row]) for row in range(ROWS)]
    while lines and not str(lines[-1]).strip():
        lines.pop()
    if process.wait():
        raise SystemExit(f"doit {' '.join(words)} failed:\n" + "\n".join(map(str, lines)))
    return lines


def _text(cells: object) -> object:
    """One row of the terminal with its colours."""
    from rich.text import Text

    text = Text()
    for column in range(COLUMNS):
        cell = cells[column]  # type: ignore[index]
        colour = "" if cell.fg == "default" else {"brown": "yellow"}.get(cell.fg, cell.fg)
        text.append(cell.data, f"{'bold ' if cell.bold else ''}{colour}".strip())
    text.rstrip()
    plain = text.plain.replace(str(Path.home()), "~")
    if plain != text.plain:
        return Text(plain)
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
