-- Adds to the counts of a tally; the highest are kept.
--
-- KEYS[1] the tally; ARGV[1] members to keep, ARGV[2] seconds to live, then pairs of count and
-- member. A value of another type is dropped.
local first = redis.pcall('ZCARD', KEYS[1])
if type(first) == 'table' then
  redis.call('DEL', KEYS[1])
end
for at = 3, #ARGV, 2 do
  redis.call('ZINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[1]) - 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
