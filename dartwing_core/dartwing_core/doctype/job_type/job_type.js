// See public/js/jobs/type_form.js.
dartwing_core.jobs.setup_type_form();
