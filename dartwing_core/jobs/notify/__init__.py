"""What people are told, at the moment it happens."""
