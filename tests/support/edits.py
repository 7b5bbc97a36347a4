"""The table of edits: what must run after each, and no other task; what of that comes out changed; and the reasons."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.projects import FLOOR
from support.quarry import (
    GRAVEL,
    HOST,
    MUSL,
    PEBBLE,
    PEBBLE_MUSL,
    RUST,
    STONE,
    STONE_HOST,
    STONE_WINDOWS,
    WINDOWS,
    Quarry,
    active_toolchain,
    claims_another_version,
    compiler_that_claims_another_version,
    tasks,
)
from support.repositories import git

Make = Callable[[Quarry], object]
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change of the quarry, everything of which is up to date before."""

    make: Make
    builds: frozenset[str] = NOTHING
    """The wheels that must be built again."""
    same: frozenset[str] = NOTHING
    """Those of them that come out as they were, so that nothing after the build runs."""
    needless: str = ""
    """Why they are built all the same."""
    repairs: frozenset[str] = NOTHING
    """The wheels that are repaired again without having been built."""
    why: tuple[str, ...] = ()
    """All the reasons that the plan gives, those of one task following from another's apart."""
    env: Callable[[Path], Mapping[str, str]] = lambda scratch: {}
    """The environment that is part of the edit."""
    words: tuple[str, ...] = ()
    """Settings for one run."""
    first: Make | None = None
    """Something that was done, and built, before."""
    undo: Make = lambda quarry: None
    """Undoes the edit beyond putting back the files."""
    besides: frozenset[str] = NOTHING
    """Other tasks that must run."""

    @property
    def planned(self) -> frozenset[str]:
        """The tasks that the plan must name."""
        return tasks("build", self.builds) | tasks("repair", self.builds | self.repairs) | self.besides

    @property
    def runs(self) -> frozenset[str]:
        """The tasks that must then run."""
        return self.planned - tasks("repair", self.same)


# ---- ways to edit ----------------------------------------------------------------------------------------------------


def add(name: str, text: str = "new\n") -> Make:
    """Write a new file."""

    def make(quarry: Quarry) -> None:
        assert not quarry.path(name).exists()
        quarry.write(name, text)

    return make


def append(name: str, text: str = "more\n") -> Make:
    """Add to the end of a file."""
    return lambda quarry: quarry.append(name, text)


def change(name: str, old: str, new: str) -> Make:
    """Replace the one place where `old` stands."""
    return lambda quarry: quarry.edit(name, old, new)


def both(*edits: Make) -> Make:
    """One after the other."""
    return lambda quarry: [edit(quarry) for edit in edits]


def rename(old: str, new: str) -> Make:
    """Another name."""
    return lambda quarry: quarry.path(old).rename(quarry.path(new))


def delete(name: str) -> Make:
    """A file gone."""
    return lambda quarry: quarry.path(name).unlink()


def link(name: str, destination: str) -> Make:
    """A symbolic link leads elsewhere."""

    def make(quarry: Quarry) -> None:
        quarry.path(name).unlink()
        quarry.path(name).symlink_to(destination)

    return make


def touch(*names: str) -> Make:
    """New times, old contents."""
    return lambda quarry: [os.utime(quarry.path(name)) for name in names or quarry.sources()]


def and_back(edit: Make) -> Make:
    """Done, and undone before anybody looked."""

    def make(quarry: Quarry) -> None:
        before = {name: quarry.path(name).read_bytes() for name in quarry.sources()}
        edit(quarry)
        for name, content in before.items():
            quarry.path(name).write_bytes(content)

    return make


def on_a_branch_and_back(edit: Make) -> Make:
    """Committed on a branch, and the first branch again."""

    def make(quarry: Quarry) -> None:
        on_a_branch(edit)(quarry)
        git(quarry.root, "switch", "--quiet", "main")

    return make


def on_a_branch(edit: Make) -> Make:
    """Committed on a branch, which stays checked out."""

    def make(quarry: Quarry) -> None:
        git(quarry.root, "switch", "--quiet", "--force-create", "other", "main")
        edit(quarry)
        git(quarry.root, "commit", "--quiet", "--all", "--message", "on a branch")

    return make


