"""`python -m standalone.script FILE [arguments]`, or `-m MODULE [arguments]`: run it in the site, as Administrator.

A file runs as `__main__`; of a module, `main(site)` is called. Uncommitted writes are rolled back at the end.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import time
from pathlib import Path

from . import alias


def main(arguments: list[str]) -> None:
    alias.install()
    import frappe

    site = os.environ["DW_SITE"]
    frappe.init(site, sites_path=os.environ["DW_SITES_PATH"])
    frappe.connect()
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            sys.exit(importlib.import_module(arguments[1]).main(site))
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).parent))
        began = time.time()
        runpy.run_path(arguments[0], run_name="__main__")
        if getattr(frappe.local, "db", None):  # else the script has closed it
            tell_lost_jobs(began)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        if getattr(frappe.local, "db", None):
            # Closing rolls back too, also in the middle of a statement that Ctrl-C has cut off.
            frappe.db.close()
        frappe.destroy()


def tell_lost_jobs(began: float) -> None:
    """Say so if the script has submitted jobs since this moment (UTC seconds) and has not committed them."""
    import frappe

    from dartwing_core.jobs.lib import ids

    made = frappe.get_all("Background Job", {"name": [">=", ids.first_job_name(began)]}, pluck="name")
    frappe.db.rollback()
    lost = len(made) - len(frappe.get_all("Background Job", {"name": ["in", made]}, pluck="name")) if made else 0
    if lost:
        what = "1 job was" if lost == 1 else f"{lost} jobs were"
        print(f"{what} not committed; call frappe.db.commit()", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
