-- Adds to the rollups of several periods, in rings of their resolutions.
--
-- KEYS the rings, hashes of a field for each place; ARGV for each rollup the number of its ring, its
-- place, its beginning, and its figures as "maxima|sums". A rollup is stored as "beginning figures".
-- Figures of a later version are kept. A damaged rollup, or one of a turn before, begins anew.
-- include number
-- include sound_hash
local function figures(text)
  local parts = {}
  for word in string.gmatch(text, '[^ ]+') do
    parts[#parts + 1] = whole(word) or 0
  end
  return parts
end

local function joined(before, added, combine)
  local result = figures(before)
  for place, figure in ipairs(figures(added)) do
    result[place] = combine(result[place] or 0, figure)
  end
  for place, figure in ipairs(result) do
    result[place] = string.format('%.0f', figure)
  end
  return table.concat(result, ' ')
end

local function sum(a, b)
  return a + b
end

local sound = {}
for at = 1, #ARGV, 4 do
  local ring, place = tonumber(ARGV[at]), ARGV[at + 1]
  local key = KEYS[ring]
  if not sound[key] then
    sound_hash(key)
    sound[key] = true
  end
  local maxima, sums = string.match(ARGV[at + 3], '^([^|]*)|([^|]*)$')
  local stored = redis.call('HGET', key, place)
  local began, most, total = nil, '', ''
  if stored then
    began, most, total = string.match(stored, '^(%d+) ([^|]*)|([^|]*)$')
    began = whole(began)
  end
  local begins = tonumber(ARGV[at + 2])
  if began ~= begins then
    most, total = '', ''
  end
  -- What comes late for a place that is taken by now is left out.
  if not began or began <= begins or began > begins + 315360000 then
    redis.call('HSET', key, place, ARGV[at + 2] .. ' ' .. joined(most, maxima, math.max) .. '|'
      .. joined(total, sums, sum))
  end
end
return 1
