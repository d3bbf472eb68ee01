-- Takes a pin back; its model stays in force.
--
-- KEYS[1] version in force, KEYS[2] hash of the latest models, KEYS[3] hash of all models,
-- KEYS[4] the pin; ARGV[1] time in milliseconds or ''.
-- Answers 1, or 0 if there was no pin.
-- include number
-- include pinned
-- include sound_hash
for i = 2, 3 do
  sound_hash(KEYS[i])
end
local version = pinned(KEYS[4], milliseconds(ARGV[1]))
redis.call('DEL', KEYS[4])
if not version then
  return 0
end
-- A build before this one may have put another one there, and dropped this one's model.
local name = string.format('%.0f', version)
local model = redis.call('HGET', KEYS[3], name)
if model then
  redis.call('HSET', KEYS[2], name, model)
end
redis.call('SET', KEYS[1], name)
return 1