def back_to_main(quarry: Quarry) -> None:
    """The first branch, by git's own hand: files get the time of now."""
    git(quarry.root, "switch", "--quiet", "main")


def replaced_by(name: str, other: str) -> Make:
    """A finished file becomes a copy of another, or of itself."""

    def make(quarry: Quarry) -> None:
        copy = quarry.path("copy")
        shutil.copyfile(quarry.path(f"{DIST}/{other}"), copy)
        copy.replace(quarry.path(f"{DIST}/{name}"))

    return make


def without_git(quarry: Quarry) -> None:
    """As unpacked from an archive."""
    quarry.path(".git").rename(quarry.root.parent / "git-aside")


def with_git(quarry: Quarry) -> None:
    """The repository again."""
    (quarry.root.parent / "git-aside").rename(quarry.path(".git"))


def raw(wheel: str, file: str) -> str:
    """Where a wheel lies before it is repaired."""
    return f".cartwheel/wheels/{wheel.replace(':', '/')}/{file}"


def renamed(old: str, new: str) -> Iterable[str]:
    """The warning if the program's wheels get the name of another version."""
    for triple, platform in ((HOST, f"{FLOOR}_x86_64"), (MUSL, "musllinux_1_2_x86_64")):
        before, after = (f"pebble-{version}-py3-none-{platform}.whl" for version in (old, new))
        wheel = f"{triple}:pebble:py3"
        yield f"file {before} → {after}"
        yield f"{DIST}/{after} is missing"
        yield f"{raw(wheel, before)} is no longer part of it"
        yield from (f"{raw(wheel, after)} is {how}" for how in ("new", "missing"))


DIST = "dist/private"
PEBBLE_WHEEL = "pebble-1.0.0-py3-none-musllinux_1_2_x86_64.whl"
STONE_WHEEL = "stone-1.0.0-cp311-cp311-win_amd64.whl"
OTHER_WHEEL = "stone-1.0.0-cp312-cp312-win_amd64.whl"
STONE_311 = frozenset({f"{WINDOWS}:stone:3.11"})
STONE_312 = frozenset({f"{HOST}:stone:3.12", f"{WINDOWS}:stone:3.12"})
STONE_313 = frozenset({f"{HOST}:stone:3.13", f"{WINDOWS}:stone:3.13"})
PEBBLE_WINDOWS = frozenset({f"{WINDOWS}:pebble:py3"})
PY = "stone/python/stone"
OVERRIDE = '\n[[tool.cartwheel.overrides]]\nselect = "{select}"\n{key}\n'

STAND_IN = "the stand-in only claims to be another version"
MANIFEST = "neither dep-info nor resolution tell which keys of a Cargo.toml count, so it counts as a whole"
SILENT = "a build script that names nothing may read any file of its package; cargo runs it again too"

# ---- the rows --------------------------------------------------------------------------------------------------------

