-- audit: check invariant R for some lanes, and repair it.
-- KEYS ready running marker seq leases
-- ARGV prefix, then lanes
-- ANSWER how many lanes were wrong (0 whenever no script has a bug and nobody edited the keys)
-- INVARIANT a slot is taken only by a run that has a lease
-- REPEAT finds nothing to repair

local ready, running, marker, seq, leases = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local prefix = ARGV[1]
--- @include _lane

local lanes, wrong = {}, 0
for i = 2, #ARGV do
  local lane = ARGV[i]
  lanes[#lanes + 1] = lane
  local runs = redis.call('HGET', running, lane)
  if runs and redis.call('HEXISTS', leases, runs) == 0 then
    redis.call('HDEL', running, lane)
    runs = false
    wrong = wrong + 1
  end
  local should = not runs and redis.call('LLEN', prefix .. 'queue:' .. lane) > 0
  local is = redis.call('ZSCORE', ready, lane) and true or false
  if should ~= is then wrong = wrong + 1 end
end
if wrong > 0 then make_ready(lanes) end
return wrong
