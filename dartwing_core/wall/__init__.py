"""Rules in front of Frappe's own functions, so that no tenant reads data of another."""
