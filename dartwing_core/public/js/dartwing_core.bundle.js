// Loaded by Desk with every page: `dartwing_core.jobs`, for our own forms and for those of other apps (docs/desk.md).
import { setup_admin_notices } from "./jobs/admin_notices";
import { setup_batch_form } from "./jobs/batch_form";
import { retry_by_error } from "./jobs/dead_letter_report";
import { setup_document_jobs } from "./jobs/document_jobs";
import { setup_holdups } from "./jobs/holdups";
import { setup_job_form } from "./jobs/job_form";
import { job_list_settings } from "./jobs/job_list";
import { setup_engine_form } from "./jobs/last_change";
import { setup_organization_form } from "./jobs/organization_form";
import { organization_doctype, setup_list_links } from "./jobs/organization_links";
import { as_text, show_as_text } from "./jobs/plain_text";
import { show_progress, start } from "./jobs/progress_dialog";
import { setup_schedule_form } from "./jobs/schedule_form";
import { setup_type_form } from "./jobs/type_form";
import { watch } from "./jobs/watch";

frappe.provide("dartwing_core.jobs");
Object.assign(
	dartwing_core.jobs,
	{ watch, start, show_progress, retry_by_error, as_text, show_as_text, organization_doctype },
	{ job_list_settings, setup_batch_form, setup_engine_form, setup_job_form },
	{ setup_organization_form, setup_schedule_form, setup_type_form }
);

setup_admin_notices();
setup_document_jobs();
setup_list_links();
setup_holdups();
