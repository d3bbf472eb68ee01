-- Writes the record of an API key, if its revision, of eight bytes, is still the expected one.
--
-- KEYS[1] the record, KEYS[2] hash of its uses; ARGV[1] the revision, empty for no record; ARGV[2]
-- the new record; ARGV[3] seconds to live, empty for ever.
-- Answers 1, or 0 if the revision is another. A value of another type counts as absent.
local found = redis.pcall('GET', KEYS[1])
local revision = type(found) == 'string' and string.sub(found, 1, 8) or ''
if revision ~= ARGV[1] then
  return 0
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
  redis.call('PERSIST', KEYS[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return 1
