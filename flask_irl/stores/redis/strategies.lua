-- The strategies, in turn. Included by the scripts that count requests, which have `strategy`, `cost`
-- and `now` as locals. The twins are in limits/strategies/.

-- Asks one limit. Answers as Probe does, the cell's three numbers behind the verdict.
local function probe(anchor, current, previous, amount, window, burst)
  if strategy == 1 then
    local elapsed = now - anchor
    if (current == 0 and previous == 0) or elapsed >= 2 * window then
      anchor, current, previous, elapsed = now, 0, 0, 0
    elseif elapsed >= window then
      anchor, current, previous, elapsed = anchor + window, 0, current, elapsed - window
    end
    local room, fade = amount - current - cost, window - elapsed
    local carried = max(0, ceil(previous * fade / window) - 1)
    if carried <= room then
      return true, anchor, current + cost, previous, room - carried, fade, 0
    end
    local wait
    if cost > amount then
      wait = window
    elseif room >= 0 then
      wait = fade - floor((room + 1) * window / previous)
    else
      wait = fade + window - floor((amount - cost + 1) * window / current)
    end
    return false, 0, 0, 0, max(0, amount - current - carried), wait, wait
  elseif strategy == 2 then
    if current == 0 or now >= anchor + window then
      anchor, current = now, 0
    end
    local reset, room = anchor + window - now, amount - current - cost
    if room >= 0 then
      return true, anchor, current + cost, 0, room, reset, 0
    end
    local wait = cost > amount and window or reset
    return false, 0, 0, 0, max(0, amount - current), wait, wait
  end
  if amount <= 0 then
    return false, 0, 0, 0, 0, window, window
  end
  local interval = window / amount
  local tolerance = interval * burst
  local most = tolerance + slack(burst, window)
  local owed = max(anchor - now + current / 4294967296, 0)
  local debt = owed + cost * interval
  if debt <= most then
    local whole = floor(debt)
    return true, now + whole, floor((debt - whole) * 4294967296), min(previous, floor(owed)),
      floor((most - debt) / interval), min(debt, tolerance), 0
  end
  local wait = cost > burst and window or min(window, ceil(debt - tolerance))
  return false, 0, 0, 0, max(0, floor((most - owed) / interval)), wait, wait
end

-- Scales a limit: see limit.scale.
local function scale(amount, factor)
  if factor <= 0 then
    return 0
  end
  return max(1, floor(amount * factor + 0.5))
end

-- Moves an anchor for a clock that was set back: see admission.settle.
local function settle(anchor, amount, window)
  local ahead, more = 0, 0
  if strategy == 3 then
    ahead, more = window, slack(amount, window)
  end
  return anchor > now + ahead + more and now + ahead or anchor
end

