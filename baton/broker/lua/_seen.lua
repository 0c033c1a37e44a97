-- _seen: one bit per log id that was ever pushed, in chunks that expire by themselves.
-- EXPECTS the local prefix.

local function seen_bit(log_id)
  local number = tonumber(log_id)
  return prefix .. 'seen:' .. string.format('%d', math.floor(number / 32768)), number % 32768
end

local function was_seen(log_id)
  local key, bit = seen_bit(log_id)
  return redis.call('GETBIT', key, bit) == 1
end

local function mark_seen(log_id)
  local key, bit = seen_bit(log_id)
  redis.call('SETBIT', key, bit, 1)
  redis.call('EXPIRE', key, 7 * 86400)
end

-- Set and read many bits with one command per chunk; answers a set of the ids seen before.
local function mark_all_seen(ids)
  local chunks, repeated = {}, {}
  for _, log_id in ipairs(ids) do
    local key, bit = seen_bit(log_id)
    chunks[key] = chunks[key] or { ids = {}, commands = {} }
    local chunk = chunks[key]
    chunk.ids[#chunk.ids + 1] = log_id
    local n = #chunk.commands
    chunk.commands[n + 1], chunk.commands[n + 2] = 'SET', 'u1'
    chunk.commands[n + 3], chunk.commands[n + 4] = string.format('%d', bit), 1
  end
  for key, chunk in pairs(chunks) do
    local before = redis.call('BITFIELD', key, unpack(chunk.commands))
    redis.call('EXPIRE', key, 7 * 86400)
    for i, log_id in ipairs(chunk.ids) do
      if before[i] == 1 then repeated[log_id] = true end
    end
  end
  return repeated
end

-- Let it be pushed again.
local function forget_seen(log_id)
  local key, bit = seen_bit(log_id)
  redis.call('SETBIT', key, bit, 0)
end
