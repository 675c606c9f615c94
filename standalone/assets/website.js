/* In place of Frappe's web bundle, of which the wheel has no sources: the name that apps know, and the login form. */
(() => {
	"use strict";

	window.frappe = window.monoframe;

	async function logIn(form) {
		const value = (id) => form.querySelector(id).value;
		const body = new URLSearchParams({ usr: value("#login_email"), pwd: value("#login_password") });
		const answer = await fetch("/api/method/login", { method: "POST", body });
		if (!answer.ok) {
			form.querySelector(".btn-login").textContent = "Invalid login. Try again.";
			return;
		}
		const wanted = new URLSearchParams(location.search).get("redirect-to") || "/job-center";
		location.assign(new URL(wanted, location.origin).pathname + new URL(wanted, location.origin).search);
	}

	const catchLogin = (event) => {
		if (!event.target.matches(".form-login")) return;
		event.preventDefault();
		event.stopImmediatePropagation();
		logIn(event.target);
	};
	window.addEventListener("submit", catchLogin, true);
})();
