"""Everything in Redis: lanes, leases, the ready set, the results stream. The protocol on one page.

**Who is authoritative.** SQL is the truth, Redis an index of what still has to happen. A message
lives in exactly one place: in its lane (a list), under a lease (a hash), or, as a result, in the
stream. Only the Lua scripts move it, each in one atomic step.

**Lanes.** One list per job. A lane has one slot; `running` says which log id has it. *Invariant R:
a lane is in the ready set ⇔ its list is non-empty and its slot is free*; `_lane.lua` alone keeps it.
The ready set is ordered by the moment a lane became ready, so lanes are served in turn.

**Leases.** A claim gives a lease with a token that only grows. A lease has no clock: it lasts as
long as its executor's beat counter moves. An observer that saw the counter stand still for 12 s
on its own monotonic clock, in at least three readings, takes the runs back (`recover`). An
executor that cannot renew stops its runs before that. Wall clocks are never compared.

**Pushing twice.** `push` sets one bit per log id and refuses an id whose bit is set. So a crash
between push and the SQL update costs a repeated call, not a second run.

**Losing Redis.** Without its `epoch` key a group is closed: nothing is pushed or claimed. Living
executors name the runs they still have (`reassert`); then the sweeper opens the group and pushes
every unfinished row whose bit is gone.

**One slot per script.** All keys of a group share one hash tag. Scripts are told the fixed keys in
KEYS; lanes, seen chunks and mailboxes are derived from the group's prefix, under the same tag.
"""
