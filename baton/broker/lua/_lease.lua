-- _lease: how a lease and a queued element are written down.
-- A queued element is `<log id>:<attempt>:<reruns>:<on lost>:<sealed TriggerParam>`.
-- A lease is `<token>|<executor>|<lane>|<element>`: whoever takes the run back has the message.
-- EXPECTS nothing.

local function write_lease(token, executor, lane, element)
  return token .. '|' .. executor .. '|' .. lane .. '|' .. element
end

-- nil for a missing lease
local function read_lease(value)
  if not value then return nil end
  local token, executor, lane, start = string.match(value, '^(%d+)|([^|]*)|([^|]*)|()')
  return { token = token, executor = executor, lane = lane, element = string.sub(value, start) }
end

local function read_element(element)
  local log_id, attempt, reruns, on_lost, start =
    string.match(element, '^(%d+):(%d+):(%d+):(%u+):()')
  return {
    log_id = log_id, attempt = tonumber(attempt), reruns = tonumber(reruns),
    on_lost = on_lost, frame = string.sub(element, start),
  }
end

-- Writes reach the server in pieces that fit Lua's stack.
local function in_pieces(command, key, values)
  for i = 1, #values, 4000 do
    redis.call(command, key, unpack(values, i, math.min(i + 3999, #values)))
  end
end
