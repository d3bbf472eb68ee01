-- Writes a value into a table of the site: operators' overrides of networks, or assigned plans.
--
-- KEYS[1] hash of values by name, with their revision; ARGV[1] the time in ms, ARGV[2] the largest
-- number of values, ARGV[3] the name, ARGV[4] its value.
-- Answers 1, or 0 if there are as many others. Begun at the time, no revision comes twice, not even
-- in a store that has lost all. A damaged revision counts as 0.
-- include number
-- include sound_hash
sound_hash(KEYS[1])
local key, name = KEYS[1], ARGV[3]
local revision = redis.call('HGET', key, 'revision')
local values = redis.call('HLEN', key) - (revision and 1 or 0)
if values >= tonumber(ARGV[2]) and redis.call('HEXISTS', key, name) == 0 then
  return 0
end
revision = math.max((whole(revision) or 0) + 1, tonumber(ARGV[1]))
redis.call('HSET', key, 'revision', string.format('%.0f', revision), name, ARGV[4])
return 1
