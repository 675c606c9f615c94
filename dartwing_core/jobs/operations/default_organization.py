"""The Default Organization of sites with one tenant."""

from __future__ import annotations

import frappe

from ..access import tenancy
from ..base import config


def set_default_organization(organization: str) -> str:
    """Make an organization, given by id or name, the default one. Returns its id. Does not commit.

    A new one is made if there is none of this name. For code of the site and the command line.
    """
    found = tenancy.resolve(config.ENGINE, organization)
    if not frappe.db.exists("Organization", found):
        made = frappe.get_doc({"doctype": "Organization", "org_name": organization})
        found = str(made.insert(ignore_permissions=True).name)
    settings = frappe.get_doc(config.SETTINGS)
    settings.default_organization = found
    settings.save(ignore_permissions=True)
    return found
