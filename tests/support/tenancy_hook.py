"""An app with the example adapter, named by the hook as an app names it. Gender stands for ERPNext's Company."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import frappe

from dartwing_core import hooks
from dartwing_core.jobs.lib import config

APP, COMPANY = "tenancy_test_app", "Gender"
EXAMPLE = Path(__file__).parents[2] / "examples" / "company_tenancy.py"
HOOK = "background_job_tenancy"


@contextmanager
def app(folder: Path) -> Iterator[str]:
    """The app, importable from this folder; its name."""
    package = folder / APP
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import there_is_no_such_module\n")
    text = EXAMPLE.read_text()
    assert 'COMPANY = "Company"' in text
    (package / "company_tenancy.py").write_text(text.replace('COMPANY = "Company"', f'COMPANY = "{COMPANY}"'))
    (package / "classes.py").write_text(
        "from dartwing_core.jobs.access.standing import Limits\n"
        "from . import company_tenancy\n"
        "class Tenancy:\n    def __getattr__(self, name):\n        return getattr(company_tenancy, name)\n"
        "class Forgetful(Tenancy):\n    def limits_of(self, names):\n"
        "        return {name: Limits(weight=2) for name in names if name == 'test North'}\n"
    )
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield APP
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == APP]:
            del sys.modules[name]


@contextmanager
def hook(path: str) -> Iterator[None]:
    """The hook names this path while the block runs, in this process."""
    setattr(hooks, HOOK, path)
    _forget()
    try:
        yield
    finally:
        delattr(hooks, HOOK)
        _forget()


def _forget() -> None:
    frappe.clear_cache()
    config._facts.clear()
