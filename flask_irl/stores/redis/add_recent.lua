-- Adds requests to those of a client that are kept.
--
-- KEYS[1] list of requests, the latest first, each with its time at its beginning: "[1700000000.5";
-- ARGV[1] the number of requests to keep, ARGV[2] seconds to keep them, ARGV[3] the time up to which
-- they are too old, ARGV[4+] the requests, the oldest first.
-- A value of another type is dropped, and so is a request without a time.
local key = KEYS[1]
local found = redis.pcall('LLEN', key)
if type(found) == 'table' and string.find(found.err, 'WRONGTYPE', 1, true) then
  redis.call('DEL', key)
end
for i = 4, #ARGV do
  redis.call('LPUSH', key, ARGV[i])
end
redis.call('LTRIM', key, 0, tonumber(ARGV[1]) - 1)
local kept, oldest = redis.call('LRANGE', key, 0, -1), tonumber(ARGV[3])
local count = #kept
while count > 0 and (tonumber(string.match(kept[count], '^%[([%d.]+)')) or 0) <= oldest do
  count = count - 1
end
if count == 0 then
  redis.call('DEL', key)
elseif count < #kept then
  redis.call('LTRIM', key, 0, count - 1)
end
redis.call('EXPIRE', key, ARGV[2])
return count
