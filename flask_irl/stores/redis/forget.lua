-- Forgets a client. An empty head of a new generation remains, so that the counts under the
-- client's other keys are void.
--
-- KEYS[1] the client; ARGV[1] seconds to live. Answers 1, or 0 if the client was not known.
-- include client
local state, _, _, _, _, generation, revision, last, _, kind, _, _, at =
  read_client(KEYS[1], redis.pcall('GET', KEYS[1]))
local flag, override, ttl = 0, '', tonumber(ARGV[1])
if not state then
  -- The other keys may have outlived the state: the time gives a generation unlike theirs.
  generation = redis.call('TIME')[2] % 65536
elseif kind > 0 then
  -- An operator's override stays: it is not the client's doing.
  flag, override = 128, string.sub(state, at - 13, at - 1)
  ttl = math.max(ttl, redis.call('TTL', KEYS[1]))
end
redis.call('SET', KEYS[1], struct.pack('<BBHHI4df', flag, 0, 0, (generation + 1) % 65536,
  (revision + 1) % 4294967296, 0, 0) .. override, 'EX', ttl)
return last > 0 and 1 or 0
