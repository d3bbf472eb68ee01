-- Forgets a client: an empty head remains, of a new generation, so that what its other keys have
-- counted counts no more.
--
-- KEYS[1] the client; ARGV[1] seconds to live. Answers whether there was anything to forget.
local state = redis.call('GET', KEYS[1])
-- Its other keys may have outlived it: the time gives a generation that is none of theirs.
local generation, revision, last = redis.call('TIME')[2] % 65536, 0, 0
-- An operator's override stays: it isn't the client's doing.
local flag, override, ttl = 0, '', tonumber(ARGV[1])
if state and #state >= 22 then
  local step, ncells, signature, score, from
  step, ncells, signature, generation, revision, last, score, from =
    struct.unpack('<BBHHI4df', state)
  if step >= 128 then
    flag, override = 128, string.sub(state, from, from + 12)
    ttl = math.max(ttl, redis.call('TTL', KEYS[1]))
  end
end
redis.call('SET', KEYS[1], struct.pack('<BBHHI4df', flag, 0, 0, (generation + 1) % 65536,
  (revision + 1) % 4294967296, 0, 0) .. override, 'EX', ttl)
return last > 0 and 1 or 0
