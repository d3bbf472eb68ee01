-- Publishes a model if the version in force is still the one it was trained against.
--
-- KEYS[1] version in force, KEYS[2] hash of versions; ARGV: expected, new version, blob, keep.
-- Answers 1 published, 0 somebody was faster.
local current = tonumber(redis.call('GET', KEYS[1]) or '0')
if current ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2])
local versions = redis.call('HKEYS', KEYS[2])
table.sort(versions, function(a, b) return tonumber(a) > tonumber(b) end)
for i = tonumber(ARGV[4]) + 1, #versions do
  redis.call('HDEL', KEYS[2], versions[i])
end
return 1
