-- push: put triggers into their lanes, applying each one's block strategy.
-- KEYS epoch ready running facts needs results marker seq leases cancels reruns beats
-- ARGV prefix, then per row: log_id lane block_strategy element facts max_queue needs
-- ANSWER false if the group is closed (this Redis is new or lost its data: nothing was written);
--   else one string per row: "queued", "queued:<covered ids, comma-separated>", "repeated",
--   "discarded", or "gone" (the executor of that lane is not there: nothing was written for this row)
-- INVARIANT what this script ends (discarded, covered) it reports in the stream, in the same step;
--   a covered run that is already running keeps its slot until it has really ended
-- REPEAT a log id that was pushed before is answered "repeated" and changes nothing (seen bits)

local epoch, ready, running, facts, needs, results, marker, seq, leases, cancels, reruns, beats =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11],
  KEYS[12]
local prefix = ARGV[1]
--- @include _lane
--- @include _lease
--- @include _result
--- @include _seen

local DISCARDED = 'block strategy effect: Discard Later'
local COVERED = 'block strategy effect: Cover Early'
local COVERED_IN_QUEUE = COVERED .. ' [job not executed, in the job queue, killed.]'
local BUFFERED = 'block strategy effect: Buffer One [job not executed, a later trigger took its place.]'

if redis.call('EXISTS', epoch) == 0 then return false end

local rows = {}
for i = 2, #ARGV, 7 do
  rows[#rows + 1] = {
    log_id = ARGV[i], lane = ARGV[i + 1], strategy = ARGV[i + 2], element = ARGV[i + 3],
    facts = ARGV[i + 4], max_queue = tonumber(ARGV[i + 5]), needs = ARGV[i + 6],
  }
end

