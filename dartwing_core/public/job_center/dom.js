// Makes and changes elements. Data becomes text, never markup.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words } = center;

	/** An element with attributes (handlers are `on_click` and the like) and children (elements or texts). */
	function make(tag, attributes = {}, ...children) {
		const element = document.createElement(tag);
		for (const [name, value] of Object.entries(attributes)) {
			if (name.startsWith("on_")) element.addEventListener(name.slice(3), value);
			else if (value === true) element.setAttribute(name, "");
			else if (value !== false && value != null) element.setAttribute(name, value);
		}
		element.append(...children.filter((child) => child != null));
		return element;
	}

	function button(text, on_click, more = {}) {
		return make("button", { type: "button", class: "jc-button", on_click, ...more }, text);
	}

	/** Change the text only if it differs, so that a selection stays. */
	function set_text(element, text) {
		const wanted = text == null ? "" : String(text);
		if (element.textContent !== wanted) element.textContent = wanted;
	}

	function set_attribute(element, name, value) {
		if (value == null) element.removeAttribute(name);
		else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
	}

	/** Show or hide an element. If the focus was in it, the focus moves to `instead`. */
	function show(element, is_shown, instead) {
		if (element.hidden === !is_shown) return;
		const had_focus = !is_shown && element.contains(document.activeElement);
		element.hidden = !is_shown;
		if (had_focus) instead?.focus();
	}

	/** A time as "3 minutes ago". Its tooltip has the exact time. */
	function time(moment) {
		return make("time", { datetime: moment, title: words.exact(moment) }, words.distance(moment));
	}

	/** Update the relative times on the page. */
	function renew_times(root) {
		for (const element of root.querySelectorAll("time")) set_text(element, words.distance(element.dateTime));
	}

	/** A bar: `show(percent, name)`. Without percent, it shows that the progress is unknown. */
	function bar() {
		const fill = make("span", { class: "jc-bar-fill" });
		const track = make("span", { class: "jc-bar-track" }, fill);
		const number = make("span", { class: "jc-bar-number", "aria-hidden": "true" });
		const element = make("div", { class: "jc-bar" }, track, number);
		track.setAttribute("role", "progressbar");
		track.setAttribute("aria-valuemin", "0");
		track.setAttribute("aria-valuemax", "100");
		return {
			element,
			show(percent, name) {
				const is_known = percent != null;
				element.classList.toggle("jc-bar-unknown", !is_known);
				fill.style.setProperty("--jc-share", String(is_known ? percent / 100 : 1));
				set_attribute(track, "aria-valuenow", is_known ? Math.round(percent) : null);
				set_attribute(track, "aria-label", name);
				set_text(number, is_known ? words.percent(percent) : "");
			},
		};
	}

	center.dom = { make, button, set_text, set_attribute, show, time, renew_times, bar };
})();
