"""State that outlives the program: one port, SQLite and PostgreSQL behind it."""
