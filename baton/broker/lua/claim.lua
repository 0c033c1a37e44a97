-- claim: take messages from ready lanes, and a lease on each.
-- KEYS epoch ready running results marker seq leases cancels held token beats
-- ARGV prefix executor max_runs
-- ANSWER a flat list of token, lane, element; empty while the group is closed, and for an executor
--   without a beat (it is new, or was declared dead): nobody would notice its death
-- INVARIANT a lane has one lease at most; the token of a later lease is larger
-- REPEAT an answer that got lost leaves leases the executor does not know: renew names them as
--   orphans and the executor hands them back

local epoch, ready, running, results, marker, seq, leases, cancels, held, token, beats =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local prefix, executor = ARGV[1], ARGV[2]
--- @include _lane
--- @include _lease
--- @include _result

if redis.call('EXISTS', epoch) == 0 or redis.call('HEXISTS', beats, executor) == 0 then return {} end
local lanes = redis.call('ZRANGE', ready, 0, tonumber(ARGV[3]) - 1)
if #lanes == 0 then return {} end

-- the answer is read by one executor while others wait: large messages come a few at a time
local LONGEST_ANSWER_BYTES = 1048576
local taken, ids, bytes = {}, {}, 0
for _, lane in ipairs(lanes) do
  if bytes >= LONGEST_ANSWER_BYTES then break end
  local element = redis.call('LPOP', prefix .. 'queue:' .. lane)
  if element then
    local log_id = string.match(element, '^(%d+):')
    taken[#taken + 1] = { lane = lane, element = element, log_id = log_id }
    ids[#ids + 1] = log_id
    bytes = bytes + #element
  end
end

-- A counter that starts at the clock: it still grows after Redis lost its data.
local function next_tokens(n)
  local last = redis.call('INCRBY', token, n)
  if last == n then
    local now = redis.call('TIME')
    last = tonumber(now[1]) * 1000000 + tonumber(now[2]) + n
    redis.call('SET', token, string.format('%.0f', last))
  end
  return last - n
end

local answer, busy, written = {}, {}, {}
if #taken > 0 then
  local stops = redis.call('HMGET', cancels, unpack(ids))
  local before = next_tokens(#taken)
  local holds = {}
  for i, run in ipairs(taken) do
    if stops[i] then
      -- a person killed it while it waited
      local old = read_element(run.element)
      local outcome, reason = string.match(stops[i], '^(%a+)|(.*)$')
      report(outcome, run.log_id, reason .. ' [job not executed, in the job queue, killed.]', '',
        old.attempt, old.frame)
      redis.call('HDEL', cancels, run.log_id)
    else
      local mine = string.format('%.0f', before + i)
      busy[#busy + 1] = run.lane
      busy[#busy + 1] = run.log_id
      written[#written + 1] = run.log_id
      written[#written + 1] = write_lease(mine, executor, run.lane, run.element)
      holds[#holds + 1] = run.log_id
      answer[#answer + 1] = mine
      answer[#answer + 1] = run.lane
      answer[#answer + 1] = run.element
    end
  end
  if #holds > 0 then
    redis.call('HSET', running, unpack(busy))
    redis.call('HSET', leases, unpack(written))
    redis.call('SADD', held, unpack(holds))
  end
  publish()
end
make_ready(lanes)
-- one push must not wake one executor only
if redis.call('ZCARD', ready) > 0 then redis.call('ZADD', marker, 0, '0') end
return answer
