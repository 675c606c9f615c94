// See public/js/jobs/schedule_form.js.
dartwing_core.jobs.setup_schedule_form();
