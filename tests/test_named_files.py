"""Files that the words of a command, of flags or of a setting name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cartwheel.cargo.build_output import CargoMessages
from cartwheel.filesystem.named_files import command_words, named_files, words_of, words_of_source
from cartwheel.inputs import git_reads
from cartwheel.inputs.build_reads import BuildEvidence, CargoBuild
from cartwheel.inputs.folder_sources import texts_of_scripts
from cartwheel.inputs.mentioned_files import mentioned_by_sources


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "gen.sh", "tools/wrap.sh", "tools/deep/x.txt", "link.args", "more.args", "libs/libf.a", "exports.map",
        "dist/a.whl", "target/CACHEDIR.TAG", "target/x", ".cartwheel/x", "node_modules/x",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link.ld").write_text("INCLUDE exports.map\n")
    (tmp_path / "tools/run").write_text('#!/bin/sh\n. "$(dirname "$0")/more.sh"\nls libs dist 1.0 .. /etc/hosts\n')
    (tmp_path / "tools/more.sh").write_text("cat deep/x.txt  # and run again\n")
    (tmp_path / "link.args").write_text("@more.args libs/libf.a\n")
    (tmp_path / "more.args").write_text("@link.args -Wl,--version-script=exports.map\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "files", "folders"),
    [
        (("sh", "gen.sh"), ("gen.sh",), ()),
        (("sh", "./gen.sh", "missing.txt"), ("gen.sh",), ()),
        (("tools/run",), ("tools/deep/x.txt", "tools/more.sh", "tools/run"), ()),
        (("-Wl,-T,link.ld",), ("exports.map", "link.ld"), ()),
        (("tools/more.sh",), ("tools/deep/x.txt", "tools/more.sh"), ()),
        (("make", "-C", "tools"), (), ("tools",)),
        (("-Llibs", "-lf"), (), ("libs",)),
        (("-isystemlibs", "-iquote./tools/deep", "-includelink.args"), ("link.args",), ("libs", "tools/deep")),
        (("--script=gen.sh",), ("gen.sh",), ()),
        (("-Clink-arg=-Wl,--version-script,exports.map",), ("exports.map",), ()),
        (("-Clink-arg=@link.args",), ("exports.map", "libs/libf.a", "link.args", "more.args"), ()),
        (("link.args", "@link.args"), ("exports.map", "libs/libf.a", "link.args", "more.args"), ()),
        (("", ".", "/", "-", "=", "x" * 5000, "a\0b"), (), ()),
        (("dist/a.whl", ".cartwheel/x", ".git/HEAD"), (), ()),
        (("--out", "dist", "--target-dir", "target", ".cartwheel", "node_modules"), (), ()),
        (("/bin/sh", "../outside"), (), ()),
    ],
)
def test_words_name_files_of_the_project(
    root: Path, words: tuple[str, ...], files: tuple[str, ...], folders: tuple[str, ...]
) -> None:
    names = named_files(words, (root,), root)
    assert (names.files, names.folders) == (files, folders)


def test_a_setting_is_read_by_spaces_and_by_the_sign_between_encoded_flags(root: Path) -> None:
    assert "b c" not in words_of("a\x1fb c")
    assert {"a", "b", "c"} <= set(words_of("a\x1fb c"))


def test_a_path_is_taken_from_each_place(root: Path) -> None:
    assert named_files(("wrap.sh", "deep/x.txt"), (root, root / "tools"), root).files == (
        "tools/deep/x.txt",
        "tools/wrap.sh",
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("git rev-parse HEAD > app/rev.txt", {"HEAD"}),
        ("x=$(git -C . describe --tags)", {"HEAD", "git describe"}),
        ("git status --porcelain", {"HEAD", "git describe", "git status"}),
        ("git diff | sha256sum", {"HEAD", "git describe", "git diff"}),
        ("subprocess.run(['git', 'config', 'remote.origin.url'])", {"HEAD", "git config"}),
        ("# git tells the commit\ncp .gitignore x; digit=1", set()),
        ('run(\n    [\n        "git",\n        "describe",\n        "--dirty",\n    ]\n)', {"HEAD", "git describe"}),
        ('git = shutil.which("git")\nrun([git, "describe"])', {"HEAD", "git describe"}),
        ('GITS = ["git"]\nrunner(GITS, ["describe", "--tags"])', {"HEAD", "git describe"}),
        ('def ask(*words): return run(["git", *words])\nask("status")', {"HEAD", "git describe", "git status"}),
        ("GIT ?= git\nall:\n\t$(GIT) describe > a\n", {"HEAD", "git describe"}),
        (
            "execute_process(COMMAND ${GIT_EXECUTABLE}\n  describe --dirty\n  WORKING_DIRECTORY x)",
            {"HEAD", "git describe"},
        ),
        ('run(["git", "-C", f"{top}", "symbolic-ref", "HEAD"])', {"HEAD", "git branch"}),
        ("import git\nrepo = git.Repo()\nprint(repo.is_dirty())", {"HEAD", "git describe"}),
        ('print(open(".git/HEAD").read())', {"HEAD", "git branch"}),
        ("git log -1 --format=%D", {"HEAD", "git refs"}),
        ("git tag --points-at HEAD", {"HEAD", "git tags"}),
        ("git tag | tail -1", {"HEAD", "git tags"}),
        ("git rev-parse HEAD && git tag v1", {"HEAD"}),
        ('message(FATAL_ERROR "no pybind11; run git submodule update --init")', set()),
        ('setup(keywords=["git", "vcs"], description="A git client")', set()),
        ('"""Bumps the version; do a git commit, on any branch, when done."""', set()),
        ("git clone https://host.example/git/a.git && git lfs pull", set()),
        ("apt-get install -y git curl", set()),
        ('if Path(".git").exists(): status = 1', set()),
    ],
)
def test_a_command_or_a_script_asks_git(text: str, names: set[str]) -> None:
    assert set(git_reads.facts_in_commands([text])) == names


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (("make", "gen"), ("Makefile", "tools/gen.py", "tools/helper.py", "tools/names.txt")),
        (("sh", "-c", "make gen && true"), ("Makefile", "tools/gen.py", "tools/helper.py", "tools/names.txt")),
        (("python", "-m", "tools.gen"), ("tools/gen.py", "tools/helper.py", "tools/names.txt")),
        (("just", "gen"), ()),
    ],
)
def test_a_program_reads_files_that_the_command_does_not_name(
    tmp_path: Path, command: tuple[str, ...], files: tuple[str, ...]
) -> None:
    texts = {
        "Makefile": "gen:\n\tpython tools/gen.py\n", "tools/helper.py": 'print(open("tools/names.txt").read())\n',
        "tools/gen.py": "import helper\n", "tools/names.txt": "", "other.txt": "",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert named_files(command_words(command), (tmp_path,), tmp_path).files == files


@pytest.mark.parametrize(
    ("literal", "word"),
    [
        ("../data/a.txt", "../data/a.txt"),
        ("/data/a.txt", "data/a.txt"),
        ("the data.txt", "the data.txt"),
        ("../schemas/**/*.json", "../schemas"),
        ("cargo:rerun-if-changed={}/../proto/{name}.proto", "../proto"),
        ("{}/../proto/{name}.proto", "../proto"),
        ("{top}/proto/a.proto", "proto/a.proto"),
        ("sh ./gen.sh ../in.txt", "./gen.sh"),
        ("make", "Makefile"),
        (r"a\"b\", '\"', \"../c.txt", "../c.txt"),
    ],
)
def test_a_literal_of_a_source_names_a_path(literal: str, word: str) -> None:
    assert word in words_of_source(f'read("{literal}")')


def test_words_of_a_message_are_no_folders() -> None:
    assert words_of_source('panic!("no src here")') == ("no src here",)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('run("git", &["show-ref"])', {git_reads.REFS}),
        ('run("git", &["log", "-1", "--format=%D"])', {git_reads.REFS}),
        ('run("git", &["log", "-1", "--format=%ad"])', set()),
        ('run("git", &["ls-files"])', {git_reads.STATUS}),
        ("use git2::Repository; repo.head()?.shorthand()", {git_reads.BRANCH}),
        ("gix::open(top)?.status(progress)", {git_reads.STATUS}),
        ('run("git").status()', set()),
        ('Command::new("git").args(["tag", "v1"])', set()),
        ('Command::new("git").arg("tag").arg("-a").arg("v1")', set()),
        ('Command::new("git").args(["tag", "--list"])', {git_reads.TAGS}),
        ('Command::new("git").arg("tag").output().expect("tags")', {git_reads.TAGS}),
        ('Utc::now().format("%d")', None),
    ],
)
def test_a_source_asks_git(source: str, names: set[str] | None) -> None:
    assert set(git_reads.facts_in_sources([source])) == ({git_reads.COMMIT, *names} if names is not None else set())


@pytest.mark.parametrize(
    "text",
    [
        "import os, helper\n", "import helper as h\n", "from . import helper\n", "from .helper import go\n",
        "from tools import (\n    other,\n    helper,\n)\n", "from tools import helper as h  # used below\n",
    ],
)  # fmt: skip
def test_a_python_script_imports_the_files_beside_it(tmp_path: Path, text: str) -> None:
    for name, content in {"tools/gen.py": text, "tools/helper.py": "", "go.py": "", "used.py": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert named_files(("tools/gen.py",), (tmp_path,), tmp_path).files == ("tools/gen.py", "tools/helper.py")


def test_a_script_for_node_imports_the_files_beside_it(tmp_path: Path) -> None:
    for name, content in {"tools/gen.mjs": "import go from './lib.mjs'\n", "tools/lib.mjs": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "package.json").write_text('{"scripts": {"gen": "node tools/gen.mjs"}}')
    files = named_files(command_words(("npm", "run", "gen")), (tmp_path,), tmp_path).files
    assert files == ("package.json", "tools/gen.mjs", "tools/lib.mjs")


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ('subprocess.check_output(["git", "rev-parse", "HEAD"])', True),
        ("commit = os.popen('git rev-parse HEAD').read()", True),
        ("execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse HEAD)", True),
        ("run_command('git', 'rev-parse', 'HEAD')", True),
        ("git.Repo(search_parent_directories=True).head.commit.hexsha", True),
        ("GIT_REPOSITORY https://host.example/pybind11.git", False),
        ('"name @ git+https://host.example/name"', False),
        ('url="https://github.com/a/b"', False),
        ("# as git has it", False),
    ],
)
def test_a_script_of_a_backend_asks_git(text: str, asks: bool) -> None:
    assert (git_reads.COMMIT in git_reads.facts_in_commands([text])) == asks


@pytest.mark.parametrize(
    ("script", "folders"),
    [
        ('glob("*.proto")', {"crates/app"}),
        ('glob("./**/*.rs")', {"crates/app"}),
        ('text += "/* made"; text += "*/"; text += "*/\\n";', set()),
        ('out.parent(); Command::new("python"); if os == "swift" { run(["python"]) }', set()),
        ('match lang { "python" => "swift", _ => "" }; out.pop();', set()),
        ('top.parent().unwrap().join("python")', {"python"}),
        ('path.pop(); path.push("python"); path.push("swift/")', {"python", "swift"}),
        ('const DATA: &str = "python"; top.parent().unwrap().join(DATA)', {"python"}),
        ('for name in ["python", "swift"] { top.parent().unwrap().join(name); }', {"python", "swift"}),
        ('read([TOP, "..", "..", "python"].iter().collect::<PathBuf>())', {"python"}),
        ('format!("{}/python", top.parent())', {"python"}),
    ],
)
def test_a_build_script_reads_the_folders_that_it_names_by_paths(
    tmp_path: Path, script: str, folders: set[str]
) -> None:
    app = tmp_path / "crates/app"
    for folder in (app, tmp_path / "python", tmp_path / "swift"):
        folder.mkdir(parents=True)
        (folder / "a.txt").touch()
    (app / "build.rs").write_text(script)
    (app / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "1.0.0"\n')
    build = CargoBuild(
        root=tmp_path, manifest=app / "Cargo.toml", target_dir=tmp_path / "target", triple="", profile="release",
        messages=tmp_path / "messages", cwd=tmp_path,
    )  # fmt: skip
    evidence = BuildEvidence(build=build, messages=CargoMessages(complete=True), elsewhere=())
    assert set(mentioned_by_sources(evidence, [(app, app / "build.rs")], {}).folders) == folders


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"setup.py": "import versioneer\n"}, {"HEAD", "git describe"}),
        ({"setup.py": "from tools.rev import rev\n"}, {"HEAD"}),
        ({"pyproject.toml": '[tool.hatch.build.hooks.custom]\npath = "tools/rev.py"\n'}, {"HEAD"}),
        ({"CMakeLists.txt": "execute_process(COMMAND git rev-parse HEAD)\n"}, {"HEAD"}),
        ({"pyproject.toml": '[tool.ruff]\nextend-exclude = ["tools/rev.py"]\n'}, set()),
        ({"pyproject.toml": f'[project]\ndescription = "{"x" * 300}.py"\n', "setup.py": ""}, set()),
    ],
)
def test_the_scripts_of_a_backend_ask_git_also_by_what_they_import(
    tmp_path: Path, files: dict[str, str], names: set[str]
) -> None:
    texts = {
        "versioneer.py": 'GITS = ["git"]\nrunner(GITS, ["describe", "--tags", "--dirty"])\n',
        "tools/rev.py": 'rev = run(["git", "rev-parse", "HEAD"])\n', **files,
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    pyproject = tomllib.loads(files.get("pyproject.toml", ""))
    assert set(git_reads.facts_in_commands(texts_of_scripts(pyproject, tmp_path, tmp_path))) == names
