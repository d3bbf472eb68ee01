-- Publishes a model: puts it in force, or keeps it aside while another one is pinned.
--
-- KEYS[1] version in force, KEYS[2] hash of the latest models, KEYS[3] hash of all models,
-- KEYS[4] hash of the models' times, KEYS[5] the pin; ARGV: expected version, new version, model,
-- time in milliseconds or '', number of the latest models, versions to drop.
-- Answers 1, 2 if the model is kept aside, or 0 if another version than the expected one is in
-- force, or a model has the new version already. A damaged version counts as 0.
-- include number
-- include pinned
-- include sound_hash
for i = 2, 5 do
  sound_hash(KEYS[i])
end
local now = milliseconds(ARGV[4])
local pin = pinned(KEYS[5], now)
local in_force = pin or whole(redis.pcall('GET', KEYS[1])) or 0
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 or redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1
    or (not pin and in_force ~= tonumber(ARGV[1])) then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
if not pin then
  in_force = tonumber(ARGV[2])
  redis.call('SET', KEYS[1], ARGV[2])
end
local latest = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  local version = whole(name)
  if version then
    latest[#latest + 1] = {version, name}
    -- Of a build before this one, which knows the hash of the latest alone.
    if redis.call('HEXISTS', KEYS[3], name) == 0 then
      redis.call('HSET', KEYS[3], name, redis.call('HGET', KEYS[2], name))
    end
    if redis.pcall('HEXISTS', KEYS[4], name) == 0 then
      redis.pcall('HSET', KEYS[4], name, string.format('%.0f', now))
    end
  end
end
table.sort(latest, function(a, b) return a[1] > b[1] end)
for i = tonumber(ARGV[5]) + 1, #latest do
  if latest[i][1] ~= in_force then
    redis.call('HDEL', KEYS[2], latest[i][2])
  end
end
for i = 6, #ARGV do
  if tonumber(ARGV[i]) ~= in_force then
    redis.call('HDEL', KEYS[3], ARGV[i])
    redis.pcall('HDEL', KEYS[4], ARGV[i])
  end
end
return pin and 2 or 1
