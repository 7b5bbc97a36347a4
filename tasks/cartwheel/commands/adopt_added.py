"""Packages that a repository has gained since it was adopted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.adoption.adopted_files import table_edit
from cartwheel.adoption.evidence import PackageEvidence, package_table, version_keys
from cartwheel.adoption.parsed_files import parsed_toml
from cartwheel.commands.adopt_new import spell_out_defaults
from cartwheel.filesystem.toml_edits import with_value
from cartwheel.model.config.manifests import path_in

_ROOT = "pyproject.toml"


def add_packages(texts: dict[str, str], known: Iterable[str], added: tuple[PackageEvidence, ...]) -> None:
    """Lists the packages in the root's table and writes a table for each, in place in `texts`.

    The packages that were there keep their tags: with a second package the default form changes.
    """
    before = tuple(known)
    root: Mapping[str, Any] = parsed_toml(texts, _ROOT)["tool"]["cartwheel"]
    keys: dict[str, Any] = {"packages": [*before, *(row.package.folder for row in added)]}
    if len(before) == 1 and "tag" not in root:
        keys["tag"] = "v{version}"
    for key, value in keys.items():
        data = with_value(texts[_ROOT].encode(), ("tool", "cartwheel"), key, value, shown_as=_ROOT)
        texts[_ROOT] = data.decode()
    tables: dict[str, dict[str, Any]] = {".": {**root, **keys}}
    comments: dict[str, Mapping[str, str]] = {}
    for row in added:
        table = package_table(row)
        own = {**table.table, **version_keys(row.manifests)}
        default = f"{row.package.name}-v{{version}}"
        taken = tables["."].get("tag", default)
        form = row.tag if row.tag and row.tag != taken else default
        if form != taken:
            own["tag"] = form
        if row.package.private:
            own["publish"] = []
        tables[row.package.folder], comments[row.package.folder] = own, table.comments
        for name, text in table.files.items():
            texts.setdefault(path_in(row.package.folder, name), text)
    tool = [parsed_toml(texts, path_in(folder, _ROOT)).get("tool", {}).get("cartwheel", {}) for folder in before]
    published = next((table["publish"] for table in tool if table.get("publish")), ())
    spell_out_defaults(tables, added, single=False, publish=published)
    for row in added:
        path = path_in(row.package.folder, _ROOT)
        if "cartwheel" not in parsed_toml(texts, path).get("tool", {}):
            edit = table_edit(path, texts[path], tables[row.package.folder], comments[row.package.folder])
            texts[path] = edit.new if edit else texts[path]
