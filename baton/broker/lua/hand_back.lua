-- hand_back: return claimed messages unrun to the head of their lanes; no attempt is counted.
-- KEYS ready running facts results marker seq leases cancels held
-- ARGV prefix, then per run: log_id token
-- ANSWER how many were handed back
-- INVARIANT a message is in its lane or under a lease, never in both, never in neither
-- REPEAT the second call finds no lease with that token and changes nothing

local ready, running, facts, results, marker, seq, leases, cancels, held =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local prefix = ARGV[1]
--- @include _lane
--- @include _lease
--- @include _result

local back = {}
for i = 2, #ARGV, 2 do
  local log_id, token = ARGV[i], ARGV[i + 1]
  local lease = read_lease(redis.call('HGET', leases, log_id))
  if lease and lease.token == token then
    local stop = redis.call('HGET', cancels, log_id)
    redis.call('HDEL', leases, log_id)
    redis.call('SREM', held, log_id)
    if stop then
      local old = read_element(lease.element)
      local outcome, reason = string.match(stop, '^(%a+)|(.*)$')
      redis.call('HDEL', cancels, log_id)
      report(outcome, log_id, reason .. ' [job running, killed]', lease.executor, old.attempt, old.frame)
    else
      redis.call('LPUSH', prefix .. 'queue:' .. lease.lane, lease.element)
    end
    back[#back + 1] = holding(lease, log_id)
  end
end
free_slots(back)
publish()
make_ready(lanes_of(back))
return #back
