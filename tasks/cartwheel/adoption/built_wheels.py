"""The builds of a workflow's jobs: targets, interpreters and floors of maturin, containers and plain backends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.adoption.command_lines import (
    arguments_left_out,
    config_settings_left_out,
    maturin_options,
    package_folder,
    split_words,
    working_folder,
)
from cartwheel.adoption.interpreters import named_python, set_up_pythons
from cartwheel.adoption.parsed_files import Texts
from cartwheel.adoption.platform_names import image_policy, python_name, triple_of, with_macos_variables, with_policy
from cartwheel.adoption.shell_loops import unroll_loops
from cartwheel.adoption.shell_variables import assignments
from cartwheel.adoption.workflows import RUN_TIME_VALUE, JobRun, JobStep, Workflow, top_level_workflows

FOUND = "found"
"""Stands for the interpreters that the build finds: all that the package supports."""
HOST = "host"
"""Stands for the single interpreter that the job has set up, unknown which."""
OFF = "off"
"""Stands for a build on the machine itself where the tool usually takes a container."""

CARGO_DIST = "cargo-dist"


class BuildCall(Struct, frozen=True, kw_only=True):
    """One command of a workflow that makes wheels or a source distribution."""

    tool: str
    """`maturin`, `cibuildwheel`, `build`, `uv`, `cargo-dist`."""
    workflow: str
    job: str
    triples: tuple[str, ...] = ()
    """Empty for a source distribution alone."""
    pythons: tuple[str, ...] = ()
    """As `python` in the configuration has them, `FOUND` or `HOST`; empty for what the crate decides."""
    floor: str = ""
    """As the configuration writes it; empty for the target's own."""
    sdist: bool = False
    folder: str = "."
    """Of the package, relative to the repository."""
    features: tuple[str, ...] = ()
    profile: str = ""
    container: str = ""
    """The image, if one is named that is not the tool's own; `OFF` for none."""
    before: str = ""
    """A script that runs before the build."""
    setup: str = ""
    """A script that runs earlier on the machine of the build."""
    left_out: tuple[str, ...] = ()
    """Earlier steps of the job that no key of the configuration takes over: a command or an action each."""
    isolated: bool = False
    """Whether it runs in a separate container, where earlier steps of the job have no effect."""
    runner: str = ""
    notes: tuple[str, ...] = ()
    """What the build has and no key of the configuration takes over, in words."""
    environment: Mapping[str, str] = {}
    tests: Mapping[str, Any] = {}
    """How cibuildwheel tests these wheels, as keys of `test`."""


def build_calls(pipelines: Iterable[Workflow], texts: Texts) -> tuple[BuildCall, ...]:
    """Every build of the workflows, each row of a matrix by itself, and the targets of cargo-dist's configuration."""
    from cartwheel.adoption.cargo_dist import cargo_dist_calls
    from cartwheel.adoption.preparation import with_preparation

    calls = (
        with_preparation(_for_host(call, job.steps[: number + 1]), job, job.steps[: number + 1], texts)
        for workflow in top_level_workflows(pipelines, texts)
        for job in workflow.jobs
        for number, step in enumerate(job.steps)
        for call in _calls(step, job, texts)
    )
    return (*calls, *cargo_dist_calls(texts))


def _for_host(call: BuildCall, steps: Iterable[JobStep]) -> BuildCall:
    """The build with the interpreter that the job sets up on the machine, where it names none itself."""
    unnamed = HOST in call.pythons or (call.tool == "maturin" and not call.pythons)
    if not unnamed or call.isolated or not call.triples:
        return call
    own = set_up_pythons(steps, uv=call.tool == "uv")
    named = [name for name in call.pythons if name != HOST]
    return replace(call, pythons=tuple(dict.fromkeys((*named, *own))) if own else call.pythons)


def _calls(step: JobStep, job: JobRun, texts: Texts) -> Iterable[BuildCall]:
    from cartwheel.adoption.cibuildwheel import cibuildwheel_calls

    if step.uses == "pyo3/maturin-action":
        yield from _maturin_action(step, job)
    elif step.uses == "pypa/cibuildwheel" or re.search(r"\bcibuildwheel\b(?!\s*[=<>~])", _commands(step.run)):
        yield from cibuildwheel_calls(step, job, texts)
    elif step.run:
        yield from _calls_in_script(step, job, texts)


def _commands(script: str) -> str:
    """A script without the lines that only install something."""
    return "\n".join(line for line in script.splitlines() if not re.search(r"\b(?:install|add)\b", line))


# maturin ------------------------------------------------------------------------------------------------------------