SOURCES = {
    "a file for Windows": Edit(
        make=change("bedrock/src/windows.rs", "windows", "Windows"),
        builds=STONE_WINDOWS, why=("bedrock/src/windows.rs changed",),
    ),
    "a file for Unix": Edit(
        make=change("bedrock/src/unix.rs", "unix", "Unix"),
        builds=STONE_HOST | PEBBLE, why=("bedrock/src/unix.rs changed",),
    ),
    "a crate that only Windows resolves": Edit(
        make=change("frost/src/lib.rs", '"frost"', '"ice"'), builds=STONE_WINDOWS, why=("frost/src/lib.rs changed",),
    ),
    "the core crate": Edit(
        make=change("bedrock/src/layer.rs", "a layer", "another layer"),
        builds=RUST, why=("bedrock/src/layer.rs changed",),
    ),
    "one package's own crate": Edit(
        make=change("pebble/src/main.rs", "rough", "uneven"),
        builds=PEBBLE, why=("pebble/src/main.rs changed",),
    ),
    "a procedural macro": Edit(
        make=change("chisel/src/lib.rs", "text + &edge", "edge + &text + \"!\""),
        builds=STONE, why=("chisel/src/lib.rs changed",),
    ),
    "a comment in a crate": Edit(
        make=append("pebble/src/main.rs", "// said in passing\n"),
        builds=PEBBLE, same=PEBBLE, needless="only the compiler can tell a comment from code",
        why=("pebble/src/main.rs changed",),
    ),
    "a new file that `mod` picks up": Edit(
        make=both(add("bedrock/src/seam.rs", 'pub const SAID: &str = "a seam";\n'),
                  change("bedrock/src/layer.rs", 'pub const SAID: &str = "a layer";',
                         '#[path = "seam.rs"]\nmod seam;\npub use seam::SAID;')),
        builds=RUST, why=("bedrock/src/layer.rs changed",),
    ),
    "that file, once it is picked up": Edit(
        first=both(add("pebble/src/seam.rs", 'pub const SAID: &str = "a seam";\n'),
                   change("pebble/src/main.rs", "fn main() {", 'mod seam;\nfn main() { println!("{}", seam::SAID);')),
        make=change("pebble/src/seam.rs", "a seam", "the seam"),
        builds=PEBBLE, why=("pebble/src/seam.rs changed",),
    ),
    "a module deleted": Edit(
        make=both(delete("bedrock/src/layer.rs"), change("bedrock/src/lib.rs", "mod layer;", "use quiet as layer;")),
        builds=RUST, why=("bedrock/src/layer.rs is gone", "bedrock/src/lib.rs changed"),
    ),
    "a file included from outside the crate": Edit(
        make=append("notes.txt"), builds=STONE, why=("notes.txt changed",),
    ),
    "a generated file, which git ignores": Edit(
        make=change("bedrock/src/generated.rs", "a program", "a better program"),
        builds=RUST, why=("bedrock/src/generated.rs changed",),
    ),
    "a source with an old modification time": Edit(
        make=both(change("pebble/src/main.rs", "rough", "jagged"),
                  lambda quarry: os.utime(quarry.path("pebble/src/main.rs"), (1, 1))),
        builds=PEBBLE, why=("pebble/src/main.rs changed",),
    ),
    "what a macro reads and does not tell, declared as an input": Edit(
        make=append("stone/untracked.txt"), builds=STONE, why=("stone/untracked.txt changed",),
    ),
}  # fmt: skip

SCRIPTS = {
    "a file that a build script watches": Edit(
        make=append("bedrock/layers/top.txt"), builds=RUST, why=("bedrock/layers/top.txt changed",),
    ),
    "a file that appears in a watched folder": Edit(
        make=add("bedrock/layers/middle.txt"), builds=RUST, why=("bedrock/layers/middle.txt is new",),
    ),
    "a file gone from a watched folder": Edit(
        make=delete("bedrock/layers/low.txt"), builds=RUST, why=("bedrock/layers/low.txt is gone",),
    ),
    "a file of a package whose build script watches nothing": Edit(
        make=change("quiet/table.csv", "1", "2"), builds=RUST, why=("quiet/table.csv changed",),
    ),
    "a new file in that package": Edit(
        make=add("quiet/told.md"), builds=RUST, same=RUST, needless=SILENT, why=("quiet/told.md is new",),
    ),
    "the build script": Edit(
        make=change("bedrock/build.rs", "unwrap_or_default()", 'unwrap_or("calm".into())'),
        builds=RUST, why=("bedrock/build.rs changed",),
    ),
    "a build script that appears": Edit(
        make=add("pebble/build.rs", 'fn main() { println!("cargo::rustc-cfg=feature=\\"smooth\\""); }\n'),
        builds=PEBBLE, why=("pebble/build.rs appeared",),
    ),
    "a crate for build scripts on Unix, which foreign targets need too": Edit(
        make=change("hammer/src/lib.rs", "flint::SAID", 'concat!("a hammer of ", "iron")'),
        builds=RUST, why=("hammer/src/lib.rs changed",),
    ),
    "a variable that a build script watches": Edit(
        make=lambda quarry: None, env=lambda scratch: {"BEDROCK_MODE": "loud"},
        builds=RUST, why=("BEDROCK_MODE is now set",),
    ),
    "a variable that `option_env!` asks for": Edit(
        make=lambda quarry: None, env=lambda scratch: {"BEDROCK_NOTE": "mind the gap"},
        builds=RUST, why=("BEDROCK_NOTE is now set",),
    ),
    "a program that appears beside another": Edit(
        make=add("pebble/src/bin/skim.rs", 'fn main() { println!("skim"); }\n'),
        builds=PEBBLE, why=("pebble/src/bin/skim.rs is new",),
    ),
    "a program that appears beside a module": Edit(
        make=add("stone/src/bin/skim.rs", 'fn main() { println!("skim"); }\n'),
        builds=STONE, why=("stone/src/bin/skim.rs is new",),
    ),
}  # fmt: skip

