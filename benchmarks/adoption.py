"""What `doit adopt` plans for published packages, held against what their index lists.

`python -m benchmarks.adoption orjson nh3 …` fetches the source distribution of each package's newest release, adopts it
unchanged, and prints a row of a Markdown table for each.  Uses the network; nothing is built.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from cartwheel.adoption.file_sets import identity
from cartwheel.commands.adopt import PackageAdoption, adopt
from cartwheel.destinations.pypi_index import resolve
from cartwheel.destinations.pypi_reader import read_bytes
from cartwheel.last_release import last_release
from cartwheel.model.errors import CartwheelError

USUAL = ("orjson", "rtoml", "blake3", "ormsgpack", "nh3", "cramjam", "pydantic-core", "rpds-py", "cryptography",
         "tokenizers", "ruff", "uv", "bcrypt", "watchfiles",
         "jiter", "libcst")  # fmt: skip


def main(names: tuple[str, ...]) -> None:
    """Print the table."""
    print("| package | shipped | planned | the same | other floor | replaced | lost | gained | reasons |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names or USUAL:
        try:
            print(_row(name), flush=True)
        except CartwheelError as error:
            print(f"| {name} | {str(error).splitlines()[0]} |", flush=True)


def _row(name: str) -> str:
    with TemporaryDirectory() as folder:
        root = _unpack_sources(name, Path(folder))
        found = adopt(root, offline=False)
    package = next(p for p in found.packages if p.name.lower().replace("_", "-") == name)
    rows = Counter(row.state for row in package.rows)
    why = Counter(row.why or "no reason" for row in package.rows if row.state in ("lost", "replaced", "floor"))
    same = {identity(file) for file in package.planned} & {identity(file) for file in package.published}
    other = _only_the_floor_differs(package)
    cells = (
        f"{name} {package.version}", len(package.published), len(package.planned), len(same), other, rows["replaced"],
        rows["lost"], rows["gained"], "; ".join(f"{text} ({count})" for text, count in why.items()),
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _only_the_floor_differs(package: PackageAdoption) -> int:
    """How many published files are planned with another floor."""
    planned = {identity(file) for file in package.planned}
    told = {row.what for row in package.rows}
    return sum(identity(file) not in planned and file not in told for file in package.published)


def _unpack_sources(name: str, folder: Path) -> Path:
    """The source distribution of the newest release; raises `CartwheelError` if there is none."""
    index = resolve("pypi", {})
    last = last_release(index, name, root=folder, keep=False)
    source = next((row for row in last.files if row.file.endswith(".tar.gz")), None) if last else None
    if source is None:
        raise CartwheelError("no source distribution")
    with tarfile.open(fileobj=io.BytesIO(read_bytes(source.url, shown_as=source.file, index=index))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))
