// Following a job from the scripts of other apps (docs/desk.md).
import { read } from "./api";
import { LiveJob, is_finished } from "./live_job";

/**
 * Follow a job: `on_progress(job)` at each change, `on_done(job)` once, when it is Completed, Canceled or Dead Letter,
 * `on_error(error)` when a request fails. `job` has the fields of `get_job_status`. Returns `{ stop() }`.
 */
export function watch(job_id, { on_progress, on_done, on_error } = {}) {
	const live = new LiveJob(job_id, {
		read: () => read("get_job_status", { job_id }),
		on_change(job) {
			on_progress?.(job);
			if (!is_finished(job)) return;
			live.stop();
			on_done?.(job);
		},
		on_error: (error) => on_error?.(error),
	});
	live.start();
	return { stop: () => live.stop() };
}
