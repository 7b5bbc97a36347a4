"""Random projects and random edits of them; a seed gives the same ones again.

A project is a program of one to four local crates.  Each has parts that end up in the program, and a build script that
reads something in one of the ways in which build scripts do.  Whatever an edit does, the project still compiles.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from support.habits import HELPERS
from support.projects import Project
from support.repositories import git
from support.yard import CRATE, PROFILE, PYPROJECT, Yard

Edit = Callable[[], str]

VARIABLE = "YARD_MODE"
TOKENS = 'environment-pass = ["YARD_*"]\n'


class RandomYard:
    """A project that is drawn, and the edits that can be made of it."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.draw = Random(seed)
        self.count = 0
        self.tokens: dict[str, Callable[[str], str]] = {}
        """How the content of each file that can be edited follows from a token."""
        self.optional: list[str] = []
        """Files that may come and go."""
        self.folders: list[str] = []
        """Folders whose files are read, whatever their names."""
        self.links: dict[str, tuple[str, ...]] = {}
        """Links, and where each may lead, from its own folder."""
        self.files: dict[str, str] = {}
        self.git = False
        self.above = self.draw.random() < 0.25
        """Whether the workspace lies above the project."""
        self.crates = ("app", *(f"lib{n}" for n in range(self.draw.randint(0, 2))))
        self.macro = self.draw.random() < 0.3
        self.needs: dict[str, list[str]] = {name: [] for name in (*self.crates, "mac")}
        for number, name in enumerate(self.crates[1:], 1):
            self.needs[self.draw.choice(self.crates[:number])].append(name)
        if self.macro:
            self.needs[self.draw.choice(self.crates)].append("mac")
        self._lay_out()
        self.yard = self._written(folder)

    # ---- what there is

    def token(self) -> str:
        """A word that was never used before."""
        self.count += 1
        return f"t{self.count}"

    def _add(self, name: str, content: Callable[[str], str]) -> str:
        self.tokens[name] = content
        self.files[name] = content(self.token())
        return name

    def _text(self, name: str) -> str:
        return self._add(name, lambda token: f"{token}\n")

    def _lay_out(self) -> None:
        self._text("shared/one.txt")
        self._text("shared/two.txt")
        self._text("shared/deep/three.txt")
        self._text("notes.md")
        for name in self.crates:
            self._crate(name)
        if self.macro:
            self._macro()
        self.pyproject = PYPROJECT + TOKENS
        if self.draw.random() < 0.5:
            self._python()
        if self.draw.random() < 0.2:
            self._command()
        members = ", ".join(f'"{name}"' for name in (*self.crates, *(["mac"] if self.macro else [])))
        members = members.replace('"app"', '"py/app"') if self.above else members
        root = f'[workspace]\nresolver = "2"\nmembers = [{members}]\n[workspace.package]\n'
        self._add("Cargo.toml", lambda token: f'{root}description = "{token}"\n{PROFILE}')
        if self.draw.random() < 0.3:
            self._add(
                ".cargo/config.toml",
                lambda token: f'[build]\nrustflags = ["--cfg", "token=\\"{token}\\""]\n[env]\nYARD_SET = "{token}"\n',
            )

    def _crate(self, name: str) -> None:
        parts = self.draw.sample(_PARTS, self.draw.randint(1, 4))
        exprs = [part(self, name) for part in parts]
        script = self.draw.random() < 0.75
        if script:
            exprs.append(self._script(name))
        exprs += [f"{need}::said!()" if need == "mac" else f"{need}::said().as_str()" for need in self.needs[name]]
        body = "[" + ", ".join(exprs) + "].concat()"
        head = "".join(f"{line}\n" for line in sorted(set(self._mods(name))))
        if name == "app":
            self._add("app/src/main.rs", lambda token: f'{head}fn main() {{ print!("{{}} {token}", {body}); }}\n')
        else:
            self._add(
                f"{name}/src/lib.rs",
                lambda token: f'{head}pub fn said() -> String {{ {body} + "{token}" }}\n',
            )
        needs = "".join(f'{need} = {{ path = "{self._to(name, need)}" }}\n' for need in self.needs[name])
        features = "[features]\ndefault = []\nloud = []\n"
        about = "description.workspace = true\n" if self.draw.random() < 0.5 else ""
        table = self.draw.choice(("dependencies", "target.'cfg(unix)'.dependencies"))
        self._add(
            f"{name}/Cargo.toml",
            lambda token: (
                CRATE.format(name)
                + (about or f'description = "{token}"\n')
                + features.replace("[]\nloud", ('["loud"]' if int(token[1:]) % 2 else "[]") + "\nloud", 1)
                + f"[{table}]\n{needs}"
            ),
        )

    def _python(self) -> None:
        """A Python package beside the program, with patterns and ignored files."""
        self.pyproject = self.pyproject.replace(
            'bindings = "bin"\n',
            'bindings = "bin"\nmodule-name = "app"\npython-source = "python"\ninclude = ["extra/*.txt"]\n'
            'exclude = ["python/app/data/*.skip"]\n',
        )
        self._add("python/app/__init__.py", lambda token: f'TOKEN = "{token}"\n')
        for name in ("python/app/data/a.txt", "python/app/data/.b.txt", "python/app/data/c.skip", "extra/a.txt"):
            self._text(name)
        self._add("python/.gitignore", lambda token: "*.local\n" if int(token[1:]) % 2 else "*.skip\n")
        self._text("python/app/data/d.local")
        self.folders += ["python/app/data", "extra"]
        self._text("python/app/one.txt")
        self._text("python/app/.two.txt")
        self.links["python/app/link.txt"] = ("one.txt", ".two.txt")  # files that no edit deletes

    def _command(self) -> None:
        """A command that makes a source before the build, from a file that it is told."""
        self.pyproject += 'before = [{ run = ["sh", "gen.sh", "template.txt"] }]\n'
        self._add("gen.sh", lambda token: f'(cat "$1"; echo {token}) > app/src/made.txt\n')
        self._text("template.txt")
        main = self.tokens["app/src/main.rs"]
        start = 'print!("{} '
        assert start in main("t0")
        self._add(
            "app/src/main.rs",
            lambda token: main(token).replace(start, f'print!("{{}}", include_str!("made.txt")); {start}'),
        )

    def _to(self, name: str, other: str) -> str:
        up = "../.." if self.above and name == "app" else ".."
        return f"{up}/py/{other}" if self.above and other == "app" else f"{up}/{other}"

    def _shared(self, name: str) -> str:
        return "../../shared" if self.above and name == "app" else "../shared"

    def _mods(self, name: str) -> list[str]:
        return [f"mod {path.rpartition('/')[2][:-3]};" for path in self.files if path == f"{name}/src/deep.rs"] + [
            f'#[path = "../{self._shared(name)}/out_{name}.rs"] mod out_{name};'
            for path in self.files if path == f"shared/out_{name}.rs"
        ]  # fmt: skip

    def _macro(self) -> None:
        self.files["mac/Cargo.toml"] = CRATE.format("mac") + "[lib]\nproc-macro = true\n"
        self._text("mac/src/said.txt")
        self._add(
            "mac/src/lib.rs",
            lambda token: (
                "extern crate proc_macro;\n#[proc_macro]\npub fn said(_: proc_macro::TokenStream) -> "
                'proc_macro::TokenStream { format!("{:?}", concat!(include_str!("said.txt"), "' + token + '"))'
                ".parse().unwrap() }\n"
            ),
        )

    # ---- build scripts

    def _script(self, name: str) -> str:
        """Adds a build script in one of several manners; returns the expression that holds what it read."""
        reads: list[str] = []
        watch: list[str] = []
        manner = self.draw.choice(("silent", "variables", "named", "named", "named", "named"))
        for _ in range(self.draw.randint(1, 3)):
            read, rows = self.draw.choice(_READS[manner])(self, name)
            reads.append(read)
            watch += rows if manner == "named" else []
        if manner == "variables":
            watch.append(f"env-changed={VARIABLE}")
            reads.append(f'env::var("{VARIABLE}").unwrap_or_default()')
        if manner == "named" and self.draw.random() < 0.5:
            watch.append("changed=build.rs")
        output = f"let said = [{', '.join(f'String::from({read})' for read in reads)}].concat();"
        lines = "".join(f'println!("{self.draw.choice(("cargo:", "cargo::"))}rerun-if-{row}");' for row in watch)
        if self.draw.random() < 0.5:
            end, expr = "say(said);", 'env!("SAID")'
        else:
            end = 'fs::write(out().join("made.rs"), format!("{:?}", said)).unwrap();'
            expr = 'include!(concat!(env!("OUT_DIR"), "/made.rs"))'
        self._add(
            f"{name}/build.rs",
            lambda token: (
                f'{HELPERS}const SALT: &str = "{token}";\nfn main() {{ {output} {lines} '
                f'let said = format!("{{SALT}}{{said}}"); {end} }}\n'
            ),
        )
        return expr

    # ---- on disk

    def _written(self, folder: Path) -> Yard:
        top = Project(folder)
        place = "py/" if self.above else ""
        files = {self._place(name): text for name, text in self.files.items()}
        yard = Yard.laid_out(
            folder,
            {
                **files,
                f"{place}pyproject.toml": self.pyproject,
                f"{place}LICENSE": "free\n",
                ".gitignore": ".cartwheel/\ndist/\n__pycache__/\nmade.txt\n",
            },
            members=(),
        )
        self.tokens["LICENSE"] = lambda token: f"{token}\n"
        self.files["LICENSE"] = ""
        if self.above:
            (folder / "dodo.py").rename(folder / "py" / "dodo.py")
            (folder / "pyproject.toml").unlink()
            yard.root = folder / "py"
        for link, goals in self.links.items():
            path = folder / self._place(link)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(goals[0])
        if self.draw.random() < 0.15:
            (folder / "Cargo.lock").unlink()
        self.top = top.root
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", "drawn")
        return yard

    def _place(self, name: str) -> str:
        return f"py/{name}" if self.above and name.startswith(_OF_PROJECT) else name

    def path(self, name: str) -> Path:
        """Where a file of the project lies."""
        return self.top / self._place(name)

    # ---- edits

    def edit(self) -> str:
        """Make a random edit; what it was."""
        weighted: list[tuple[int, Edit]] = [
            (10, self._other_content), (3, self._old_time), (2, self._touch), (2, self._and_back),
            (3, self._unread_file), (2, self._executable),
            (3 if self.folders else 0, self._new_in_folder), (2 if self.folders else 0, self._gone_from_folder),
            (3 if self.optional else 0, self._comes_or_goes), (2 if self.links else 0, self._leads_elsewhere),
            (2, self._variable), (2, self._commit), (1, self._tag), (1, self._module_by_folder),
            (1, self._program_more), (1, self._configuration), (1, self._script_more),
        ]  # fmt: skip
        weights, edits = zip(*weighted, strict=True)
        output = [edit() for edit in self.draw.choices(edits, weights, k=self.draw.choice((1, 1, 1, 2)))]
        return " and ".join(output)

    def _drawn_file(self) -> str:
        there = [name for name in sorted(self.tokens) if self.path(name).is_file()]
        return self.draw.choice(there)

    def _rewrite(self, name: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(self.tokens[name](self.token()))

    def _other_content(self) -> str:
        name = self._drawn_file()
        self._rewrite(name)
        return f"{name} edited"

    def _old_time(self) -> str:
        name = self._drawn_file()
        self._rewrite(name)
        os.utime(self.path(name), (1_000_000_000, 1_000_000_000))
        return f"{name} edited, with an old time"

    def _touch(self) -> str:
        name = self._drawn_file()
        os.utime(self.path(name))
        return f"{name} touched"

    def _and_back(self) -> str:
        name = self._drawn_file()
        before = self.path(name).read_text()
        self._rewrite(name)
        self.path(name).write_text(before)
        return f"{name} edited and put back"

    def _unread_file(self) -> str:
        name = f"{self.draw.choice(('', *(f'{crate}/' for crate in self.crates)))}{self.token()}.md"
        self.path(name).write_text("unread\n")
        return f"{name} new"

    def _executable(self) -> str:
        name = self._drawn_file()
        self.path(name).chmod(self.draw.choice((0o644, 0o755)))
        return f"{name} other mode"

    def _new_in_folder(self) -> str:
        name = f"{self.draw.choice(self.folders)}/{self.token()}.txt"
        self._text(name)
        self._rewrite(name)
        return f"{name} new"

    def _gone_from_folder(self) -> str:
        there = [n for n in sorted(self.tokens) if n.startswith(tuple(f"{f}/" for f in self.folders))]
        there = [name for name in there if self.path(name).is_file()]
        if not there:
            return "nothing"
        name = self.draw.choice(there)
        self.path(name).unlink()
        return f"{name} deleted"

    def _comes_or_goes(self) -> str:
        name = self.draw.choice(self.optional)
        if self.path(name).exists():
            self.path(name).unlink()
            return f"{name} deleted"
        self._rewrite(name)
        return f"{name} new"

    def _leads_elsewhere(self) -> str:
        name = self.draw.choice(sorted(self.links))
        path, goal = self.path(name), self.draw.choice(self.links[name])
        path.unlink()
        path.symlink_to(goal)
        return f"{name} leads to {goal}"

    def _variable(self) -> str:
        if VARIABLE in self.yard.env and self.draw.random() < 0.3:
            del self.yard.env[VARIABLE]
            return f"{VARIABLE} unset"
        self.yard.env[VARIABLE] = self.token()
        return f"{VARIABLE} set"

    def _commit(self) -> str:
        git(self.top, "commit", "--quiet", "--allow-empty", "--message", self.token())
        return "a commit"

    def _tag(self) -> str:
        name = self.token()
        git(self.top, "tag", name)
        return f"the tag {name}"

    def _module_by_folder(self) -> str:
        """`deep.rs` becomes `deep/mod.rs`, or the other way round."""
        for crate in self.crates:
            one, other = self.path(f"{crate}/src/deep.rs"), self.path(f"{crate}/src/deep/mod.rs")
            for old, new in ((one, other), (other, one)):
                if old.is_file():
                    new.parent.mkdir(exist_ok=True)
                    old.rename(new)
                    return f"{old.name} of {crate} is {new.name}"
        return "nothing"

    def _configuration(self) -> str:
        """cargo's configuration comes or goes, at the top or beside the program."""
        path = self.top / self.draw.choice((".cargo/config.toml", self._place("app/.cargo/config.toml"), "config.md"))
        if path.exists():
            path.unlink()
            return f"{path.name} gone"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'[env]\nYARD_SET = "{self.token()}"\n')
        return f"{path} new"

    def _script_more(self) -> str:
        """A build script where there was none."""
        for crate in self.crates:
            path = self.path(f"{crate}/build.rs")
            if not path.exists():
                path.write_text(f'fn main() {{ println!("cargo:rustc-env=CARGO_PKG_DESCRIPTION={self.token()}"); }}\n')
                return f"build.rs of {crate} new"
        return "nothing"

    def _program_more(self) -> str:
        path = self.path("app/src/bin/more.rs")
        if path.exists():
            path.unlink()
            return "a program less"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'fn main() {{ print!("{self.token()}"); }}\n')
        return "a program more"


