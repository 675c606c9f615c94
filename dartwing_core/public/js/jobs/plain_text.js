// Shows the texts of handlers and other systems as text. Frappe shows text columns as HTML, since it cleans them when a
// document is saved. The engine writes rows without saving documents, so their texts are not cleaned.

const TEXTS = new Set(["Data", "Small Text", "Text", "Long Text", "JSON"]);
const ENTITIES = { "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Without "&": forms escape Data by themselves before they call the formatter. */
export function as_text(value) {
	if (value == null) return "";
	const text = typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
	return text.replace(/[<>"']/g, (letter) => ENTITIES[letter]).replace(/\n/g, "<br>");
}

/** Have forms, lists and reports show the text fields of a DocType as text. Forms copy the fields later. */
export function show_as_text(doctype) {
	for (const field of Object.values(frappe.meta.docfield_map[doctype] ?? {})) {
		if (TEXTS.has(field.fieldtype)) field.formatter = as_text;
	}
}
