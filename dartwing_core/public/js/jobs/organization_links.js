// The DocType of organizations, which an app with its own tenants names (docs/operations.md).

const DOCTYPE = "Background Job";

/** The DocType to which links to organizations lead. Its meta must be loaded. */
export function organization_doctype() {
	return frappe.meta.get_docfield(DOCTYPE, "organization")?.options || "Organization";
}

/** Load the meta that `organization_doctype` reads. */
export function load_organization_doctype() {
	return frappe.model.with_doctype(DOCTYPE);
}
