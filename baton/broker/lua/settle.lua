-- settle: give leases and lanes back and report how the runs ended, in one step.
-- KEYS ready running facts results marker seq leases cancels reruns held
-- ARGV prefix, then per run: log_id token attempt frame (a log id once)
-- ANSWER how many leases were given back
-- INVARIANT the result is in the stream in the same step in which the lane is free again; it frees
--   before it allocates, so it works when Redis is at maxmemory
-- REPEAT the second settle finds no lease: it reports again (harmless: the row has ended) and frees nothing

local ready, running, facts, results, marker, seq, leases, cancels, reruns, held =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local prefix = ARGV[1]
--- @include _lane
--- @include _lease
--- @include _result

local ids = {}
for i = 2, #ARGV, 4 do ids[#ids + 1] = ARGV[i] end
local current = redis.call('HMGET', leases, unpack(ids))
local newer = redis.call('HMGET', reruns, unpack(ids))

local freed, ended = {}, {}
for i, log_id in ipairs(ids) do
  local at = 2 + (i - 1) * 4
  local lease = read_lease(current[i])
  if lease and lease.token == ARGV[at + 1] then
    freed[#freed + 1] = log_id
    ended[#ended + 1] = holding(lease, log_id)
    report_callback('settled', log_id, ARGV[at + 3])
  elseif lease or read_reruns(newer[i]) > tonumber(ARGV[at + 2]) then
    -- somebody else runs it, or a newer attempt waits: evidence only
    report_callback('stale', log_id, ARGV[at + 3])
  else
    report_callback('settled', log_id, ARGV[at + 3])
  end
end

if #freed > 0 then
  redis.call('HDEL', leases, unpack(freed))
  free_slots(ended)
  redis.call('SREM', held, unpack(freed))
  redis.call('HDEL', cancels, unpack(freed))
  redis.call('HDEL', reruns, unpack(freed))
end
publish()
make_ready(lanes_of(ended))
return #freed
