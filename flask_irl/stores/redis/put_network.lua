-- Writes an operator's override of a network.
--
-- KEYS[1] hash of overrides by network, with their revision; ARGV[1] the time in ms, ARGV[2] the
-- largest number of networks, ARGV[3] the network, ARGV[4] its override.
-- Answers 1, or 0 if there are as many others. Begun at the time, no revision comes twice, not even
-- in a store that has lost all. A damaged revision counts as 0.
-- include number
-- include sound_hash
sound_hash(KEYS[1])
local key, network = KEYS[1], ARGV[3]
local revision = redis.call('HGET', key, 'revision')
local networks = redis.call('HLEN', key) - (revision and 1 or 0)
if networks >= tonumber(ARGV[2]) and redis.call('HEXISTS', key, network) == 0 then
  return 0
end
revision = math.max((whole(revision) or 0) + 1, tonumber(ARGV[1]))
redis.call('HSET', key, 'revision', string.format('%.0f', revision), network, ARGV[4])
return 1
