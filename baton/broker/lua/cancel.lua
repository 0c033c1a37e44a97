-- cancel: end a waiting run, or flag a running one so that its executor stops it.
-- KEYS ready running facts results marker seq leases cancels
-- ARGV prefix log_id lane reason
-- ANSWER "stopping" (it runs; its executor was told), "ended" (it waited and is ended now),
--   "flagged" (it ends instead of starting when its turn comes), "gone" (it neither waits nor runs)
-- INVARIANT the flag beside the lease is the truth; the mail to the executor is a hint
-- REPEAT the first reason stays

local ready, running, facts, results, marker, seq, leases, cancels =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local prefix, log_id, lane, reason = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
--- @include _lane
--- @include _lease
--- @include _result
--- @include _seen

-- Longer lanes are not searched: the flag ends the run when its turn comes.
local SEARCHED = 10000

local function find_in_lane(key)
  for from = 0, SEARCHED - 1, 500 do
    local page = redis.call('LRANGE', key, from, from + 499)
    if #page == 0 then return nil end
    for _, element in ipairs(page) do
      local run = string.match(element, '^(%d+):') == log_id and read_element(element)
      if run then return element, run end
    end
  end
  return nil
end

local lease = read_lease(redis.call('HGET', leases, log_id))
if lease then
  redis.call('HSETNX', cancels, log_id, 'killed|' .. reason)
  local mail = prefix .. 'mail:' .. lease.executor
  redis.call('RPUSH', mail, 'renew')
  redis.call('EXPIRE', mail, 60)
  return 'stopping'
end

local key = prefix .. 'queue:' .. lane
local element, old = find_in_lane(key)
if element then
  redis.call('LREM', key, 1, element)
  report('killed', log_id, reason .. ' [job not executed, in the job queue, killed.]', '',
    old.attempt, old.frame)
  publish()
  make_ready({ lane })
  return 'ended'
end
if redis.call('LLEN', key) > SEARCHED or not was_seen(log_id) then
  redis.call('HSETNX', cancels, log_id, 'killed|' .. reason)
  return 'flagged'
end
return 'gone'
