// Makes fields of a Desk dialog from a JSON Schema of parameters, and parameters from their values.
import { tell } from "./actions";
import { system_time } from "./dom";

const LONG_TEXT = 140;
const AS_JSON = "json"; // values for which Frappe has no field are entered as JSON

/** Fields for the properties of an object's schema. `_kind` of each says how its value is read. */
export function fields_of(schema) {
	const required = new Set(schema.required ?? []);
	return Object.entries(schema.properties ?? {}).map(([name, property]) =>
		field_of(name, resolved(property, schema), required.has(name))
	);
}

/** The schema with `$ref` resolved, and `anyOf` or `allOf` replaced by its one schema that is not null. */
function resolved(property, schema) {
	if (property.$ref) {
		const found = property.$ref.replace(/^#\//, "").split("/").reduce((part, key) => part?.[key], schema);
		return { ...found, title: undefined, ...property, $ref: undefined }; // the title is the type's
	}
	// `allOf` of one: the pydantic of Frappe 15
	const choices = (property.anyOf ?? property.oneOf ?? property.allOf ?? []).filter(({ type }) => type !== "null");
	if (choices.length !== 1) return property;
	return { ...resolved(choices[0], schema), ...property, anyOf: undefined, oneOf: undefined, allOf: undefined };
}

function field_of(fieldname, property, is_required) {
	const title = __(property.title ?? frappe.unscrub(fieldname));
	const { description } = property;
	const field = { fieldname, label: as_html(title), reqd: is_required ? 1 : 0 };
	if (description) field.description = as_html(__(description));
	const { kind, df } = type_of(property);
	if (property.default != null) field.default = shown_value(property.default, kind);
	return { ...field, ...df, _kind: kind, _title: title, _choices: property.enum };
}

/** The text, escaped: Frappe renders the texts of fields as HTML. */
const as_html = (text) => frappe.utils.escape_html(String(text));

/** What the fields show for these parameters. Null if one of them has no field. */
export function values_of(fields, parameters) {
	const kinds = new Map(fields.map(({ fieldname, _kind }) => [fieldname, _kind]));
	const given = Object.entries(parameters);
	if (given.some(([name]) => !kinds.has(name))) return null;
	return Object.fromEntries(given.map(([name, value]) => [name, shown_value(value, kinds.get(name))]));
}

function shown_value(value, kind) {
	if (value == null) return "";
	if (kind === "choice") return choice_text(value);
	if (kind === "moment") return system_time(value);
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
	if (type === "string" && format === "date-time") return { kind: "moment", df: { fieldtype: "Datetime" } };
	if (type === "string" && format === "password") return { kind: "text", df: { fieldtype: "Password" } };
	if (type === "string") return { kind: "text", df: { fieldtype: maxLength > LONG_TEXT ? "Small Text" : "Data" } };
	return { kind: AS_JSON, df: { fieldtype: "Code", options: "JSON", max_height: "120px" } };
}

function text_of(value) {
	return value == null ? "" : JSON.stringify(value, null, 2);
}

/**
 * The stored parameters, with what the user has changed. `before`: the first values of the fields, in which Frappe may
 * have rounded numbers. For invalid JSON, shows a message and returns null.
 */
export function edited_parameters(fields, before, after, stored) {
	const entered = parameters_of(fields, after);
	const first = parameters_of(fields.filter(({ _kind }) => _kind !== AS_JSON), before);
	const edited = { ...stored };
	for (const { fieldname, _kind } of entered ? fields : []) {
		const old = _kind === AS_JSON ? stored[fieldname] : first[fieldname];
		if (text_of(entered[fieldname]) !== text_of(old)) edited[fieldname] = entered[fieldname];
	}
	return entered && edited;
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
