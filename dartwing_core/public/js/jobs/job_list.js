// The list of Background Jobs: quick filters with their counts, bulk actions, live while it is on screen.
import { bulk } from "./actions";
import { live_progress, read } from "./api";
import { COLORS, make, one_at_a_time, status_word, title_of } from "./dom";

const JOB = "Background Job";
const REFRESH_SOON = 1_500; // changes of many jobs become one refresh
const POLL = 5_000; // without a socket, or for jobs of others, for which no events come
const POLL_WITH_SOCKET = 15_000;
const COUNTS_AGAIN = 5_000;
const FRESH = 3_000; // milliseconds; a younger event may be newer than the progress that its attempt has stored
const MOST = 10_000;
const MOVING = new Set(["Pending", "Queued", "Running", "Failed", "Timed Out"]);
const RETRYING = ["Failed", "Timed Out"];
/** Frappe's own actions that do not fit jobs, which can't be tagged, assigned or printed. Our Delete has a summary. */
const NOT_OFFERED = ["Assign To", "Clear Assignment", "Apply Assignment Rule", "Add Tags", "Print", "Delete", "Edit"];

/** The progress of running attempts, by job. The rows that Frappe lists hold it only when the attempt has ended. */
const said = new Map();

export function job_list_settings() {
	return {
		hide_name_column: true,
		add_fields: ["status", "progress", "progress_message", "owner_user", "organization", "error_message", "attempt"],
		get_indicator: ({ status }) => [status_word(status), COLORS[status], filter_of(status)],
		formatters: {
			job_title: (title, _df, { job_type, name }) => title_of(title, job_type, name),
			progress: (_value, _df, job) => progress_cell(job),
		},
		onload(listview) {
			listview.list_view_settings.disable_scrolling = 1; // else Frappe 16 lets long titles push progress out of sight
			listview.job_list ??= new JobList(listview);
		},
		refresh(listview) {
			listview.job_list?.refreshed();
		},
	};
}

/** The words and the bar of a row. Events find the row by `data-job`. */
function progress_cell(job) {
	const { progress, progress_message } = said_of(job) ?? job;
	const percent = Math.round(progress || 0);
	const bar = make("div", { class: "progress-bar", style: `width: ${percent}%` });
	const track = make("div", { class: "progress dw-bar" }, bar);
	const error = job.status === "Dead Letter" || RETRYING.includes(job.status) ? job.error_message : null;
	const cell = make("div", { class: "dw-cell", "data-job": job.name, title: error || progress_message || null });
	if (job.status === "Running") cell.append(track, make("span", { class: "dw-percent" }, `${percent} %`));
	else if (error) cell.append(make("span", { class: "text-muted ellipsis" }, error));
	return cell.outerHTML;
}

/** The filter for jobs whose states people know by the same word. */
const filter_of = (status) => (RETRYING.includes(status) ? `status,in,${RETRYING}` : `status,=,${status}`);

/** The known progress of the row's attempt. */
function said_of({ name, status, attempt }) {
	const found = said.get(name);
	return status === "Running" && found?.attempt === attempt ? found : null;
}

class JobList {
	constructor(listview) {
		this.listview = listview;
		this.bar = make("div", { class: "dw-filters", role: "group", "aria-label": __("Show") });
		listview.$frappe_list.before(this.bar);
		this.offer_actions();
		this.handlers = {
			job_progress: (message) => this.show_progress(message),
			job_status_changed: () => this.refresh_soon(),
			connect: () => this.refresh_soon(),
		};
		const page = $(listview.parent);
		page.on("show", () => this.attach());
		page.on("hide", () => this.detach());
		document.addEventListener("visibilitychange", () => document.hidden || this.refresh_soon());
		this.attach();
	}

	get is_on_screen() {
		return this.is_attached && !document.hidden;
	}

	attach() {
		if (this.is_attached) return;
		this.is_attached = true;
		for (const [event, handler] of Object.entries(this.handlers)) frappe.realtime.on(event, handler);
		this.poll();
	}

	detach() {
		this.is_attached = false;
		clearTimeout(this.timer);
		clearTimeout(this.refreshing);
		clearTimeout(this.counting);
		this.refreshing = null;
		for (const [event, handler] of Object.entries(this.handlers)) frappe.realtime.off(event, handler);
	}

	/** Poll while jobs move. More often for jobs of others: their events go to their owners' rooms. */
	poll() {
		clearTimeout(this.timer);
		const { data = [] } = this.listview;
		const moving = data.filter((job) => MOVING.has(job.status));
		const is_told = frappe.realtime.socket?.connected && moving.every((job) => job.owner_user === frappe.session.user);
		this.timer = setTimeout(() => {
			if (this.is_on_screen && moving.length) this.refresh();
			this.poll();
		}, is_told ? POLL_WITH_SOCKET : POLL);
	}

	refresh_soon() {
		if (!this.is_attached) return;
		this.refreshing ??= setTimeout(() => {
			this.refreshing = null;
			if (this.is_on_screen) this.refresh();
		}, REFRESH_SOON);
	}

	/** Refresh, but not while the user chooses rows or a filter. Frappe drops a refresh within 3 s after an equal one. */
	refresh() {
		const { listview } = this;
		if (listview.$checks?.length || listview.avoid_realtime_update?.()) return;
		listview.last_args = null;
		listview.refresh();
	}

	refreshed() {
		this.poll();
		this.render_filters();
		this.count_soon();
		this.ask_progress();
	}

	get running() {
		return (this.listview.data ?? []).filter(({ status }) => status === "Running");
	}

