// Frappe shows what columns of text hold as HTML, since it cleans it when a document is saved. The engine writes what
// handlers and other systems say as it is, without saving documents: so here it is shown as the text that it is.

const TEXTS = new Set(["Data", "Small Text", "Text", "Long Text", "JSON"]);
const ENTITIES = { "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Not "&" too: forms escape Data by themselves before they ask. */
export function as_text(value) {
	if (value == null) return "";
	const text = typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
	return text.replace(/[<>"']/g, (letter) => ENTITIES[letter]).replace(/\n/g, "<br>");
}

/** Have forms, lists and reports show the text fields of a DocType as text; forms copy the fields later. */
export function show_as_text(doctype) {
	for (const field of Object.values(frappe.meta.docfield_map[doctype] ?? {})) {
		if (TEXTS.has(field.fieldtype)) field.formatter = as_text;
	}
}
