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
