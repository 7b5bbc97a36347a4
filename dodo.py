"""How this project is released. `doit list` shows the tasks, `doit plan` the files."""

from cartwheel import Pipeline

wheels = Pipeline.beside(__file__)

DOIT_CONFIG = wheels.doit_config
task_clean = wheels.clean
task_version_sync = wheels.version_sync
task_build = wheels.build
task_repair = wheels.repair
task_check = wheels.check
task_sdist = wheels.sdist
task_checklist = wheels.checklist
task_tag = wheels.tag
task_publish = wheels.publish
task_verify = wheels.verify
task_release = wheels.release


# Chores of cartwheel itself; what a project that is released with cartwheel needs ends above.


def chore(*commands):
    """A task that always runs these modules of this Python."""
    import sys

    return {"actions": [[sys.executable, "-m", *command.split()] for command in commands], "uptodate": [False]}


def task_lint():
    """Check lint, format, types, import contracts, dependencies, dead code"""
    return chore("pytest -q tests/test_house.py")


def task_fix():
    """Let ruff fix what it can, and format"""
    return chore("ruff check --fix .", "ruff format .")


def task_reference():
    """Write the configuration's reference and JSON schema from the settings"""
    return chore("tools.reference")


def task_test():
    """Run the quick tests"""
    return chore("pytest -n 3 --dist loadfile")
