-- Forgets a client: an empty head remains, of a new generation, so that what its other keys have
-- counted counts no more.
--
-- KEYS[1] the client; ARGV[1] seconds to live. Answers whether there was anything to forget.
local state = redis.call('GET', KEYS[1])
-- Its other keys may have outlived it: the time gives a generation that is none of theirs.
local generation, revision, last = redis.call('TIME')[2] % 65536, 0, 0
if state and #state >= 22 then
  local step, ncells, signature
  step, ncells, signature, generation, revision, last = struct.unpack('<BBHHI4d', state)
end
redis.call('SET', KEYS[1], struct.pack('<BBHHI4df', 0, 0, 0, (generation + 1) % 65536,
  (revision + 1) % 4294967296, 0, 0), 'EX', ARGV[1])
return last > 0 and 1 or 0
