-- audit: check invariant R for some lanes, and repair it if the caller wants that.
-- KEYS ready running facts marker seq leases
-- ARGV prefix, "look" or "repair", then lanes
-- ANSWER a flat list of lane, what is wrong with it, log id; empty whenever no script has a bug and
--   nobody edited the keys. "unready": it waits with this message and has a free slot, and is not in its
--   ready set; "ready": it is there and should not be; "slot": this run has a slot and no lease
-- INVARIANT a slot is taken only by a run that has a lease
-- REPEAT finds nothing to repair

local ready, running, facts, marker, seq, leases =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local prefix, is_repair = ARGV[1], ARGV[2] == 'repair'
--- @include _lane

local names, wrong = {}, {}
local function say(lane, what, log_id)
  wrong[#wrong + 1] = lane
  wrong[#wrong + 1] = what
  wrong[#wrong + 1] = log_id
end

local function first_of(lane)
  local element = redis.call('LINDEX', prefix .. 'queue:' .. lane, 0)
  return element and (string.match(element, '^(%d+):') or '0')
end

for i = 3, #ARGV do
  local lane = ARGV[i]
  names[#names + 1] = lane
  local slots, _, is_of_job = slots_and_priority(redis.call('HGET', facts, lane))
  local holder = holder_of(lane, is_of_job)
  local in_use, without_lease = redis.call('HGET', running, holder), {}
  for log_id in string.gmatch(in_use or '', '%d+') do
    if redis.call('HEXISTS', leases, log_id) == 0 then
      without_lease[#without_lease + 1] = { holder = holder, log_id = log_id }
      say(lane, 'slot', log_id)
    end
  end
  local taken = slots_in_use(in_use) - #without_lease
  if is_repair and #without_lease > 0 then free_slots(without_lease) end
  local first = taken < slots and first_of(lane)
  local is = redis.call('ZSCORE', ready .. owner_of(lane), lane)
  if first and not is then say(lane, 'unready', first) end
  if is and not first then say(lane, 'ready', '0') end
end
if is_repair and #wrong > 0 then make_ready(names) end
return wrong
