/* Making and changing elements. Data only ever becomes text, never markup. */
(() => {
	"use strict";

	const center = window.dartwingJobCenter;
	const { words } = center;

	/** An element with attributes (`onclick` and the like: listeners) and children (elements or texts). */
	function make(tag, attributes = {}, ...children) {
		const element = document.createElement(tag);
		for (const [name, value] of Object.entries(attributes)) {
			if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
			else if (value === true) element.setAttribute(name, "");
			else if (value !== false && value != null) element.setAttribute(name, value);
		}
		element.append(...children.filter((child) => child != null));
		return element;
	}

	function button(text, onclick, more = {}) {
		return make("button", { type: "button", class: "jc-button", onclick, ...more }, text);
	}

	/** Change the text, if it differs: what a reader has selected stays selected. */
	function setText(element, text) {
		const wanted = text == null ? "" : String(text);
		if (element.textContent !== wanted) element.textContent = wanted;
	}

	function setAttribute(element, name, value) {
		if (value == null) element.removeAttribute(name);
		else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
	}

	/** Show or hide. If what has the focus goes, the focus moves to `instead`. */
	function show(element, isShown, instead) {
		if (element.hidden === !isShown) return;
		const hadFocus = !isShown && element.contains(document.activeElement);
		element.hidden = !isShown;
		if (hadFocus) instead?.focus();
	}

	/** A moment as "3 minutes ago", with the exact time for whoever points at it. */
	function time(moment) {
		return make("time", { datetime: moment, title: words.exact(moment) }, words.distance(moment));
	}

	/** Let the times on the page go on. */
	function renewTimes(root) {
		for (const element of root.querySelectorAll("time")) setText(element, words.distance(element.dateTime));
	}

	/** A bar: `show(percent, name)`; without percent it says that nobody knows how far it is. */
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
				const isKnown = percent != null;
				element.classList.toggle("jc-bar-unknown", !isKnown);
				fill.style.setProperty("--jc-share", String(isKnown ? percent / 100 : 1));
				setAttribute(track, "aria-valuenow", isKnown ? Math.round(percent) : null);
				setAttribute(track, "aria-label", name);
				setText(number, isKnown ? words.percent(percent) : "");
			},
		};
	}

	center.dom = { make, button, setText, setAttribute, show, time, renewTimes, bar };
})();
