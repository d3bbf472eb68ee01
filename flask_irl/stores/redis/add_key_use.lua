-- Adds to the uses of an API key, if there is such a key; they go when it goes.
--
-- KEYS[1] the record, KEYS[2] hash of its uses; ARGV: requests, refused ones, and the latest time in
-- whole seconds. Damaged uses begin anew.
-- include number
-- include sound_hash
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
sound_hash(KEYS[2])
local function add(field, more)
  local before = whole(redis.call('HGET', KEYS[2], field)) or 0
  redis.call('HSET', KEYS[2], field, string.format('%.0f', before + more))
end
add('requests', tonumber(ARGV[1]))
add('refused', tonumber(ARGV[2]))
local last = whole(redis.call('HGET', KEYS[2], 'last')) or 0
redis.call('HSET', KEYS[2], 'last', string.format('%.0f', math.max(last, tonumber(ARGV[3]))))
local left = redis.call('TTL', KEYS[1])
if left > 0 then
  redis.call('EXPIRE', KEYS[2], left)
end
return 1
