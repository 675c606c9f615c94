"""Frappe's own whitelisted functions that read or write documents without asking for permission.

Frappe 15 counts, tags, likes and follows any document for any user, finds links past the permissions when told to,
and keeps a chart that one user has seen for the next. `override_whitelisted_methods` in hooks.py puts these in
their place: for our DocTypes they ask first, for all others they do what they did.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import frappe
import frappe.client
from frappe import _
from frappe.client import get_count as _get_count
from frappe.client import get_doc_permissions as _get_doc_permissions
from frappe.desk import reportview
from frappe.desk.doctype.dashboard_chart.dashboard_chart import get as _get_chart
from frappe.desk.doctype.tag.tag import add_tag as _add_tag
from frappe.desk.doctype.tag.tag import add_tags as _add_tags
from frappe.desk.doctype.tag.tag import get_tagged_docs as _get_tagged_docs
from frappe.desk.doctype.tag.tag import remove_tag as _remove_tag
from frappe.desk.form.document_follow import follow_document as _follow_document
from frappe.desk.form.document_follow import get_follow_users as _get_follow_users
from frappe.desk.form.document_follow import update_follow as _update_follow
from frappe.desk.form.linked_with import get as _get_linked
from frappe.desk.form.utils import get_next as _get_next
from frappe.desk.like import toggle_like as _toggle_like
from frappe.desk.listview import get_group_by_count as _get_group_by_count
from frappe.desk.search import get_link_title as _get_link_title
from frappe.desk.search import search_link as _search_link
from frappe.desk.search import search_widget as _search_widget
from frappe.utils import get_safe_filters

from dartwing_core.jobs.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, throw_missing

# What hangs on documents names them: who counts with a filter on that reads it letter by letter.
COUNTED = frozenset(
    {
        *TENANT_DOCTYPES,
        *("File", "Comment", "Communication", "Version", "ToDo", "Tag Link", "DocShare", "Document Follow"),
        *("Deleted Document", "View Log", "Access Log", "Activity Log", "Notification Log", "Error Log"),
    }
)


def _instead_of(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Whitelist a function for the original's verbs, with the original's arguments, which it gets by name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            given = dict(signature.bind(*arguments, **named).arguments)
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    given.update(given.pop(parameter.name, {}))
            return function(given)

        return frappe.whitelist(methods=frappe.allowed_http_methods_for_whitelisted_func[original])(call)

    return decorate


@_instead_of(_get_count)
def get_count(given: dict[str, Any]) -> Any:
    """Count only what the user may read."""
    if given.get("doctype") not in COUNTED:
        return _get_count(**given)
    frappe.form_dict.clear()
    frappe.form_dict.update(doctype=given["doctype"], filters=get_safe_filters(given.get("filters")))
    return reportview.get_count()


if _validate_link := getattr(frappe.client, "validate_link", None):  # Frappe 15

    @_instead_of(_validate_link)
    def validate_link(given: dict[str, Any]) -> Any:
        """A link to what one may not see leads nowhere."""
        return _validate_link(**given) if _is_listed(given["doctype"], given["docname"]) else frappe._dict(name=None)


@_instead_of(_get_link_title)
def get_link_title(given: dict[str, Any]) -> Any:
    """The title of what one may see."""
    return _get_link_title(**given) if _is_listed(given["doctype"], given["docname"]) else given["docname"]


@_instead_of(_get_doc_permissions)
def get_doc_permissions(given: dict[str, Any]) -> Any:
    """The permissions for what one may see."""
    return _checked(_get_doc_permissions, given, "doctype", "docname")


@_instead_of(_get_linked)
def get_linked(given: dict[str, Any]) -> Any:
    """Documents that link to what one may see."""
    return _checked(_get_linked, given, "doctype", "docname")


@_instead_of(_get_next)
def get_next(given: dict[str, Any]) -> Any:
    """The next one after what one may see: Frappe compares any field of any document with those of the user's."""
    return _checked(_get_next, given, "doctype", "value")


@_instead_of(_update_follow)
def update_follow(given: dict[str, Any]) -> Any:
    """Follow only what one may see: who follows a document is sent its changes."""
    return _checked(_update_follow, given, "doctype", "doc_name")


