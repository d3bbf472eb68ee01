-- Replaces a table, such as that of campaigns, if its revision is still the expected one.
--
-- KEYS[1] hash of the table and its revision; ARGV[1] the expected revision, ARGV[2] the table.
-- Answers 1, or 0 if the revision is another. A damaged revision counts as 0, and a value of
-- another type is dropped.
-- include number
-- include sound_hash
sound_hash(KEYS[1])
local revision = whole(redis.call('HGET', KEYS[1], 'revision')) or 0
if revision ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', revision + 1, 'table', ARGV[2])
return 1
