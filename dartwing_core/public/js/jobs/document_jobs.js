// The jobs that are about a document, at the top of its form.
import { read } from "./api";
import { job_pill, make } from "./dom";

const SHOWN = 5;

/** Show jobs in the forms of DocTypes that had some when Desk was loaded. */
export function setup_document_jobs() {
	$(document).on("form-refresh", (_event, frm) => {
		frm.dw_jobs?.remove();
		frm.dw_jobs = null;
		const referring = frappe.boot.dartwing_core_referring_doctypes ?? [];
		if (referring.includes(frm.doctype) && !frm.is_new() && frm.dashboard) show_jobs(frm);
	});
}

/** Asks without a message on failure: the form is another app's. */
async function show_jobs(frm) {
	const { doctype, docname } = frm;
	const wanted = { reference_doctype: doctype, reference_name: docname, limit: SHOWN };
	const found = await read("list_jobs", wanted).catch(() => null);
	if (!found?.jobs.length || frm.docname !== docname || frm.dw_jobs) return;
	frm.dw_jobs = section(frm, found);
}

/** The section, which `remove` takes away. */
function section(frm, { jobs, total }) {
	const list = make("div", { class: "dw-document-jobs" }, jobs.map(line));
	const more = total > jobs.length && all_of(frm, total);
	const body = frm.dashboard.add_section("", __("Background Jobs"));
	body.append(list, ...(more ? [more] : []));
	return in_sight(frm, body.closest(".form-dashboard-section"));
}

/** The section where an opened form shows it. The dashboard may be in a tab behind the first one. */
function in_sight(frm, shown) {
	const [first_tab] = frm.layout.tabs;
	if (first_tab) return $(make("div", { class: "form-dashboard" })).append(shown).prependTo(first_tab.wrapper);
	frm.dashboard.show();
	return shown;
}

function line({ job_id, job_type, title, status, progress_message, error_message }) {
	const link = make("a", { href: frappe.utils.get_form_link("Background Job", job_id) }, title || job_type);
	const said = { Running: progress_message, Failed: error_message, "Dead Letter": error_message }[status];
	return make("div", { class: "mb-1" }, job_pill(status), " ", link, said && make("span", { class: "text-muted" }, ` ${said}`));
}

/** A link to the list of all of them. */
function all_of({ doctype, docname }, total) {
	const open = (event) => {
		event.preventDefault();
		frappe.set_route("List", "Background Job", { reference_doctype: doctype, reference_name: docname });
	};
	return make("a", { href: "#", on_click: open }, __("All {0}", [total]));
}
