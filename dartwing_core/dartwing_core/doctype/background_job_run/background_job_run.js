// See public/js/jobs/last_change.js.
dartwing_core.jobs.setup_engine_form("Background Job Run");
