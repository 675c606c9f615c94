// Makes elements without HTML in strings: texts of a job are always shown as text.

/** An element with attributes (handlers are `on_click` and the like) and children. Skips null and false. */
export function make(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (value == null || value === false) continue;
		if (name.startsWith("on_")) element.addEventListener(name.slice(3), value);
		else element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat().filter((child) => child != null && child !== false && child !== ""));
	return element;
}

/** A button. It ignores clicks until the work of an earlier click is over. */
export function button(label, on_click, kind = "default") {
	const attributes = { type: "button", class: `btn btn-${kind} btn-sm`, on_click: one_at_a_time(on_click) };
	return make("button", attributes, label);
}

/** `work`, but never twice at once: a double click submits once. Blocks the button of a dialog meanwhile. */
export function one_at_a_time(work) {
	let is_busy = false;
	return async function (...values) {
		if (is_busy) return;
		is_busy = true;
		const primary = this instanceof frappe.ui.Dialog ? this.get_primary_btn() : null;
		primary?.prop("disabled", true);
		try {
			await work.apply(this, values);
		} finally {
			is_busy = false;
			primary?.prop("disabled", false);
		}
	};
}

export const COLORS = {
	Pending: "gray",
	Queued: "blue",
	Running: "light-blue",
	Completed: "green",
	Failed: "orange",
	"Timed Out": "orange",
	"Dead Letter": "red",
	Canceled: "gray",
};

/** The state of a job in the words that people meet everywhere; how an attempt or a batch ended keeps its own. */
export function status_word(status) {
	const words = { Pending: __("Waiting"), Failed: __("Retrying"), "Timed Out": __("Retrying"), "Dead Letter": __("Failed") };
	return words[status] ?? __(status);
}

export function pill(status, text = __(status)) {
	return make("span", { class: `indicator-pill ${COLORS[status] ?? "gray"} no-indicator-dot` }, text);
}

/** The title of a job; of one without, its type and the end of its id. */
export const title_of = (title, job_type, job_id) => title || `${job_type} ${job_id.slice(-6)}`;

export const job_pill = (status) => pill(status, status_word(status));

/** A progress bar; `show(percent)` moves it. */
export function bar(label) {
	const filling = make("div", { class: "progress-bar" });
	const track = make("div", { class: "progress dw-bar", role: "progressbar", "aria-label": label }, filling);
	track.setAttribute("aria-valuemin", "0");
	track.setAttribute("aria-valuemax", "100");
	const number = make("span", { class: "dw-percent" });
	return {
		element: make("div", { class: "dw-progress" }, track, number),
		show(percent) {
			const rounded = Math.round(percent || 0);
			filling.style.width = `${rounded}%`;
			track.setAttribute("aria-valuenow", rounded);
			number.textContent = `${rounded} %`;
		},
	};
}

/** A time (ISO 8601, or by the site's clock) as Frappe's fields take it. */
export function system_time(moment_text) {
	const zone = frappe.boot.time_zone?.system || frappe.sys_defaults.time_zone;
	return moment.tz(moment_text, zone).format("YYYY-MM-DD HH:mm:ss");
}

/** A time (ISO 8601) in the user's time zone, to the second, with its distance from now. */
export function time(moment_text) {
	const at = moment(moment_text);
	const local = at.clone().tz(frappe.boot.time_zone?.user || frappe.sys_defaults.time_zone);
	const text = local.format(`${frappe.datetime.get_user_date_fmt().toUpperCase()} HH:mm:ss`);
	return make("time", { datetime: moment_text, title: at.fromNow() }, text);
}

/** Seconds for people: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
	if (seconds == null) return "";
	if (seconds < 10) return __("{0} s", [Math.round(seconds * 10) / 10]);
	if (seconds < 60) return __("{0} s", [Math.round(seconds)]);
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return __("{0} min {1} s", [minutes, Math.round(seconds % 60)]);
	return __("{0} h {1} min", [Math.floor(minutes / 60), minutes % 60]);
}

/** A link to a document in Desk. */
export function link(doctype, name, text = name) {
	return make("a", { href: frappe.utils.get_form_link(doctype, name) }, text);
}

/** A value as indented JSON. */
export function json(value) {
	return make("pre", { class: "dw-json", tabindex: "0" }, JSON.stringify(value, null, 2));
}

/** A section that opens and closes. */
export function fold(title, ...children) {
	return make("details", { class: "dw-fold" }, make("summary", {}, title), ...children);
}
