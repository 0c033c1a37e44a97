-- _lane: the one place that touches slots, ready sets and wake-up markers.
-- EXPECTS the locals prefix, ready, running, seq, marker, facts.
-- A lane is `<job id>`, which any executor may claim from, `<job id>@<executor>`, or
--   `<job id>#<tag>` for the executors that carry the tag. Each kind has a ready set of its own.
-- `facts` holds `<slots>:<priority>` of the lanes that have not one slot and priority 5; a `:J` behind
--   it says that all lanes of the job share the slots. The rest here calls the owner of slots a
--   holder: the lane, or the job.
-- `running` holds holder -> log ids that have its slots, with commas between; `siblings:<job>` holds the
--   lanes of a job that share its slots.
-- INVARIANT R: a lane is in its ready set <=> its list is non-empty and its holder has a free slot.

-- Larger than any number of turns: a higher priority comes before every turn of a lower one.
local TURNS_OF_A_PRIORITY = 1e13

-- '' for a shared lane, else ':@<executor>' or ':#<tag>': what its ready set and marker end with
local function owner_of(lane)
  local owner = string.match(lane, '^[^@#]*([@#].+)$')
  return owner and ':' .. owner or ''
end

local function slots_and_priority(said)
  local slots, priority, scope = string.match(said or '1:5', '^(%d+):(%d+)(:?J?)$')
  return tonumber(slots), tonumber(priority), scope == ':J'
end

local function holder_of(lane, is_of_job)
  return is_of_job and string.match(lane, '^[^@#]+') or lane
end

-- The lanes whose readiness hangs on the same slots, this one among them.
local function siblings_of(lane, is_of_job)
  if not is_of_job then return { lane } end
  return redis.call('SMEMBERS', prefix .. 'siblings:' .. holder_of(lane, true))
end

local function slots_in_use(value)
  if not value then return 0 end
  local _, commas = string.gsub(value, ',', '')
  return commas + 1
end

local function distinct(runs, name)
  local names, known = {}, {}
  for _, run in ipairs(runs) do
    if not known[run[name]] then
      known[run[name]] = true
      names[#names + 1] = run[name]
    end
  end
  return names
end

local function lanes_of(runs) return distinct(runs, 'lane') end

local function slots_of(holders)
  local in_use, values = {}, redis.call('HMGET', running, unpack(holders))
  for i, holder in ipairs(holders) do in_use[holder] = values[i] end
  return in_use
end

local function write_slots(holders, in_use)
  local set, del = {}, {}
  for _, holder in ipairs(holders) do
    if in_use[holder] then
      set[#set + 1] = holder
      set[#set + 1] = in_use[holder]
    else
      del[#del + 1] = holder
    end
  end
  if #del > 0 then redis.call('HDEL', running, unpack(del)) end
  if #set > 0 then redis.call('HSET', running, unpack(set)) end
end

-- `runs` is a list of { lane =, holder =, log_id = }, as for `free_slots`.
local function take_slots(runs)
  if #runs == 0 then return end
  local holders = distinct(runs, 'holder')
  local in_use = slots_of(holders)
  for _, run in ipairs(runs) do
    local others = in_use[run.holder]
    in_use[run.holder] = others and others .. ',' .. run.log_id or run.log_id
  end
  write_slots(holders, in_use)
end

local function free_slots(runs)
  if #runs == 0 then return end
  local holders = distinct(runs, 'holder')
  local in_use = slots_of(holders)
  for _, run in ipairs(runs) do
    local left = {}
    for log_id in string.gmatch(in_use[run.holder] or '', '%d+') do
      if log_id ~= run.log_id then left[#left + 1] = log_id end
    end
    in_use[run.holder] = #left > 0 and table.concat(left, ',')
  end
  write_slots(holders, in_use)
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

-- The lanes to look at when these changed: where a job holds the slots, all of its lanes.
local function with_siblings(names)
  local said, all, known = redis.call('HMGET', facts, unpack(names)), {}, {}
  for i, lane in ipairs(names) do
    local slots, priority, is_of_job = slots_and_priority(said[i])
    for _, each in ipairs(siblings_of(lane, is_of_job)) do
      if not known[each] then
        known[each] = true
        all[#all + 1] = {
          lane = each, holder = holder_of(each, is_of_job), slots = slots, priority = priority,
          is_of_job = is_of_job,
        }
      end
    end
  end
  return all
end

-- Call it with every lane whose list or slots changed, after all other writes.
-- Turns only grow, so a ready set is a queue of lanes: each claim serves the lane that has been
-- ready for longest, and a lane with a million triggers goes to the back after each one.
local function make_ready(names)
  if #names == 0 then return end
  local all = with_siblings(names)
  local n = #all
  local in_use = slots_of(distinct(all, 'holder'))
  local last = redis.call('INCRBY', seq, n)
  local free, score = {}, {}
  for i, each in ipairs(all) do
    if slots_in_use(in_use[each.holder]) < each.slots then
      free[#free + 1] = each.lane
      score[each.lane] = last - n + i - (each.priority - 5) * TURNS_OF_A_PRIORITY
    end
  end
  local waiting = waiting_in(free)
  local enter, leave = {}, {}
  for _, each in ipairs(all) do
    local owner = owner_of(each.lane)
    if waiting[each.lane] then
      enter[owner] = enter[owner] or {}
      table.insert(enter[owner], string.format('%.0f', score[each.lane]))
      table.insert(enter[owner], each.lane)
    else
      leave[owner] = leave[owner] or {}
      table.insert(leave[owner], each.lane)
    end
  end
  for owner, gone in pairs(leave) do redis.call('ZREM', ready .. owner, unpack(gone)) end
  for owner, come in pairs(enter) do
    redis.call('ZADD', ready .. owner, 'NX', unpack(come))
    redis.call('ZADD', marker .. owner, 0, '0')
  end
end
