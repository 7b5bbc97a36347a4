"""What build scripts of well-known crates do, each as a small project, and edits that change what comes out.

The scripts use no crate: each prints what the crate named in its key prints (versions of November 2026: cc 1.2,
bindgen 0.72, cmake 0.1, pkg-config 0.3, prost-build 0.14, tonic-build 0.14, vergen-gitcl 1.0, built 0.8,
pyo3-build-config 0.29, embed-resource 3.0, napi-build 2), or what their users' scripts commonly print.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.projects import TRIPLE
from support.repositories import git
from support.yard import CRATE, PROFILE, PYPROJECT, Yard

Make = Callable[[Yard], object]


@dataclass(frozen=True, kw_only=True)
class Habit:
    """A project, and edits of it that are made one after the other."""

    files: Mapping[str, str]
    edits: Mapping[str, Make]
    members: tuple[str, ...] = ("app",)
    first: Make = lambda yard: None
    """Done before the first build."""


def change(name: str, old: str, new: str) -> Make:
    """Replace the one place where `old` stands."""
    return lambda yard: yard.edit(name, old, new)


def both(*makes: Make) -> Make:
    """Several edits as one."""
    return lambda yard: [make(yard) for make in makes]


def write(name: str, text: str) -> Make:
    """A file with other content, or a new one."""
    return lambda yard: yard.write(name, text)


def variable(name: str, value: str) -> Make:
    """Set a variable of the user's environment."""
    return lambda yard: yard.env.update({name: value})


def script(*lines: str) -> str:
    """A build script: these lines in `main`, with helpers that do what a compiler's or generator's crate does."""
    return HELPERS + "fn main() {\n" + "\n".join(lines) + "\n}\n"


def changed(*names: str) -> str:
    return "".join(f'println!("cargo:rerun-if-changed={name}");' for name in names)


def watched_variables(*names: str) -> str:
    return "".join(f'println!("cargo:rerun-if-env-changed={name}");' for name in names)


HELPERS = r"""
#![allow(dead_code, unused_imports)]
use std::{env, fs, path::{Path, PathBuf}, process::Command};
fn out() -> PathBuf { env::var("OUT_DIR").unwrap().into() }
fn read(path: impl AsRef<Path>) -> String { fs::read_to_string(path).unwrap_or_default() }
fn run(command: &mut Command) { assert!(command.status().unwrap().success()); }
fn printed(program: &str, words: &[&str]) -> String {
    String::from_utf8(Command::new(program).args(words).output().unwrap().stdout).unwrap()
}
fn say(text: String) { println!("cargo:rustc-env=SAID={}", text.replace('\n', "|")); }
fn names(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}
fn every(folder: impl AsRef<Path>) -> String { names(folder).iter().filter(|p| p.is_file()).map(read).collect() }
fn compile(source: &str, name: &str) {
    let object = out().join(format!("{name}.o"));
    let mut command = Command::new("cc");
    command.args(["-O0", "-Iinclude", "-c", source, "-o"]).arg(&object);
    command.args(env::var("CFLAGS").unwrap_or_default().split_whitespace());
    run(&mut command);
    let library = out().join(format!("lib{name}.a"));
    fs::remove_file(&library).ok();
    run(Command::new("ar").arg("crD").arg(library).arg(object));
    println!("cargo:rustc-link-lib=static={name}");
    println!("cargo:rustc-link-search=native={}", out().display());
}
fn expand(path: &Path, sign: &str) -> String {
    read(path).lines().map(|line| match line.strip_prefix(sign) {
        Some(name) => expand(&path.with_file_name(name.trim_matches(|c| "\" ;".contains(c))), sign),
        None => format!("{line}\n"),
    }).collect()
}
"""

SAID = 'fn main() { print!("{}", env!("SAID")); }\n'
MADE = 'include!(concat!(env!("OUT_DIR"), "/made.rs"));\nfn main() { print!("{}", MADE); }\n'
NATIVE = 'extern "C" { fn f() -> i32; }\nfn main() { print!("{}", unsafe { f() }); }\n'
QUIET = 'fn main() { print!("quiet"); }\n'
GENERATE = 'fs::write(out().join("made.rs"), format!("pub const MADE: &str = {:?};", {})).unwrap();'
C, H = '#include "f.h"\nint f(void) { return VALUE; }\n', "#define VALUE 1\n"
CC_VARIABLES = watched_variables(
    "CC_x86_64-unknown-linux-gnu", "CC_x86_64_unknown_linux_gnu", "HOST_CC", "CC", "CFLAGS"
)


def prebuilt(value: int, name: str = "app/libs/libf.a") -> Make:
    """A static library that is part of the project."""

    def make(yard: Yard) -> None:
        path = yard.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        source, built = path.with_suffix(".c"), path.with_suffix(".o")
        source.write_text(f"int f(void) {{ return {value}; }}\n")
        subprocess.run(["cc", "-c", str(source), "-o", str(built)], check=True)
        path.unlink(missing_ok=True)
        subprocess.run(["ar", "crD", str(path), str(built)], check=True)
        source.unlink()
        built.unlink()

    return make


def old(name: str) -> Make:
    """Give a file a time before every build."""
    return lambda yard: os.utime(yard.path(name), (1_000_000_000, 1_000_000_000))


def commit(yard: Yard) -> None:
    """A commit that changes no file."""
    git(yard.root, "commit", "--quiet", "--allow-empty", "--message", "another")


def another_branch(yard: Yard) -> None:
    """A branch with the same files in another commit."""
    git(yard.root, "switch", "--quiet", "--create", "other")
    commit(yard)


