-- _lane: the one place that touches the ready set and the wake-up marker.
-- EXPECTS the locals prefix, ready, running, seq, marker.
-- INVARIANT R: a lane is in the ready set <=> its list is non-empty and its slot is free.

-- Which of these lanes have messages. All of them or none is the common case, and one command tells.
local function waiting_in(lanes)
  local waiting, keys = {}, {}
  for i, lane in ipairs(lanes) do keys[i] = prefix .. 'queue:' .. lane end
  local count = #keys > 0 and redis.call('EXISTS', unpack(keys)) or 0
  for i, lane in ipairs(lanes) do
    waiting[lane] = count == #keys or (count > 0 and redis.call('EXISTS', keys[i]) == 1)
  end
  return waiting
end

-- Call it with every lane whose list or slot changed, after all other writes.
-- Scores only grow, so the ready set is a queue of lanes: each claim serves the lane that has
-- been ready for longest, and a lane with a million triggers goes to the back after each one.
local function make_ready(lanes)
  local n = #lanes
  if n == 0 then return end
  local busy = redis.call('HMGET', running, unpack(lanes))
  local last = redis.call('INCRBY', seq, n)
  local free = {}
  for i, lane in ipairs(lanes) do
    if not busy[i] then free[#free + 1] = lane end
  end
  local waiting = waiting_in(free)
  local enter, leave = {}, {}
  for i, lane in ipairs(lanes) do
    if waiting[lane] then
      enter[#enter + 1] = last - n + i
      enter[#enter + 1] = lane
    else
      leave[#leave + 1] = lane
    end
  end
  if #leave > 0 then redis.call('ZREM', ready, unpack(leave)) end
  if #enter > 0 then
    redis.call('ZADD', ready, 'NX', unpack(enter))
    redis.call('ZADD', marker, 0, '0')
  end
end
