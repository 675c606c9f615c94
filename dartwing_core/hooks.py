"""Hooks: the functions of this app that Frappe calls."""

try:
    from dartwing_core.wall.frappe_version import IS_15 as _IS_15
except ImportError:  # development tools read the hooks without Frappe
    _IS_15 = True

app_name = "dartwing_core"
app_title = "Dartwing Core"
app_publisher = "Opensoft"
app_description = "Durable background jobs for the Frappe Framework"
app_email = "developers@opensoft.one"
app_license = "MIT"

# Installation
# ------------

before_install = "dartwing_core.install.before_install"
after_install = "dartwing_core.install.after_install"
after_migrate = "dartwing_core.install.after_migrate"
after_app_install = "dartwing_core.install.after_app_install"
after_app_uninstall = "dartwing_core.install.after_app_uninstall"
before_uninstall = "dartwing_core.uninstall.before_uninstall"
after_uninstall = "dartwing_core.uninstall.after_uninstall"

# Desk
# ----

app_include_js = "dartwing_core.bundle.js"
app_include_css = "dartwing_core.bundle.css"

# Permissions
# -----------

_tenant_doctypes = (
    *("Background Job", "Background Job Run", "Background Job Dependency", "Job Execution Log", "Job Batch"),
    *("Job Circuit", "Job Schedule", "Organization", "Org Member", "Organization Removal"),
)
_references = (
    *("Comment", "Communication", "ToDo", "Tag Link", "Document Follow", "Version", "DocShare", "View Log"),
    *("Activity Log", "Email Queue", "Milestone", "Energy Point Log", "Discussion Topic", "Workflow Action", "File"),
)

_children_of_others = ("Dynamic Link", "Communication Link", "Event Participants")
_personal = (
    *("Notification Log", "List Filter", "Number Card", "Dashboard Chart", "Auto Email Report", "Prepared Report"),
)
_navigation = ("Workspace", "Workspace Sidebar", "Desktop Icon", "Desktop Layout")

permission_query_conditions = {
    **dict.fromkeys(_tenant_doctypes, "dartwing_core.jobs.access.desk_access.conditions"),
    **dict.fromkeys((*_references, *_children_of_others), "dartwing_core.wall.references.reference_conditions"),
    **dict.fromkeys(_personal, "dartwing_core.wall.personal_rows.conditions"),
    "Kanban Board Column": "dartwing_core.wall.personal_rows.kanban_conditions",
}

has_permission = {
    "Background Job": "dartwing_core.jobs.access.desk_access.has_job_permission",
    "Background Job Run": "dartwing_core.jobs.access.desk_access.has_history_permission",
    "Background Job Dependency": "dartwing_core.jobs.access.desk_access.has_history_permission",
    "Job Execution Log": "dartwing_core.jobs.access.desk_access.has_history_permission",
    "Job Batch": "dartwing_core.jobs.access.desk_access.has_batch_permission",
    "Job Circuit": "dartwing_core.jobs.access.desk_access.has_circuit_permission",
    "Job Schedule": "dartwing_core.jobs.access.desk_access.has_schedule_permission",
    "Organization": "dartwing_core.jobs.access.desk_access.has_organization_permission",
    "Org Member": "dartwing_core.jobs.access.desk_access.has_member_permission",
    "Organization Removal": "dartwing_core.jobs.access.desk_access.has_removal_permission",
    **dict.fromkeys(_references, "dartwing_core.wall.references.has_reference_permission"),
    **dict.fromkeys(_personal, "dartwing_core.wall.personal_rows.has_permission"),
    "File": "dartwing_core.wall.file_rules.has_file_permission",
    "Dashboard Settings": "dartwing_core.wall.personal_rows.has_settings_permission",
    **dict.fromkeys(_navigation, "dartwing_core.wall.navigation.has_permission"),
}

_check_reference = ["dartwing_core.wall.references.check_reference", "dartwing_core.wall.further_rows.check_further"]
_on_trash = ["dartwing_core.wall.references.check_deleting", "dartwing_core.jobs.recovery.blocking_rows.release"]
_delete_about = "dartwing_core.wall.references.delete_about"
_check_stored_query = "dartwing_core.wall.stored_queries.check"
_keep_navigation = "dartwing_core.wall.navigation.keep_navigation"
_stay_quiet = "dartwing_core.wall.personal_rows.stay_quiet"
_of_references = {"validate": _check_reference, "on_trash": "dartwing_core.wall.references.stay_quiet"}
_check_pictures = {"after_insert": "dartwing_core.wall.further_rows.check_pictures"}
_reads_files = {"validate": "dartwing_core.wall.copied_files.check_sent_files"}
_submitting_events = ("after_insert", "on_update", "on_submit", "on_cancel", "on_update_after_submit", "on_trash")
extend_bootinfo = "dartwing_core.jobs.operations.references.add_to_boot"

