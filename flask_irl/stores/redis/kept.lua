-- Keeps contents until their end, such as sessions: writes one, or reads one and perhaps ends it.
--
-- KEYS[1] hash of contents by name; ARGV[1] the time in seconds, empty for the server's, ARGV[2]
-- "put", "renew", "get" or "end", ARGV[3] the name; to put or renew it, ARGV[4] its end in seconds,
-- ARGV[5] its content, ARGV[6] the largest number of contents, ARGV[7] the seconds for which any is
-- kept at most.
-- Answers the content, or nothing for one that has ended or is damaged. Those are dropped when one
-- is put, as are those that end later than any may, so that nobody's keep the place of others; and
-- the first to end make room. All go with the last to end.
-- include sound_hash
sound_hash(KEYS[1])
local key, name = KEYS[1], ARGV[3]
local now = tonumber(ARGV[1]) or tonumber(redis.call('TIME')[1])
local function read(value)
  local ends, content = string.match(value or '', '^(%d+) (.*)$')
  if ends and tonumber(ends) > now then
    return tonumber(ends), content
  end
end
if ARGV[2] == 'renew' and not read(redis.call('HGET', key, name)) then
  return nil
end
if ARGV[2] == 'get' or ARGV[2] == 'end' then
  local _, content = read(redis.call('HGET', key, name))
  if ARGV[2] == 'end' then
    redis.call('HDEL', key, name)
  end
  return content
end
redis.call('HDEL', key, name)
local all = redis.call('HGETALL', key)
local latest = tonumber(ARGV[4])
local last = math.max(latest, now + tonumber(ARGV[7]))
local others = {}
for i = 1, #all, 2 do
  local ends = read(all[i + 1])
  if not ends or ends > last then
    redis.call('HDEL', key, all[i])
  else
    latest = math.max(latest, ends)
    others[#others + 1] = {ends, all[i]}
  end
end
local excess = #others + 1 - tonumber(ARGV[6])
if excess > 0 then
  table.sort(others, function(a, b) return a[1] < b[1] end)
  for i = 1, math.min(excess, #others) do
    redis.call('HDEL', key, others[i][2])
  end
end
redis.call('HSET', key, name, string.format('%.0f ', tonumber(ARGV[4])) .. ARGV[5])
redis.call('EXPIRE', key, math.min(math.max(latest - now, 1), 2147483647))
