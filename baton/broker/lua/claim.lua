-- claim: take messages from ready lanes, and a lease on each.
-- KEYS epoch ready running facts results marker seq leases cancels held token beats
-- ARGV prefix executor max_runs, then the tags this executor carries
-- ANSWER a flat list of token, lane, element; empty while the group is closed, and for an executor
--   without a beat (it is new, or was declared dead): nobody would notice its death
-- INVARIANT a lane has no more leases than slots; the token of a later lease is larger; what cannot
--   be read goes into the stream and takes nothing else with it
-- REPEAT an answer that got lost leaves leases the executor does not know: renew names them as
--   orphans and the executor hands them back

local epoch, ready, running, facts, results, marker, seq, leases, cancels, held, token, beats =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11],
  KEYS[12]
local prefix, executor, max_runs = ARGV[1], ARGV[2], tonumber(ARGV[3])
--- @include _lane
--- @include _lease
--- @include _result

if redis.call('EXISTS', epoch) == 0 or redis.call('HEXISTS', beats, executor) == 0 then return {} end

-- Lanes of this executor come before those of its tags, and shared lanes come last.
local names = redis.call('ZRANGE', ready .. ':@' .. executor, 0, max_runs - 1)
local function add_lanes(of)
  if #names >= max_runs then return end
  for _, lane in ipairs(redis.call('ZRANGE', ready .. of, 0, max_runs - #names - 1)) do
    names[#names + 1] = lane
  end
end
for i = 4, #ARGV do add_lanes(':#' .. ARGV[i]) end
add_lanes('')
if #names == 0 then return {} end

local holders, free = {}, {}
local said = redis.call('HMGET', facts, unpack(names))
for i, lane in ipairs(names) do
  local slots, _, is_of_job = slots_and_priority(said[i])
  holders[i] = holder_of(lane, is_of_job)
  free[holders[i]] = slots
end
for holder, value in pairs(slots_of(holders)) do free[holder] = free[holder] - slots_in_use(value) end

-- the answer is read by one executor while others wait: large messages come a few at a time
local LONGEST_ANSWER_BYTES = 1048576
local taken, ids, bytes = {}, {}, 0

-- One message from each lane that has a free slot; answers whether another round may find more.
local function take_one_each()
  local more = false
  for i, lane in ipairs(names) do
    local holder = holders[i]
    if bytes >= LONGEST_ANSWER_BYTES or #taken >= max_runs then return false end
    local element = free[holder] > 0 and redis.call('LPOP', prefix .. 'queue:' .. lane)
    if element then
      local run = read_element(element)
      bytes = bytes + #element
      if run then
        run.lane, run.holder, run.element = lane, holder, element
        taken[#taken + 1], ids[#ids + 1] = run, run.log_id
        free[holder] = free[holder] - 1
        more = more or free[holder] > 0
      else
        report_unreadable(lane, element)
      end
    end
  end
  return more
end
while take_one_each() do end

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

local now_ms
local function is_over(run)
  if run.expires == 0 then return false end
  if not now_ms then
    local now = redis.call('TIME')
    now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  end
  return now_ms > run.expires
end

local answer, begun, written, holds = {}, {}, {}, {}
if #taken > 0 then
  local stops = redis.call('HMGET', cancels, unpack(ids))
  local before = next_tokens(#taken)
  for i, run in ipairs(taken) do
    if stops[i] then
      -- a person killed it while it waited
      local outcome, reason = string.match(stops[i], '^(%a+)|(.*)$')
      report(outcome, run.log_id, reason .. ' [job not executed, in the job queue, killed.]', '',
        run.attempt, run.frame)
      redis.call('HDEL', cancels, run.log_id)
    elseif is_over(run) then
      report('expired', run.log_id, 'its deadline passed while it waited for an executor', '',
        run.attempt, run.frame)
    else
      local mine = string.format('%.0f', before + i)
      begun[#begun + 1] = run
      written[#written + 1] = run.log_id
      written[#written + 1] = write_lease(mine, executor, run.lane, run.element)
      holds[#holds + 1] = run.log_id
      answer[#answer + 1] = mine
      answer[#answer + 1] = run.lane
      answer[#answer + 1] = run.element
    end
  end
  if #holds > 0 then
    take_slots(begun)
    redis.call('HSET', leases, unpack(written))
    redis.call('SADD', held, unpack(holds))
  end
end
publish()
-- a lane that was served and still has a free slot goes to the back all the same
for _, run in ipairs(begun) do
  if free[run.holder] > 0 then redis.call('ZREM', ready .. owner_of(run.lane), run.lane) end
end
make_ready(names)
-- one push must not wake one executor only
if redis.call('ZCARD', ready) > 0 then redis.call('ZADD', marker, 0, '0') end
return answer
