"""Like the real one: the least common folder of all paths is the root, hidden files stay behind unless they are asked
for, and a name is given once in a run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

asked = [Path(line.strip()) for line in os.environ["PATHS"].splitlines() if line.strip()]
hidden = os.environ["HIDDEN"] == "true"
files = {
    file
    for path in asked
    for file in ([path] if path.is_file() else path.rglob("*"))
    if file.is_file() and (hidden or not any(part.startswith(".") for part in file.parts))
}
if not files:
    sys.stdout.write(f"no files found: {asked}\n")
    sys.exit(os.environ["NONE"] == "error")
root = Path(os.path.commonpath([path.resolve() for path in asked]))
place = Path(os.environ["CI_STORE"], "artifacts", os.environ["NAME"])
if place.exists():
    sys.exit(f"::error::an artifact with this name already exists: {place.name}")
for file in sorted(files):
    to = place / file.resolve().relative_to(root)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)
sys.stdout.write(f"{len(files)} files as {place.name}\n")
