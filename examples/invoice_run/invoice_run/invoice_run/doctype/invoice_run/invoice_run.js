frappe.ui.form.on("Invoice Run", {
	async refresh(frm) {
		if (!frm.doc.batch) return;
		const args = { batch_id: frm.doc.batch };
		const answer = await frappe.call({ method: "dartwing_core.api.jobs.get_batch_status", args, type: "GET" });
		const { progress, status } = answer.message;
		frm.dashboard.show_progress(__("Invoices"), progress, __(status));
		frm.add_custom_button(__("Jobs"), () => frappe.set_route("Form", "Job Batch", frm.doc.batch));
		if (status === "Failed") {
			frm.dashboard.set_headline(__("Correct the addresses, save, and retry the jobs."));
			frm.add_custom_button(__("Retry"), async () => {
				await frappe.call("dartwing_core.api.jobs.retry_batch", args);
				frm.refresh();
			});
		}
	},
	onload(frm) {
		// Frappe's socket tells the owner of a job each of its changes.
		frappe.realtime.on("job_status_changed", () => frm.doc.batch && frm.reload_doc());
	},
});