def _maturin_action(step: JobStep, job: JobRun) -> Iterable[BuildCall]:
    command = step.with_.get("command", "build") or "build"
    arguments = split_words(step.with_.get("args", ""))
    if command not in ("build", "sdist", "publish"):
        return
    yield from _maturin(
        command,
        arguments,
        job,
        target=step.with_.get("target", ""),
        manylinux=step.with_.get("manylinux", ""),
        folder=step.with_.get("working-directory", step.folder) or step.folder,
        container=step.with_.get("container", ""),
        before=step.with_.get("before-script-linux", ""),
        isolated=job.system == "linux" and OFF not in (step.with_.get("container"), step.with_.get("manylinux")),
        env={**step.env, **dict(re.findall(r"(?:-e|--env)[ =](\w+)=(\S*)", step.with_.get("docker-options", "")))},
    )


def _maturin(
    command: str, arguments: list[str], job: JobRun, *, target: str, manylinux: str, folder: str,
    container: str = "", before: str = "", isolated: bool = False, env: Mapping[str, str] | None = None,
) -> Iterable[BuildCall]:  # fmt: skip
    ends = arguments.index("--") if "--" in arguments else len(arguments)
    options = maturin_options(arguments[:ends])
    folder = package_folder(folder, options)
    system = job.system
    named = options.get("--target", [target])[-1] or target
    if named == RUN_TIME_VALUE:
        note = "its target is known only at run time, so what it builds is not in the plan; write it as targets"
        yield BuildCall(tool="maturin", workflow=job.workflow, job=job.job, folder=folder, notes=(note,))
        return
    triple = triple_of(named, system, _set_up_arch(job) or job.arch)
    policy = (options.get("--compatibility") or options.get("--manylinux") or [manylinux])[-1]
    triple, floor = with_policy(triple, policy, container or job.container)
    triple, floor = with_macos_variables(triple, floor, env or {})
    if command == "sdist":
        yield BuildCall(tool="maturin", workflow=job.workflow, job=job.job, sdist=True, folder=folder)
        return
    pythons = tuple(_python_names(options.get("-i", []), job))
    if "--find-interpreter" in options or "-f" in options:
        pythons = (FOUND,)
    yield BuildCall(
        tool="maturin",
        workflow=job.workflow,
        job=job.job,
        triples=(triple,),
        pythons=pythons,
        floor=floor,
        sdist="--sdist" in options,
        folder=folder,
        features=tuple(f for text in options.get("--features", []) for f in re.split(r"[,\s]+", text) if f),
        profile=(options.get("--profile") or [""])[-1],
        container="" if container == "auto" else container,
        before=before.strip(),
        isolated=isolated,
        runner=job.runner,
        notes=tuple(arguments_left_out(options, arguments[ends + 1 :])),
        environment=env or {},
    )


def _python_names(words: Iterable[str], job: JobRun) -> Iterable[str]:
    """Interpreters as the configuration names them, from what maturin's `-i` takes."""
    for word in (part for text in words for part in re.split(r"[,\s]+", text) if part):
        yield python_name(word) or HOST


def _set_up_arch(job: JobRun) -> str:
    """The architecture in the arguments of setup-python."""
    architectures = [step.with_.get("architecture", "") for step in job.steps if step.uses == "actions/setup-python"]
    return architectures[-1] if architectures else ""


# Plain scripts --------------------------------------------------------------------------------------------------------

_MATURIN = re.compile(r"\bmaturin\s+(build|sdist|publish)\b([^\n;&|]*)")
_MOVES = re.compile(r"\b(?:cd|pushd)\s")
_DOCKER = re.compile(r"\b(?:docker|podman)\s+run\b([^\n;&|]*)")
_IMAGE = re.compile(r"\S*(?:manylinux|musllinux|pyo3/maturin)\S*")
_PLAIN = re.compile(
    r"(?:[^\s;&|(]*\bpy(?:thon|py)?[\d.]*t?(?:\.exe)?\"?\s+(?:-3\.\d+\s+)?(?:-m\s+build\b|-m\s+pip\s+wheel\b|\S*setup\.py\s+(?:bdist_wheel|sdist))"
    r"|\bpyproject-build\b|\b(?:uv|hatch|pdm|poetry|rye|flit)\s+build\b|[^\s;&|(]*\bpip[\d.]*\"?\s+wheel\b|\S*setup\.py\s+(?:bdist_wheel|sdist))([^\n;&|]*)"
)


def builds_wheels(line: str) -> bool:
    """Whether a line of a script is a build that is read as one."""
    return bool(_MATURIN.search(line) or _PLAIN.search(line))


