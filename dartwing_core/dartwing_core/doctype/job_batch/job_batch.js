// See public/js/jobs/batch_form.js.
dartwing_core.jobs.setup_batch_form();
