// The report "Failed Jobs by Error": its button retries the jobs of the checked rows.
import { ask_retry, confirmed, show_summary, tell, tell_error } from "./actions";
import { write } from "./api";
import { one_at_a_time } from "./dom";

const AT_ONCE = 500;

/** Retry the jobs of the checked rows in the report "Failed Jobs by Error". */
export const retry_by_error = one_at_a_time(async (report) => {
	const checked = report.datatable?.rowmanager.getCheckedRows() ?? [];
	const rows = checked.map((index) => report.data[index]).filter((row) => row?.fingerprint);
	if (!rows.length) {
		tell(__("Select the errors whose jobs you want to retry."), "orange");
		return;
	}
	const count = rows.reduce((sum, row) => sum + row.jobs, 0);
	if (!(await confirmed(ask_retry(count)))) return;
	const { organization, job_type } = report.get_filter_values();
	const fingerprints = rows.map((row) => row.fingerprint);
	try {
		const about = { fingerprints, organization, job_type, limit: AT_ONCE };
		const { retried: done, skipped: refused, left } = await write("bulk_retry_dead_letter", about);
		const more = left ? " " + __("{0} more are left: retry again.", [left]) : "";
		show_summary({ said: (number) => __("{0} jobs queued again.", [number]) + more }, { done, refused });
		report.refresh();
	} catch (error) {
		tell_error(error, __("Could not retry the jobs"));
	}
});
