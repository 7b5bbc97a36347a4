"""The screens in the README, taken from real runs: `python -m tools.screens` runs the commands and writes them.

They run in a copy of examples/tidemark that would be published to PyPI.  The rehearsal compiles for this machine: a
minute or two.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

SETTINGS = """[tool.cartwheel]
targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "aarch64-apple-darwin"]
test = { command = ["pytest", "{package}/tests"], extras = ["test"] }

[[tool.cartwheel.overrides]]
select = "aarch64-*"
untested = "no such machine at hand"
"""

SCREENS = {"plan": ("plan", "check:x86_64-unknown-linux-gnu"), "rehearse": ("rehearse",)}


def main() -> None:
    """Run each command and replace its screen."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder).resolve() / "tidemark"
        write_project(project)
        text = README.read_text(encoding="utf-8")
        for name, words in SCREENS.items():
            text = with_screen(text, name, screen(project, *words))
        README.write_text(text, encoding="utf-8")


def write_project(root: Path) -> None:
    """The example, committed as a project of its own."""
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


def screen(root: Path, *words: str) -> str:
    """What a user sees of a command, without the folders of this machine and with long names cut."""
    done = subprocess.run([sys.executable, "-m", "doit", *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"doit {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    shown = re.sub(r"origin \(\S+\)", "origin", done.stdout)
    lines = [line if len(line) <= 118 else line[:117] + "…" for line in shown.rstrip().splitlines()]
    return "\n".join((f"$ doit {' '.join(words)}", *lines))


def with_screen(text: str, name: str, shown: str) -> str:
    """The text with the block below `<!-- screen: NAME -->` replaced."""
    form = re.compile(rf"(<!-- screen: {name} -->\n```text\n).*?(\n```)", re.DOTALL)
    found, count = form.subn(lambda match: f"{match[1]}{shown}{match[2]}", text)
    if count != 1:
        raise SystemExit(f"README.md: expected one block below <!-- screen: {name} -->, found {count}")
    return found


if __name__ == "__main__":
    main()
