-- Removes values from a table of the site.
--
-- KEYS[1] hash of values by name, with their revision; ARGV[1] the time in ms, ARGV[2] the
-- revision that is expected, or '' for any; ARGV[3+] the names.
-- Answers the revision, which is later if any was removed, or '' if it isn't the expected one.
-- include number
-- include sound_hash
sound_hash(KEYS[1])
local key, revision = KEYS[1], whole(redis.call('HGET', KEYS[1], 'revision')) or 0
if ARGV[2] ~= '' and revision ~= tonumber(ARGV[2]) then
  return ''
end
local dropped = 0
for i = 3, #ARGV do
  dropped = dropped + redis.call('HDEL', key, ARGV[i])
end
if dropped > 0 then
  revision = math.max(revision + 1, tonumber(ARGV[1]))
  redis.call('HSET', key, 'revision', string.format('%.0f', revision))
end
return string.format('%.0f', revision)
