// Shows errors, on the page or in the dialog that covers it, and whether the page is up to date.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { dom, api } = center;
	const { make, button, set_text, show } = dom;
	const { __ } = center.words;
	const CONNECTION = {
		down: __("Offline"),
		live: __("Live"),
		polling: __("Updates every few seconds"),
	};
	const IS_DOWN = '.jc-notice:is([data-kind="offline"], [data-kind="login"])';

	/** `page` and `dialog` show notices, `connection` shows the state. `again()` repeats the request. */
	class Notices {
		constructor({ page, dialog, connection, again }) {
			Object.assign(this, { page, dialog, connection, again, is_connected: false });
		}

		/** Show an error. `source`: "polling" (the next answer removes the error) or "action" (the next action does). */
		say(error, source) {
			if (!(error instanceof api.ApiError)) {
				console.error(error);
				error = new api.ApiError("failed", __("Something went wrong. Please try again later."));
			}
			const { kind, message } = error;
			if (kind === "login") center.live.end();
			const place = this.dialog.closest("dialog").open ? this.dialog : this.page;
			const current = place.firstChild;
			const is_said = current?.dataset.kind === kind && current.firstChild.textContent === message;
			if (is_said || current?.dataset.kind === "login") return;
			const notice = make("div", { class: "jc-notice", "data-kind": kind, "data-source": source });
			notice.append(...[make("p", {}, message), this.way_out(kind, source)].filter(Boolean));
			place.replaceChildren(notice);
			this.show_connection();
		}

		/** The button with which the user can solve the problem. */
		way_out(kind, source) {
			const main = { class: "jc-button jc-button-main" };
			if (kind === "login") return make("a", { ...main, href: center.data.login }, __("Log in"));
			if (kind === "reload") return button(__("Reload"), () => location.reload(), main);
			if (kind === "offline") return button(__("Try again"), () => this.again());
			return source === "action" ? button(__("Dismiss"), () => this.forget("action")) : null;
		}

		/** Remove the error of this source. The end of the session stays shown. */
		forget(source) {
			for (const place of [this.page, this.dialog]) {
				const { kind, source: said } = place.firstChild?.dataset ?? {};
				if (said === source && kind !== "login") place.replaceChildren();
			}
			this.show_connection();
		}

		/** Move errors to the page when the dialog closes, if they concern the page as well. */
		leave_dialog() {
			const notice = this.dialog.firstChild;
			const { kind, source } = notice?.dataset ?? {};
			if (source === "polling" || kind === "login") this.page.replaceChildren(notice);
			this.dialog.replaceChildren();
		}

		show_connection(is_connected = this.is_connected) {
			this.is_connected = is_connected;
			const state = document.querySelector(IS_DOWN) ? "down" : is_connected ? "live" : "polling";
			show(this.connection, true);
			this.connection.dataset.state = state;
			set_text(this.connection, CONNECTION[state]);
		}
	}

	/** Ask before a job is canceled. Resolves to true if the user confirms. */
	function confirm_cancel(dialog, job) {
		return new Promise((resolve) => {
			const is_running = job.status === "Running";
			const question = is_running ? __("It is running and will stop as soon as it can.") : __("It will not run.");
			const keep = button(__("Keep job"), () => dialog.close("no"), { autofocus: true });
			const danger = { class: "jc-button jc-button-danger" };
			const buttons = make("div", { class: "jc-actions" });
			buttons.append(keep, button(__("Cancel job"), () => dialog.close("yes"), danger));
			const title = __("Cancel {0}?", center.words.name(job));
			dialog.replaceChildren(make("h2", { id: "jc-confirm-title" }, title), make("p", {}, question), buttons);
			dialog.returnValue = "no";
			dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
			dialog.showModal();
		});
	}

	Object.assign(center, { Notices, confirm_cancel });
})();
