// Makes fields of a Desk dialog from a JSON Schema of parameters, and parameters from their values.
import { tell } from "./actions";

const LONG_TEXT = 140;
const AS_JSON = "json"; // values for which Frappe has no field are entered as JSON

/** Fields for the properties of an object's schema. `_kind` of each says how its value is read. */
export function fields_of(schema) {
	const required = new Set(schema.required ?? []);
	return Object.entries(schema.properties ?? {}).map(([name, property]) =>
		field_of(name, resolved(property, schema), required.has(name))
	);
}

/** The schema with `$ref` resolved, and `anyOf` replaced by its one schema that is not null. */
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
	const title = __(property.title ?? frappe.unscrub(fieldname));
	const { description } = property;
	const field = { fieldname, label: as_html(title), reqd: is_required ? 1 : 0 };
	if (description) field.description = as_html(__(description));
	const { kind, df } = type_of(property);
	if (property.default != null) field.default = default_of(property.default, kind);
	return { ...field, ...df, _kind: kind, _title: title, _choices: property.enum };
}

/** The text, escaped: Frappe renders the texts of fields as HTML. */
const as_html = (text) => frappe.utils.escape_html(String(text));

function default_of(value, kind) {
	if (kind === "choice") return choice_text(value);
	return kind === AS_JSON ? text_of(value) : value;
}

/** The text in a Select for one of `enum`. */
const choice_text = (value) => as_html(typeof value === "string" ? value : JSON.stringify(value));

function type_of({ type, enum: values, format, maxLength }) {
	if (values) {
		const texts = values.filter((value) => value != null && value !== "").map(choice_text);
		return { kind: "choice", df: { fieldtype: "Select", options: ["", ...texts].map((text) => ({ value: text, label: text })) } };
	}
	if (type === "boolean") return { kind: "flag", df: { fieldtype: "Check", reqd: 0 } };
	if (type === "integer") return { kind: "number", df: { fieldtype: "Int" } };
	if (type === "number") return { kind: "number", df: { fieldtype: "Float" } };
	if (type === "string" && format === "date") return { kind: "text", df: { fieldtype: "Date" } };
	if (type === "string" && format === "date-time") return { kind: "text", df: { fieldtype: "Datetime" } };
	if (type === "string" && format === "password") return { kind: "text", df: { fieldtype: "Password" } };
	if (type === "string") return { kind: "text", df: { fieldtype: maxLength > LONG_TEXT ? "Small Text" : "Data" } };
	return { kind: AS_JSON, df: { fieldtype: "Code", options: "JSON", max_height: "120px" } };
}

function text_of(value) {
	return value == null ? "" : JSON.stringify(value, null, 2);
}

/** The entered values, without empty ones. For invalid JSON, shows a message and returns null. */
export function parameters_of(fields, values) {
	const parameters = {};
	for (const { fieldname, _title, _kind, _choices } of fields) {
		const value = values[fieldname];
		if (_kind === "flag") {
			parameters[fieldname] = Boolean(value);
		} else if (value == null || value === "") {
			continue;
		} else if (_kind === "choice") {
			parameters[fieldname] = _choices.find((choice) => choice_text(choice) === value);
		} else if (_kind === AS_JSON) {
			try {
				parameters[fieldname] = JSON.parse(value);
			} catch (error) {
				tell(__("{0} is no valid JSON: {1}", [_title, error.message]), "red");
				return null;
			}
		} else {
			parameters[fieldname] = value;
		}
	}
	return parameters;
}