doc_events = {
    "*": {
        **dict.fromkeys(_submitting_events, "dartwing_core.jobs.operations.document_events.submit_for"),
        "after_rename": "dartwing_core.jobs.operations.references.note_rename",
    },
    **dict.fromkeys(_references, _of_references),
    **dict.fromkeys(("Communication", "ToDo"), _of_references | _check_pictures),
    "File": {
        "before_validate": "dartwing_core.wall.file_rules.check_file",
        "validate": _check_reference,
    },
    "Auto Email Report": {
        "validate": [
            "dartwing_core.wall.mailed_reports.check_sending",
            "dartwing_core.wall.stored_queries.check_mailing",
            _check_stored_query,
        ]
    },
    "Report": {
        "validate": ["dartwing_core.wall.mailed_reports.check_report", _check_stored_query],
        "after_rename": "dartwing_core.wall.report_access.note_rename",
    },
    "Kanban Board": {"validate": _check_stored_query},
    "Newsletter": _reads_files,
    "Data Import": _reads_files,
    "User": {"before_rename": "dartwing_core.wall.renames.keep_accounts"},
    "Notification Log": {"validate": _stay_quiet, "on_trash": _stay_quiet},
    "List Filter": {
        "validate": [_stay_quiet, "dartwing_core.wall.personal_rows.check_filter"],
        "on_trash": _stay_quiet,
    },
    **{
        doctype: {"validate": [_check_stored_query, _stay_quiet], "on_trash": _stay_quiet}
        for doctype in ("Dashboard Chart", "Number Card")
    },
    **dict.fromkeys(_navigation, dict.fromkeys(("validate", "on_trash", "before_rename"), _keep_navigation)),
    **{doctype: {"on_trash": _on_trash, "after_delete": _delete_about} for doctype in _tenant_doctypes},
    **{
        doctype: {
            "validate": "dartwing_core.wall.shown_files.check_shown_files",
            "on_trash": _on_trash,
            "after_delete": _delete_about,
        }
        for doctype in ("Job Schedule", "Organization", "Org Member")
    },
    "System Settings": {"on_update": "dartwing_core.jobs.recovery.scheduled_types.follow_time_zone"},
    "Deleted Document": {"before_naming": "dartwing_core.dartwing_core.guarded_document.keep_only_name"},
    "Prepared Report": {
        "before_insert": "dartwing_core.wall.report_access.check_preparing",
        "validate": "dartwing_core.wall.report_access.mask_secrets",
    },
}

override_doctype_class = {"File": "dartwing_core.dartwing_core.guarded_file.File"}

# A job outlives its Organization, Job Type, owner and parent; a schedule outlives its Job Type and owner. The engine
# decides what happens to it then.
ignore_links_on_delete = [
    "Background Job",
    "Background Job Run",
    "Background Job Dependency",
    "Job Execution Log",
    "Job Batch",
    "Job Circuit",
    "Job Schedule",
]

# Scheduler
# ---------

scheduler_events = {
    # Not "all", which Frappe 15 runs every four minutes.
    "cron": {
        "* * * * *": ["dartwing_core.jobs.sweeper.sweep_background_jobs"],
        "*/5 * * * *": ["dartwing_core.jobs.alerts.check_alerts"],
    },
    "daily": ["dartwing_core.jobs.digest.send_dead_letter_digest"],
}

default_log_clearing_doctypes = {"Background Job": 30}  # days

# Job handlers
# ------------

background_job_handlers = [
    "dartwing_core.handlers.samples",
    "dartwing_core.handlers.export_records",
    "dartwing_core.handlers.http_request",
    "dartwing_core.handlers.enqueued",
]

# REST: the names of the original app, and functions of Frappe's that check no permission
# ----------------------------------------------------------------------------------------