_OF_PROJECT = ("app/", "LICENSE", "python/", "extra/", "gen.sh", "template.txt")
"""Files that lie beside pyproject.toml wherever that is."""

# ---- parts of a crate, each an expression -------------------------------------------------------------------------


def _included(yard: RandomYard, name: str) -> str:
    yard._text(f"{name}/src/said.txt")
    return 'include_str!("said.txt")'


def _included_from_outside(yard: RandomYard, name: str) -> str:
    return f'include_str!("../{yard._shared(name)}/one.txt")'


def _module(yard: RandomYard, name: str) -> str:
    yard._add(f"{name}/src/deep.rs", lambda token: f'pub const SAID: &str = "{token}";\n')
    return "deep::SAID"


def _module_outside(yard: RandomYard, name: str) -> str:
    yard._add(f"shared/out_{name}.rs", lambda token: f'pub const SAID: &str = "{token}";\n')
    return f"out_{name}::SAID"


def _asked_variable(yard: RandomYard, name: str) -> str:
    return f'option_env!("{VARIABLE}").unwrap_or("none")'


def _description(yard: RandomYard, name: str) -> str:
    return 'env!("CARGO_PKG_DESCRIPTION")'


def _feature(yard: RandomYard, name: str) -> str:
    return 'if cfg!(feature = "loud") { "loud" } else { "quiet" }'


