// See public/js/jobs/job_form.js.
dartwing_core.jobs.setup_job_form();
