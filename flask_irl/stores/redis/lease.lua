-- Takes a lease, or renews it for its owner, in one step.
--
-- KEYS[1] the lease; ARGV[1] the owner, ARGV[2] milliseconds.
-- Answers 1, or 0 while another owner has the lease. One without an end is none: nobody would ever
-- have it again.
local owner = redis.pcall('GET', KEYS[1])
if type(owner) == 'string' and owner ~= ARGV[1] and redis.call('TTL', KEYS[1]) >= 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
