"""One executor: claim, run, settle. `main.py` says what runs; each role has its file."""
