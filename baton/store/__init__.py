"""Everything in SQL: one module per table family, one function per statement.

Functions take a connection first and plain values after it, answer plain values, and never
commit: `engine.write` and `engine.read` open the transactions, and the process step owns them.
"""
