"""All knowledge of MariaDB: statements, transactions, named locks, connections."""
