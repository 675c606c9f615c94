"""Names that others call, for `dead_code`: what is mentioned here is used."""

# ruff: noqa: B018, F821

# Frappe: hooks of a DocType's controller, and what it passes to them
autoname, after_delete, before_print, before_rename, clear_old_logs, on_doctype_update, on_trash, on_update
notify_update, no_feed_on_delete, validate, validate_share, debug, docshare, merge
input_parameters, last_error, log_lines, output_reference
# Frappe: of a web page's module, of File, of the status of an answer
get_context, no_cache, sitemap, http_status_code
# Handlers, and tests of other apps: public names of ours
checkpoint, parent_results, run_jobs, set_steps, snooze
assert_nothing_submitted, assert_submitted, context_for, fail_next, perform_jobs, time_passed
# People at a console: what a sweep did
orphans, rung, scheduled
# A value of a DocType's field: the default, which needs no code
REJECT
# http.client, io and http.server
makefile, readinto, do_POST, log_message
# Python's import system, and monoframe
__getattr__, create_module, exec_module, include_all_apps, no_backup, with_internal_apps
