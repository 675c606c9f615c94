"""Installing the app changes nothing for anybody else: it replaces no function of others, and hooks only its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dartwing_core import hooks

ROOT = Path(__file__).parents[2]
OURS = f"{ROOT}/dartwing_core/"
OTHERS = ("frappe", "pypika", "rq", "redis", "pymysql", "MySQLdb")
LOOK = '''
import functools, importlib, json, pkgutil, sys, types

def everything(package):
    """Import all modules of ours, except those of tests."""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if ".tests" not in module.name:
            importlib.import_module(module.name)

def is_ours(value):
    """Whether this is a function or class of ours. Asks for no attribute of anything else, such as a proxy."""
    kind = type(value)
    if issubclass(kind, staticmethod | classmethod | types.MethodType):
        value = value.__func__
    elif issubclass(kind, property):
        value = value.fget
    elif issubclass(kind, functools.partial):
        value = value.func
    if issubclass(type(value), types.FunctionType) and value.__code__.co_filename.startswith(OURS):
        return True
    is_code = issubclass(type(value), type | types.FunctionType)
    return is_code and str(value.__module__).partition(".")[0] == "dartwing_core"

def replaced():
    """The attributes of modules and classes of others that are functions or classes of ours."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OTHERS and module is not None:
            for owner in (module, *(one for one in vars(module).values() if issubclass(type(one), type))):
                if not is_ours(owner):
                    for attribute, value in list(vars(owner).items()):
                        if is_ours(value):
                            yield f"{name}: {getattr(owner, '__name__', '')}.{attribute}"
'''
WEB = """
import frappe.app, frappe.client, frappe.desk.reportview, frappe.desk.search, frappe.model.rename_doc
everything("dartwing_core")
"""
WORKER = """
from dartwing_core import worker_preload
import frappe.utils.background_jobs
worker_preload.preload()
everything("dartwing_core.jobs")
"""
SCHEDULE = """
importlib.import_module("frappe.commands.scheduler")
sys.argv.append("schedule")
import dartwing_core.commands, threading
assert "job-ticker" in [thread.name for thread in threading.enumerate()]
"""


def left_by(process: str, folder: Path) -> list[str]:
    """What a fresh process that imports this has of ours in the modules of others."""
    path = [str(ROOT), *(entry for entry in sys.path if entry)]
    alias = "import standalone.alias; standalone.alias.install()" if os.environ.get("DW_MODE") == "standalone" else ""
    begin = f"import sys; sys.path[:0] = {path!r}\n{alias}\nOTHERS = {OTHERS!r}\nOURS = {OURS!r}\n{LOOK}"
    program = f"{begin}\n{process}\nprint(json.dumps(sorted(set(replaced()))))"
    (folder / "logs").mkdir(exist_ok=True)
    sites = folder / "sites"  # Frappe 16 opens a log beside its folder as soon as it is imported
    sites.mkdir(exist_ok=True)
    ran = subprocess.run([sys.executable, "-c", program], cwd=sites, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("process", [WEB, WORKER, SCHEDULE], ids=["web", "worker", "schedule"])
def test_no_process_has_anything_of_ours_in_the_place_of_others(process, tmp_path):
    assert left_by(process, tmp_path) == []


# hooks.py ------------------------------------------------------------------------------------------------------------

OWN_DOCTYPES = {
    json.loads(path.read_text())["name"]
    for path in (ROOT / "dartwing_core/dartwing_core/doctype").glob("*/*.json")
    if path.stem == path.parent.name
}
BY_DOCTYPE = ("permission_query_conditions", "has_permission", "doc_events", "has_website_permission")
FORBIDDEN = (
    *("override_doctype_class", "extend_doctype_class", "override_doctype_dashboards", "auth_hooks", "before_request"),
    *("before_job", "after_job", "standard_queries", "page_renderer", "jinja", "boot_session", "on_session_creation"),
    *("fixtures", "write_file", "delete_file_data_content", "before_write_file", "doctype_js", "get_translated_dict"),
)
"""Hooks by which an app changes what Frappe does for others, of which there are none."""


def hooked() -> Iterator[tuple[str, str]]:
    for hook in BY_DOCTYPE:
        for doctype in getattr(hooks, hook, {}):
            yield hook, doctype


def test_the_hooks_name_own_doctypes_alone():
    assert {pair for pair in hooked() if pair[1] not in OWN_DOCTYPES} == {("doc_events", "*")}
    assert set(hooks.doc_events["*"]) == {"after_rename"}
    assert set(hooks.ignore_links_on_delete) <= OWN_DOCTYPES
    assert set(hooks.default_log_clearing_doctypes) <= OWN_DOCTYPES


def test_no_method_of_others_is_overridden():
    for theirs, ours in hooks.override_whitelisted_methods.items():
        assert theirs == f"dartwing.{ours}"
        assert ours.startswith("dartwing_core.api.jobs.")


def test_the_hooks_change_nothing_that_frappe_does_for_others():
    assert [hook for hook in FORBIDDEN if hasattr(hooks, hook)] == []
    assert hooks.after_request == ["dartwing_core.api.endpoints.after_request"]


def test_a_command_of_bench_waits_for_no_cryptography_of_ours(tmp_path):
    # Seen failing: each command of a bench on Frappe 15 took 30 ms longer.
    ours = "[name for name in {*sys.modules} - before if name.startswith('cryptography')]"
    process = f"before = {{*sys.modules}}\nfrom dartwing_core import worker_preload\nassert not {ours}"
    assert left_by(process, tmp_path) == []
