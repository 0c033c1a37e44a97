"""Measures Baton with real processes; `make bench` prints the table and writes `bench/results.json`."""
