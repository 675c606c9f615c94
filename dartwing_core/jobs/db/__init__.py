"""All that is known of MariaDB: statements, transactions, named locks, connections."""
