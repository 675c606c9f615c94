"""What follows the end of a job, and what makes one end."""
