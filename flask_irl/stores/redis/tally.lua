-- Adds to the counts of a tally of one day; the highest are kept.
--
-- KEYS[1] the tally, in whose place that of nine days before may still be; KEYS[2] the hash of the
-- days that are in the places. ARGV[1] members to keep, ARGV[2] the tally's field there, ARGV[3] the
-- day, then pairs of count and member. A value of another type is dropped. It sets no time to live,
-- nor calls ZINCRBY: users with the rights of earlier versions may do neither.
-- include sound_hash
sound_hash(KEYS[2])
local size = redis.pcall('ZCARD', KEYS[1])
if type(size) == 'table' or redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
for at = 4, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'INCR', ARGV[at], ARGV[at + 1])
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[1]) - 1)
return 1
