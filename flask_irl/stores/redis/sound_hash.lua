-- Drops a value that is no hash: it counts as absent, and what is written there begins anew.
local function sound_hash(key)
  local found = redis.pcall('HEXISTS', key, '')
  if type(found) == 'table' and string.find(found.err, 'WRONGTYPE', 1, true) then
    redis.call('DEL', key)
  end
end

