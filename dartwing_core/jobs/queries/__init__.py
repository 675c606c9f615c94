"""What people read of jobs: only what the current user may see."""
