frappe.ui.form.on("Job Engine Settings", {
	refresh(frm) {
		if (!frm.doc.__onload?.is_copy) return;
		frm.set_intro(__("This site is a copy of another one. No job starts here before you have adopted it."), "orange");
		frm.add_custom_button(__("Adopt This Site"), () => {
			const question = __("Start the jobs of this copy here, also those that are due, such as faxes and mails?");
			frappe.confirm(question, () => frm.call("adopt").then(() => frm.reload_doc()));
		});
	},
});
