-- Saves a client's verdict and profile, unless somebody saved since it was read.
--
-- KEYS[1] the client; ARGV: revision it was made from, step, score, profile, least seconds to live.
-- Answers 1 saved, 0 made from an older revision, -1 the client is forgotten.
local state = redis.call('GET', KEYS[1])
if not state or #state < 22 then
  return -1
end
local step, ncells, signature, generation, revision, last, score, from =
  struct.unpack('<BBHHI4df', state)
if revision ~= tonumber(ARGV[1]) then
  return 0
end
-- An operator's override stays.
local flag, cells_at = 0, from
if step >= 128 then
  flag, cells_at = 128, from + 13
end
local head = struct.pack('<BBHHI4df', tonumber(ARGV[2]) + flag, ncells, signature, generation,
  (revision + 1) % 4294967296, last, tonumber(ARGV[3]))
redis.call('SET', KEYS[1], head .. string.sub(state, from, cells_at + 16 * ncells - 1) .. ARGV[4],
  'EX', math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[5])))
return 1