def _configured_variable(yard: RandomYard, name: str) -> str:
    return 'option_env!("YARD_SET").unwrap_or("none")'


_PARTS = (
    _included, _included_from_outside, _module, _module_outside, _asked_variable, _description, _feature,
    _configured_variable,
)  # fmt: skip

# ---- what build scripts read, and the lines by which they have it watched -------------------------------------------

Read = tuple[str, list[str]]


def _file(yard: RandomYard, name: str) -> Read:
    yard._text(f"{name}/data.txt")
    return 'read("data.txt")', ["changed=data.txt"]


def _folder(yard: RandomYard, name: str) -> Read:
    yard._text(f"{name}/data/a.txt")
    yard._text(f"{name}/data/.hidden.txt")
    yard.folders.append(f"{name}/data")
    return 'every("data")', ["changed=data"]


def _pattern(yard: RandomYard, name: str) -> Read:
    read, _ = _folder(yard, name)
    return read, ["changed=data/*.txt"]


def _links_in_folder(yard: RandomYard, name: str) -> Read:
    yard._text(f"{name}/linked/a.txt")
    up = f"../{yard._shared(name)}"
    yard.links[f"{name}/linked/link.txt"] = (f"{up}/one.txt", f"{up}/two.txt")
    return 'every("linked")', ["changed=linked"]


