"""One run of a job: from the claimed row to its settled end."""
