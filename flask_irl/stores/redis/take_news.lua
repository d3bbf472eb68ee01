-- Removes and answers the oldest reports of workers.
--
-- KEYS[1] list of reports; ARGV[1] their number at most. A value of another type is dropped.
local most = tonumber(ARGV[1])
local news = redis.pcall('LRANGE', KEYS[1], 0, most - 1)
if news.err then
  redis.call('DEL', KEYS[1])
  return {}
end
redis.call('LTRIM', KEYS[1], most, -1)
return news
