// The filter: its form, its options, and the page's address, which keeps it.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { data, words, dom } = center;

	/** `on_change()` is called when the user changes the filter. */
	class Filters {
		constructor(form, on_change) {
			this.form = form;
			this.offer("organization", new Map(data.organizations));
			this.offer("job_type", new Map(Object.entries(data.job_types)));
			dom.show(form.elements.mine.parentElement, data.sees_others);
			form.addEventListener("change", on_change);
			form.addEventListener("submit", (event) => event.preventDefault());
			dom.show(form, true);
		}

		/** The filter as arguments of `list_jobs`. */
		get values() {
			const { mine, ...more } = Object.fromEntries(new FormData(this.form));
			return { ...more, owner_user: mine ? data.user : "" };
		}

		get is_set() {
			return Object.values(this.values).some(Boolean);
		}

		/** Offer organizations and types of jobs that were not known before. */
		learn(jobs) {
			this.offer("organization", new Map(jobs.map((job) => [job.organization, job.organization_name])));
			this.offer("job_type", new Map(jobs.map((job) => [job.job_type, words.type(job.job_type)])));
		}

		offer(name, options) {
			const select = this.form.elements[name];
			const known = new Map([...select.options].map((option) => [option.value, option]));
			for (const [value, label] of options) {
				if (!known.has(value)) select.append(dom.make("option", { value }, label));
				else if (label !== value) known.get(value).textContent = label; // the address has only the id
			}
			if (name === "organization") dom.show(select.parentElement, select.options.length > 2);
		}

		/** Take the filter from the address. Returns the address's page (from 0) and the job that it opens. */
		read_address() {
			const given = new URLSearchParams(location.search);
			const { elements } = this.form;
			for (const name of ["organization", "job_type"]) {
				const value = given.get(name) ?? "";
				const named = [...elements[name].options].find((option) => option.value && option.textContent === value);
				if (value && !named) this.offer(name, new Map([[value, value]]));
				elements[name].value = named?.value ?? value;
			}
			const status = [...elements.status].find(({ value }) => value === (given.get("status") ?? ""));
			if (status) status.checked = true;
			elements.mine.checked = data.sees_others && given.get("mine") === "1";
			return { page: Math.max(0, (Number.parseInt(given.get("page"), 10) || 1) - 1), job: this.job_of_address };
		}

		/** The open job. It stands behind the #, which the server does not get: the user may not be allowed to see it. */
		get job_of_address() {
			try {
				return decodeURIComponent(location.hash.slice(1));
			} catch {
				return "";
			}
		}

		write_address(page, job) {
			const wanted = new URLSearchParams();
			for (const [name, value] of new FormData(this.form)) if (value) wanted.set(name, value);
			if (page) wanted.set("page", String(page + 1));
			const query = wanted.size ? `?${wanted}` : "";
			const hash = job ? `#${encodeURIComponent(job)}` : "";
			history.replaceState(null, "", location.pathname + query + hash);
		}
	}

	center.Filters = Filters;
})();