def _link_to_folder(yard: RandomYard, name: str) -> Read:
    yard.links[f"{name}/away"] = (f"{yard._shared(name)}", f"{yard._shared(name)}/deep")
    return 'every("away")', ["changed=away"]


def _outside(yard: RandomYard, name: str) -> Read:
    return f'read("{yard._shared(name)}/two.txt")', [f"changed={yard._shared(name)}/two.txt"]


def _optional(yard: RandomYard, name: str) -> Read:
    yard.optional.append(yard._text(f"{name}/local.txt"))
    del yard.files[f"{name}/local.txt"]
    yard._text(f"{name}/usual.txt")
    return 'read("local.txt") + &read("usual.txt")', ["changed=local.txt"]


def _headers(yard: RandomYard, name: str) -> Read:
    yard._add(f"{name}/f.h", lambda token: f'#include "g.h"\n{token}\n')
    yard._text(f"{name}/g.h")
    return 'expand(Path::new("f.h"), "#include ")', ["changed=f.h"]


def _variable_read(yard: RandomYard, name: str) -> Read:
    return f'env::var("{VARIABLE}").unwrap_or_default()', [f"env-changed={VARIABLE}", "changed=build.rs"]


def _commit_read(yard: RandomYard, name: str) -> Read:
    return 'printed("git", &["rev-parse", "HEAD"])', [f"changed={yard._shared(name)}/../.git/HEAD"]


def _described(yard: RandomYard, name: str) -> Read:
    return 'printed("git", &["describe", "--tags", "--always", "--dirty"])', [
        f"changed={yard._shared(name)}/../.git/HEAD"
    ]


def _manifest(yard: RandomYard, name: str) -> Read:
    return 'env::var("CARGO_PKG_DESCRIPTION").unwrap()', ["changed=build.rs"]


_INSIDE = (_file, _folder, _links_in_folder, _link_to_folder, _headers, _manifest)
_READS = {
    "silent": (*_INSIDE, _commit_read, _described, _outside),
    "variables": (*_INSIDE, _outside),
    "named": (
        *_INSIDE, _pattern, _outside, _optional, _headers, _variable_read, _commit_read, _described,
    ),
}  # fmt: skip
"""By how a script has itself watched: not at all, by variables only, by all that it reads."""
