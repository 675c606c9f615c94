// One line above the workspace and the list of Background Jobs while something holds jobs up, such as a pause.
import { read } from "./api";
import { make } from "./dom";

const EVERY = 60_000;
const SHOWN_ON = ["Workspaces/Background Jobs", "List/Background Job"];

export function setup_holdups() {
	const place = make("div", { role: "status" });
	const is_wanted = () => SHOWN_ON.includes(frappe.get_route().slice(0, 2).join("/"));
	let told = "[]";
	const renew = async () => {
		if (!is_wanted() || document.hidden) return;
		try {
			const { holdups } = await read("get_holdups");
			if (told === (told = JSON.stringify(holdups))) return; // else a screen reader would say it every minute
			place.replaceChildren(...(holdups.length ? [line(holdups)] : []));
		} catch (error) {
			if (!error.kind) throw error; // the next one tries again
		}
	};
	$(document).on("page-change", () => {
		if (is_wanted()) frappe.container.page.querySelector(".layout-main-section").prepend(place);
		else place.remove(); // all workspaces share a page
		renew();
	});
	document.addEventListener("visibilitychange", renew);
	setInterval(renew, EVERY);
}

/** Sentences, as links where these lead to what can be changed. */
function line(holdups) {
	const sentences = holdups.map(({ reason, link }) => (link ? make("a", { href: link }, reason) : reason));
	return make("div", { class: "dw-holdups form-message orange" }, ...sentences.flatMap((sentence) => [sentence, " "]));
}
