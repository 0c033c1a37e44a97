"""The callbacks process: ends log rows and inserts what follows from them. Several may run at once."""