def detached(yard: Yard) -> None:
    """The first commit, on no branch."""
    git(yard.root, "checkout", "--quiet", "--detach", "HEAD~1")


def packed(yard: Yard) -> None:
    """A commit, and all refs in one file."""
    git(yard.root, "switch", "--quiet", "main")
    commit(yard)
    git(yard.root, "pack-refs", "--all")


def tag(name: str) -> Make:
    """A lightweight tag on the commit."""
    return lambda yard: git(yard.root, "tag", name)


DESCRIBED = 'say(printed("git", &["describe", "--tags", "--always", "--dirty"]));'
HEAD = 'say(printed("git", &["rev-parse", "HEAD"]));'
MACRO = """extern crate proc_macro;
use proc_macro::TokenStream;
#[proc_macro]
pub fn said(_: TokenStream) -> TokenStream {
    let out = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
    format!("{:?}", String::from_utf8(out.stdout).unwrap()).parse().unwrap()
}
"""
ABOUT = f'[workspace]\nresolver = "2"\nmembers = ["app"]\n[workspace.package]\ndescription = "d"\n{PROFILE}'
SPARE = 'name = "spare"\nversion = "1.0.{}"'
EMBEDS = (
    CRATE.format("app") + '[dependencies]\ninclude_dir = { path = "../include_dir", package = "include_dir_macros" }\n'
)
EMBEDDING = """fn main() {
    print!("{} {}", include_dir::include_dir!("$CARGO_MANIFEST_DIR/pages"), include_dir::include_dir!("../outside"));
}
"""
EMBEDDER = """extern crate proc_macro;
use proc_macro::TokenStream;
#[proc_macro]
pub fn include_dir(name: TokenStream) -> TokenStream {
    let top = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let name = name.to_string().trim_matches('"').replace("$CARGO_MANIFEST_DIR/", "");
    let mut files: Vec<_> = std::fs::read_dir(format!("{top}/{name}")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    format!("{text:?}").parse().unwrap()
}
"""
HELPED = """pub fn tell() {
    say(printed("git", &["rev-parse", "HEAD"]) + &read(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/a.txt")));
    println!("cargo:rerun-if-changed=build.rs");
}
"""
VENDORED = """[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "vendor"
"""
WRAPPER = '#!/bin/sh\nprogram="$1"; shift\nexec "$program" "$@" --cfg \'said="1"\'\n'
CFG = '#[cfg(said = "1")] const SAID: &str = "one";\n#[cfg(not(said = "1"))] const SAID: &str = "other";\n'
CFG += 'fn main() { print!("{}", SAID); }\n'
EXTRA_SECTION = "SECTIONS {{ .extra : {{ BYTE({}) }} }} INSERT AFTER .rodata;\n"
BUILD_ID = "-Wl,--build-id=0x{}\n"


def executable(*names: str) -> Make:
    """Files that are programs."""
    return lambda yard: [yard.path(name).chmod(0o755) for name in names]


LOADED = """fn main() {
    print!("{}{}", mac::load!("data/a.txt"), mac::load!("pages"));
}
"""
LOADER = """#[proc_macro]
pub fn load(t: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let top = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let path = std::path::Path::new(&top).join(t.to_string().trim_matches('"'));
    let text: String = match std::fs::read_dir(&path) {
        Ok(rows) => {
            let mut files: Vec<_> = rows.map(|e| e.unwrap().path()).collect();
            files.sort();
            files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
        }
        Err(_) => std::fs::read_to_string(path).unwrap(),
    };
    format!("{text:?}").parse().unwrap()
}
"""
LOOKING_UP = """#[proc_macro]
pub fn found(t: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let (top, name) = (std::env::var("CARGO_MANIFEST_DIR").unwrap(), t.to_string().replace([' ', '"'], ""));
    let path = std::path::Path::new(&top).ancestors().map(|f| f.join(&name)).find(|p| p.exists()).unwrap();
    format!("{:?}", std::fs::read_to_string(path).unwrap()).parse().unwrap()
}
"""
FOUND = """fn main() {
    print!("{}{}{}", sqlx::found!(.sqlx / query . json), sqlx::found!(.env), sqlx::found!("../en/a.ftl"));
}
"""

MAC = '[dependencies]\nmac = { path = "../mac" }\n'

CONFIGURED = '[env]\nDATA = {{ value = "{}", relative = true }}\n'
"""A file of the workspace as a variable, in cargo's configuration."""

