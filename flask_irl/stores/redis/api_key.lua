-- Answers the record of an API key, and counts nothing, unless that is the one that is known, and
-- the key hasn't ended; else the script behind this one counts the request.
--
-- KEYS and ARGV are those of that script; behind its keys stands the record's, behind its first
-- three arguments the revision that is known, and the time in µs at which the key ends, 0 for never;
-- its fourth, if a quota lease is asked for, stands behind those.
-- Answers a byte that begins no Hit, the time in µs, whether there is a record, bytes that make the
-- answer longer than any Hit, and the record.
local found, ends, clock = redis.pcall('GET', KEYS[#KEYS]), tonumber(ARGV[5]), tonumber(ARGV[3])
if not clock then
  local time = redis.call('TIME')
  clock = time[1] * 1000000 + time[2]
end
if type(found) == 'table' then
  if not string.find(found.err, 'WRONGTYPE', 1, true) then
    redis.call('GET', KEYS[#KEYS])
  end
  found = ''
end
if not found or #ARGV[4] ~= 8 or string.sub(found, 1, 8) ~= ARGV[4] or (ends > 0 and clock >= ends)
then
  local long = string.rep('\0', 64)
  return '\2' .. struct.pack('<d', clock) .. (found and '\1' or '\0') .. long
    .. string.sub(found or '', 1, 16385)
end
local KEYS, ARGV = KEYS, {ARGV[1], ARGV[2], ARGV[3], ARGV[6]}