@_instead_of(_follow_document)
def follow_document(given: dict[str, Any]) -> Any:
    """The same for another user, whom Frappe does not ask."""
    if given["doctype"] in TENANT_DOCTYPES and given["user"] != frappe.session.user:
        raise frappe.PermissionError
    return _checked(_follow_document, given, "doctype", "doc_name")


@_instead_of(_get_follow_users)
def get_follow_users(given: dict[str, Any]) -> Any:
    """Who follows what one may see."""
    return _checked(_get_follow_users, given, "doctype", "doc_name")


@_instead_of(_toggle_like)
def toggle_like(given: dict[str, Any]) -> Any:
    """Nobody writes a like into the row of a job; an organization is liked by who may see it."""
    return _not_on_jobs(_toggle_like, given, "doctype", given["name"])


@_instead_of(_add_tag)
def add_tag(given: dict[str, Any]) -> Any:
    """The same for a tag."""
    return _not_on_jobs(_add_tag, given, "dt", given["dn"])


@_instead_of(_remove_tag)
def remove_tag(given: dict[str, Any]) -> Any:
    """The same for taking a tag away."""
    return _not_on_jobs(_remove_tag, given, "dt", given["dn"])


@_instead_of(_add_tags)
def add_tags(given: dict[str, Any]) -> Any:
    """The same for several."""
    return _not_on_jobs(_add_tags, given, "dt", *frappe.parse_json(given["docs"]))


@_instead_of(_get_tagged_docs)
def get_tagged_docs(given: dict[str, Any]) -> Any:
    """Tagged documents that one may see."""
    if given["doctype"] not in TENANT_DOCTYPES:
        return _get_tagged_docs(**given)
    return frappe.get_list(given["doctype"], filters={"_user_tags": ["like", given["tag"]]}, as_list=True)


@_instead_of(_get_group_by_count)
def get_group_by_count(given: dict[str, Any]) -> Any:
    """Jobs have no assignments, so there is nothing to group by them."""
    if given["doctype"] in TENANT_DOCTYPES and given["field"] == "assigned_to":
        return []
    return _get_group_by_count(**given)


@_instead_of(_search_link)
def search_link(given: dict[str, Any]) -> Any:
    """Frappe takes `ignore_user_permissions` for all permissions."""
    return _search_link(**_without_bypass(given))


@_instead_of(_search_widget)
def search_widget(given: dict[str, Any]) -> Any:
    """The same for the search box."""
    return _search_widget(**_without_bypass(given))


@_instead_of(_get_chart)
def get_chart(given: dict[str, Any]) -> Any:
    """A chart of our DocTypes is made anew for each user, and not as heat map, which Frappe makes of all rows."""
    chart = frappe.parse_json(given.get("chart")) if not given.get("chart_name") else None
    if chart is None and given.get("chart_name"):
        chart = frappe.get_doc("Dashboard Chart", given["chart_name"])
    if not chart or chart.get("document_type") not in TENANT_DOCTYPES:
        return _get_chart(**given)
    if chart.get("type") == "Heatmap" and chart.get("chart_type") != "Group By":
        frappe.throw(_("Heat maps are not available for {0}.").format(_(chart.get("document_type"))))
    return inspect.unwrap(_get_chart)(**given)


def _is_listed(doctype: str, name: Any) -> bool:
    if doctype not in TENANT_DOCTYPES:
        return True
    return isinstance(name, str) and bool(frappe.get_list(doctype, filters={"name": name}, limit=1))


def _checked(original: Callable[..., Any], given: dict[str, Any], doctype_key: str, name_key: str) -> Any:
    if not _is_listed(given[doctype_key], given[name_key]):
        throw_missing(given[doctype_key], given[name_key])
    return original(**given)


def _not_on_jobs(original: Callable[..., Any], given: dict[str, Any], doctype_key: str, *names: Any) -> Any:
    doctype = given[doctype_key]
    if doctype in ENGINE_DOCTYPES:
        frappe.throw(_("Background jobs can't be tagged or liked."), frappe.PermissionError)
    for name in names:
        if not _is_listed(doctype, name):
            throw_missing(doctype, name)
    return original(**given)


def _without_bypass(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("doctype") in TENANT_DOCTYPES:
        given.pop("ignore_user_permissions", None)
    return given
