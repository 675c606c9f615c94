// See public/js/jobs/organization_form.js.
dartwing_core.jobs.setup_organization_form();
