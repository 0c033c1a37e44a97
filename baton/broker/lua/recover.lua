-- recover: take back the runs of a dead executor, and what waits for it alone.
-- KEYS ready running facts needs results marker seq leases cancels reruns executors beats held own mail drains
-- ARGV prefix executor beat max_reruns max_runs what_it_did evidence
--   what_it_did: `stopped beating`, `left`; evidence: how that was noticed, for the row of each run
-- ANSWER false if the executor has beaten since the caller looked; else how much is left (0: the
--   executor is forgotten), followed by a flat list of ending, log_id
-- INVARIANT what is taken back is reported in the stream in the same step; a re-run goes to the head of
--   its lane with its attempt raised, so that a late result of the old attempt is stale; what waited
--   in a lane of this executor may be pushed again, to another one
-- REPEAT finds what the first call left

local ready, running, facts, needs, results, marker, seq, leases =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local cancels, reruns, executors, beats, held, own, mail, drains =
  KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local prefix, executor, beat = ARGV[1], ARGV[2], ARGV[3]
local max_reruns, max_runs = tonumber(ARGV[4]), tonumber(ARGV[5])
local what_it_did, evidence = ARGV[6], ARGV[7]
--- @include _lane
--- @include _lease
--- @include _result
--- @include _seen

if beat ~= (redis.call('HGET', beats, executor) or '') then return false end

local answer = { 0 }
local function say(ending, run, reason, attempt)
  report(ending, run.log_id, reason, executor, attempt, run.frame)
  answer[#answer + 1] = ending
  answer[#answer + 1] = run.log_id
end

local now_ms = redis_now_ms()
-- Which executor, how long it had the run, and how its end was noticed.
local function last_words(lease)
  return string.format('executor lost: %s %s while it ran this; it had it for %.1f s, %s',
    executor, what_it_did, (now_ms - lease.since_ms) / 1000, evidence)
end

local function start_again(lane, run, why)
  run.attempt, run.reruns = run.attempt + 1, run.reruns + 1
  redis.call('LPUSH', prefix .. 'queue:' .. lane, write_element(run))
  redis.call('HSET', reruns, run.log_id, run.attempt .. ':' .. run.reruns)
  say('rerun', run, why .. '; started again', run.attempt)
end

local function take_back(lease, run, stop)
  if stop then
    local outcome, reason = string.match(stop, '^(%a+)|(.*)$')
    say(outcome, run, reason .. ' [job running, killed]', run.attempt)
  elseif run.on_lost == 'RERUN' and run.reruns < max_reruns then
    start_again(lease.lane, run, last_words(lease))
  else
    local why = last_words(lease)
    if run.on_lost == 'RERUN' then why = why .. '; started again ' .. run.reruns .. ' times before' end
    say('lost', run, why, run.attempt)
  end
end

local freed = {}
for _, log_id in ipairs(redis.call('SRANDMEMBER', held, max_runs)) do
  local lease = read_lease(redis.call('HGET', leases, log_id))
  redis.call('SREM', held, log_id)
  if lease and lease.executor == executor then
    local stop = redis.call('HGET', cancels, log_id)
    redis.call('HDEL', leases, log_id)
    redis.call('HDEL', cancels, log_id)
    freed[#freed + 1] = holding(lease, log_id)
    take_back(lease, read_element(lease.element), stop)
  end
end
free_slots(freed)
make_ready(lanes_of(freed))

-- Nobody else may claim from the lanes of this executor.
local GONE = 'executor lost: ' .. executor .. ' was gone before it began this; ' .. evidence
local function let_go(run)
  if run.pinned then
    say('lost', run, GONE, run.attempt)
  else
    forget_seen(run.log_id)
    say('rerouted', run, GONE, run.attempt)
  end
end

if redis.call('SCARD', held) == 0 then
  local names, count = redis.call('SRANDMEMBER', own, max_runs), 0
  for _, lane in ipairs(names) do
    local element = redis.call('LPOP', prefix .. 'queue:' .. lane)
    while element do
      local run = read_element(element)
      if run then let_go(run) else report_unreadable(lane, element) end
      count = count + 1
      element = count < max_runs and redis.call('LPOP', prefix .. 'queue:' .. lane)
    end
    if count >= max_runs then break end
    make_ready({ lane })
    redis.call('SREM', own, lane)
    redis.call('SREM', prefix .. 'siblings:' .. holder_of(lane, true), lane)
    redis.call('HDEL', facts, lane)
    redis.call('HDEL', needs, lane)
  end
end
publish()

answer[1] = redis.call('SCARD', held) + redis.call('SCARD', own)
if answer[1] == 0 then
  redis.call('HDEL', executors, executor)
  redis.call('HDEL', beats, executor)
  redis.call('HDEL', drains, executor)
  redis.call('DEL', held, mail, marker .. ':@' .. executor)
end
return answer
