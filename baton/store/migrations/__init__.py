"""How the schema came to be what `models.py` says: numbered, reversible, one subject each."""
