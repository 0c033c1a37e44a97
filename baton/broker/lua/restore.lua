-- restore: put back what follows from a lease: its slot, its place among what its executor holds.
-- KEYS ready running facts marker seq leases beats
-- ARGV prefix, then log ids
-- ANSWER how many of them have a lease
-- INVARIANT a run with a lease has a slot, and its executor a beat: whoever has no beat is given one that
--   stands still, so that the watcher declares it dead and takes its runs back
-- REPEAT finds everything in its place

local ready, running, facts, marker, seq, leases, beats =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local prefix = ARGV[1]
--- @include _lane
--- @include _lease

local restored = {}
for i = 2, #ARGV do
  local log_id = ARGV[i]
  local lease = read_lease(redis.call('HGET', leases, log_id))
  if lease then
    local run = holding(lease, log_id)
    free_slots({ run })
    take_slots({ run })
    redis.call('SADD', prefix .. 'held:' .. lease.executor, log_id)
    redis.call('HSETNX', beats, lease.executor, 0)
    restored[#restored + 1] = run
  end
end
make_ready(lanes_of(restored))
return #restored
