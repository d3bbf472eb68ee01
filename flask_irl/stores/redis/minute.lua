-- Adds to the counts of a minute, which are forgotten after some time.
--
-- KEYS[1] the minute; ARGV[1] requests, ARGV[2] refused ones, ARGV[3] seconds to live.
-- A damaged value counts as 0 and 0.
-- include number
local counts = redis.pcall('GET', KEYS[1])
local requests, refused
if type(counts) == 'string' then
  requests, refused = string.match(counts, '^(%d+) (%d+)')
end
requests = (whole(requests) or 0) + tonumber(ARGV[1])
refused = (whole(refused) or 0) + tonumber(ARGV[2])
redis.call('SET', KEYS[1], string.format('%.0f %.0f', requests, refused), 'EX', ARGV[3])
return 1
