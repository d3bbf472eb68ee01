-- Replaces the settings if their revision is still the expected one.
--
-- KEYS[1] hash of settings; ARGV[1] the expected revision, ARGV[2] the new settings.
-- Answers 1, or 0 if the revision is another. A damaged revision counts as 0.
-- include number
-- include sound_hash
sound_hash(KEYS[1])
local revision = whole(redis.call('HGET', KEYS[1], 'revision')) or 0
if revision ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', revision + 1, 'settings', ARGV[2])
return 1