HABITS = {
    "a variable of cargo's configuration that a build script reads, and says nothing of": Habit(
        files={"app/build.rs": script('let data = env::var("DATA").unwrap();', "say(read(&data));",
                                      'println!("cargo:rerun-if-changed={data}");'),
               "app/src/main.rs": SAID, ".cargo/config.toml": 'include = ["more.toml"]\n',
               ".cargo/more.toml": CONFIGURED.format("one.txt"), "one.txt": "one", "two.txt": "two"},
        edits={
            "the file": write("one.txt", "1"),
            "the variable": write(".cargo/more.toml", CONFIGURED.format("two.txt")),
            "the other file": write("two.txt", "2"),
        },
    ),
    "cc, which names variables only": Habit(
        files={"app/build.rs": script('compile("native/f.c", "f");', CC_VARIABLES), "app/src/main.rs": NATIVE,
               "app/native/f.c": C, "app/native/f.h": H},
        edits={
            "a C source": change("app/native/f.c", "VALUE;", "VALUE + 1;"),
            "a header": change("app/native/f.h", "1", "3"),
            "CFLAGS": variable("CFLAGS", "-DMORE=1 -fno-common -O1"),
            "a header that comes first on the path": lambda yard: (
                yard.edit("app/native/f.h", "3", "4"), yard.write("app/native/more.h", "#define X 1\n"),
            ),
        },
    ),
    "cc with the C source named": Habit(
        files={"app/build.rs": script('compile("native/f.c", "f");', changed("native/f.c")), "app/src/main.rs": NATIVE,
               "app/native/f.c": C, "app/include/f.h": '#include "deep.h"\n', "app/include/deep.h": H},
        edits={
            "the source": change("app/native/f.c", "VALUE;", "VALUE + 1;"),
            "a header that a header includes": change("app/include/deep.h", "1", "2"),
            "a header with an old time": lambda yard: (
                yard.edit("app/include/deep.h", "2", "5"), old("app/include/deep.h")(yard),
            ),
        },
    ),
    "cc over sources of another folder": Habit(
        files={"app/build.rs": script('compile("../vendor/f.c", "f");', changed("../vendor/f.c")),
               "app/src/main.rs": NATIVE, "vendor/f.c": C, "vendor/f.h": H},
        edits={"its header": change("vendor/f.h", "1", "2")},
    ),
    "bindgen": Habit(
        files={"app/build.rs": script(
                   'let text = expand(Path::new("wrapper.h"), "#include ");', GENERATE.replace("{})", "text)"),
                   changed("wrapper.h"), watched_variables("BINDGEN_EXTRA_CLANG_ARGS", "LIBCLANG_PATH")),
               "app/src/main.rs": MADE, "app/wrapper.h": '#include "inner.h"\n', "app/inner.h": H},
        edits={
            "the wrapper": write("app/wrapper.h", '#include "inner.h"\n#define MORE 1\n'),
            "a header that it includes": change("app/inner.h", "1", "2"),
            "a header deleted and the wrapper without it": lambda yard: (
                yard.path("app/inner.h").unlink(), yard.write("app/wrapper.h", "#define LESS 1\n"),
            ),
        },
    ),
    "cmake": Habit(
        files={"app/build.rs": script('compile("native/src/f.c", "f");', changed("native"),
                                      watched_variables("CMAKE_GENERATOR", "CMAKE_PREFIX_PATH")),
               "app/src/main.rs": NATIVE, "app/native/CMakeLists.txt": "project(f)\n",
               "app/native/src/f.c": '#include "../../version.h"\nint f(void) { return VALUE; }\n',
               "app/version.h": H},
        edits={
            "a source in the folder": change("app/native/src/f.c", "VALUE;", "VALUE + 1;"),
            "a header outside of the watched folder": change("app/version.h", "1", "2"),
            "a source and its list": lambda yard: (
                yard.write("app/native/src/f.c", "int f(void) { return 7; }\n"),
                yard.write("app/native/CMakeLists.txt", "project(g)\n"),
            ),
        },
    ),
    "a make that looks at times, as cmake runs one": Habit(
        files={"app/build.rs": script(
                   'let top = env::current_dir().unwrap().join("..").canonicalize().unwrap();',
                   'run(Command::new("make").arg("--silent").arg("-f").arg(top.join("native/Makefile"))',
                   '    .arg(format!("TOP={}", top.display())).current_dir(out()));',
                   'println!("cargo:rustc-link-lib=static=f");',
                   'println!("cargo:rustc-link-search=native={}", out().display());', changed("../native/Makefile")),
               "app/src/main.rs": NATIVE, "native/f.c": C.replace('"f.h"', "<f.h>"), "include/f.h": H,
               "native/Makefile": "libf.a: f.o\n\tar crD $@ f.o\n"
               "f.o: $(TOP)/native/f.c\n\tcc -MMD -I$(TOP)/native -I$(TOP)/include -c $< -o $@\n-include f.d\n"},
        edits={
            "a header that only the Makefile names": change("include/f.h", "1", "2"),
            "the same with an old time": both(change("include/f.h", "2", "3"), old("include/f.h")),
            "a header that comes first on the path": write("native/f.h", "#define VALUE 4\n"),
        },
    ),
    "pkg-config": Habit(
        files={"app/build.rs": script(
                   'let found = read("libs/f.pc");', 'let folder = env::current_dir().unwrap().join(found.trim());',
                   'println!("cargo:rustc-link-search=native={}", folder.display());',
                   'println!("cargo:rustc-link-lib=static=f");', changed("build.rs", "libs/f.pc"),
                   watched_variables("PKG_CONFIG_PATH", "PKG_CONFIG", "F_STATIC")),
               "app/src/main.rs": NATIVE, "app/libs/f.pc": "libs\n"},
        first=prebuilt(1),
        edits={
            "the library": prebuilt(2),
            "a library in another place": lambda yard: (
                prebuilt(3, "app/others/libf.a")(yard), yard.write("app/libs/f.pc", "others\n"),
            ),
            "that library": prebuilt(4, "app/others/libf.a"),
        },
    ),
    "a prebuilt library beside the script": Habit(
        files={"app/build.rs": script(
                   'println!("cargo:rustc-link-search={}/libs", env::var("CARGO_MANIFEST_DIR").unwrap());',
                   'println!("cargo::rustc-link-lib=static:+whole-archive=f");', changed("build.rs")),
               "app/src/main.rs": NATIVE},
        first=prebuilt(1),
        edits={"the library replaced": prebuilt(2)},
    ),
    "prost": Habit(
        files={"app/build.rs": script('let text = expand(Path::new("proto/a.proto"), "import ");',
                                      GENERATE.replace("{})", "text)"), changed("proto/a.proto")),
               "app/src/main.rs": MADE, "app/proto/a.proto": 'import "b.proto";\nmessage A {}\n',
               "app/proto/b.proto": "message B {}\n"},
        edits={
            "the file": change("app/proto/a.proto", "message A", "message AA"),
            "a file that it imports": change("app/proto/b.proto", "message B", "message BB"),
            "another that is imported": lambda yard: (
                yard.write("app/proto/c.proto", "message C {}\n"),
                yard.edit("app/proto/b.proto", "message BB", 'import "c.proto";\nmessage BB'),
            ),
            "the file that is imported by that": change("app/proto/c.proto", "message C", "message CC"),
        },
    ),
    "tonic": Habit(
        files={"app/build.rs": script('let text = every("../proto");', GENERATE.replace("{})", "text)"),
                                      changed("../proto")),
               "app/src/main.rs": MADE, "proto/a.proto": "service A {}\n"},
        edits={
            "a service": change("proto/a.proto", "service A", "service AA"),
            "a service more": write("proto/b.proto", "service B {}\n"),
            "a service less": lambda yard: yard.path("proto/a.proto").unlink(),
            "a hidden file": write("proto/.c.proto", "service C {}\n"),
        },
    ),
    "vergen": Habit(
        files={"app/build.rs": script(HEAD, changed("../.git/HEAD", "build.rs")), "app/src/main.rs": SAID},
        edits={"a commit": commit, "a branch": another_branch, "no branch": detached, "packed refs": packed},
    ),
    "a script that reads its package's description, which the workspace sets, and watches a variable": Habit(
        files={"app/build.rs": script('say(env::var("CARGO_PKG_DESCRIPTION").unwrap());', watched_variables("MODE")),
               "app/src/main.rs": SAID, "app/Cargo.toml": CRATE.format("app") + "description.workspace = true\n",
               "Cargo.toml": ABOUT},
        edits={"the workspace's description": change("Cargo.toml", '"d"', '"e"')},
    ),
    "a script that reads outside its package and watches itself": Habit(
        files={"app/build.rs": script('say(read("../data/a.txt") + &every("../pages"));', changed("build.rs")),
               "app/src/main.rs": SAID, "data/a.txt": "a", "pages/b.txt": "b"},
        edits={"a file": write("data/a.txt", "aa"), "a file more in a folder": write("pages/c.txt", "c")},
    ),
    "a file that one script watches and another one reads without a word": Habit(
        files={"app/build.rs": script('say(read("../data/a.txt"));', changed("../data/a.txt", "build.rs")),
               "app/src/main.rs": 'fn main() { print!("{} {}", env!("SAID"), side::SAID); }\n',
               "app/Cargo.toml": CRATE.format("app") + '[dependencies]\nside = { path = "../side" }\n',
               "side/build.rs": script('say(read("../data/a.txt"));', changed("build.rs")),
               "side/src/lib.rs": 'pub const SAID: &str = env!("SAID");\n', "data/a.txt": "a"},
        members=("app", "side"),
        edits={"the file": write("data/a.txt", "aa")},
    ),
    "a script that writes a file of the project": Habit(
        files={"app/build.rs": script('fs::create_dir_all("../gen").unwrap();',
                                      'fs::write("../gen/out.h", read("../data/a.txt")).unwrap();',
                                      'say(read("../data/a.txt"));', changed("build.rs")),
               "app/src/main.rs": SAID, "data/a.txt": "a", ".gitignore": ".cartwheel/\ndist/\ngen/\n"},
        edits={"what it reads": write("data/a.txt", "aa")},
    ),
    "a crate that a script uses": Habit(
        files={"app/build.rs": "fn main() { helper::tell(); }\n", "app/src/main.rs": SAID, "data/a.txt": "a",
               "app/Cargo.toml": CRATE.format("app") + '[build-dependencies]\nhelper = { path = "../helper" }\n',
               "helper/src/lib.rs": HELPERS + HELPED},
        members=("app", "helper"),
        edits={"a commit": commit, "a file": write("data/a.txt", "aa")},
    ),
    "crates that a script is linked with, directly and by another crate": Habit(
        files={"app/Cargo.toml": CRATE.format("app") + '[build-dependencies]\ngen = { path = "../gen" }\n',
               "gen/Cargo.toml": CRATE.format("gen") + '[dependencies]\ninner = { path = "../inner" }\n',
               "gen/src/lib.rs": "mod deep;\npub fn tell() { inner::say(deep::read() + &inner::every()); }\n",
               "gen/src/deep.rs": 'pub fn read() -> String {\n'
               'std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/run/a.txt")).unwrap() }\n',
               "inner/src/lib.rs": HELPERS.replace("fn every(", "fn all(").replace("fn say(", "pub fn say(")
               + 'pub fn every() -> String { all("../data") }\n',
               "app/build.rs": 'fn main() { gen::tell(); println!("cargo:rerun-if-changed=build.rs"); }\n',
               "app/src/main.rs": SAID, "gen/run/a.txt": "a", "data/b.txt": "b"},
        members=("app", "gen", "inner"),
        edits={"the file of the first": write("gen/run/a.txt", "c"), "that of the second": write("data/b.txt", "d")},
    ),
    "a crate that a macro is linked with": Habit(
        files={"app/src/main.rs": 'fn main() { print!("{}", mac::said!()); }\n',
               "app/Cargo.toml": CRATE.format("app") + '[dependencies]\nmac = { path = "../mac" }\n',
               "mac/Cargo.toml": CRATE.format("mac") + "[lib]\nproc-macro = true\n"
               + '[dependencies]\nwords = { path = "../words" }\n',
               "mac/src/lib.rs": "#[proc_macro]\npub fn said(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
               'format!("{:?}", words::read()).parse().unwrap() }\n',
               "words/src/lib.rs": 'pub fn read() -> String {\n'
               'std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/list.txt")).unwrap() }\n',
               "words/list.txt": "a"},
        members=("app", "mac", "words"),
        edits={"the file": write("words/list.txt", "b")},
    ),
    "a vendored crate without checksums": Habit(
        files={"app/src/main.rs": 'fn main() { print!("{}", dep::SAID); }\n',
               "app/Cargo.toml": CRATE.format("app") + '[dependencies]\ndep = "1"\n',
               ".cargo/config.toml": VENDORED, "vendor/dep/Cargo.toml": CRATE.format("dep"),
               "vendor/dep/src/lib.rs": 'pub const SAID: &str = "one";\n',
               "vendor/dep/.cargo-checksum.json": '{"files": {}, "package": "' + "0" * 64 + '"}'},
        edits={"a patch of it": change("vendor/dep/src/lib.rs", "one", "another")},
    ),
    "a script that reads the lockfile": Habit(
        files={"app/build.rs": script('say(read("../Cargo.lock"));', changed("build.rs")), "app/src/main.rs": SAID,
               "spare/src/lib.rs": ""},
        members=("app", "spare"),
        edits={"another member's version": both(
            change("spare/Cargo.toml", "1.0.0", "1.0.1"), change("Cargo.lock", SPARE.format("0"), SPARE.format("1")),
        )},
    ),
    "include_dir, a macro that tells nobody what it opens": Habit(
        files={"app/src/main.rs": EMBEDDING, "app/Cargo.toml": EMBEDS, "include_dir/src/lib.rs": EMBEDDER,
               "include_dir/Cargo.toml": CRATE.format("include_dir_macros") + "[lib]\nproc-macro = true\n",
               "app/pages/a.html": "a", "outside/b.html": "b"},
        members=("app", "include_dir"),
        edits={
            "a file": write("app/pages/a.html", "aa"), "a file more": write("app/pages/c.html", "c"),
            "one less": lambda yard: yard.path("app/pages/a.html").unlink(),
            "a file outside the crate": write("outside/b.html", "bb"),
        },
    ),
    "git describe": Habit(
        files={"app/build.rs": script(DESCRIBED, changed("../.git/HEAD", "build.rs")), "app/src/main.rs": SAID,
               "LICENSE": "free"},
        edits={"a tag": tag("v1"), "an edit": write("LICENSE", "another"),
               "and back": write("LICENSE", "free"), "a commit": commit, "another tag": tag("v2")},
    ),
    "a branch that a script reads": Habit(
        files={"app/build.rs": script('say(printed("git", &["rev-parse", "--abbrev-ref", "HEAD"]));'),
               "app/src/main.rs": SAID},
        edits={"another branch": lambda yard: git(yard.root, "switch", "--quiet", "--create", "other")},
    ),
    "a remote, the state of the tree and a difference": Habit(
        files={"app/build.rs": script(
                   'let asked = [vec!["config", "remote.origin.url"], vec!["status", "--porcelain"], vec!["diff"]];',
                   'say(asked.iter().map(|words| printed("git", words)).collect());', changed("build.rs")),
               "app/src/main.rs": SAID, "LICENSE": "free"},
        first=lambda yard: git(yard.root, "remote", "add", "origin", "https://one.invalid/app"),
        edits={
            "another remote": lambda yard: git(yard.root, "remote", "set-url", "origin", "https://two.invalid/app"),
            "a file that git does not know": write("new.txt", "new"), "an edit": write("LICENSE", "another"),
            "an edit of what is edited": write("LICENSE", "a third"),
        },
    ),
    "tags that a script watches": Habit(
        files={"app/build.rs": script('say(every("../.git/refs/tags"));', changed("../.git/refs/tags")),
               "app/src/main.rs": SAID},
        edits={"a tag": tag("v1"), "another tag": tag("v2")},
    ),
    "a script that asks git and watches nothing": Habit(
        files={"app/build.rs": script(HEAD), "app/src/main.rs": SAID}, edits={"a commit": commit},
    ),
    "git-version, a macro": Habit(
        files={"app/src/main.rs": 'fn main() { print!("{}", mac::said!()); }\n', "mac/src/lib.rs": MACRO,
               "app/Cargo.toml": CRATE.format("app") + '[dependencies]\nmac = { path = "../mac" }\n',
               "mac/Cargo.toml": CRATE.format("mac") + "[lib]\nproc-macro = true\n"},
        members=("app", "mac"),
        edits={"a commit": commit},
    ),
    "built": Habit(
        files={"app/build.rs": script(
                   'let lock = read("../Cargo.lock");',
                   'let about = env::var("CARGO_PKG_DESCRIPTION").unwrap() + &lock;',
                   GENERATE.replace("{})", "about)")),
               "app/src/main.rs": MADE,
               "app/Cargo.toml": CRATE.format("app") + 'description = "d"\n'},
        edits={
            "the description": change("app/Cargo.toml", '"d"', '"e"'),
            "a file of the package": lambda yard: (
                yard.write("app/notes.txt", "n"), yard.edit("app/Cargo.toml", '"e"', '"f"'),
            ),
        },
    ),
    "pyo3-build-config by a variable of ours": Habit(
        files={"app/build.rs": script('say(read(Path::new("..").join(env::var("PYO3_CONFIG_FILE").unwrap())));',
                                      changed("build.rs"), watched_variables("PYO3_CONFIG_FILE")),
               "app/src/main.rs": SAID, "pyo3.cfg": "version=3.11\n",
               "pyproject.toml": PYPROJECT + 'environment = { PYO3_CONFIG_FILE = "pyo3.cfg" }\n'},
        edits={
            "the file": change("pyo3.cfg", "3.11", "3.12"),
            "the variable": lambda yard: (
                yard.write("other.cfg", "version=3.13\n"), yard.edit("pyproject.toml", '"pyo3.cfg"', '"other.cfg"'),
            ),
        },
    ),
    "pyo3-build-config by cargo's configuration": Habit(
        files={"app/build.rs": script('say(read(env::var("PYO3_CONFIG_FILE").unwrap()));', changed("build.rs"),
                                      watched_variables("PYO3_CONFIG_FILE")),
               "app/src/main.rs": SAID, "pyo3.cfg": "version=3.11\n",
               ".cargo/config.toml": '[env]\nPYO3_CONFIG_FILE = { value = "pyo3.cfg", relative = true }\n'},
        edits={"the file": change("pyo3.cfg", "3.11", "3.12")},
    ),
    "embed-resource": Habit(
        files={"app/build.rs": script('say(read("app.rc") + &read("res/icon.txt"));', changed("app.rc")),
               "app/src/main.rs": SAID, "app/app.rc": "1 ICON res/icon.txt\n", "app/res/icon.txt": "i\n"},
        edits={
            "the resource": change("app/app.rc", "1 ICON", "2 ICON"),
            "what it names": change("app/res/icon.txt", "i", "j"),
        },
    ),
    "napi-like, over the crate's own sources": Habit(
        files={"app/build.rs": script('say(every("src"));', changed("src")), "app/src/main.rs": SAID,
               "app/src/api.txt": "a\n"},
        edits={
            "a source": change("app/src/api.txt", "a", "b"),
            "a source more": write("app/src/more.txt", "m\n"),
            "a source renamed": lambda yard: yard.path("app/src/api.txt").rename(yard.path("app/src/z.txt")),
        },
    ),
    "a pattern that is named as it is": Habit(
        files={"app/build.rs": script('say(every("data"));', changed("data/*")), "app/src/main.rs": SAID,
               "app/data/a.txt": "a\n"},
        edits={
            "a file": change("app/data/a.txt", "a", "b"),
            "a file more": write("app/data/c.txt", "c\n"),
            "a file less": lambda yard: yard.path("app/data/a.txt").unlink(),
        },
    ),
    "a file that need not be there": Habit(
        files={"app/build.rs": script('say(read("local.txt") + &read("usual.txt"));', changed("local.txt")),
               "app/src/main.rs": SAID, "app/usual.txt": "u\n"},
        edits={
            "the other one": change("app/usual.txt", "u", "v"),
            "it appears": write("app/local.txt", "l\n"),
            "it is another": change("app/local.txt", "l", "m"),
        },
    ),
    "arguments of the linker in a file": Habit(
        files={"app/build.rs": script('println!("cargo:rustc-link-arg-bins=@app/link.args");', changed("build.rs")),
               "app/src/main.rs": QUIET, "app/link.args": "@app/more.args\n", "app/more.args": BUILD_ID.format("aa11")},
        edits={
            "a file that the file names": write("app/more.args", BUILD_ID.format("bb22")),
            "the file": write("app/link.args", BUILD_ID.format("cc33")),
        },
    ),
    "arguments of the linker in cargo's configuration": Habit(
        files={".cargo/config.toml": f'[target.{TRIPLE}]\nrustflags = ["-C", "link-arg=@link.args"]\n',
               "app/src/main.rs": QUIET, "link.args": BUILD_ID.format("aa11")},
        edits={"the file": write("link.args", BUILD_ID.format("bb22"))},
    ),
    "flags of ours that name a file": Habit(
        files={"pyproject.toml": PYPROJECT + 'flags = ["-Clink-arg=@link.args"]\n', "app/src/main.rs": QUIET,
               "link.args": BUILD_ID.format("aa11")},
        edits={"the file": write("link.args", BUILD_ID.format("bb22"))},
    ),
    "a compiler's wrapper in cargo's configuration": Habit(
        files={".cargo/config.toml": '[build]\nrustc-wrapper = "tools/wrap.sh"\n', "app/src/main.rs": CFG,
               "tools/wrap.sh": WRAPPER},
        first=executable("tools/wrap.sh"),
        edits={"the wrapper": change("tools/wrap.sh", '"1"', '"2"')},
    ),
    "a compiler's wrapper by a variable": Habit(
        files={"app/src/main.rs": CFG, "tools/wrap.sh": WRAPPER},
        first=lambda yard: (executable("tools/wrap.sh")(yard),
                            yard.env.update(RUSTC_WRAPPER=str(yard.path("tools/wrap.sh")))),
        edits={"the wrapper": change("tools/wrap.sh", '"1"', '"2"')},
    ),
    "a linker that is a script": Habit(
        files={".cargo/config.toml": f'[target.{TRIPLE}]\nlinker = "tools/compiler.sh"\n', "app/src/main.rs": QUIET,
               "tools/compiler.sh": '#!/bin/sh\nexec cc "$@" -Wl,--build-id=0xaa11\n'},
        first=executable("tools/compiler.sh"),
        edits={"the script": change("tools/compiler.sh", "aa11", "bb22")},
    ),
    "a folder for cargo's intermediate files": Habit(
        files={".cargo/config.toml": '[build]\nbuild-dir = "{workspace-root}/middle"\n', "app/d.txt": "d",
               ".gitignore": ".cartwheel/\ndist/\nmiddle/\n",
               "app/build.rs": script('say(read("d.txt"));', changed("d.txt")), "app/src/main.rs": SAID},
        edits={
            "what a script reads": write("app/d.txt", "dd"),
            "the same with an old time": both(write("app/d.txt", "ddd"), old("app/d.txt")),
        },
    ),
    "a command before the build": Habit(
        files={"pyproject.toml": PYPROJECT + 'before = [{ run = ["sh", "tools/gen.sh", "tools/template.txt"] }]\n',
               "tools/gen.sh": 'cp "$1" app/src/made.txt\necho one >> app/src/made.txt\n',
               "tools/template.txt": "t\n", ".gitignore": ".cartwheel/\ndist/\nmade.txt\n",
               "app/src/main.rs": 'fn main() { print!("{}", include_str!("made.txt")); }\n'},
        edits={
            "the script": change("tools/gen.sh", "one", "two"),
            "what it is told to read": change("tools/template.txt", "t", "u"),
        },
    ),
    "a command whose script names files and asks git": Habit(
        files={"pyproject.toml": PYPROJECT + 'before = [{ run = ["sh", "tools/gen.sh"] }]\n',
               "tools/gen.sh": ". tools/common.sh\n(cat tools/template.txt; git rev-parse HEAD) > app/src/made.txt\n"
                               'echo "$NAME" >> app/src/made.txt\ndate > gen.log\n',
               "tools/common.sh": "NAME=n\n", "tools/template.txt": "t\n",
               ".gitignore": ".cartwheel/\ndist/\nmade.txt\ngen.log\n",
               "app/src/main.rs": 'fn main() { print!("{}", include_str!("made.txt")); }\n'},
        edits={
            "a script that it reads": write("tools/common.sh", "NAME=m\n"),
            "a file": write("tools/template.txt", "u\n"), "a commit": commit,
        },
    ),
    "make before the build, and a Python script with a module": Habit(
        files={"pyproject.toml": PYPROJECT + 'before = [{ run = ["make", "--quiet", "gen"] }]\n',
               "Makefile": "gen:\n\tpython3 -B tools/gen.py > app/src/made.txt\n.PHONY: gen\n",
               "tools/gen.py": "import helper\nhelper.go()\n", "tools/in.txt": "i",
               "tools/helper.py": "def go():\n    print(open('tools/in.txt').read(), 1)\n",
               ".gitignore": ".cartwheel/\ndist/\nmade.txt\n",
               "app/src/main.rs": 'fn main() { print!("{}", include_str!("made.txt")); }\n'},
        edits={
            "what the module reads": write("tools/in.txt", "j"),
            "the module": change("tools/helper.py", " 1)", " 2)"),
            "the Makefile": change("Makefile", "app/src/made.txt", "app/src/made.txt && echo >> app/src/made.txt"),
        },
    ),
    "a wrapper and a linker script that name files": Habit(
        files={".cargo/config.toml": '[build]\nrustc-wrapper = "tools/wrap.sh"\n',
               "tools/wrap.sh": '#!/bin/sh\n. "$(dirname "$0")/flags.sh"\nexec "$@" --cfg "$SAID"\n',
               "tools/flags.sh": "SAID='said=\"1\"'\n",
               "app/build.rs": script('println!("cargo:rustc-link-arg=-Wl,-T,app/a.ld");', changed("build.rs")),
               "app/a.ld": "INCLUDE app/b.ld\n", "app/b.ld": EXTRA_SECTION.format(1), "app/src/main.rs": CFG},
        first=executable("tools/wrap.sh"),
        edits={
            "a file beside the wrapper": change("tools/flags.sh", "1", "2"),
            "a linker script that the other one includes": write("app/b.ld", EXTRA_SECTION.format(2)),
        },
    ),
    "files outside the repository": Habit(
        files={"app/build.rs": script('say(read("../../f.txt"));', changed("../../f.txt")), "app/src/main.rs": SAID},
        first=write("../f.txt", "one"),
        edits={"an old time": both(write("../f.txt", "two"), old("../f.txt")), "a new time": write("../f.txt", "3")},
    ),
    "a library's script that hands a value on": Habit(
        files={"app/Cargo.toml": CRATE.format("app") + '[dependencies]\nf-sys = { path = "../f-sys" }\n',
               "app/build.rs": script('say(env::var("DEP_F_VALUE").unwrap());', changed("build.rs")),
               "app/src/main.rs": SAID,
               "f-sys/Cargo.toml": CRATE.format("f-sys") + 'links = "f"\n', "f-sys/src/lib.rs": "",
               "f-sys/build.rs": script('println!("cargo:value={}", read("f.txt").trim());', changed("f.txt")),
               "f-sys/f.txt": "one\n"},
        members=("app", "f-sys"),
        edits={"what it reads": change("f-sys/f.txt", "one", "two")},
    ),
    "a data file that git ignores": Habit(
        files={"app/build.rs": script('say(read("data.local"));'), "app/src/main.rs": SAID,
               ".gitignore": ".cartwheel/\ndist/\n*.local\n", "app/data.local": "one\n"},
        edits={"the file": change("app/data.local", "one", "two")},
    ),
    "paths that stand in no literal as they are": Habit(
        files={"Cargo.toml": f'[workspace]\nresolver = "2"\nmembers = ["crates/app"]\n{PROFILE}',
               "crates/app/Cargo.toml": CRATE.format("app"),
               "pyproject.toml": PYPROJECT.replace("app/Cargo.toml", "crates/app/Cargo.toml"),
               "crates/app/build.rs": script(
                   'let top = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());',
                   'let (name, all) = ("a", "../../schemas/*.json");',
                   'let mut said = read(top.parent().unwrap().join("shared").join("a.txt"));',
                   'said += &read(format!("{}/../../one/{name}.txt", top.display()));',
                   'said += &read("../../the data.txt");',
                   'said += &every(all.trim_end_matches("/*.json"));',
                   'said += &printed("sh", &["-c", "sh ../../tools/gen.sh ../../tools/in.txt"]);',
                   'said += &printed("make", &["--silent"]);', "say(said);", changed("build.rs")),
               "crates/app/src/main.rs": SAID, "crates/app/Makefile": "all:\n\techo a\n", "crates/shared/a.txt": "a",
               "one/a.txt": "a", "the data.txt": "a", "schemas/a.json": "a", "tools/in.txt": "a",
               "tools/gen.sh": 'cat "$1" "$(dirname "$0")"/templates/*\necho templates "templates"\n',
               "tools/templates/a.txt": "a"},
        members=(),
        edits={
            "beside the crate": write("crates/shared/a.txt", "b"), "a formatted name": write("one/a.txt", "b"),
            "a name with a space": write("the data.txt", "b"), "a file more": write("schemas/b.json", "b"),
            "in a command line": write("tools/in.txt", "b"), "a file of make": write("crates/app/Makefile", "a:\n"),
            "a folder beside a script": write("tools/templates/b.txt", "b"),
        },
    ),
    "a library that only an attribute names": Habit(
        files={"app/Cargo.toml": CRATE.format("app") + '[dependencies]\nf-sys = { path = "../f-sys" }\n',
               "app/src/main.rs": 'fn main() { print!("{}", f_sys::g()); }\n',
               "f-sys/src/lib.rs": '#[link(name = "f", kind = "static")]\n' + NATIVE.replace(
                   'fn main() { print!("{}", unsafe { f() }); }', "pub fn g() -> i32 { unsafe { f() } }"),
               "f-sys/build.rs": script('let top = env::current_dir().unwrap();',
                                        'println!("cargo:rustc-link-search={}/libs", top.display());',
                                        changed("build.rs"))},
        members=("app", "f-sys"),
        first=prebuilt(1, "f-sys/libs/libf.a"),
        edits={"the library": prebuilt(2, "f-sys/libs/libf.a")},
    ),
    "a macro of the project that opens what its caller names": Habit(
        files={"app/src/main.rs": LOADED, "app/Cargo.toml": CRATE.format("app") + MAC,
               "mac/Cargo.toml": CRATE.format("mac") + "[lib]\nproc-macro = true\n", "mac/src/lib.rs": LOADER,
               "app/data/a.txt": "a", "app/pages/a.txt": "a"},
        members=("app", "mac"),
        edits={"the file": write("app/data/a.txt", "b"), "a file more in the folder": write("app/pages/b.txt", "b")},
    ),
    "sqlx and others, which look above the package": Habit(
        files={"app/src/main.rs": FOUND, "app/Cargo.toml": CRATE.format("app")
               + '[dependencies]\nsqlx = { path = "../sqlx", package = "sqlx-macros" }\n',
               "sqlx/Cargo.toml": CRATE.format("sqlx-macros") + "[lib]\nproc-macro = true\n",
               "sqlx/src/lib.rs": LOOKING_UP, ".sqlx/query.json": "a", ".env": "a", "en/a.ftl": "a"},
        members=("app", "sqlx"),
        edits={"data for offline": write(".sqlx/query.json", "b"), "the variables": write(".env", "b"),
               "a named file outside": write("en/a.ftl", "b")},
    ),
    "refs of every kind": Habit(
        files={"app/build.rs": script('say(printed("git", &["show-ref"]));', changed("build.rs")),
               "app/src/main.rs": SAID},
        edits={"a tag": tag("v1"), "a branch": lambda yard: git(yard.root, "branch", "other")},
    ),
    "a crate of the project that runs before the build, by an alias": Habit(
        files={"pyproject.toml": PYPROJECT + 'before = [{ run = ["cargo", "xtask", "gen"] }]\n',
               ".cargo/config.toml": '[alias]\nxtask = "run --quiet --offline --package xtask --"\n',
               "xtask/src/main.rs": 'fn main() { std::fs::write("app/src/made.txt", '
               'words::all() + &std::fs::read_to_string("schemas/a.json").unwrap()).unwrap(); }\n',
               "xtask/Cargo.toml": CRATE.format("xtask") + '[dependencies]\nwords = { path = "../words" }\n',
               "words/src/lib.rs": 'pub fn all() -> String { "one".into() }\n', "schemas/a.json": "a",
               ".gitignore": ".cartwheel/\ndist/\ntarget/\nmade.txt\n",
               "app/src/main.rs": 'fn main() { print!("{}", include_str!("made.txt")); }\n'},
        members=("app", "xtask", "words"),
        edits={
            "what it reads": write("schemas/a.json", "b"),
            "the crate": change("xtask/src/main.rs", "words::all()", "words::all() + &words::all()"),
            "a crate that it uses": change("words/src/lib.rs", "one", "two"),
        },
    ),
    "files with odd names, a folder by a variable of the configuration, and the whole workspace watched": Habit(
        files={"app/build.rs": script('say(every(env::var("DATA").unwrap()) + &read("a#b: c.txt"));', changed("..")),
               "app/src/main.rs": 'fn main() { print!("{}{}", env!("SAID"), include_str!("ü $x: y#.txt")); }\n',
               "app/src/ü $x: y#.txt": "a", "app/a#b: c.txt": "a", "data/a.txt": "a",
               ".cargo/config.toml": '[env]\nDATA = { value = "data", relative = true }\n'},
        edits={"an odd name": write("app/src/ü $x: y#.txt", "b"), "another": write("app/a#b: c.txt", "b"),
               "a file more": write("data/b.txt", "b")},
    ),
}  # fmt: skip
