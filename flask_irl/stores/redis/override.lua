-- Writes an operator's word on a client into its head, or takes it out.
--
-- KEYS[1] the client, known or not; ARGV: kind (0 to take it out), amount, until in µs, least
-- seconds to live.
local state = redis.call('GET', KEYS[1])
local step, ncells, signature, generation, revision, last, score, from = 0, 0, 0, 0, 0, 0, 0, 1
local rest, ttl = '', tonumber(ARGV[4])
if state and #state >= 22 then
  step, ncells, signature, generation, revision, last, score, from =
    struct.unpack('<BBHHI4df', state)
  if step >= 128 then
    step, from = step - 128, from + 13
  end
  rest = string.sub(state, from)
  ttl = math.max(ttl, redis.call('TTL', KEYS[1]))
end
local kind, override = tonumber(ARGV[1]), ''
if kind > 0 then
  step = step + 128
  override = struct.pack('<BI4d', kind, tonumber(ARGV[2]), tonumber(ARGV[3]))
end
redis.call('SET', KEYS[1], struct.pack('<BBHHI4df', step, ncells, signature, generation, revision,
  last, score) .. override .. rest, 'EX', ttl)
return 1
