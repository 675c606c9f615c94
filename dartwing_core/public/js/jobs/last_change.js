// Documents that the engine writes, as Administrator: "Last edited by …" would name somebody who has edited nothing.

/** Have the form say when its document has changed last, but not who has edited it. */
export function hide_editor(frm) {
	frm.page.sidebar?.find(".modified-by").hide();
	const { timeline } = frm;
	if (!timeline || Object.hasOwn(timeline, "get_modified_message")) return;
	timeline.get_modified_message = () => ({ creation: frm.doc.modified, content: __("Last change") });
	timeline.refresh(); // it was shown before
}

/** The form of a DocType with nothing of ours but this. */
export function setup_engine_form(doctype) {
	frappe.ui.form.on(doctype, { refresh: hide_editor });
}
