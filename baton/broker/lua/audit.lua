-- audit: check invariant R for some lanes, and repair it.
-- KEYS ready running facts marker seq leases
-- ARGV prefix, then lanes
-- ANSWER how many lanes were wrong (0 whenever no script has a bug and nobody edited the keys)
-- INVARIANT a slot is taken only by a run that has a lease
-- REPEAT finds nothing to repair

local ready, running, facts, marker, seq, leases =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix = ARGV[1]
--- @include _lane

local names, wrong = {}, 0
for i = 2, #ARGV do
  local lane = ARGV[i]
  names[#names + 1] = lane
  local slots, _, is_of_job = slots_and_priority(redis.call('HGET', facts, lane))
  local holder = holder_of(lane, is_of_job)
  local in_use, without_lease = redis.call('HGET', running, holder), {}
  for log_id in string.gmatch(in_use or '', '%d+') do
    if redis.call('HEXISTS', leases, log_id) == 0 then
      without_lease[#without_lease + 1] = { holder = holder, log_id = log_id }
    end
  end
  if #without_lease > 0 then
    free_slots(without_lease)
    in_use = redis.call('HGET', running, holder)
    wrong = wrong + #without_lease
  end
  local should = slots_in_use(in_use) < slots and redis.call('LLEN', prefix .. 'queue:' .. lane) > 0
  local is = redis.call('ZSCORE', ready .. owner_of(lane), lane) and true or false
  if should ~= is then wrong = wrong + 1 end
end
if wrong > 0 then make_ready(names) end
return wrong
