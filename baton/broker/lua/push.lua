-- push: put triggers into their lanes, applying each one's block strategy.
-- KEYS epoch ready running results marker seq leases cancels
-- ARGV prefix, then per row: log_id lane block_strategy element
-- ANSWER false if the group is closed (this Redis is new or lost its data: nothing was written);
--   else one string per row: "queued", "queued:<covered ids, comma-separated>", "repeated", "discarded"
-- INVARIANT what this script ends (discarded, covered) it reports in the stream, in the same step;
--   a covered run that is already running keeps its slot until it has really ended
-- REPEAT a log id that was pushed before is answered "repeated" and changes nothing (seen bits)

local epoch, ready, running, results, marker, seq, leases, cancels =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local prefix = ARGV[1]
--- @include _lane
--- @include _lease
--- @include _result
--- @include _seen

local DISCARDED = 'block strategy effect: Discard Later'
local COVERED = 'block strategy effect: Cover Early'
local COVERED_IN_QUEUE = COVERED .. ' [job not executed, in the job queue, killed.]'

if redis.call('EXISTS', epoch) == 0 then return false end

local rows, ids = {}, {}
for i = 2, #ARGV, 4 do
  rows[#rows + 1] = { log_id = ARGV[i], lane = ARGV[i + 1], strategy = ARGV[i + 2], element = ARGV[i + 3] }
  ids[#ids + 1] = ARGV[i]
end
local repeated = mark_all_seen(ids)
for _, row in ipairs(rows) do row.repeated = repeated[row.log_id] end

local lanes, order = {}, {}
for _, row in ipairs(rows) do
  if not row.repeated and not lanes[row.lane] then
    lanes[row.lane] = { waiting = {} }
    order[#order + 1] = row.lane
  end
end
if #order > 0 then
  local busy = redis.call('HMGET', running, unpack(order))
  for i, lane in ipairs(order) do lanes[lane].runs = busy[i] end
end

local function is_busy(name)
  local lane = lanes[name]
  return lane.runs or #lane.waiting > 0 or redis.call('LLEN', prefix .. 'queue:' .. name) > 0
end

local function stop_running(name)
  local log_id = lanes[name].runs
  if not log_id or lanes[name].stopped then return nil end
  lanes[name].stopped = true
  local lease = read_lease(redis.call('HGET', leases, log_id))
  if not lease or redis.call('HSETNX', cancels, log_id, 'covered|' .. COVERED) == 0 then return nil end
  local mail = prefix .. 'mail:' .. lease.executor
  redis.call('RPUSH', mail, 'renew')
  redis.call('EXPIRE', mail, 60)
  return log_id
end

local function displace(elements, covered)
  for _, element in ipairs(elements) do
    local old = read_element(element)
    report('covered', old.log_id, COVERED_IN_QUEUE, '', old.attempt, old.frame)
    covered[#covered + 1] = old.log_id
  end
end

local function cover(name)
  local covered = {}
  local key = prefix .. 'queue:' .. name
  displace(redis.call('LRANGE', key, 0, -1), covered)
  redis.call('DEL', key)
  displace(lanes[name].waiting, covered)
  lanes[name].waiting = {}
  covered[#covered + 1] = stop_running(name)
  return covered
end

local answers = {}
for i, row in ipairs(rows) do
  local answer = 'queued'
  if row.repeated then
    answer = 'repeated'
  elseif row.strategy == 'DISCARD_LATER' and is_busy(row.lane) then
    answer = 'discarded'
    local mine = read_element(row.element)
    report('discarded', row.log_id, DISCARDED, '', mine.attempt, mine.frame)
  else
    if row.strategy == 'COVER_EARLY' then
      local covered = cover(row.lane)
      if #covered > 0 then answer = 'queued:' .. table.concat(covered, ',') end
    end
    table.insert(lanes[row.lane].waiting, row.element)
  end
  answers[i] = answer
end

for name, lane in pairs(lanes) do in_pieces('RPUSH', prefix .. 'queue:' .. name, lane.waiting) end
publish()
make_ready(order)
return answers