PACKED = {
    "a Python file": Edit(
        make=append(f"{PY}/__init__.py", "MORE = 1\n"), builds=STONE, why=(f"{PY}/__init__.py changed",),
    ),
    "the stub": Edit(
        make=append(f"{PY}/_stone.pyi", "def crack() -> None: ...\n"), builds=STONE, why=(f"{PY}/_stone.pyi changed",),
    ),
    "a Python file deleted": Edit(make=delete(f"{PY}/old.py"), builds=STONE, why=(f"{PY}/old.py is gone",)),
    "a Python file renamed": Edit(
        make=rename(f"{PY}/old.py", f"{PY}/older.py"),
        builds=STONE, why=(f"{PY}/old.py is gone", f"{PY}/older.py is new"),
    ),
    "a file made executable": Edit(
        make=lambda quarry: quarry.path(f"{PY}/run.sh").chmod(0o755),
        builds=STONE, why=(f"{PY}/run.sh is now executable",),
    ),
    "a link that leads elsewhere": Edit(
        make=link(f"{PY}/link.txt", "../../two.txt"), builds=STONE, why=(f"{PY}/link.txt changed",),
    ),
    "the destination of a link": Edit(make=append("stone/one.txt"), builds=STONE, why=(f"{PY}/link.txt changed",)),
    "the readme, which the metadata holds": Edit(
        make=append("stone/README.md"), builds=STONE, why=("stone/README.md changed",),
    ),
    "the licence": Edit(make=append("stone/LICENSE"), builds=STONE, why=("stone/LICENSE changed",)),
    "a file that is included by a pattern": Edit(
        make=add("stone/extra/more.txt"), builds=STONE, why=("stone/extra/more.txt is new",),
    ),
    "a Python file that only the parent's .gitignore ignores, which maturin packs": Edit(
        make=add(f"{PY}/mine.local.py"), builds=STONE, why=(f"{PY}/mine.local.py is new",),
    ),
    "a file that is ignored no longer": Edit(
        make=change("stone/.gitignore", "told_apart.py\n", ""), builds=STONE, why=(f"{PY}/told_apart.py is new",),
    ),
    "no .git, so that no .gitignore counts": Edit(
        make=without_git, undo=with_git, builds=STONE, why=(f"{PY}/told_apart.py is new",),
    ),
    "pure Python": Edit(
        make=append("gravel/gravel/__init__.py", "MORE = 1\n"),
        builds=GRAVEL, why=("gravel/gravel/__init__.py changed",),
    ),
    "a file beside pure Python": Edit(
        make=add("gravel/notes.txt"), builds=GRAVEL, same=GRAVEL, why=("gravel/notes.txt is new",),
        needless="what another backend than maturin reads of its folder cannot be seen",
    ),
}  # fmt: skip

