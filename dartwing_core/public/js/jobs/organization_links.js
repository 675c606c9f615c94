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

/**
 * Have links to our lists show what they name. Frappe sets the filters that were used last, then clears them for those
 * of the link. The title of an organization comes after that, from the server, and would filter again.
 */
export function setup_list_links() {
	frappe.router.on("change", () => {
		const [, doctype, view] = frappe.get_route();
		if (frappe.has_route_options() && frappe.get_meta(doctype)?.module === "Dartwing Core") {
			delete frappe.get_user_settings(doctype)[view]?.filters;
		}
	});
}
