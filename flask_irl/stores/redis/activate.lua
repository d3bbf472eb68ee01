-- Puts a stored model in force.
--
-- KEYS[1] version in force, KEYS[2] hash of versions; ARGV[1] the version.
-- Answers 1, or 0 if the version is not stored.
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