override_whitelisted_methods = {
    f"dartwing.dartwing_core.api.jobs.{name}": f"dartwing_core.api.jobs.{name}"
    for name in (
        "bulk_retry_dead_letter",
        "cancel_batch",
        "cancel_job",
        "cancel_jobs",
        "delete_dead_letter_job",
        "delete_jobs",
        "download_file",
        "get_batch_status",
        "get_dead_letter_jobs",
        "get_execution_time_stats",
        "get_job_counts",
        "get_job_details",
        "get_job_history",
        "get_job_metrics",
        "get_job_status",
        "get_job_type_overview",
        "get_open_circuits",
        "get_openapi",
        "get_schedule",
        "get_slowest_jobs",
        "list_batches",
        "list_job_types",
        "list_jobs",
        "list_schedules",
        "manually_close_circuit",
        "preview_schedule",
        "reschedule_job",
        "retry_batch",
        "retry_dead_letters",
        "retry_job",
        "retry_jobs",
        "run_now",
        "run_schedule_now",
        "submit_batch",
        "submit_job",
        "submit_jobs",
        "wait_for_job",
    )
} | {
    "frappe.client.get_count": "dartwing_core.wall.substitutes.lists.get_count",
    "frappe.client.get": "dartwing_core.wall.substitutes.documents.get",
    "frappe.utils.goal.get_monthly_goal_graph_data": (
        "dartwing_core.wall.substitutes.lists.get_monthly_goal_graph_data"
    ),
    "frappe.utils.file_manager.add_attachments": "dartwing_core.wall.substitutes.documents.add_attachments",
    "frappe.core.doctype.communication.email.make": "dartwing_core.wall.substitutes.documents.make",
    "frappe.desk.notifications.get_open_count": "dartwing_core.wall.substitutes.lists.get_open_count",
    "frappe.core.doctype.user_permission.user_permission.get_user_permissions": (
        "dartwing_core.wall.substitutes.documents.get_user_permissions"
    ),
    "frappe.workflow.doctype.workflow.workflow.get_workflow_state_count": (
        "dartwing_core.wall.substitutes.lists.get_workflow_state_count"
    ),
    "frappe.utils.global_search.search": "dartwing_core.wall.substitutes.lists.search_all",
    "frappe.desk.search.search_link": "dartwing_core.wall.substitutes.lists.search_link",
    "frappe.desk.search.search_widget": "dartwing_core.wall.substitutes.lists.search_widget",
    "frappe.desk.search.get_link_title": "dartwing_core.wall.substitutes.documents.get_link_title",
    "frappe.contacts.doctype.contact.contact.address_query": "dartwing_core.wall.substitutes.lists.address_query",
    "frappe.desk.listview.get_group_by_count": "dartwing_core.wall.substitutes.lists.get_group_by_count",
    "frappe.desk.calendar.get_events": "dartwing_core.wall.substitutes.charts_and_reports.get_calendar_events",
    "frappe.desk.doctype.kanban_board.kanban_board.update_order": (
        "dartwing_core.wall.substitutes.boards.update_order"
    ),
    "frappe.desk.like.toggle_like": "dartwing_core.wall.substitutes.documents.toggle_like",
    "frappe.desk.doctype.notification_log.notification_log.mark_as_read": (
        "dartwing_core.wall.substitutes.documents.mark_as_read"
    ),
    "frappe.desk.doctype.tag.tag.add_tag": "dartwing_core.wall.substitutes.documents.add_tag",
    "frappe.desk.doctype.tag.tag.add_tags": "dartwing_core.wall.substitutes.documents.add_tags",
    "frappe.desk.doctype.tag.tag.remove_tag": "dartwing_core.wall.substitutes.documents.remove_tag",
    "frappe.desk.doctype.tag.tag.get_tagged_docs": "dartwing_core.wall.substitutes.lists.get_tagged_docs",
    "frappe.desk.form.utils.get_next": "dartwing_core.wall.substitutes.documents.get_next",
    "frappe.desk.form.document_follow.follow_document": "dartwing_core.wall.substitutes.documents.follow_document",
    "frappe.www.printview.get_html_and_style": "dartwing_core.wall.substitutes.documents.get_html_and_style",
    "frappe.email.relink": "dartwing_core.wall.substitutes.documents.relink",
    "frappe.desk.query_report.run": "dartwing_core.wall.substitutes.charts_and_reports.run_report",
    "frappe.desk.query_report.export_query": "dartwing_core.wall.substitutes.charts_and_reports.export_query",
    "frappe.desk.reportview.export_query": "dartwing_core.wall.substitutes.charts_and_reports.export_list",
    "frappe.desk.doctype.number_card.number_card.get_percentage_difference": (
        "dartwing_core.wall.substitutes.charts_and_reports.get_percentage_difference"
    ),
    "frappe.desk.doctype.kanban_board.kanban_board.add_card": "dartwing_core.wall.substitutes.boards.add_card",
    "frappe.desk.doctype.kanban_board.kanban_board.update_order_for_single_card": (
        "dartwing_core.wall.substitutes.boards.update_order_for_single_card"
    ),
    **{
        f"frappe.core.doctype.data_import.data_import.{name}": f"dartwing_core.wall.substitutes.imports.{name}"
        for name in (
            *("get_preview_from_template", "download_errored_template"),
            *("download_import_log", "get_import_status", "form_start_import"),
        )
    },
    "frappe.desk.doctype.event.event.get_events": "dartwing_core.wall.substitutes.charts_and_reports.get_events",
    "frappe.desk.doctype.dashboard_chart.dashboard_chart.get": (
        "dartwing_core.wall.substitutes.charts_and_reports.get_chart"
    ),
}

# Frappe 16 has no such functions. Its error for them would name the substitute.
if _IS_15:
    override_whitelisted_methods |= {
        "frappe.client.validate_link": "dartwing_core.wall.substitutes.documents.validate_link",
        "frappe.desk.page.user_profile.user_profile.get_energy_points_percentage_chart_data": (
            "dartwing_core.wall.substitutes.energy_points.get_energy_points_percentage_chart_data"
        ),
    }

# Called in every request, as soon as Frappe knows its user.
auth_hooks = ["dartwing_core.wall.guard.check_request"]
before_job = ["dartwing_core.wall.guard.before_job"]
after_request = [
    "dartwing_core.api.frappe_errors.after_request",
    "dartwing_core.wall.exports.after_request",
    "dartwing_core.www.job_center.after_request",
]