CONFIGURATION = {
    "tool.maturin": Edit(
        make=change("stone/pyproject.toml", '[tool.maturin]', '[tool.maturin]\nexclude = ["python/stone/old.py"]'),
        builds=STONE, why=("pyproject.toml: tool.maturin.exclude is new", f"{PY}/old.py is no longer part of it"),
    ),
    "a key of project": Edit(
        make=change("stone/pyproject.toml", "a module in Rust", "a module in Rust, polished"),
        builds=STONE, why=("pyproject.toml: project.description changed",),
    ),
    "one target's own features": Edit(
        make=append("pebble/pyproject.toml", OVERRIDE.format(select="*-musl", key='features = ["smooth"]')),
        builds=PEBBLE_MUSL, why=("features unset → smooth", "crate pebble changed"),
    ),
    "a feature, and with it a crate that has none": Edit(
        make=both(append("pebble/pyproject.toml", OVERRIDE.format(select="*-linux-*", key='features = ["smooth"]')),
                  change("quiet/table.csv", "1", "2"), lambda quarry: os.utime(quarry.path("quiet/table.csv"), (1, 1))),
        builds=RUST, why=("features unset → smooth", "crate pebble changed", "quiet/table.csv changed"),
    ),
    "one target's own environment": Edit(
        make=append("stone/pyproject.toml",
                    OVERRIDE.format(select="*-windows-*", key='environment.BEDROCK_NOTE = "hush"')),
        builds=STONE_WINDOWS, why=("BEDROCK_NOTE is now set",),
    ),
    "one target's own environment, for what a macro reads and does not tell": Edit(
        make=append("stone/pyproject.toml",
                    OVERRIDE.format(select="*-windows-*", key='environment.CHISEL_EDGE = "keen"')),
        builds=STONE_WINDOWS, why=("CHISEL_EDGE is now set",),
    ),
    "a feature": Edit(
        make=change("stone/pyproject.toml", "[tool.maturin]", '[tool.maturin]\nfeatures = ["polished"]'),
        builds=STONE,
        why=("pyproject.toml: tool.maturin.features is new", "crate bedrock changed", "crate stone changed"),
    ),
    "a profile": Edit(
        make=change("Cargo.toml", "opt-level = 0", "opt-level = 1"), builds=RUST, why=("Cargo.toml changed",),
    ),
    "another profile for one run": Edit(
        make=lambda quarry: None, words=("profile=bench",), builds=RUST, why=("profile release → bench",),
    ),
    "a variable that cargo reads": Edit(
        make=lambda quarry: None, env=lambda scratch: {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "1"},
        builds=RUST, why=("CARGO_PROFILE_RELEASE_OPT_LEVEL is now set",),
    ),
    "cargo's configuration": Edit(
        make=append(".cargo/config.toml", '\n[env]\nBEDROCK_NOTE = "from the configuration"\n'),
        builds=RUST, why=(".cargo/config.toml changed",),
    ),
    "a configuration that appears": Edit(
        make=add("pebble/.cargo/config.toml", '[build]\nrustflags = ["-Copt-level=1"]\n'),
        builds=PEBBLE, why=("pebble/.cargo/config.toml appeared",),
    ),
    "rust-toolchain.toml": Edit(
        make=lambda quarry: quarry.write("rust-toolchain.toml", f'[toolchain]\nchannel = "{active_toolchain()}"\n'),
        builds=RUST, same=RUST, why=("rust-toolchain.toml appeared",),
        needless="a declared toolchain is a source: what it stands for on another machine cannot be told here",
    ),
    "a dependency bumped that only Windows resolves": Edit(
        make=lambda quarry: quarry.bump("winbits"), builds=STONE_WINDOWS, why=("crate winbits 1.0.0 → 1.0.1",),
    ),
    "a dependency bumped that one package has": Edit(
        make=lambda quarry: quarry.bump("pyo3"), builds=STONE, why=("crate pyo3 0.29.2 → 0.29.3",),
    ),
    "a dependency bumped that only build scripts on Unix have": Edit(
        make=lambda quarry: quarry.bump("flint"), builds=RUST, why=("crate flint 1.0.0 → 1.0.1",),
    ),
    "a comment in a Cargo.toml": Edit(
        make=append("bedrock/Cargo.toml", "# said in passing\n"),
        builds=RUST, same=RUST, needless=MANIFEST, why=("bedrock/Cargo.toml changed",),
    ),
    "a comment in the Cargo.toml of a crate that only Windows resolves": Edit(
        make=append("frost/Cargo.toml", "# said in passing\n"),
        builds=STONE_WINDOWS, same=STONE_WINDOWS, needless=MANIFEST, why=("frost/Cargo.toml changed",),
    ),
    "a feature for one interpreter": Edit(
        make=change("stone/pyproject.toml", "[tool.maturin]",
                    '[tool.maturin]\nfeatures = [{ feature = "polished", python-version = ">=3.12" }]'),
        builds=STONE_312,
        why=("pyproject.toml: tool.maturin.features is new", "crate bedrock changed", "crate stone changed"),
    ),
    "a dependency bumped that only a feature for one interpreter brings": Edit(
        first=change("stone/pyproject.toml", "[tool.maturin]",
                     '[tool.maturin]\nfeatures = [{ feature = "gritty", python-version = ">=3.12" }]'),
        make=lambda quarry: quarry.bump("grit"), builds=STONE_312, why=("crate grit 1.0.0 → 1.0.1",),
    ),
    "all features": Edit(
        make=change("stone/pyproject.toml", "[tool.maturin]", "[tool.maturin]\nall-features = true"),
        builds=STONE,
        why=("pyproject.toml: tool.maturin.all-features is new", "crate bedrock changed", "crate grit 1.0.0 is new",
             "crate silt is new", "crate stone changed"),
    ),
    "the version": Edit(
        make=both(change("pebble/Cargo.toml", '"1.0.0"', '"1.1.0"'), lambda quarry: quarry.doit("version-sync")),
        builds=PEBBLE, why=("pebble/Cargo.toml changed", "version 1.0.0 → 1.1.0", *renamed("1.0.0", "1.1.0")),
    ),
    "a package removed": Edit(
        make=change("pyproject.toml", ', "gravel"', ""), besides=frozenset({"version-sync"}),
        why=(
            "gravel 1.0 → unset", "gravel/pyproject.toml: [project] version is gone", "the files to look at changed",
        ),
    ),
    "an interpreter added": Edit(
        make=change("stone/pyproject.toml", '"3.12"', '"3.12", "3.13"'), builds=STONE_313, why=("never done here",),
    ),
    "a target added": Edit(
        make=change("pebble/pyproject.toml", f'"{MUSL}"', f'"{MUSL}", "{WINDOWS}"'),
        builds=PEBBLE_WINDOWS, why=("never done here",),
    ),
    "maturin upgraded": Edit(
        make=lambda quarry: None, env=lambda scratch: claims_another_version("maturin", scratch),
        builds=RUST, same=RUST, needless=STAND_IN, why=("maturin {maturin} → 99.0.0",),
    ),
    "zig upgraded": Edit(
        make=lambda quarry: None, env=lambda scratch: claims_another_version("ziglang", scratch),
        builds=PEBBLE_MUSL, same=PEBBLE_MUSL, needless=STAND_IN, why=("zig {zig} → 99.0.0",),
    ),
    "rustc upgraded": Edit(
        make=lambda quarry: None, env=compiler_that_claims_another_version,
        builds=RUST, same=RUST, needless=STAND_IN, why=("rustc {rustc} → 99.0.0",),
    ),
}  # fmt: skip

