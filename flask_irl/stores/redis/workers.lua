-- Notes that a worker lives, or only looks which do; drops those that told nothing for some time.
--
-- KEYS[1] hash of workers; ARGV[1] the time in seconds, empty for the server's, ARGV[2] seconds
-- after which a worker is dropped, ARGV[3] the worker, empty for none, ARGV[4] its report.
-- Answers the names and reports of those that live, in turn. Damaged values are dropped.
local now = tonumber(ARGV[1]) or tonumber(redis.call('TIME')[1])
local told = redis.pcall('HGETALL', KEYS[1])
if told.err then
  redis.call('DEL', KEYS[1])
  told = {}
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f ', now) .. ARGV[4])
end
local live = {}
for i = 1, #told, 2 do
  local at, report = string.match(told[i + 1], '^(%d+) (.*)$')
  if at and math.abs(now - tonumber(at)) <= tonumber(ARGV[2]) then
    live[#live + 1] = told[i]
    live[#live + 1] = report
  elseif told[i] ~= ARGV[3] then
    redis.call('HDEL', KEYS[1], told[i])
  end
end
return live
