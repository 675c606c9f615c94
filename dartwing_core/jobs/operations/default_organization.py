"""The Default Organization of sites with one tenant."""

from __future__ import annotations

import frappe
from frappe import _

from ..access import tenancy
from ..errors import InvalidJobError
from ..lib import config
from ..lib.texts import cut


def set_default_organization(organization: str) -> str:
    """Make an organization, given by id or name, the default one. Returns its id. Does not commit.

    A new Organization is made if there is none of this name. For code of the site and the command line.
    Raises InvalidJobError if the adapter of an app knows none of this name.
    """
    found = tenancy.resolve(config.ENGINE, organization)
    if tenancy.limits_of([found])[found].state is None:
        if not tenancy.is_default():
            raise InvalidJobError(_("Organization {0} not found.").format(cut(organization)))
        made = frappe.get_doc({"doctype": tenancy.ORGANIZATION, "org_name": organization})
        found = str(made.insert(ignore_permissions=True).name)
    settings = frappe.get_doc(config.SETTINGS)
    settings.flags.ignore_links = True  # the adapter has found it, whatever the link leads to
    settings.default_organization = found
    settings.save(ignore_permissions=True)
    return found
