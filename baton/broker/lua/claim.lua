-- claim: take messages from ready lanes, and a lease on each.
-- KEYS epoch ready running facts needs results marker seq leases cancels held token beats
-- ARGV prefix executor plain coroutines n, then n times: name is_coroutine left; then the tags this
--   executor carries. `plain` and `coroutines` are the runs there is room for: those that get a child of
--   their own, and those for the event loop. The names are handlers (or glue types) that are coroutines
--   (1), or of which only `left` more may be claimed (-1: any number)
-- ANSWER a flat list of token, lane, element; empty while the group is closed, and for an executor
--   without a beat (it is new, or was declared dead): nobody would notice its death
-- INVARIANT a lane has no more leases than slots; the token of a later lease is larger; what cannot
--   be read goes into the stream and takes nothing else with it
-- REPEAT an answer that got lost leaves leases the executor does not know: renew names them as
--   orphans and the executor hands them back

local epoch, ready, running, facts, needs, results, marker, seq, leases, cancels, held, token, beats =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11],
  KEYS[12], KEYS[13]
local prefix, executor, plain, coroutines = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
--- @include _lane
--- @include _lease
--- @include _result

if redis.call('EXISTS', epoch) == 0 or redis.call('HEXISTS', beats, executor) == 0 then return {} end

local is_coroutine, left, has_limits = {}, {}, false
local first_tag = 6 + 3 * tonumber(ARGV[5])
for i = 6, first_tag - 1, 3 do
  has_limits = true
  is_coroutine[ARGV[i]] = ARGV[i + 1] == '1'
  if ARGV[i + 2] ~= '-1' then left[ARGV[i]] = tonumber(ARGV[i + 2]) end
end
local max_runs = has_limits and plain + coroutines or plain

-- Lanes of this executor come before those of its tags, and shared lanes come last. Where handlers
-- differ in what they need, lanes there is no room for are passed over, so the look goes deeper.
local names, need_of = {}, {}
local LANES_AT_A_TIME, DEEPEST_LANE = 100, 1000

local function is_wanted(need)
  return (is_coroutine[need] and coroutines or plain) > 0 and (left[need] == nil or left[need] > 0)
end

local function add_wanted(set)
  for start = 0, DEEPEST_LANE - 1, LANES_AT_A_TIME do
    local lanes = redis.call('ZRANGE', set, start, start + LANES_AT_A_TIME - 1)
    if #lanes == 0 then return end
    local said = redis.call('HMGET', needs, unpack(lanes))
    for i, lane in ipairs(lanes) do
      local need = said[i] or ''
      if #names >= max_runs then return end
      if is_wanted(need) then
        names[#names + 1] = lane
        need_of[lane] = need
      end
    end
  end
end

local function add_lanes(of)
  if #names >= max_runs then return end
  if has_limits then return add_wanted(ready .. of) end
  for _, lane in ipairs(redis.call('ZRANGE', ready .. of, 0, max_runs - #names - 1)) do
    names[#names + 1] = lane
  end
end

add_lanes(':@' .. executor)
for i = first_tag, #ARGV do add_lanes(':#' .. ARGV[i]) end
add_lanes('')
if #names == 0 then return {} end

-- Whether there is room for one more run of this lane, and the note that it was taken.
local function has_room(lane)
  return not has_limits or is_wanted(need_of[lane])
end
local function take_room(lane)
  if not has_limits then return end
  local need = need_of[lane]
  if is_coroutine[need] then coroutines = coroutines - 1 else plain = plain - 1 end
  if left[need] then left[need] = left[need] - 1 end
end

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
    local element = free[holder] > 0 and has_room(lane) and redis.call('LPOP', prefix .. 'queue:' .. lane)
    if element then
      take_room(lane)
      local run = read_element(element)
      bytes = bytes + #element
      if run then
        run.lane, run.holder, run.element = lane, holder, element
        taken[#taken + 1], ids[#ids + 1] = run, run.log_id
        free[holder] = free[holder] - 1
        more = more or (free[holder] > 0 and has_room(lane))
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

local now_ms = redis_now_ms()
local function is_over(run)
  return run.expires > 0 and now_ms > run.expires
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
      written[#written + 1] = write_lease(mine, executor, run.lane, now_ms, run.element)
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
