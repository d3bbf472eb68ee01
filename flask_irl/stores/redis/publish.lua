-- Publishes a model if the version in force is still the expected one.
--
-- KEYS[1] version in force, KEYS[2] hash of versions; ARGV: expected version, new version, model,
-- number of versions to keep.
-- Answers 1, or 0 if another version is in force. A damaged version counts as 0.
-- include number
local current = whole(redis.pcall('GET', KEYS[1])) or 0
if current ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2])
local versions = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  versions[#versions + 1] = whole(name)
end
table.sort(versions, function(a, b) return a > b end)
for i = tonumber(ARGV[4]) + 1, #versions do
  redis.call('HDEL', KEYS[2], string.format('%.0f', versions[i]))
end
return 1
