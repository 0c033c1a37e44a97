-- recover: take back the runs of a dead executor, as each job's policy says.
-- KEYS ready running results marker seq leases cancels reruns executors beats held mail
-- ARGV prefix executor beat max_reruns max_runs
-- ANSWER false if the executor has beaten since the caller looked; else how many of its runs are
--   left (0: the executor is forgotten), followed by a flat list of ending, log_id
-- INVARIANT a run taken back is reported in the stream in the same step; a re-run goes to the head of
--   its lane with its attempt raised, so that a late result of the old attempt is stale
-- REPEAT finds what the first call left

local ready, running, results, marker, seq, leases, cancels, reruns, executors, beats, held, mail =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11],
  KEYS[12]
local prefix, executor, beat = ARGV[1], ARGV[2], ARGV[3]
local max_reruns, max_runs = tonumber(ARGV[4]), tonumber(ARGV[5])
--- @include _lane
--- @include _lease
--- @include _result

if beat ~= (redis.call('HGET', beats, executor) or '') then return false end

local function rerun(lease, run)
  local attempt, count = run.attempt + 1, run.reruns + 1
  local element = run.log_id .. ':' .. attempt .. ':' .. count .. ':' .. run.on_lost .. ':' .. run.frame
  redis.call('LPUSH', prefix .. 'queue:' .. lease.lane, element)
  redis.call('HSET', reruns, run.log_id, attempt)
  report('rerun', run.log_id, 'executor lost: ' .. executor .. ', started again', executor, attempt, run.frame)
  return 'rerun'
end

local function take_back(lease, run, stop)
  if stop then
    local outcome, reason = string.match(stop, '^(%a+)|(.*)$')
    report(outcome, run.log_id, reason .. ' [job running, killed]', executor, run.attempt, run.frame)
    return outcome
  elseif run.on_lost == 'RERUN' and run.reruns < max_reruns then
    return rerun(lease, run)
  end
  local evidence = 'executor lost: ' .. executor .. ' stopped beating while it ran this'
  if run.on_lost == 'RERUN' then evidence = evidence .. '; started again ' .. run.reruns .. ' times before' end
  report('lost', run.log_id, evidence, executor, run.attempt, run.frame)
  return 'lost'
end

local answer, lanes = { 0 }, {}
for _, log_id in ipairs(redis.call('SRANDMEMBER', held, max_runs)) do
  local lease = read_lease(redis.call('HGET', leases, log_id))
  redis.call('SREM', held, log_id)
  if lease and lease.executor == executor then
    local stop = redis.call('HGET', cancels, log_id)
    redis.call('HDEL', leases, log_id)
    redis.call('HDEL', running, lease.lane)
    redis.call('HDEL', cancels, log_id)
    lanes[#lanes + 1] = lease.lane
    answer[#answer + 1] = take_back(lease, read_element(lease.element), stop)
    answer[#answer + 1] = log_id
  end
end
publish()
make_ready(lanes)

answer[1] = redis.call('SCARD', held)
if answer[1] == 0 then
  redis.call('HDEL', executors, executor)
  redis.call('HDEL', beats, executor)
  redis.call('DEL', held, mail)
end
return answer
