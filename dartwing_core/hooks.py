"""Hooks: the functions of this app that Frappe calls."""

app_name = "dartwing_core"
app_title = "Dartwing Core"
app_publisher = "Opensoft"
app_description = "Durable background jobs for the Frappe Framework"
app_email = "developers@opensoft.one"
app_license = "MIT"

# Installation
before_install = "dartwing_core.install.before_install"
after_install = "dartwing_core.install.after_install"
after_migrate = "dartwing_core.install.after_migrate"
after_app_install = "dartwing_core.install.after_app_install"
before_uninstall = "dartwing_core.install.before_uninstall"
after_uninstall = "dartwing_core.install.after_uninstall"

# Desk
app_include_js = "dartwing_core.bundle.js"
app_include_css = "dartwing_core.bundle.css"
extend_bootinfo = "dartwing_core.jobs.job.labels.add_to_boot"

# A job outlives its Organization, Job Type, owner and parent; a schedule outlives its Job Type and owner. The engine
# decides what happens to it then.
_outliving_doctypes = (
    "Background Job",
    "Background Job Run",
    "Background Job Dependency",
    "Job Execution Log",
    "Job Batch",
    "Job Circuit",
    "Job Schedule",
)

# Permissions, of this app's DocTypes alone
_tenant_doctypes = (*_outliving_doctypes, "Organization", "Org Member")

permission_query_conditions = dict.fromkeys(_tenant_doctypes, "dartwing_core.jobs.access.visibility.conditions")
has_permission = dict.fromkeys(_tenant_doctypes, "dartwing_core.jobs.access.visibility.has_permission")

# A job refers to a document of any DocType, and follows its rename after the commit.
doc_events = {"*": {"after_rename": "dartwing_core.jobs.job.labels.note_rename"}}

ignore_links_on_delete = [*_outliving_doctypes]

# Scheduler
scheduler_events = {
    # Not "all", which Frappe 15 runs every four minutes.
    "cron": {
        "* * * * *": ["dartwing_core.jobs.sweep.sweeper.sweep"],
        "*/5 * * * *": ["dartwing_core.jobs.sweep.alerts.check_alerts"],
    },
}

default_log_clearing_doctypes = {"Background Job": 30}  # days

# Job handlers
background_job_handlers = [
    "dartwing_core.handlers.samples",
    "dartwing_core.handlers.export_records",
    "dartwing_core.handlers.http_request",
    "dartwing_core.handlers.enqueued",
]

# Requests
# The calls of the original app answer at its address, too. The endpoints are in api/jobs.py.
_of_the_original = """
    bulk_retry_dead_letter cancel_job delete_dead_letter_job get_dead_letter_jobs get_execution_time_stats
    get_job_history get_job_metrics get_job_status get_open_circuits get_slowest_jobs list_jobs
    manually_close_circuit retry_job submit_job
"""
override_whitelisted_methods = {
    f"dartwing.dartwing_core.api.jobs.{name}": f"dartwing_core.api.jobs.{name}" for name in _of_the_original.split()
}

# It leaves the answers of other paths as they are.
after_request = ["dartwing_core.api.endpoints.after_request"]