def _calls_in_script(step: JobStep, job: JobRun, texts: Texts) -> Iterable[BuildCall]:
    from cartwheel.adoption.build_folders import built_folders

    script = unroll_loops(step.run)
    lines = script.splitlines()
    for number, line in enumerate(lines):
        earlier = "\n".join(row for row in lines[:number] if not builds_wheels(row))
        contained = _DOCKER.search(line)
        image = _IMAGE.search(contained[1]) if contained else None
        if image:
            yield from _in_container(image[0], line, step, job)
            continue
        env = {**step.env, **dict(assignments(f"{earlier}\n{line}"))}
        for match in _MATURIN.finditer(line):
            folder = (
                working_folder(line[: match.start()], step.folder)
                if _MOVES.search(line)
                else working_folder(script, step.folder)
            )
            words = split_words(match[2].rstrip(" )") if line.lstrip().startswith("(") else match[2])
            for call in _maturin(match[1], words, job, target="", manylinux="", folder=folder, env=env):
                yield replace(call, setup=earlier)
        for match in _PLAIN.finditer(line):
            started = working_folder(line[: match.start()] if _MOVES.search(line) else script, step.folder)
            notes = tuple(config_settings_left_out(match[1], earlier))
            call = replace(_plain(match[0], match[1], step, job, env), setup=earlier, environment=env, notes=notes)
            for folder in built_folders(match[0], match[1].rstrip(" )"), started, texts):
                yield replace(call, folder=folder)


def _in_container(image: str, line: str, step: JobStep, job: JobRun) -> Iterable[BuildCall]:
    """A wheel built by hand in an image of the Python Packaging Authority's, or in maturin's own."""
    after = line.partition(image)[2]
    policy, arch = image_policy(image)
    command = re.search(r"\b(build|sdist|publish)\b(.*)", after)
    if "pyo3/maturin" in image and command:
        yield from _maturin(
            command[1], split_words(command[2]), job, target="", manylinux="2014", folder=step.folder, isolated=True,
            env=step.env,
        )  # fmt: skip
        return
    triple, floor = with_policy(triple_of(arch or job.arch, "linux"), policy, "")
    inner = re.search(r"\bmaturin\s+(?:build|publish)\b(.*)", after)
    options = maturin_options(split_words(inner[1].strip(" '\""))) if inner else {}
    paths = re.findall(r"/opt/python/(\S+?)/bin", after)
    pythons = [python_name(part) or HOST for part in (*options.get("-i", []), *paths)]
    yield BuildCall(
        tool="maturin" if inner else "build",
        workflow=job.workflow,
        job=job.job,
        triples=(triple,),
        pythons=(FOUND,) if "--find-interpreter" in options else tuple(dict.fromkeys(pythons)) or (HOST,),
        floor=floor,
        folder=package_folder(step.folder, options),
        container=image,
        before=_inner_script(after),
        isolated=True,
        runner=job.runner,
    )


def _inner_script(command: str) -> str:
    """The commands that a container runs before the build."""
    inner = re.search(r"""-l?c\s+(["'])(.*)\1""", command)
    script = inner[2] if inner else ""
    build = _MATURIN.search(script) or _PLAIN.search(script)
    parts = re.split(r"&&|;", script[: build.start()] if build else "")
    return "\n".join(part.strip() for part in parts[:-1] if not re.match(r"\s*(?:cd|set)\b", part))


def _plain(command: str, rest: str, step: JobStep, job: JobRun, env: Mapping[str, str]) -> BuildCall:
    kind = r"(?:-t|--target|-f|--format)[ =](?:wheel|standard)"
    names_wheel = re.search(rf"--wheel\b|--no-sdist|{kind}|(?:^|\s)-w(?:\s|$)", rest) or "bdist" in command + rest
    names_sdist = re.search(r"--sdist\b|--no-wheel|(?:-t|--target|-f|--format)[ =]sdist|(?:^|\s)-s(?:\s|$)", rest)
    names_sdist = names_sdist or re.search(r"setup\.py\s+sdist", command)
    only_sdist = bool(names_sdist and not names_wheel)
    wheels = not only_sdist
    makes_sdist = bool(names_sdist) or not (names_wheel or re.search(r"pip\S* wheel", command))
    policy, arch = image_policy(job.container)
    triple = triple_of(arch or _set_up_arch(job) or job.arch, job.system)
    triple, floor = with_policy(triple, policy, "") if policy else (triple, "")
    triple, floor = with_macos_variables(triple, floor, env)
    return BuildCall(
        tool="uv" if command.startswith("uv") else "build",
        workflow=job.workflow,
        job=job.job,
        triples=(triple,) if wheels else (),
        pythons=(named_python(command, step.env) or HOST,),
        floor=floor,
        sdist=makes_sdist,
        folder=step.folder,
        runner=job.runner,
    )
