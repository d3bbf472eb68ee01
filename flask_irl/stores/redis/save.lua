-- Saves a client's verdict and profile, unless another process saved since the client was read.
--
-- KEYS[1] the client; ARGV: revision when read, step, score, profile, least seconds to live.
-- Answers 1 if saved, 0 if the revision is older, -1 if the client is not known.
-- include client
local state, _, _, ncells, signature, generation, revision, last, _, kind, _, _, at =
  read_client(KEYS[1], redis.pcall('GET', KEYS[1]))
if not state then
  return -1
end
if revision ~= tonumber(ARGV[1]) then
  return 0
end
local flag = kind > 0 and 128 or 0
local head = struct.pack('<BBHHI4df', tonumber(ARGV[2]) + flag, ncells, signature, generation,
  (revision + 1) % 4294967296, last, tonumber(ARGV[3]))
-- The override and the cells stay as they are.
redis.call('SET', KEYS[1], head .. string.sub(state, 23, at + 16 * ncells - 1) .. ARGV[4],
  'EX', math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[5])))
return 1