MADE = {
    "a finished wheel edited": Edit(
        make=append(f"{DIST}/{STONE_WHEEL}"), repairs=STONE_311,
        why=(f"{DIST}/{STONE_WHEEL} edited since it was made",),
    ),
    "a finished wheel deleted": Edit(
        make=delete(f"{DIST}/{STONE_WHEEL}"), repairs=STONE_311, why=(f"{DIST}/{STONE_WHEEL} is missing",),
    ),
    "a finished wheel replaced by another": Edit(
        make=replaced_by(STONE_WHEEL, OTHER_WHEEL),
        repairs=STONE_311, why=(f"{DIST}/{STONE_WHEEL} edited since it was made",),
    ),
    "a raw wheel edited": Edit(
        make=append(raw(f"{MUSL}:pebble:py3", PEBBLE_WHEEL)), builds=PEBBLE_MUSL, same=PEBBLE_MUSL,
        needless="it is built to have the wheel again, and comes out as it was",
        why=(f"{raw(f'{MUSL}:pebble:py3', PEBBLE_WHEEL)} edited since it was made",
             f"{raw(f'{MUSL}:pebble:py3', PEBBLE_WHEEL)} changed"),
    ),
    "a branch that is switched to": Edit(
        make=on_a_branch(change("bedrock/src/unix.rs", "unix", "on a branch")), undo=back_to_main,
        builds=STONE_HOST | PEBBLE, why=("bedrock/src/unix.rs changed",),
    ),
}  # fmt: skip
"""Outputs, and the parts of a repository that git writes."""

