// The DocType of organizations, which an app with its own tenants names (docs/operations.md).
import { usual_organization } from "./api";

const DOCTYPE = "Background Job";

/** The DocType to which links to organizations lead. Its meta must be loaded. */
export function organization_doctype() {
	return frappe.meta.get_docfield(DOCTYPE, "organization")?.options || "Organization";
}

/** The organization that a form begins with: the user's own default in Desk, the site's default, or their only one. */
export async function own_organization() {
	await frappe.model.with_doctype(DOCTYPE);
	const own = frappe.defaults.get_user_default(organization_doctype());
	return own || (await usual_organization().catch(() => "")); // without it, people choose one
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
