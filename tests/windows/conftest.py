"""The fixture of the tests under Wine."""

from support.windows_project import installed as installed