-- A lane of an executor that left after the route was chosen: the row is routed again.
local function mark_gone()
  local owners, asked = {}, {}
  for _, row in ipairs(rows) do
    row.owner = string.match(row.lane, '@(.+)$')
    if row.owner and not asked[row.owner] then
      asked[row.owner] = #owners + 1
      owners[#owners + 1] = row.owner
    end
  end
  if #owners == 0 then return end
  local there = redis.call('HMGET', beats, unpack(owners))
  for _, row in ipairs(rows) do row.gone = row.owner and not there[asked[row.owner]] end
end
mark_gone()

local function mark_repeated()
  local ids = {}
  for _, row in ipairs(rows) do
    if not row.gone then ids[#ids + 1] = row.log_id end
  end
  local repeated = #ids > 0 and mark_all_seen(ids) or {}
  for _, row in ipairs(rows) do row.repeated = repeated[row.log_id] end
end
mark_repeated()

local lanes, order, fresh, ids = {}, {}, {}, {}
for _, row in ipairs(rows) do
  if not row.gone and not row.repeated then
    fresh[#fresh + 1], ids[#ids + 1] = row, row.log_id
    if not lanes[row.lane] then
      lanes[row.lane] = { waiting = {} }
      order[#order + 1] = row.lane
    end
    local _, _, is_of_job = slots_and_priority(row.facts)
    lanes[row.lane].facts, lanes[row.lane].is_of_job = row.facts, is_of_job
    lanes[row.lane].needs = row.needs
    lanes[row.lane].holder = holder_of(row.lane, is_of_job)
  end
end

-- What a job says about its lanes may have changed since the last push.
local function write_facts()
  local before = redis.call('HMGET', facts, unpack(order))
  for i, name in ipairs(order) do
    local now = lanes[name].facts
    if now == '1:5' then
      if before[i] then redis.call('HDEL', facts, name) end
    elseif now ~= before[i] then
      redis.call('HSET', facts, name, now)
    end
  end
  local said = {}
  for _, name in ipairs(order) do
    said[#said + 1] = name
    said[#said + 1] = lanes[name].needs
  end
  redis.call('HSET', needs, unpack(said))
end

-- A run that was taken back from the dead keeps its count when it is pushed to another executor.
local function write_reruns()
  local before = redis.call('HMGET', reruns, unpack(ids))
  for i, row in ipairs(fresh) do
    if before[i] then
      local run = read_element(row.element)
      local _, count = read_reruns(before[i])
      run.reruns = count
      row.element = write_element(run)
    end
  end
end

-- Which lanes an executor has to give up when it dies, and which lanes share the slots of their job.
local function note_owners()
  for _, name in ipairs(order) do
    local executor = string.match(name, '@(.+)$')
    if executor then redis.call('SADD', prefix .. 'own:' .. executor, name) end
    if lanes[name].is_of_job then redis.call('SADD', prefix .. 'siblings:' .. lanes[name].holder, name) end
  end
end

if #fresh > 0 then
  local holders = {}
  for i, name in ipairs(order) do holders[i] = lanes[name].holder end
  local in_use = slots_of(holders)
  for _, name in ipairs(order) do lanes[name].runs = in_use[lanes[name].holder] end
  write_facts()
  write_reruns()
  note_owners()
end

-- Every lane this row is to be judged with; those of its job that are not in this push are added.
local function judged_with(name)
  local names = siblings_of(name, lanes[name].is_of_job)
  for _, each in ipairs(names) do lanes[each] = lanes[each] or { waiting = {} } end
  return names
end

local function depth(name)
  local all = 0
  for _, each in ipairs(judged_with(name)) do
    local lane = lanes[each]
    lane.before = lane.before or redis.call('LLEN', prefix .. 'queue:' .. each)
    all = all + lane.before + #lane.waiting
  end
  return all
end

local function is_busy(name) return lanes[name].runs or depth(name) > 0 end

local function stop_running(name, covered)
  if lanes[name].stopped then return end
  lanes[name].stopped = true
  for log_id in string.gmatch(lanes[name].runs or '', '%d+') do
    local lease = read_lease(redis.call('HGET', leases, log_id))
    if lease and redis.call('HSETNX', cancels, log_id, 'covered|' .. COVERED) == 1 then
      local mail = prefix .. 'mail:' .. lease.executor
      redis.call('RPUSH', mail, 'renew')
      redis.call('EXPIRE', mail, 60)
      covered[#covered + 1] = log_id
    end
  end
end

-- End everything that waits in a lane, and in those it is judged with.
local function displace(name, reason, covered)
  for _, each in ipairs(judged_with(name)) do
    local key = prefix .. 'queue:' .. each
    for _, elements in ipairs({ redis.call('LRANGE', key, 0, -1), lanes[each].waiting }) do
      for _, element in ipairs(elements) do
        local old = read_element(element)
        if old then
          report('covered', old.log_id, reason, '', old.attempt, old.frame)
          covered[#covered + 1] = old.log_id
        else
          report_unreadable(each, element)
        end
      end
    end
    redis.call('DEL', key)
    lanes[each].before, lanes[each].waiting = 0, {}
  end
end

local function discard(row, reason)
  local mine = read_element(row.element)
  report('discarded', row.log_id, reason, '', mine.attempt, mine.frame)
  return 'discarded'
end

local function queue(row)
  local covered = {}
  if row.strategy == 'DISCARD_LATER' and is_busy(row.lane) then return discard(row, DISCARDED) end
  if row.strategy == 'COVER_EARLY' then
    displace(row.lane, COVERED_IN_QUEUE, covered)
    stop_running(row.lane, covered)
  elseif row.strategy == 'BUFFER_ONE' then
    displace(row.lane, BUFFERED, covered)
  elseif row.max_queue > 0 and depth(row.lane) >= row.max_queue then
    return discard(row, 'queue limit: ' .. row.max_queue .. ' triggers of this job wait already')
  end
  table.insert(lanes[row.lane].waiting, row.element)
  return #covered > 0 and 'queued:' .. table.concat(covered, ',') or 'queued'
end

local answers = {}
for i, row in ipairs(rows) do
  if row.gone then
    answers[i] = 'gone'
  elseif row.repeated then
    answers[i] = 'repeated'
  else
    answers[i] = queue(row)
  end
end

for name, lane in pairs(lanes) do in_pieces('RPUSH', prefix .. 'queue:' .. name, lane.waiting) end
publish()
make_ready(order)
return answers
