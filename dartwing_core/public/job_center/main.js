/* The job center: what it shows, and what happens when something changes or somebody does something. */
(() => {
	"use strict";

	const center = window.dartwingJobCenter;
	const { data, words, dom, api, live } = center;
	const { make, button, setText, show } = dom;
	const { say } = words;
	const PAGE = 20;
	const MOST = 10_000; // the server counts no further
	const IDLE = 30_000;
	const IDLE_WITH_SOCKET = 60_000;
	const DETAILS_SLOW = 15_000;
	const WATCH = 2_000; // how often running jobs are asked for one by one, while they are few
	const WATCHED = 5;
	const TOGETHER = 300; // milliseconds in which changes of many jobs become one question
	const ONE_BY_ONE = 3; // more changed jobs than that are asked for as a list
	const find = (id) => document.getElementById(id);

	const list = find("jc-list");
	const dialog = find("jc-details");
	const jobs = new Map(); // of this page, by id: { job, card, told: when the last event of it was made }
	const busy = new Set(); // ids of jobs whose button was pressed
	const changed = new Set(); // ids of jobs that events have told of
	const actions = { open, cancel, retry, runNow, isBusy: (id) => busy.has(id) };
	const view = center.details(dialog, actions);
	const notices = new center.Notices({
		page: find("jc-notice"),
		dialog: view.notice,
		connection: find("jc-connection"),
		again: () => (poller.now(), detailsPoller.now()),
	});
	const filters = new center.Filters(find("jc-filters"), () => goTo(0));
	const poller = new live.Poller(readList, listInterval, listFailed);
	const watcher = new live.Poller(readWatched, () => (watched().length ? WATCH : null), listFailed);
	const detailsPoller = new live.Poller(readOpened, detailsInterval, detailsFailed);
	let page = 0;
	let total = 0;
	let opened = null; // { id, job, history: the state of the job that its history was read for } in the dialog
	let question = 0; // number of the newest list request: answers to older ones are dropped
	let asking = 0; // timer of the question for changed jobs

	// The list ------------------------------------------------------------------------------------------------------

	async function readList() {
		const number = (question += 1);
		const answer = await api.list({ ...filters.values, limit: PAGE, offset: page * PAGE });
		if (number !== question) return;
		total = answer.total;
		if (!answer.jobs.length && total && page) {
			goTo(Math.floor((total - 1) / PAGE)); // there are fewer pages now
			return;
		}
		notices.forget("polling");
		showList(answer.jobs);
	}

	function showList(found) {
		const names = new Set(found.map((job) => job.job_id));
		let hadFocus = false;
		for (const [id, { card }] of jobs) {
			if (names.has(id)) continue;
			hadFocus ||= card.element.contains(document.activeElement);
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
		if (hadFocus) find("jc-list-title").focus();
		filters.learn(found);
		showEmpty();
		showPages();
		dom.renewTimes(document);
		if (watched().length) watcher.after(WATCH);
	}

	/** The running jobs of which nobody tells, if they are few; the open one is asked for anyway. */
	function watched() {
		const running = [...jobs.values()].filter(({ job }) => job.status === "Running" && !isTold(job));
		return running.length > WATCHED ? [] : running.map(({ job }) => job.job_id).filter((id) => id !== opened?.id);
	}

	async function readWatched() {
		for (const id of watched()) await readOne(id);
	}

	async function readOne(id) {
		try {
			const job = await api.status(id);
			if (jobs.has(id)) patch(job);
		} catch (error) {
			if (error.kind !== "gone") throw error;
			poller.now();
		}
	}

	/** Show a job as it is now, in the list and, if it is open, in the dialog. */
	function patch(job) {
		let entry = jobs.get(job.job_id);
		if (!entry) jobs.set(job.job_id, (entry = { card: center.card.card(actions), told: "" }));
		if (entry.job && entry.job.status !== job.status) {
			setText(find("jc-said"), `${words.type(job.job_type)}: ${words.status(job.status)}`);
		}
		entry.job = job;
		entry.card.show(job);
		if (opened?.id !== job.job_id || !opened.job || opened.job === job) return;
		opened.job = { ...opened.job, ...job };
		view.show(opened.job);
		if (stateOf(job) !== opened.history) detailsPoller.now();
	}

	function stateOf({ status, attempt }) {
		return `${status} ${attempt}`;
	}

	function showEmpty() {
		const place = find("jc-empty");
		show(place, !jobs.size);
		if (jobs.size) return;
		const more = filters.isSet
			? button(say("show_all"), () => (filters.form.reset(), goTo(0)))
			: make("p", {}, say("no_jobs_yet"));
		place.replaceChildren(make("h3", {}, say(filters.isSet ? "nothing_fits" : "no_jobs")), more);
	}

	function showPages() {
		const place = find("jc-pages");
		show(place, total > PAGE);
		const [back, next] = place.querySelectorAll("button");
		const first = page * PAGE;
		back.disabled = first === 0;
		next.disabled = first + PAGE >= total;
		const range = [first + 1, Math.min(first + PAGE, total), total].map(words.number);
		setText(find("jc-range"), say(total >= MOST ? "range_or_more" : "range", ...range));
	}

	/** Show a page of what the filter lets through. */
	function goTo(number) {
		if (number !== page) find("job-center").scrollIntoView({ block: "start" });
		page = Math.max(0, number);
		list.setAttribute("aria-busy", "true");
		filters.writeAddress(page, opened?.id);
		poller.now();
	}

	// Details -------------------------------------------------------------------------------------------------------

	function open(id) {
		opened = { id, job: null, history: null };
		view.begin(id);
		const known = jobs.get(id)?.job;
		if (known) view.show(known);
		if (!dialog.open) dialog.showModal();
		dialog.scrollTop = 0;
		find("jc-details-title").focus();
		filters.writeAddress(page, id);
		detailsPoller.failures = 0;
		detailsPoller.now();
	}

	function closed() {
		const card = jobs.get(opened?.id)?.card;
		opened = null;
		filters.writeAddress(page);
		notices.leaveDialog();
		(card?.title ?? find("jc-list-title")).focus();
	}

	async function readOpened() {
		if (!opened) return;
		const { id } = opened;
		const job = await api.status(id);
		if (opened?.id !== id) return;
		opened.job = job;
		view.show(job);
		notices.forget("polling");
		if (jobs.has(id)) patch(job);
		const state = stateOf(job);
		if (state !== opened.history) {
			await view.history();
			if (opened?.id === id) opened.history = state;
		}
		dom.renewTimes(dialog);
	}

	// Doing something -----------------------------------------------------------------------------------------------

	async function cancel(job) {
		if (busy.has(job.job_id) || !(await center.confirmCancel(find("jc-confirm"), job))) return;
		await act(job, api.cancel, "asked_to_cancel");
	}

	async function retry(job) {
		await act(job, api.retry, "asked_to_retry");
	}

	async function runNow(job) {
		await act(job, api.runNow, "asked_to_run_now");
	}

	async function act(job, call, done) {
		const { job_id: id } = job;
		if (busy.has(id)) return;
		setBusy(id, true);
		notices.forget("action");
		try {
			await call(id);
			setText(find("jc-said"), say(done, words.type(job.job_type)));
			await readOne(id);
			poller.soon(0); // it moves now, though nothing may have moved before
		} catch (error) {
			failed(error, "action");
			if (["gone", "refused"].includes(error.kind)) poller.now();
		} finally {
			setBusy(id, false);
			if (opened?.id === id) detailsPoller.now();
		}
	}

	function setBusy(id, isBusy) {
		busy[isBusy ? "add" : "delete"](id);
		const entry = jobs.get(id);
		entry?.card.show(entry.job);
		if (opened?.id === id && opened.job) view.show(opened.job);
	}

	// When something is wrong ---------------------------------------------------------------------------------------

	function failed(error, source) {
		if (error.kind === "login") for (const each of [poller, watcher, detailsPoller]) each.stop();
		notices.say(error, source);
	}

	function listFailed(error) {
		list.setAttribute("aria-busy", "false");
		if (error.kind !== "busy" || poller.failures > 2) failed(error, "polling");
	}

	function detailsFailed(error) {
		if (error.kind !== "gone") return listFailed(error);
		// Deleted, or of an organization that the user has left.
		view.end();
		opened.job = null;
		failed(error, "action");
		poller.now();
		return false;
	}

	// Live ----------------------------------------------------------------------------------------------------------

	/** Whether the socket tells of this job's changes: Frappe's events go to a job's owner. */
	function isTold(job) {
		return notices.isConnected && job.owner_user === data.user;
	}

	function listInterval() {
		const intervals = [...jobs.values()].map(({ job }) => live.intervalOf(job, isTold(job)));
		return Math.min(notices.isConnected ? IDLE_WITH_SOCKET : IDLE, ...intervals);
	}

	/** Null while the dialog is closed. */
	function detailsInterval() {
		if (!opened?.job) return null;
		return isTold(opened.job) || !live.isMoving(opened.job) ? DETAILS_SLOW : WATCH;
	}

	function onEvent(name, message) {
		const { job_id: id, updated_at: made = "" } = message;
		const entry = jobs.get(id);
		if (!entry) {
			if (name === "job_status_changed") poller.soon(2 * TOGETHER); // a new one, or on another page
			if (opened?.id === id) detailsPoller.now();
			return;
		}
		if (made < entry.told) return; // overtaken by a later one
		entry.told = made;
		if (name === "job_progress" && entry.job.status === "Running" && message.status === "Running") {
			const { progress, progress_message = null, steps } = message;
			patch({ ...entry.job, progress: Number(progress) || 0, progress_message, steps: steps ?? entry.job.steps });
			return;
		}
		changed.add(id);
		asking ||= setTimeout(askForChanged, TOGETHER);
	}

	async function askForChanged() {
		const ids = [...changed];
		changed.clear();
		asking = 0;
		if (ids.length > ONE_BY_ONE) return poller.soon(0);
		try {
			for (const id of ids) await readOne(id);
		} catch (error) {
			listFailed(error);
		}
	}

	// Begin ---------------------------------------------------------------------------------------------------------

	const given = filters.readAddress();
	page = given.page;
	find("jc-pages").addEventListener("click", ({ target }) => target.dataset.go && goTo(page + Number(target.dataset.go)));
	dialog.addEventListener("close", closed);
	window.addEventListener("hashchange", () => {
		const id = filters.jobOfAddress;
		if (id && id !== opened?.id) open(id);
	});
	live.listen(onEvent, (isConnected) => {
		notices.showConnection(isConnected);
		poller.now();
	});
	notices.showConnection();
	poller.now();
	if (given.job) open(given.job);
})();
