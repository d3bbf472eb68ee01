-- Writes an operator's override into a client's head, or removes it.
--
-- KEYS[1] the client, known or not; ARGV: kind (0 to remove it), amount, end in µs, least seconds
-- to live.
-- include client
local state, _, step, ncells, signature, generation, revision, last, score, _, _, _, at =
  read_client(KEYS[1], redis.pcall('GET', KEYS[1]))
local rest, ttl = '', tonumber(ARGV[4])
if state then
  rest = string.sub(state, at)
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