REBUILT: Mapping[str, Edit] = {**SOURCES, **SCRIPTS, **PACKED, **CONFIGURATION, **MADE}
"""After these something runs."""

UNREAD: Mapping[str, Edit] = {
    "an edit taken back before anybody looked": Edit(make=and_back(append("bedrock/src/lib.rs", "// in passing\n"))),
    "a branch switched to and back": Edit(make=on_a_branch_and_back(append("bedrock/src/lib.rs", "// in passing\n"))),
    "a comment in pyproject.toml": Edit(make=append("stone/pyproject.toml", "# said in passing\n")),
    "a comment in the pure package's": Edit(make=append("gravel/pyproject.toml", "# said in passing\n")),
    "a comment in the root's": Edit(make=append("pyproject.toml", "# said in passing\n")),
    "an unrelated table in pyproject.toml": Edit(
        make=append("pebble/pyproject.toml", "\n[tool.ruff]\nline-length = 100\n")
    ),
    "what is for source distributions": Edit(make=append("stone/extra/told.md")),
    "a file beside a crate's sources": Edit(make=add("bedrock/src/notes.md")),
    "a file beside what a build script watches": Edit(make=add("bedrock/layers.txt")),
    "a file in the root that nobody reads": Edit(make=add("more.txt")),
    "another licence, which no pattern names": Edit(make=add("stone/COPYING")),
    "maturin's settings for another target": Edit(
        make=append(
            "pebble/pyproject.toml", '\n[tool.maturin.target.aarch64-apple-darwin]\nmacos-deployment-target = "12.0"\n'
        ),
    ),
    "a Rust source made executable": Edit(make=lambda quarry: quarry.path("bedrock/src/lib.rs").chmod(0o755)),
    "an integration test of a crate": Edit(make=append("bedrock/tests/whole.rs", "// said in passing\n")),
    "an unrelated member of the workspace": Edit(make=append("silt/src/lib.rs", "// said in passing\n")),
    "its manifest": Edit(make=append("silt/Cargo.toml", "# said in passing\n")),
    "Cargo.lock for that member": Edit(make=lambda quarry: quarry.bump("grit")),
    "a Python file that is tracked and ignored": Edit(make=append(f"{PY}/told_apart.py", "MORE = 1\n")),
    "a Python file that is ignored": Edit(make=add(f"{PY}/scratch.ignored.py")),
    "Python's bytecode": Edit(make=add(f"{PY}/__pycache__/old.pyc")),
    "a link's other destination": Edit(make=append("stone/two.txt")),
    "new times": Edit(make=touch()),
    "a finished wheel replaced by its copy": Edit(make=replaced_by(STONE_WHEEL, STONE_WHEEL)),
    "a variable that nobody declared": Edit(make=lambda quarry: None, env=lambda scratch: {"STONE_MODE": "loud"}),
    "the tag's form": Edit(make=change("pyproject.toml", "publish = []", 'publish = []\ntag = "{name}/{version}"')),
    "an interpreter removed": Edit(make=change("stone/pyproject.toml", '"3.11", "3.12"', '"3.11"')),
    "a target removed": Edit(make=change("pebble/pyproject.toml", f', "{MUSL}"', "")),
}
"""After these nothing runs."""

QUICK = ("a file for Windows", "one target's own features")
"""Edits that every run of the tests tries; the slow cases try those of `LAB`."""

LAB = (
    "a file for Unix", "the core crate", "a procedural macro", "a file included from outside the crate",
    "what a macro reads and does not tell, declared as an input", "a file that appears in a watched folder",
    "a file of a package whose build script watches nothing", "a variable that a build script watches",
    "a crate for build scripts on Unix, which foreign targets need too", "a program that appears beside another",
    "a file made executable", "a Python file that only the parent's .gitignore ignores, which maturin packs",
    "no .git, so that no .gitignore counts", "a feature for one interpreter",
    "one target's own environment, for what a macro reads and does not tell", "cargo's configuration",
    "a dependency bumped that only Windows resolves", "a dependency bumped that one package has", "the version",
    "an interpreter added", "a target added", "zig upgraded", "a finished wheel replaced by another",
    "a branch that is switched to",
)  # fmt: skip
