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
task_tag = wheels.tag
task_publish = wheels.publish
task_verify = wheels.verify
task_release = wheels.release
