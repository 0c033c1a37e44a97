"""The invariant scanner: does what SQL says and what Redis holds fit together?

Invariants are what every script and every transaction keeps, whatever dies. So a broken one is a bug, or
somebody edited rows or keys by hand, or a part that repairs things does not run. The scanner looks; it
changes nothing but its own two tables.

    look      read both stores in slices, and let every check say what it sees    `look.py`, `checks/`
    weigh     compare with what the looks before had seen                         `weigh.py` (pure)
    remember  rows of `finding`, while they are seen                              `baton/store/findings.py`

Runs go on while they are looked at, so what looks wrong may be on its way. It counts, *is confirmed*, only
when every look since the first saw it with the same evidence, and the first was `GRACE_S` ago: longer than
the sweeper, the watcher and the callbacks take to put right what a crash left. Evidence names what would
change if anything moved on: a token, an attempt, the first message of a lane. Where a result that is on its
way would explain it all, every result that was there at the first sight must have been applied as well.

What is confirmed is shown, and told of when it stays. Some of it can be repaired, by a person who says so
(`baton scan --repair`); leftovers that only take room go without being asked.
"""
