-- Takes a pin back; its model stays in force.
--
-- KEYS[1] version in force, KEYS[2] the pin; ARGV[1] time in milliseconds or ''.
-- Answers 1, or 0 if there was no pin.
-- include number
-- include pinned
local version = pinned(KEYS[2], milliseconds(ARGV[1]))
redis.call('DEL', KEYS[2])
if not version then
  return 0
end
-- A build before this one may have put another one there.
redis.call('SET', KEYS[1], string.format('%.0f', version))
return 1
