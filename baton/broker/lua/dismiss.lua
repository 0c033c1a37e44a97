-- dismiss: let the results stream forget consumers that are gone.
-- KEYS results
-- ARGV group, then consumers
-- ANSWER how many were forgotten
-- INVARIANT a consumer that has an entry stays: what it has would never be delivered again. One that was
--   taken for gone and is not is made again by its next read
-- REPEAT finds none of them

local results = KEYS[1]
local group = ARGV[1]

local wanted, forgotten = {}, 0
for i = 2, #ARGV do wanted[ARGV[i]] = true end
if redis.call('EXISTS', results) == 0 then return 0 end
for _, facts in ipairs(redis.call('XINFO', 'CONSUMERS', results, group)) do
  local consumer = {}
  for i = 1, #facts, 2 do consumer[facts[i]] = facts[i + 1] end
  if wanted[consumer.name] and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', results, group, consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
