-- tally: a process says that it lives, and adds what it counted since its last word.
-- KEYS tallies processes totals
-- ARGV process number about forget_ms, then the field and the amount of each series
-- ANSWER "counted", "known" (this very word was heard before)
-- INVARIANT a word is added to the totals once; they never fall
-- REPEAT the number of the word tells: the totals stay as they are

local tallies, processes, totals = KEYS[1], KEYS[2], KEYS[3]
local process, number, about, forget_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

--- @include _lease

local now_ms = redis_now_ms()
redis.call('ZADD', tallies, now_ms, process)
-- who was killed never says goodbye
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', tallies, '-inf', now_ms - forget_ms, 'LIMIT', 0, 10)) do
  redis.call('ZREM', tallies, gone)
  redis.call('HDEL', processes, gone)
end
local heard = string.match(redis.call('HGET', processes, process) or '', '^(%d+)|')
redis.call('HSET', processes, process, number .. '|' .. about)
if heard == number then return 'known' end
for i = 5, #ARGV, 2 do
  -- where somebody wrote something else, that series is lost, and not the tally
  redis.pcall('HINCRBY', totals, ARGV[i], ARGV[i + 1])
end
return 'counted'
