-- drain: let an executor claim nothing new, or let it claim again.
-- KEYS executors drains mail
-- ARGV executor word
-- ANSWER "told" (it obeys with its next beat, which is now if it reads its mail), "gone"
-- INVARIANT only executors that are there have a word, and it goes with them; the mail is a hint
-- REPEAT the newest word counts; an empty one ends the drain

local executors, drains, mail = KEYS[1], KEYS[2], KEYS[3]
local executor, word = ARGV[1], ARGV[2]

if redis.call('HEXISTS', executors, executor) == 0 then return 'gone' end
if word == '' then
  redis.call('HDEL', drains, executor)
else
  redis.call('HSET', drains, executor, word)
end
redis.call('RPUSH', mail, 'renew')
redis.call('EXPIRE', mail, 60)
return 'told'
