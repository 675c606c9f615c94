// A JSON Schema of parameters as the fields of a Desk dialog, and what was filled in as parameters again.
import { tell } from "./actions";

const LONG_TEXT = 140;
const AS_JSON = "json"; // what no field of Frappe holds is filled in as JSON

/** Fields for the properties of an object's schema; each knows by `_kind` how to be read. */
export function fields_of(schema) {
	const required = new Set(schema.required ?? []);
	return Object.entries(schema.properties ?? {}).map(([name, property]) =>
		field_of(name, resolved(property, schema), required.has(name))
	);
}

/** The one schema of `anyOf` that is not null, and of `$ref` what it names. */
function resolved(property, schema) {
	if (property.$ref) {
		const found = property.$ref.replace(/^#\//, "").split("/").reduce((part, key) => part?.[key], schema);
		return { ...found, ...property, $ref: undefined };
	}
	const choices = (property.anyOf ?? property.oneOf ?? []).filter(({ type }) => type !== "null");
	if (choices.length === 1) return { ...resolved(choices[0], schema), ...property, anyOf: undefined, oneOf: undefined };
	return property;
}

function field_of(fieldname, property, is_required) {
	const label = property.title ?? frappe.unscrub(fieldname);
	const { description } = property;
	const field = { fieldname, label: __(label), description: description && __(description), reqd: is_required ? 1 : 0 };
	const type = type_of(property);
	if (property.default != null) field.default = type.kind === AS_JSON ? text_of(property.default) : property.default;
	return { ...field, ...type.df, _kind: type.kind };
}

function type_of({ type, enum: values, format, maxLength }) {
	if (values) return { kind: "choice", df: { fieldtype: "Select", options: ["", ...values].join("\n") } };
	if (type === "boolean") return { kind: "flag", df: { fieldtype: "Check", reqd: 0 } };
	if (type === "integer") return { kind: "number", df: { fieldtype: "Int" } };
	if (type === "number") return { kind: "number", df: { fieldtype: "Float" } };
	if (type === "string" && format === "date") return { kind: "text", df: { fieldtype: "Date" } };
	if (type === "string" && format === "date-time") return { kind: "text", df: { fieldtype: "Datetime" } };
	if (type === "string") return { kind: "text", df: { fieldtype: maxLength > LONG_TEXT ? "Small Text" : "Data" } };
	return { kind: AS_JSON, df: { fieldtype: "Code", options: "JSON", max_height: "120px" } };
}

function text_of(value) {
	return value == null ? "" : JSON.stringify(value, null, 2);
}

/** What was filled in, without what was left empty; null, and says so, where JSON is wrong. */
export function parameters_of(fields, values) {
	const parameters = {};
	for (const { fieldname, label, _kind, default: preset } of fields) {
		const value = values[fieldname];
		if (_kind === "flag") {
			parameters[fieldname] = Boolean(value);
		} else if (_kind === "number") {
			if (value || value === 0) if (value || preset != null) parameters[fieldname] = value;
		} else if (value && _kind !== AS_JSON) {
			parameters[fieldname] = value;
		} else if (value) {
			try {
				parameters[fieldname] = JSON.parse(value);
			} catch (error) {
				tell(__("{0} is no valid JSON: {1}", [label, error.message]), "red");
				return null;
			}
		}
	}
	return parameters;
}
