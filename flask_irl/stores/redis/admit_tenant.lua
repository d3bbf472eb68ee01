-- Notes a tenant that is not declared.
--
-- KEYS[1] set of tenants; ARGV[1] the tenant, ARGV[2] the largest number of tenants.
-- Answers 1, or 0 if there are as many others. A damaged set counts as empty.
local key = KEYS[1]
if redis.call('TYPE', key).ok ~= 'set' then
  redis.call('DEL', key)
end
if redis.call('SISMEMBER', key, ARGV[1]) == 1 then
  return 1
end
if redis.call('SCARD', key) >= tonumber(ARGV[2]) then
  return 0
end
return redis.call('SADD', key, ARGV[1])
