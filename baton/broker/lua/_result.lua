-- _result: the one place that writes the results stream.
-- EXPECTS the local results.
-- A stream entry holds many results: one field `<ending>:<log id>` each.

local fields = {}

-- An executor's own word: a sealed HandleCallbackParam.
local function report_callback(ending, log_id, frame)
  fields[#fields + 1] = ending .. ':' .. log_id
  fields[#fields + 1] = frame
end

-- A script's word for a run that nobody else can speak for, proved by its sealed TriggerParam.
local function report(ending, log_id, reason, executor, attempt, frame)
  fields[#fields + 1] = ending .. ':' .. log_id
  fields[#fields + 1] = cmsgpack.pack({ reason, executor, attempt, frame })
end

-- Bytes that no version of ours could read, for a person to look at. Each field name is there once.
local function report_unreadable(lane, element)
  fields[#fields + 1] = 'unreadable:' .. #fields .. ':' .. lane
  fields[#fields + 1] = element
end

-- An entry is read as a whole by one consumer, and many entries at once: large results stand in
-- entries of their own.
local LARGEST_ENTRY_BYTES = 1048576

local function publish()
  local from, bytes = 1, 0
  for i = 2, #fields, 2 do
    bytes = bytes + #fields[i]
    if bytes >= LARGEST_ENTRY_BYTES or i - from >= 3999 or i == #fields then
      redis.call('XADD', results, '*', unpack(fields, from, i))
      from, bytes = i + 1, 0
    end
  end
end
