-- peek: which runs wait at the heads of some lanes, without their messages.
-- KEYS epoch
-- ARGV prefix, the most runs of a lane, then lanes
-- ANSWER a flat list of lane, log id, attempt; log id 0 for bytes that no push of this version wrote;
--   empty while the group is closed
-- INVARIANT reads only, and stops after some megabytes
-- REPEAT answers what is there then

local epoch = KEYS[1]
local prefix, most = ARGV[1], tonumber(ARGV[2])
--- @include _lease

local MOST_BYTES, PAGE = 4194304, 20
local answer, bytes = {}, 0
if redis.call('EXISTS', epoch) == 0 then return answer end

local function look(lane)
  for from = 0, most - 1, PAGE do
    local page = redis.call('LRANGE', prefix .. 'queue:' .. lane, from, math.min(from + PAGE, most) - 1)
    for _, element in ipairs(page) do
      bytes = bytes + #element
      local run = read_element(element)
      answer[#answer + 1] = lane
      answer[#answer + 1] = run and run.log_id or '0'
      answer[#answer + 1] = run and run.attempt or 0
    end
    if #page < PAGE or bytes > MOST_BYTES then return end
  end
end

for i = 3, #ARGV do
  if bytes > MOST_BYTES then break end
  look(ARGV[i])
end
return answer
