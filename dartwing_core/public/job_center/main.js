// The job center: its list and dialog, and the reactions to changes and to the user.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { data, words, dom, api, live } = center;
	const { make, button, set_text, show } = dom;
	const { __ } = words;
	const PAGE = 20;
	const MOST = 10_000; // the server counts up to this
	const TOGETHER = 300; // milliseconds in which changes of many jobs become one request
	const MORE_LINES = 2_000; // after an event that tells of more lines: workers store them about every second
	const ONE_BY_ONE = 3; // more changed jobs than this are requested as a list
	const TICK = 1_000; // of texts such as "5 seconds ago"
	const find = (id) => document.getElementById(id);

	const list = find("jc-list");
	const dialog = find("jc-details");
	const jobs = new Map(); // jobs of this page, by id: { job, card, told: time of the job's last event }
	const busy = new Set(); // ids of jobs whose button was pressed
	const changed = new Set(); // ids of jobs with events
	const actions = { open, cancel, retry, run_now, is_busy: (id) => busy.has(id) };
	const view = center.details(dialog, actions);
	const notices = new center.Notices({
		page: find("jc-notice"),
		dialog: view.notice,
		connection: find("jc-connection"),
		again: () => (poller.now(), details_poller.now()),
	});
	const filters = new center.Filters(find("jc-filters"), () => go_to(0));
	const poller = new live.Poller(read_list, list_interval, list_failed);
	const details_poller = new live.Poller(read_opened, details_interval, details_failed);
	let page = 0;
	let total = 0;
	let opened = null; // the job in the dialog: { id, job, state: as last requested, lines: as last told }
	let question = 0; // number of the newest request for the list; older answers are dropped
	let asking = 0; // timer of the request for changed jobs

	// The list ------------------------------------------------------------------------------------------------------

	async function read_list() {
		const number = (question += 1);
		const { status, ...more } = filters.values;
		const states = status === "Failed" ? '["Failed", "Timed Out"]' : status; // both are "Retrying"
		const answer = await api.list({ ...more, status: states, limit: PAGE, offset: page * PAGE });
		if (number !== question) return;
		total = answer.total;
		if (!answer.jobs.length && total && page) {
			go_to(Math.floor((total - 1) / PAGE)); // there are fewer pages now
			return;
		}
		notices.forget("polling");
		show_list(answer.jobs);
	}

	function show_list(found) {
		const names = new Set(found.map((job) => job.job_id));
		let had_focus = false;
		for (const [id, { card }] of jobs) {
			if (names.has(id)) continue;
			had_focus ||= card.element.contains(document.activeElement);
			card.element.remove();
			jobs.delete(id);
		}
		for (const ghost of list.querySelectorAll(".jc-ghost")) ghost.remove();
		found.forEach((job, place) => {
			patch(job);
			const { element } = jobs.get(job.job_id).card;
			if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
		});
		list.setAttribute("aria-busy", "false");
		if (had_focus) find("jc-list-title").focus();
		filters.learn(found);
		show_empty();
		show_pages();
	}

	async function read_one(id) {
		try {
			const job = await api.status(id);
			if (jobs.has(id)) patch(job);
		} catch (error) {
			if (error.kind !== "gone") throw error;
			poller.now();
		}
	}

	/** Show the job's present state in the list and, if it is open, in the dialog. */
	function patch(job) {
		let entry = jobs.get(job.job_id);
		if (!entry) jobs.set(job.job_id, (entry = { card: center.card.card(actions), told: "" }));
		if (entry.job && entry.job.status !== job.status) {
			set_text(find("jc-said"), `${words.name(job)}: ${words.status(job.status)}`);
		}
		entry.job = job;
		entry.card.show(job);
		if (opened?.id !== job.job_id || !opened.job || opened.job === job) return;
		const { steps } = job.status === "Running" ? job : opened.job; // lists have only those of running jobs
		opened.job = { ...opened.job, ...job, steps };
		view.show(opened.job);
		if (live.state_of(job) !== opened.state) details_poller.now();
	}

	function show_empty() {
		const place = find("jc-empty");
		show(place, !jobs.size);
		if (jobs.size) return;
		const more = filters.is_set
			? button(__("Show all jobs"), () => (filters.form.reset(), go_to(0)))
			: make("p", {}, __("Jobs that you start in the background, such as an export, show their progress and result here."));
		place.replaceChildren(make("h3", {}, filters.is_set ? __("No jobs match this filter") : __("No jobs yet")), more);
	}

	function show_pages() {
		const place = find("jc-pages");
		show(place, total > PAGE);
		const [back, next] = place.querySelectorAll("button");
		const first = page * PAGE;
		back.disabled = first === 0;
		next.disabled = first + PAGE >= total;
		const range = [first + 1, Math.min(first + PAGE, total), total].map(words.number);
		const shown = total >= MOST ? __("{0} to {1} of {2} or more", ...range) : __("{0} to {1} of {2}", ...range);
		set_text(find("jc-range"), shown);
	}

	/** Show a page of the filtered list. */
	function go_to(number) {
		if (number !== page) find("job-center").scrollIntoView({ block: "start" });
		page = Math.max(0, number);
		list.setAttribute("aria-busy", "true");
		filters.write_address(page, opened?.id);
		poller.now();
	}

	// Details -------------------------------------------------------------------------------------------------------

	function open(id) {
		opened = { id, job: null, state: null, lines: null };
		view.begin(jobs.get(id)?.job);
		if (!dialog.open) dialog.showModal();
		dialog.scrollTop = 0;
		find("jc-details-title").focus();
		filters.write_address(page, id);
		details_poller.failures = 0;
		details_poller.now();
	}

	function closed() {
		const card = jobs.get(opened?.id)?.card;
		opened = null;
		filters.write_address(page);
		notices.leave_dialog();
		(card?.title ?? find("jc-list-title")).focus();
	}

	async function read_opened() {
		if (!opened) return;
		const { id } = opened;
		const job = await api.details(id).catch((error) => opened?.id === id && Promise.reject(error));
		if (opened?.id !== id) return;
		Object.assign(opened, { job, state: live.state_of(job) });
		view.show(job);
		notices.forget("polling");
		if (jobs.has(id)) patch(job);
	}

	// Actions -------------------------------------------------------------------------------------------------------

	async function cancel(job) {
		if (busy.has(job.job_id) || !(await center.confirm_cancel(find("jc-confirm"), job))) return;
		await act(job, api.cancel, __("Canceling {0}.", words.name(job)));
	}

	/** `edited`: other `parameters`, what is `done` after the retry, and what shows why it is `refused`. */
	async function retry(job, edited) {
		const call = async (id) => {
			await api.retry(id, edited?.parameters);
			edited?.done();
		};
		await act(job, call, __("{0} is queued again.", words.name(job)), edited?.refused);
	}

	async function run_now(job) {
		await act(job, api.run_now, __("{0} starts as soon as a worker is free.", words.name(job)));
	}

	async function act(job, call, done, refused) {
		const { job_id: id } = job;
		if (busy.has(id)) return;
		set_busy(id, true);
		notices.forget("action");
		try {
			await call(id);
			set_text(find("jc-said"), done);
			await read_one(id);
			poller.soon(0); // the job moves now, even if no job moved before
		} catch (error) {
			if (refused && error.kind === "refused") refused(error.message);
			else notices.say(error, "action");
			if (["gone", "refused"].includes(error.kind)) poller.now();
		} finally {
			set_busy(id, false);
			if (opened?.id === id) details_poller.now();
		}
	}

	function set_busy(id, is_busy) {
		busy[is_busy ? "add" : "delete"](id);
		const entry = jobs.get(id);
		entry?.card.show(entry.job);
		if (opened?.id === id && opened.job) view.show(opened.job);
	}

	// Errors --------------------------------------------------------------------------------------------------------

	function list_failed(error) {
		list.setAttribute("aria-busy", "false");
		if (error.kind !== "busy" || poller.failures > 2) notices.say(error, "polling");
	}

	function details_failed(error) {
		if (error.kind !== "gone") return list_failed(error);
		// The job is deleted, or the user has left its organization.
		view.end(opened.id);
		opened.job = null;
		notices.say(error, "action");
		poller.now();
		return false;
	}

	// Live ----------------------------------------------------------------------------------------------------------

	/** Whether the socket reports this job's changes: Frappe's events go to a job's owner. */
	function is_told(job) {
		return notices.is_connected && job.owner_user === data.user;
	}

	function list_interval() {
		const is_own = !data.sees_others || filters.values.owner_user;
		return live.interval_of(notices.is_connected && is_own);
	}

	/** Null while the dialog is closed. */
	function details_interval() {
		return opened?.job ? live.interval_of(is_told(opened.job), opened.job) : null;
	}

	function on_event(name, message) {
		const { job_id: id, updated_at: made = "" } = message;
		const entry = jobs.get(id);
		if (!entry) {
			if (name === "job_status_changed") poller.soon(2 * TOGETHER); // a new job, or one on another page
			if (opened?.id === id) details_poller.now();
			return;
		}
		if (made < entry.told) return; // a later event came first
		entry.told = made;
		if (name === "job_progress") hear_of_lines(entry.job, message.logged_lines);
		if (name === "job_progress" && entry.job.status === "Running" && message.status === "Running") {
			const { progress, progress_message = null, steps } = message;
			patch({ ...entry.job, progress: Number(progress) || 0, progress_message, steps: steps ?? entry.job.steps });
			return;
		}
		changed.add(id);
		asking ||= setTimeout(ask_for_changed, TOGETHER);
	}

	/** Request the open job again if it has logged more lines: an event only says how many. */
	function hear_of_lines(job, number) {
		const lines = `${job.attempt} ${number}`;
		if (opened?.id !== job.job_id || !number || lines === opened.lines) return;
		opened.lines = lines;
		details_poller.after(MORE_LINES);
	}

	async function ask_for_changed() {
		const ids = [...changed];
		changed.clear();
		asking = 0;
		if (ids.length > ONE_BY_ONE) return poller.soon(0);
		try {
			for (const id of ids) await read_one(id);
		} catch (error) {
			list_failed(error);
		}
	}

	// Begin ---------------------------------------------------------------------------------------------------------

	const given = filters.read_address();
	page = given.page;
	find("jc-pages").addEventListener("click", ({ target: { dataset: { go } } }) => go && go_to(page + Number(go)));
	dialog.addEventListener("close", closed);
	window.addEventListener("hashchange", () => {
		const id = filters.job_of_address;
		if (id && id !== opened?.id) open(id);
	});
	live.listen(on_event, (is_connected) => {
		notices.show_connection(is_connected);
		poller.now();
	});
	notices.show_connection();
	poller.now();
	setInterval(() => document.hidden || dom.renew_times(find("job-center")), TICK);
	if (given.job) open(given.job);
})();
