// "Edit and retry": a form of a job's parameters, by their JSON Schema where the server gives it.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words, dom } = center;
	const { make, button, set_text, set_attribute, show } = dom;
	const { __ } = words;
	const INPUTS = { flag: "checkbox", number: "number", password: "password", date: "date", text: "text" };
	const LONG = 80; // characters of a text that gets several lines
	const WHOLE = "parameters"; // without a schema, the one field for all of them

	/** `open` is the button that opens `form`; `show(job)` offers it to those who may edit. */
	function edit(actions, title) {
		let job, begun, fields; // `begun`: the job as the form shows it
		const open = button(__("Edit and retry"), begin);
		const inputs = make("div", { class: "jc-form" });
		const problem = make("p", { class: "jc-problem", role: "alert" });
		const send = make("button", { class: "jc-button jc-button-main" }, __("Retry with these parameters"));
		const buttons = make("div", { class: "jc-actions" }, send, button(__("Discard"), close));
		const form = make("form", { novalidate: true, hidden: true, on_submit: submit }, inputs, problem, buttons);

		function begin() {
			begun = job;
			fields = fields_of(begun);
			inputs.replaceChildren(...fields.map((field) => field.element));
			set_text(problem, "");
			show(form, true);
			(fields[0]?.control ?? send).focus();
			show(open, false);
		}

		const may_edit = () => Boolean(job?.can_edit && job.can_retry);

		function close() {
			show(open, may_edit());
			show(form, false, open.hidden ? title : open);
			inputs.replaceChildren();
		}

		function submit(event) {
			event.preventDefault();
			set_text(problem, "");
			const changed = fields.filter((field) => field.is_changed());
			const wrong = fields.filter((field) => field.tell(field.problem(changed.length > 0)));
			if (wrong.length) return wrong[0].control.focus();
			actions.retry(job, { parameters: parameters_of(begun, changed), done: close, refused });
		}

		/** Show why the server refuses: beside each field that it names, as in "date is missing", else below them. */
		function refused(message) {
			const problems = message.replace(/^[^:]*: /, "").split("; ");
			const named = fields.filter(({ name, tell }) => tell(problems.find((text) => text.split(/[ .[]/)[0] === name)));
			named[0]?.control.focus();
			if (named.length < problems.length) set_text(problem, message);
		}

		return {
			open,
			form,
			close,
			/** An open form stays, with what is typed into it, also while the job runs again by itself. */
			show(current) {
				job = current;
				show(open, may_edit() && form.hidden, title);
			},
		};
	}

	/** Undefined, so a plain retry, if none was changed. Else the others are sent as they came, a secret as dots. */
	function parameters_of({ schema, parameters }, changed) {
		if (!changed.length) return undefined;
		if (!schema?.properties) return changed[0].value() ?? {};
		return { ...parameters, ...Object.fromEntries(changed.map(({ name, value }) => [name, value()])) };
	}

	function fields_of({ schema, parameters }) {
		if (!schema?.properties) return [field_of(WHOLE, { title: __("Parameters (JSON)") }, parameters, false, 0)];
		const required = schema.required ?? [];
		const names = new Set([...required, ...Object.keys(schema.properties)]); // JSON objects come sorted by name
		return [...names].map((name, place) =>
			field_of(name, resolved(schema.properties[name] ?? {}, schema), parameters?.[name], required.includes(name), place),
		);
	}

	/** The property's schema with `$ref` resolved, and `anyOf` or `allOf` replaced by its one schema that is not null. */
	function resolved(property, schema) {
		if (property.$ref) {
			const found = property.$ref.replace(/^#\//, "").split("/").reduce((part, key) => part?.[key], schema);
			return { ...found, title: undefined, ...property, $ref: undefined }; // the title is the type's
		}
		const parts = property.anyOf ?? property.allOf ?? []; // `allOf` of one: the pydantic of Frappe 15
		const choices = parts.filter(({ type }) => type !== "null");
		if (choices.length !== 1) return property;
		return { ...resolved(choices[0], schema), ...property, anyOf: undefined, may_be_null: parts.length > 1 };
	}

	function field_of(name, property, given, is_required, place) {
		const kind = kind_of(property, given);
		const control = control_of(kind, property, given === undefined ? property.default : given);
		const state = () => (kind === "flag" ? control.checked : control.value);
		const was = state();
		const is_changed = () => state() !== was || control.validity.badInput;
		const id = `jc-field-${place}`;
		const label = make("label", { for: id }, property.title ?? name);
		const note = make("p", { class: "jc-note", id: `${id}-note` }, property.description);
		const problem = make("p", { class: "jc-problem", id: `${id}-problem` });
		Object.assign(control, { id, required: is_required && kind !== "flag" && !property.may_be_null });
		set_attribute(control, "aria-describedby", `${note.id} ${problem.id}`);
		return {
			name,
			control,
			is_changed,
			element: make("div", { class: `jc-${kind}` }, label, control, note, problem),
			/** Undefined, which JSON leaves out, for an empty field. */
			value: () => read(kind, control) ?? (is_required ? null : undefined),
			/** `is_other`: whether any parameter is changed. The server keeps no secret beside a change. */
			problem(is_other) {
				if (!is_changed()) {
					const is_kept = kind === "password" && given && is_other;
					return is_kept ? __("Enter it again: a stored secret is not used with changed parameters.") : "";
				}
				try {
					read(kind, control);
					return control.validationMessage;
				} catch {
					return __("This is not valid JSON.");
				}
			},
			/** Show a problem beside the field. Returns whether there is one. */
			tell(text = "") {
				set_text(problem, text);
				set_attribute(control, "aria-invalid", text ? "true" : null);
				return Boolean(text);
			},
		};
	}

	function kind_of({ type, format, enum: choices, maxLength }, given) {
		if (choices) return "choice";
		if (type === "boolean") return "flag";
		if (type === "integer" || type === "number") return "number";
		if (type !== "string") return "json";
		if (format === "password" || format === "date") return format;
		return maxLength > LONG || given?.length > LONG || /\n/.test(given) ? "long" : "text";
	}

	function control_of(kind, { type, enum: choices }, value) {
		const in_json = (one) => (one == null ? "" : JSON.stringify(one, null, kind === "json" ? 2 : 0));
		if (kind === "choice") {
			const known = choices.filter((choice) => choice !== null);
			const options = known.map((choice) => make("option", { value: in_json(choice) }, String(choice)));
			return Object.assign(make("select", {}, make("option", { value: "" }), ...options), { value: in_json(value) });
		}
		const text = typeof value === "string" && kind !== "json" ? value : in_json(value);
		if (!INPUTS[kind]) return Object.assign(make("textarea", { rows: 4 }), { value: text });
		const control = make("input", { type: INPUTS[kind], step: type === "number" ? "any" : null, autocomplete: "off" });
		if (kind === "flag") control.checked = value === true;
		else if (kind !== "password") control.value = text;
		else Object.assign(control, { autocomplete: "new-password", placeholder: value ?? "" });
		return control;
	}

	/** The value in a control. Undefined for none. */
	function read(kind, control) {
		if (kind === "flag") return control.checked;
		if (!control.value.trim()) return undefined;
		if (kind === "number") return Number(control.value);
		return kind === "choice" || kind === "json" ? JSON.parse(control.value) : control.value;
	}

	center.edit = edit;
})();
