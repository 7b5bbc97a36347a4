"""The help of tasks and commands: what each does, and three examples."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class HelpPage(Struct, frozen=True):
    """The help of one stage or command."""

    usage: str
    text: str
    examples: tuple[tuple[str, str], ...]
    """Three commands without `doit`, each with what it does."""


_TARGET = "x86_64-unknown-linux-gnu"

TASK_PAGES: Mapping[str, HelpPage] = {
    "build": HelpPage(
        "build[:TARGET[:PACKAGE[:PYTHON]]]",
        "Compiles every wheel with the package's build backend. A wheel whose inputs are unchanged is not built again.",
        (
            ("build", "every wheel of the project"),
            (f"build:{_TARGET}", "the wheels of one target"),
            ("build -n 4 -v", "four at a time, with all output of the compilers"),
        ),
    ),
    "repair": HelpPage(
        "repair[:TARGET[:PACKAGE[:PYTHON]]]",
        "Copies outside libraries into each wheel, verifies its floor, and puts it into dist/. Builds first.",
        (
            ("repair", "every wheel in dist/"),
            (f"repair:{_TARGET}", "the wheels of one target"),
            ("repair targets=host", "the wheels of this machine's own target"),
        ),
    ),
    "check": HelpPage(
        "check[:TARGET|sdist|set[:PACKAGE]]",
        "Compares each finished file with its name and metadata, and runs its tests where this machine can run it.",
        (
            ("check", "every file"),
            ("check:sdist", "the source distributions: each is built and tested outside the project"),
            (f"check:{_TARGET} -v", "one target, with the output of its tests"),
        ),
    ),
    "sdist": HelpPage(
        "sdist[:PACKAGE]",
        "Makes the source distributions. Every clone of a commit makes the same bytes.",
        (
            ("sdist", "of every package"),
            ("sdist check:sdist", "and check them"),
            ("plan sdist", "what would run, and why"),
        ),
    ),
    "version-sync": HelpPage(
        "version-sync",
        "Writes the version into every file that repeats it. As a part of other tasks it only checks.",
        (
            ("version-sync", "write what differs"),
            ("plan version-sync", "say what differs"),
            ("bump minor", "set the next version in all these places"),
        ),
    ),
    "clean": HelpPage(
        "clean [-n] TASK ... | run clean | run clean:cargo",
        "Removes what tasks made. `run clean` removes everything, `run clean:cargo` the cargo directories alone.",
        (
            (f"clean -n build:{_TARGET}", "show what would be removed for one target"),
            ("run clean", "remove all outputs, records and scratch folders"),
            ("run clean:cargo", "free disk space; the next build compiles again"),
        ),
    ),
    "checklist": HelpPage(
        "checklist",
        "Goes through the checklist of the configuration: commands that must pass, questions that a person answers.",
        (
            ("checklist", "every item"),
            ("list --all checklist", "the items"),
            ("plan checklist", "which items are open"),
        ),
    ),
    "ready": HelpPage(
        "ready[:PACKAGE]",
        "Says whether this version can be tagged: git, the remote, the changelog. Runs before a release is built.",
        (
            ("ready", "all packages"),
            ("plan release", "everything that a release would do"),
            ("rehearse", "the whole release on this machine, for practice"),
        ),
    ),
    "tag": HelpPage(
        "tag[:PACKAGE]",
        "Tags this version and pushes the tag with its branch. Runs only if it is named.",
        (
            ("ready", "first: whether a tag is possible"),
            ("tag", "tag and push"),
            ("plan tag", "what must pass before"),
        ),
    ),
    "publish": HelpPage(
        "publish[:INDEX[:PACKAGE]]",
        "Sends the planned files to the indexes: all of them, checked, or none. Runs only if it is named; an "
        "interrupted run continues where it stopped.",
        (
            ("plan publish", "the files, and what must run before"),
            ("publish:testpypi", "one index"),
            ("publish", "every index of the configuration"),
        ),
    ),
    "verify": HelpPage(
        "verify[:INDEX[:PACKAGE]]",
        "Installs from the indexes what was published, and tests it.",
        (
            ("verify", "every index"),
            ("verify:pypi", "one index"),
            ("status", "which file is where"),
        ),
    ),
    "release": HelpPage(
        "release[:PACKAGE]",
        "Everything, in order: checks, tag, publish, verify. Runs only if it is named. Run it again after a failure.",
        (
            ("rehearse", "first: the same on this machine, for practice"),
            ("release", "release every package"),
            ("release -v", "with all output of all tools"),
        ),
    ),
}  # fmt: skip
"""By stage, in the order of a release."""

COMMAND_PAGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "plan": (
        ("plan", "every file of a release, and what would run"),
        (f"plan check:{_TARGET}", "one task with all that it needs"),
        ("plan --against pypi", "the planned files compared with the newest release"),
    ),
    "doctor": (
        ("doctor", "what can be built and tested here, and how to get the rest"),
        ("doctor --json", "the same for a program"),
        ("doctor --offline", "without asking remotes and indexes"),
    ),
    "adopt": (
        ("adopt", "show the configuration that plans what this project ships"),
        ("adopt --write", "write it"),
        ("adopt --offline", "without asking an index"),
    ),
    "rehearse": (
        ("rehearse", "release for this machine's target, to a stand-in of every index"),
        ("rehearse --targets all", "every target"),
        (f"rehearse --targets {_TARGET}", "one target"),
    ),
    "bump": (
        ("bump minor --dry-run", "every line that the next minor version changes"),
        ("bump 1.3.0rc1", "set this version everywhere, and commit"),
        ("bump release", "from a release candidate to its release"),
    ),
    "changelog": (
        ("changelog", "the notes of the present version"),
        ("changelog unreleased", "the notes that the next version will have"),
        ("changelog --draft", "the commits since the last tag, as a list"),
    ),
    "status": (
        ("status", "where a release stands: tag, indexes, files, release page"),
        ("status --json", "the same for a program"),
        ("release", "finish a release that was interrupted"),
    ),
    "reproduce": (
        ("reproduce", "build this version again from its tag, and compare it with the index"),
        ("reproduce v1.2.0 --index testpypi", "another version, on another index"),
        ("reproduce --json", "for a program"),
    ),
    "audit": (
        ("audit sampleproject==4.0.0", "what a release of anyone proves"),
        ("audit sampleproject==4.0.0 --index testpypi", "on another index"),
        ("audit sampleproject==4.0.0 --json", "for a program"),
    ),
    "licenses": (
        ("licenses", "the licences inside every wheel that is built here"),
        ("licenses --json", "for a program"),
        ("licenses demo", "of one package"),
    ),
    "report": (
        ("report", "write .cartwheel/report.html: files, tests, times, indexes"),
        ("report --offline", "without asking the indexes"),
        ("report --output site/release.html", "into another file"),
    ),
    "ci": (
        ("ci github", "write .github/workflows/release.yml"),
        ("ci gitlab", "write .gitlab-ci.yml"),
        ("ci --check", "compare the committed pipeline with the configuration"),
    ),
    "pull": (
        ("pull", "get everything that other machines built of these sources from the shared cache"),
        (f"pull check:{_TARGET}", "get what one task needs"),
        ("plan", "what is left to run"),
    ),
    "push": (
        ("push", "put everything that is up to date here into the shared cache"),
        (f"push build:{_TARGET}", "put the steps of one target there"),
        ("pull", "on another machine: get it"),
    ),
    "cache": (
        ("cache prune", "remove entries of the shared cache that are older than 30 days"),
        ("cache prune --days 7", "remove entries that are older than a week"),
        ("push", "fill it"),
    ),
    "completion": (
        ("completion bash >> ~/.bashrc", "for bash; for zsh: doit completion zsh >> ~/.zshrc"),
        ("completion fish > ~/.config/fish/completions/doit.fish", "for fish"),
        ("completion powershell >> $PROFILE", "for PowerShell"),
    ),
    "list": (
        ("list", "the groups of tasks"),
        ("list --all", "every task"),
        ("list --all build", "the tasks of one group"),
    ),
    "info": (
        (f"info build:{_TARGET}", "what a task needs and makes"),
        ("info sdist", "a group"),
        ("plan", "whether tasks are up to date, and why not"),
    ),
    "forget": (
        (f"forget build:{_TARGET}", "build one target again"),
        ("forget check", "check every file again"),
        ("run clean", "remove what was made, too"),
    ),
}  # fmt: skip
"""Three examples by command, in the order in which a new user needs them."""

RUN_OPTIONS: tuple[tuple[str, str], ...] = (
    ("-n N", "N tasks at a time; without it as many as processors and memory allow"),
    ("-c, --continue", "do not stop at the first failure"),
    ("-v, --verbose", "show all output of all tools, with the name of its step"),
    ("-q, --quiet", "show only failures and the table of files"),
    ("-a, --always-execute", "run even if up to date"),
    ("NAME=VALUE", "a setting for this run: targets, python, floor, toolchain, features, profile, publish, version"),
)
"""The options of a run that users need; `doit help run` has doit's others."""
