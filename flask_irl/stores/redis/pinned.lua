-- Reads the pin in force at a time in milliseconds; nil for none, a damaged or an ended one.
local function pinned(key, now)
  local pin = redis.pcall('HMGET', key, 'version', 'until')
  local version, ends = whole(pin[1]), whole(pin[2])
  if not version or version == 0 or not ends or (ends > 0 and ends <= now) then
    return nil
  end
  return version
end

-- Reads the time in milliseconds: an argument, or the server's if that is empty.
local function milliseconds(argument)
  if argument ~= '' then
    return tonumber(argument)
  end
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end

