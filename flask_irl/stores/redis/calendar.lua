-- Counts per period of a calendar. Included by the scripts that count requests, which have `plan`,
-- `cost` and `now` as locals. The twins are limits/calendar.py and limits/strategies/calendar_window.py.
--
-- Instead of a window such a limit has, below 0, the distance of its periods' starts from the plan's
-- end.

-- Gives start and length of the present period.
local function period_of(distance)
  local start, ends, length, at
  start, at = unpack('<d', plan, #plan + distance + 1)
  if now < start then
    ends = unpack('<d', plan, at)
    length = ends - start
    return start + floor((now - start) / length) * length, length
  end
  for _ = 2, 8 do
    ends, at = unpack('<d', plan, at)
    if now < ends then
      return start, ends - start
    end
    length, start = ends - start, ends
  end
  return start + floor((now - start) / length) * length, length
end

-- Moves a limit's cell into the present period; answers whether it was in another.
local function into_period(l)
  local start, length = period_of(l[5])
  local moved = l[1] ~= start
  if l[1] < start then
    l[2] = 0
  end
  if moved then
    l[3] = 0
  end
  l[1], l[5], l.calendar = start, length, true
  return moved
end

-- Asks one such limit; answers as probe does.
local function probe_period(anchor, current, amount, window)
  local reset, room = anchor + window - now, amount - current - cost
  if room >= 0 then
    return true, anchor, current + cost, 0, room, reset, 0
  end
  local wait = cost > amount and window or reset
  return false, 0, 0, 0, max(0, amount - current), wait, wait
end

