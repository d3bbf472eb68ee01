-- Puts a stored model in force, and pins it there.
--
-- KEYS[1] version in force, KEYS[2] hash of the latest models, KEYS[3] hash of all models,
-- KEYS[4] the pin; ARGV[1] the version, ARGV[2] the pin's end in milliseconds, 0 for none.
-- Answers 1, or 0 if the version is not stored.
-- include sound_hash
for i = 2, 3 do
  sound_hash(KEYS[i])
end
local model = redis.call('HGET', KEYS[3], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1])
if not model then
  return 0
end
-- In both: builds before this one look for it among the latest, and drop it there.
redis.call('HSET', KEYS[2], ARGV[1], model)
redis.call('HSET', KEYS[3], ARGV[1], model)
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[4], 'version', ARGV[1], 'until', ARGV[2])
return 1
