-- Puts the state of a forgotten client back, unless it has changed since it was looked at.
--
-- KEYS[1] the client; ARGV[1] its state from then, ARGV[2] the revision that it has now, -1 for a
-- client that made no request since, ARGV[3] least seconds to live.
-- Answers 1, 0 if the revision is another, -1 if the state from then can't be read.
-- A client that made no request since has its counts from then, too, those under its further keys
-- included: they are void only while its generation is another. One that did keeps its counts since.
-- The override is the present one.
-- include client
local state, _, step, ncells, signature, generation, revision, last, _, kind, _, _, at =
  read_client(KEYS[1], redis.pcall('GET', KEYS[1]))
if (last > 0 and revision or -1) ~= tonumber(ARGV[2]) then
  return 0
end
local old, _, old_step, old_ncells, old_signature, old_generation, old_revision, old_last, score,
  _, _, _, old_at = read_client(KEYS[1], ARGV[1])
if not old then
  return -1
end
local flag, override, ttl = 0, '', tonumber(ARGV[3])
if state then
  ttl = math.max(ttl, redis.call('TTL', KEYS[1]))
end
if kind > 0 then
  flag, override = 128, string.sub(state, at - 13, at - 1)
end
local profile_at = old_at + 16 * old_ncells
local cells = string.sub(old, old_at, profile_at - 1)
if last > 0 then
  cells = string.sub(state, at, at + 16 * ncells - 1)
else
  ncells, signature, generation = old_ncells, old_signature, old_generation
end
-- A save that is under way from before the client was forgotten has another revision than this.
redis.call('SET', KEYS[1], struct.pack('<BBHHI4df', math.max(step, old_step) + flag, ncells,
  signature, generation, (math.max(revision, old_revision) + 2) % 4294967296,
  math.max(last, old_last), score) .. override .. cells .. string.sub(old, profile_at), 'EX', ttl)
return 1
