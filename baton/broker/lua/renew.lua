-- renew: one beat of an executor, and all its leases in the same call.
-- KEYS executors beats leases cancels reruns held drains
-- ARGV executor info, then per run: log_id token
-- ANSWER a flat list of verdict, log_id, text for the runs that are not simply fine:
--   "stop" "<outcome>|<reason>"; "stale" "" (somebody else's); "unknown" "" (Redis lost the lease);
--   "orphan" "<token>" (leased to this executor, which did not name it);
--   and once "drain" 0 "" if somebody wants it to claim nothing new
-- INVARIANT the beat counter grows by one; a counter that stands still is a dead executor
-- REPEAT counts one beat more, which harms nobody

local executors, beats, leases, cancels, reruns, held, drains =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local executor = ARGV[1]
--- @include _lease

redis.call('HSET', executors, executor, ARGV[2])
redis.call('HINCRBY', beats, executor, 1)

local answer = {}
local function say(verdict, log_id, text)
  answer[#answer + 1] = verdict
  answer[#answer + 1] = log_id
  answer[#answer + 1] = text
end

if redis.call('HEXISTS', drains, executor) == 1 then say('drain', 0, '') end

local named, ids = {}, {}
for i = 3, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
  named[ARGV[i]] = true
end
if #ids > 0 then
  local current = redis.call('HMGET', leases, unpack(ids))
  local stops = redis.call('HMGET', cancels, unpack(ids))
  for i, log_id in ipairs(ids) do
    local lease = read_lease(current[i])
    if not lease then
      say(redis.call('HEXISTS', reruns, log_id) == 1 and 'stale' or 'unknown', log_id, '')
    elseif lease.token ~= ARGV[3 + (i - 1) * 2 + 1] then
      say('stale', log_id, '')
    elseif stops[i] then
      say('stop', log_id, stops[i])
    end
  end
end
for _, log_id in ipairs(redis.call('SMEMBERS', held)) do
  if not named[log_id] then
    local lease = read_lease(redis.call('HGET', leases, log_id))
    if lease and lease.executor == executor then
      say('orphan', log_id, lease.token)
    else
      redis.call('SREM', held, log_id)
    end
  end
end
return answer
