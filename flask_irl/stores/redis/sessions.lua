-- Keeps the sessions of the operator's page: writes one, or reads one and perhaps ends it.
--
-- KEYS[1] hash of sessions by name; ARGV[1] the time in seconds, empty for the server's, ARGV[2]
-- "put", "renew", "get" or "end", ARGV[3] the session's name; to put or renew it, ARGV[4] its end in seconds, ARGV[5]
-- its content, ARGV[6] the largest number of sessions.
-- Answers the content, or nothing for one that has ended or is damaged. Those are dropped when one
-- is put, and the first to end makes room.
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
local count, first, soonest = 0, nil, nil
for i = 1, #all, 2 do
  local ends = read(all[i + 1])
  if not ends then
    redis.call('HDEL', key, all[i])
  else
    count = count + 1
    if not soonest or ends < soonest then
      first, soonest = all[i], ends
    end
  end
end
if count >= tonumber(ARGV[6]) then
  redis.call('HDEL', key, first)
end
redis.call('HSET', key, name, string.format('%.0f ', tonumber(ARGV[4])) .. ARGV[5])
