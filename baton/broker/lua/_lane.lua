-- _lane: the one place that touches slots, ready sets and wake-up markers.
-- EXPECTS the locals prefix, ready, running, seq, marker, facts.
-- A lane is `<job id>`, which any executor may claim from, `<job id>@<executor>`, or
--   `<job id>#<tag>` for the executors that carry the tag. Each kind has a ready set of its own.
-- `running` holds lane -> log ids that have its slots, with commas between; `facts` holds
--   `<slots>:<priority>` of the lanes that have not one slot and priority 5.
-- INVARIANT R: a lane is in its ready set <=> its list is non-empty and it has a free slot.

-- Larger than any number of turns: a higher priority comes before every turn of a lower one.
local TURNS_OF_A_PRIORITY = 1e13

-- '' for a shared lane, else ':@<executor>' or ':#<tag>': what its ready set and marker end with
local function owner_of(lane)
  local owner = string.match(lane, '^[^@#]*([@#].+)$')
  return owner and ':' .. owner or ''
end

local function slots_and_priority(said)
  local slots, priority = string.match(said or '1:5', '^(%d+):(%d+)$')
  return tonumber(slots), tonumber(priority)
end

local function slots_in_use(value)
  if not value then return 0 end
  local _, commas = string.gsub(value, ',', '')
  return commas + 1
end

local function slots_of(names)
  local in_use, values = {}, redis.call('HMGET', running, unpack(names))
  for i, lane in ipairs(names) do in_use[lane] = values[i] end
  return in_use
end

local function lanes_of(runs)
  local names, known = {}, {}
  for _, run in ipairs(runs) do
    if not known[run.lane] then
      known[run.lane] = true
      names[#names + 1] = run.lane
    end
  end
  return names
end

local function write_slots(names, in_use)
  local set, del = {}, {}
  for _, lane in ipairs(names) do
    if in_use[lane] then
      set[#set + 1] = lane
      set[#set + 1] = in_use[lane]
    else
      del[#del + 1] = lane
    end
  end
  if #del > 0 then redis.call('HDEL', running, unpack(del)) end
  if #set > 0 then redis.call('HSET', running, unpack(set)) end
end

-- `runs` is a list of { lane =, log_id = }, as for `free_slots`.
local function take_slots(runs)
  if #runs == 0 then return end
  local names = lanes_of(runs)
  local in_use = slots_of(names)
  for _, run in ipairs(runs) do
    local others = in_use[run.lane]
    in_use[run.lane] = others and others .. ',' .. run.log_id or run.log_id
  end
  write_slots(names, in_use)
end

local function free_slots(runs)
  if #runs == 0 then return end
  local names = lanes_of(runs)
  local in_use = slots_of(names)
  for _, run in ipairs(runs) do
    local left = {}
    for log_id in string.gmatch(in_use[run.lane] or '', '%d+') do
      if log_id ~= run.log_id then left[#left + 1] = log_id end
    end
    in_use[run.lane] = #left > 0 and table.concat(left, ',')
  end
  write_slots(names, in_use)
end

-- Which of these lanes have messages. All of them or none is the common case, and one command tells.
local function waiting_in(names)
  local waiting, keys = {}, {}
  for i, lane in ipairs(names) do keys[i] = prefix .. 'queue:' .. lane end
  local count = #keys > 0 and redis.call('EXISTS', unpack(keys)) or 0
  for i, lane in ipairs(names) do
    waiting[lane] = count == #keys or (count > 0 and redis.call('EXISTS', keys[i]) == 1)
  end
  return waiting
end

-- Call it with every lane whose list or slots changed, after all other writes.
-- Turns only grow, so a ready set is a queue of lanes: each claim serves the lane that has been
-- ready for longest, and a lane with a million triggers goes to the back after each one.
local function make_ready(names)
  local n = #names
  if n == 0 then return end
  local in_use = redis.call('HMGET', running, unpack(names))
  local said = redis.call('HMGET', facts, unpack(names))
  local last = redis.call('INCRBY', seq, n)
  local free, score = {}, {}
  for i, lane in ipairs(names) do
    local slots, priority = slots_and_priority(said[i])
    if slots_in_use(in_use[i]) < slots then
      free[#free + 1] = lane
      score[lane] = last - n + i - (priority - 5) * TURNS_OF_A_PRIORITY
    end
  end
  local waiting = waiting_in(free)
  local enter, leave = {}, {}
  for _, lane in ipairs(names) do
    local owner = owner_of(lane)
    if waiting[lane] then
      enter[owner] = enter[owner] or {}
      table.insert(enter[owner], string.format('%.0f', score[lane]))
      table.insert(enter[owner], lane)
    else
      leave[owner] = leave[owner] or {}
      table.insert(leave[owner], lane)
    end
  end
  for owner, gone in pairs(leave) do redis.call('ZREM', ready .. owner, unpack(gone)) end
  for owner, come in pairs(enter) do
    redis.call('ZADD', ready .. owner, 'NX', unpack(come))
    redis.call('ZADD', marker .. owner, 0, '0')
  end
end
