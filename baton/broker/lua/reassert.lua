-- reassert: an executor names runs it still runs although Redis lost their leases.
-- KEYS ready running facts marker seq leases reruns held
-- ARGV prefix executor, then per run: log_id token attempt lane element
-- ANSWER the log ids that were refused: their executor must stop them
-- INVARIANT a lease is made again only if Redis lost the run (it never saw it, or it waits again);
--   a run that ended, or that somebody else has, is refused
-- REPEAT the second call finds its own lease and agrees

local ready, running, facts, marker, seq, leases, reruns, held =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local prefix, executor = ARGV[1], ARGV[2]
--- @include _lane
--- @include _lease
--- @include _seen

-- Only reached after data loss, so a scan of the lane is affordable; it is bounded all the same.
local function take_out_of_lane(lane, log_id)
  local key = prefix .. 'queue:' .. lane
  for from = 0, 9999, 500 do
    local page = redis.call('LRANGE', key, from, from + 499)
    if #page == 0 then return false end
    for _, element in ipairs(page) do
      if string.match(element, '^(%d+):') == log_id then
        redis.call('LREM', key, 1, element)
        return true
      end
    end
  end
  return false
end

local function may_have(run, attempt, lane)
  if read_reruns(redis.call('HGET', reruns, run.log_id)) > tonumber(attempt) then return false end
  -- a slot without a lease is nobody's; how many there are, the message says: the rest may be lost
  local holder = holder_of(lane, run.is_of_job)
  free_slots({ { holder = holder, log_id = run.log_id } })
  if slots_in_use(redis.call('HGET', running, holder)) >= run.slots then return false end
  return not was_seen(run.log_id) or take_out_of_lane(lane, run.log_id)
end

-- What the push had noted about the lane; its priority comes with the next push.
local function restore_lane(run, lane)
  local executor_of_lane = string.match(lane, '@(.+)$')
  if executor_of_lane then redis.call('SADD', prefix .. 'own:' .. executor_of_lane, lane) end
  if run.is_of_job then redis.call('SADD', prefix .. 'siblings:' .. holder_of(lane, true), lane) end
  if run.is_of_job or run.slots ~= 1 then
    redis.call('HSETNX', facts, lane, run.slots .. ':5' .. (run.is_of_job and ':J' or ''))
  end
end

local refused, names = {}, {}
for i = 3, #ARGV, 5 do
  local log_id, token, attempt, lane, element = unpack(ARGV, i, i + 4)
  local lease = read_lease(redis.call('HGET', leases, log_id))
  if lease then
    if lease.token ~= token then refused[#refused + 1] = log_id end
  else
    local run = read_element(element)
    if may_have(run, attempt, lane) then
      restore_lane(run, lane)
      redis.call('HSET', leases, log_id, write_lease(token, executor, lane, redis_now_ms(), element))
      take_slots({ holding({ lane = lane, element = element }, log_id) })
      redis.call('SADD', held, log_id)
      mark_seen(log_id)
    else
      refused[#refused + 1] = log_id
    end
    names[#names + 1] = lane
  end
end
make_ready(names)
return refused