	/** Read the progress of running jobs. Progress from recent events is newer, and stays. */
	async ask_progress() {
		const { running } = this;
		const shown = new Set(running.map(({ name }) => name));
		for (const name of said.keys()) if (!shown.has(name)) said.delete(name);
		if (!running.length) return;
		try {
			const answer = await live_progress([...shown]);
			for (const [name, found] of Object.entries(answer)) {
				const known = said.get(name);
				if (known?.attempt === found.attempt && Date.now() - known.told < FRESH) continue;
				said.set(name, found);
			}
			this.running.forEach((job) => this.show_cell(job));
		} catch (error) {
			if (!error.kind) throw error; // the next refresh tries again
		}
	}

	show_progress({ job_id, progress, progress_message }) {
		const job = this.running.find(({ name }) => name === job_id);
		if (!job) return;
		progress_message ??= said_of(job)?.progress_message; // the job's room hears no texts
		said.set(job_id, { attempt: job.attempt, progress, progress_message, told: Date.now() });
		this.show_cell(job);
	}

	show_cell(job) {
		const cell = this.listview.$result[0].querySelector(`[data-job="${CSS.escape(job.name)}"]`);
		if (cell) cell.outerHTML = progress_cell(job);
	}

	// Quick filters ---------------------------------------------------------------------------------------------------

	/** Count when the last counts are five seconds old, or at once those of other filters. */
	count_soon() {
		const others = key_of(this.others());
		if (this.counts_of !== others) Object.assign(this, { counts_of: others, counts: null, counted: 0 });
		clearTimeout(this.counting);
		this.counting = setTimeout(() => this.show_counts(others), this.counted + COUNTS_AGAIN - Date.now());
	}

	async show_counts(others) {
		if (!this.is_on_screen) return; // it refreshes when it is shown again
		this.counted = Date.now();
		try {
			const counts = await this.read_counts();
			if (this.counts_of !== others) return;
			this.counts = counts;
		} catch (error) {
			if (!error.kind) throw error; // the filters also work without counts
		}
		this.render_filters();
	}

	/** One request counts all jobs. Frappe counts those of the list's other filters. */
	async read_counts() {
		const others = this.others();
		if (!others.length) return read("get_job_counts");
		const counted = this.filters().filter(({ name }) => name);
		const count = ({ filters }) => frappe.db.count(JOB, { filters: [...others, ...named(filters)], limit: MOST });
		const numbers = await Promise.all(counted.map((filter) => count(filter).catch(() => null)));
		return Object.fromEntries(counted.map(({ name }, place) => [name, numbers[place]]));
	}

	filters() {
		const is_in = (...statuses) => ["status", "in", statuses];
		const has_failed = ["status", "=", "Dead Letter"];
		return [
			{ label: __("All"), filters: [] },
			{ label: __("Mine"), filters: [["owner_user", "=", frappe.session.user]] },
			{ label: __("Running"), name: "running", filters: [["status", "=", "Running"]] },
			{ label: __("Waiting"), name: "waiting", filters: [is_in("Pending", "Queued")] },
			{ label: __("Retrying"), name: "retrying", filters: [is_in(...RETRYING)] },
			{ label: __("Failed today"), name: "failed_today", filters: [has_failed, ["completed_at", "Timespan", "today"]] },
			{ label: __("Failed"), name: "dead_letter", filters: [has_failed] },
		];
	}

	/** The list's filters beside those that a quick filter sets. */
	others() {
		return this.listview.filter_area.get().filter((filter) => !is_quick(filter));
	}

	render_filters() {
		const current = key_of(this.listview.filter_area.get().filter(is_quick));
		this.bar.replaceChildren(
			...this.filters().map(({ label, name, filters }) => {
				const is_on = key_of(named(filters)) === current;
				const count = this.counts?.[name];
				const attributes = { type: "button", class: "btn btn-xs dw-filter", "aria-pressed": String(is_on) };
				const number = count == null ? null : make("span", { class: "dw-number" }, count < MOST ? count : `${MOST}+`);
				return make("button", { ...attributes, on_click: () => this.apply(filters) }, label, number);
			})
		);
	}

	async apply(filters) {
		const area = this.listview.filter_area;
		const all = [...this.others(), ...named(filters)];
		await area.clear(false);
		await area.set(all);
		this.listview.start = 0;
		this.listview.last_args = null;
		this.listview.refresh();
		this.render_filters();
	}

	// Bulk ------------------------------------------------------------------------------------------------------------

	offer_actions() {
		const { page } = this.listview;
		for (const label of NOT_OFFERED) {
			const words = __(label, null, "Button in list view actions menu");
			page.actions.find(`[data-label="${encodeURIComponent(words)}"]`).closest("li").remove();
		}
		const offer = (label, name) => page.add_actions_menu_item(label, one_at_a_time(() => this.run(name)), false);
		offer(__("Cancel"), "cancel_jobs");
		offer(__("Retry"), "retry_jobs");
		if (frappe.model.can_delete(JOB)) offer(__("Delete"), "delete_jobs");
	}

	async run(name) {
		const { listview } = this;
		if (!(await bulk(name, listview.get_checked_items(true)))) return;
		listview.clear_checked_items();
		this.counted = 0;
		this.refresh();
	}
}

const named = (filters) => filters.map((filter) => [JOB, ...filter]);

/** Whether a filter is one that quick filters set. */
function is_quick([, field, , value]) {
	return field === "owner_user" ? value === frappe.session.user : ["status", "completed_at"].includes(field);
}

function key_of(filters) {
	const plain = filters.map(([, field, operator, value]) => [field, operator.toLowerCase(), String(value)]);
	return JSON.stringify(plain.sort());
}
