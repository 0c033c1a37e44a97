-- _lease: how a lease and a queued element are written down.
-- A queued element is
--   `<log id>:<attempt>:<reruns>:<on lost>:<expires>:<pinned>:<slots>:<sealed TriggerParam>`:
--   `expires` in epoch milliseconds (0: never), `pinned` 1 if no other executor may have it, `slots`
--   how many runs its lane may have at a time, with a `J` behind it if all lanes of the job together.
-- A lease is `<token>|<executor>|<lane>|<since>|<element>`: whoever takes the run back has the message.
--   `since` in epoch milliseconds, by the clock of Redis: when the executor got the run.
-- EXPECTS nothing.

local function redis_now_ms()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end

local function write_lease(token, executor, lane, since_ms, element)
  return token .. '|' .. executor .. '|' .. lane .. '|' .. string.format('%.0f', since_ms) .. '|' .. element
end

-- nil for a missing lease
local function read_lease(value)
  if not value then return nil end
  local token, executor, lane, since, start = string.match(value, '^(%d+)|([^|]*)|([^|]*)|(%d+)|()')
  return {
    token = token, executor = executor, lane = lane, since_ms = tonumber(since),
    element = string.sub(value, start),
  }
end

-- nil for bytes that no push of this version wrote: whoever takes them out of a lane puts them aside
-- by `report_unreadable`
local function read_element(element)
  local log_id, attempt, reruns, on_lost, expires, pinned, slots, scope, start =
    string.match(element, '^(%d+):(%d+):(%d+):(%u+):(%d+):([01]):(%d+)(J?):()')
  -- longer numbers are no ids of ours, and neither Python nor SQL could hold them
  if not log_id or #log_id > 18 or #attempt > 9 then return nil end
  return {
    log_id = log_id, attempt = tonumber(attempt), reruns = tonumber(reruns), on_lost = on_lost,
    expires = tonumber(expires), pinned = pinned == '1', slots = tonumber(slots), is_of_job = scope == 'J',
    frame = string.sub(element, start),
  }
end

-- What `take_slots` and `free_slots` want to know. EXPECTS holder_of, of _lane.
local function holding(lease, log_id)
  local run = read_element(lease.element)
  return { lane = lease.lane, holder = holder_of(lease.lane, run.is_of_job), log_id = log_id }
end

local function write_element(run)
  return run.log_id .. ':' .. run.attempt .. ':' .. run.reruns .. ':' .. run.on_lost .. ':'
    .. string.format('%.0f', run.expires) .. ':' .. (run.pinned and '1' or '0') .. ':' .. run.slots
    .. (run.is_of_job and 'J' or '') .. ':' .. run.frame
end

-- The hash `reruns` holds log id -> `<newest attempt>:<how often started again>`; 0, 0 without one.
local function read_reruns(value)
  local attempt, count = string.match(value or '0:0', '^(%d+):(%d+)$')
  return tonumber(attempt), tonumber(count)
end

-- Writes reach the server in pieces that fit Lua's stack.
local function in_pieces(command, key, values)
  for i = 1, #values, 4000 do
    redis.call(command, key, unpack(values, i, math.min(i + 3999, #values)))
  end
end
