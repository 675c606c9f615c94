// One line above the list while something holds up the user's jobs, such as a pause.
(() => {
	"use strict";

	const { api, dom, live } = window.dartwing_job_center;
	const EVERY = 60_000;
	const place = dom.make("div", { role: "status" });
	let told = "[]";

	async function renew() {
		const { holdups } = await api.holdups();
		if (told === (told = JSON.stringify(holdups))) return; // else a screen reader would say it every minute
		place.replaceChildren(...(holdups.length ? [line(holdups)] : []));
	}

	/** Sentences, as links for those who can change it in Desk. */
	function line(holdups) {
		const sentences = holdups.map(({ reason, link }) => (link ? dom.make("a", { href: link }, reason) : reason));
		const text = dom.make("p", {}, ...sentences.flatMap((sentence) => [sentence, " "]));
		return dom.make("div", { class: "jc-notice" }, text);
	}

	document.getElementById("jc-notice").before(place);
	new live.Poller(renew, () => EVERY, () => {}).now(); // the next one tries again
})();
