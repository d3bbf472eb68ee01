-- Adds slots to the courses of clients, or drops courses; the lowest clients give way.
--
-- KEYS[1] the courses, a hash of the packed slots of each client, and under '' the number of all of
-- them; KEYS[2] the clients by rank. ARGV[1] clients to keep, ARGV[2] slots of all of them, ARGV[3]
-- slots of one, ARGV[4] seconds for which all are kept from now on, then for each client its name,
-- its rank, and a packed slot: see the module behaviour/courses.py, whose twin this is. Of a client
-- without a slot, the course is dropped. Of courses on single routes, a client's name is that of its
-- course, see behaviour/course_routes.py.
-- include number
-- include sound_hash
local SIZE, FORM, MOST, RISE, AHEAD = 21, '>I4HHHHHHHBBB', 65535, 9600, 100
local courses, ranks = KEYS[1], KEYS[2]
local clients, slots, own = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lasts = tonumber(ARGV[4])

sound_hash(courses)
local kept = redis.pcall('ZCARD', ranks)
local all = whole(redis.call('HGET', courses, ''))
if not all or type(kept) == 'table' or (kept == 0) ~= (all == 0) then
  -- Neither bounds the other any more.
  redis.call('DEL', courses)
  redis.call('DEL', ranks)
  all, kept = 0, 0
end

local function merged(before, added)
  local one, two = {struct.unpack(FORM, before)}, {struct.unpack(FORM, added)}
  for place = 2, 7 do
    one[place] = math.min(one[place] + two[place], MOST)
  end
  for _, place in ipairs({8, 9, 11}) do
    one[place] = math.max(one[place], two[place])
  end
  one[10] = math.min(one[10], two[10])
  return struct.pack(FORM, unpack(one, 1, 11))
end

local function number_at(course, first)
  return (struct.unpack('>I4', course, first))
end

local function with_slot(course, added)
  local number, last = number_at(added, 1), #course
  while last > 0 and number_at(course, last - SIZE + 1) > number do
    last = last - SIZE
  end
  local start = last - SIZE
  if last > 0 and number_at(course, start + 1) == number then
    return string.sub(course, 1, start) .. merged(string.sub(course, start + 1, last), added)
      .. string.sub(course, last + 1)
  end
  return string.sub(string.sub(course, 1, last) .. added .. string.sub(course, last + 1), -own * SIZE)
end

local function course_of(client)
  local course = redis.call('HGET', courses, client) or ''
  return string.sub(course, 1, #course - #course % SIZE)
end

local function drop(client)
  all = all - #course_of(client) / SIZE
  redis.call('HDEL', courses, client)
  redis.call('ZREM', ranks, client)
end

local newest, highest = 0, nil
for at = 5, #ARGV, 3 do
  local client, added = ARGV[at], ARGV[at + 2]
  if added == '' then
    drop(client)
  else
    local course = course_of(client)
    local longer = with_slot(course, added)
    all = all + (#longer - #course) / SIZE
    newest = math.max(newest, number_at(added, 1))
    highest = math.max(highest or -math.huge, tonumber(ARGV[at + 1]))
    redis.call('HSET', courses, client, longer)
    redis.call('ZADD', ranks, 'GT', ARGV[at + 1], client)
  end
end
-- Ranks rise by 9 in a day: one of days from now was forged, or written by a clock that was wrong.
-- A worker whose clock is late drops nobody: the server's counts as well. RISE is FADES of the module
-- verdicts/course_rows.py.
if highest then
  local now = redis.call('TIME')[1] / RISE
  local least = string.format('(%.17g', math.max(highest, now) + AHEAD)
  local found = redis.call('ZRANGE', ranks, least, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
  for _, client in ipairs(found) do
    drop(client)
  end
end
kept = redis.call('ZCARD', ranks)
while kept > 0 and (kept > clients or all > slots) do
  drop(redis.call('ZRANGE', ranks, 0, 0)[1])
  kept = kept - 1
end
-- Those whose day is over go, too, a few at a time.
for _ = 1, 20 do
  local lowest = redis.call('ZRANGE', ranks, 0, 0)[1]
  local course = lowest and course_of(lowest)
  if not lowest or (course ~= '' and number_at(course, #course - SIZE + 1) > newest - own) then
    break
  end
  drop(lowest)
  kept = kept - 1
end
redis.call('HSET', courses, '', string.format('%.0f', math.max(kept == 0 and 0 or all, 0)))
redis.call('EXPIRE', courses, lasts)
redis.call('EXPIRE', ranks, lasts)
return 1
