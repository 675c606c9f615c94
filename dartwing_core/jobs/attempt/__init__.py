"""One run of a job: from the taken row to its settled end."""
