// Hides "Last edited by …" of documents that the engine writes: it would name Administrator, who has edited nothing.

/** Have the form show when its document last changed, but no editor. */
export function hide_editor(frm) {
	frm.page.sidebar?.find(".modified-by").hide();
	const { timeline } = frm;
	if (!timeline || Object.hasOwn(timeline, "get_modified_message")) return;
	timeline.get_modified_message = () => ({ creation: frm.doc.modified, content: __("Last change") });
	timeline.refresh(); // it was shown before
}

/** Set up the form of a DocType with only this of ours. */
export function setup_engine_form(doctype) {
	frappe.ui.form.on(doctype, { refresh: hide_editor });
}
