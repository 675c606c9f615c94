app_name = "dartwing_core"
app_title = "Dartwing Core"
app_publisher = "Opensoft"
app_description = "Durable background jobs for the Frappe Framework"
app_email = "developers@opensoft.one"
app_license = "MIT"

# Installation
# ------------

after_install = "dartwing_core.install.after_install"
after_migrate = "dartwing_core.install.after_migrate"

# Permissions
# -----------

permission_query_conditions = {
    "Background Job": "dartwing_core.jobs.access.job_conditions",
    "Background Job Run": "dartwing_core.jobs.access.run_conditions",
    "Job Execution Log": "dartwing_core.jobs.access.log_conditions",
    "Organization": "dartwing_core.jobs.access.organization_conditions",
    "Org Member": "dartwing_core.jobs.access.member_conditions",
    "File": "dartwing_core.jobs.access.file_conditions",
}

has_permission = {
    "Background Job": "dartwing_core.jobs.access.has_job_permission",
    "Background Job Run": "dartwing_core.jobs.access.has_history_permission",
    "Job Execution Log": "dartwing_core.jobs.access.has_history_permission",
    "Organization": "dartwing_core.jobs.access.has_organization_permission",
    "Org Member": "dartwing_core.jobs.access.has_member_permission",
}

# A job outlives its Organization, Job Type, owner and parent: the engine says what becomes of it then.
ignore_links_on_delete = ["Background Job", "Background Job Run", "Job Execution Log"]

# Scheduler
# ---------

scheduler_events = {
    # Not "all", which Frappe 15 runs every four minutes.
    "cron": {"* * * * *": ["dartwing_core.jobs.sweeper.sweep_background_jobs"]},
}

# Job handlers
# ------------

background_job_handlers = [
    "dartwing_core.handlers.samples",
    "dartwing_core.handlers.export_records",
    "dartwing_core.handlers.http_request",
]

# REST: the names of the original app
# -----------------------------------

override_whitelisted_methods = {
    f"dartwing.dartwing_core.api.jobs.{name}": f"dartwing_core.api.jobs.{name}"
    for name in (
        "submit_job",
        "submit_jobs",
        "cancel_job",
        "retry_job",
        "get_job_status",
        "list_jobs",
        "get_job_history",
        "get_dead_letter_jobs",
        "bulk_retry_dead_letter",
        "delete_dead_letter_job",
        "get_job_metrics",
        "get_execution_time_stats",
        "get_slowest_jobs",
    )
}

after_request = ["dartwing_core.api.error_answers.after_request"]
