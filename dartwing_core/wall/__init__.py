"""What stands in front of Frappe's own functions, so that no tenant reads what belongs to another."""
