-- Counts requests of a client ahead, for a worker that the client asks often: a quota lease.
-- Included by hit.lua, for its calls with a fourth argument. The twin is tests/stores/lease_twin.py.
--
-- The client's leases that no worker has ended are one value: the client's generation, and for each
-- the time that it was given, its units, the number of limits and the anchor of each one's window. A
-- lease that no worker ends, because it died, is forgotten after some seconds; what it has counted
-- stays counted.

-- Reads the leases as {value, units of all, value as it was}, and gives back what is unused of the one that ends.
-- Answers them, the units that are wanted, whether nothing is to be counted, and whether something
-- was given back.
local function read_leases()
  local want, alone, ended, unused = unpack('<I4BdI4', ask)
  local raw, kept, out, given = pcall('GET', KEYS[scopes + 1]), '', 0, false
  if type(raw) ~= 'string' or #raw > 8192 then
    -- No worker writes that much, and to take it apart would hold up everybody.
    damaged = is_damaged(KEYS[scopes + 1], raw) or damaged
  elseif state and #raw > 2 and unpack('<H', raw) == generation then
    local pos = 3
    while pos + 12 <= #raw do
      local start, born, units, size = pos, nil, nil, nil
      born, units, size, pos = unpack('<dI4B', raw, pos)
      local anchors = pos
      pos = pos + 8 * size
      if pos - 1 > #raw then
        break
      end
      -- The time is a lease's name.
      want = born == now and 0 or want
      if born == ended then
        -- Only into the window that the units were counted in; the one before still fades.
        for k = 1, size == n and unused <= units and n or 0 do
          local l, anchor = limits[k], unpack('<d', raw, anchors + 8 * (k - 1))
          local place = l[1] == anchor and 2 or strategy == 1 and l[1] == anchor + l[5] and 3
          if strategy == 3 then
            -- The anchor is the time that a unit has cost, and never more is given back than has not
            -- been paid since by waiting.
            local back = min(unused * anchor, l[3])
            if back > 0 then
              local debt = l[1] - now + l[2] / 4294967296 - back
              local full = floor(debt)
              l[1], l[2] = now + full, floor((debt - full) * 4294967296)
              l[3], given = max(0, l[3] - ceil(back)), true
            end
          elseif place and unused > 0 then
            l[place], given = max(0, l[place] - unused), true
          end
        end
        whole = whole and size == n
      elseif born <= now and now - born < 5000000 then
        kept, out = kept .. string.sub(raw, start, pos - 1), out + units
      end
    end
  end
  mended = mended or given
  return {kept, out, raw}, want, alone == 1, given
end

-- Gives the burst that a limit of GCRA's has at an amount.
local function burst_of(l, amount)
  return 1 + floor((l[6] - 1) * amount / l[4])
end

-- Tells how many units a lease may have, and for how many µs: never more than a fiftieth of any limit
-- in all of the client's leases, fewer towards a limit's end and none near it, and no longer than the
-- windows that they are counted in.
local function lease_for(want, leases, factor)
  local units, lasts = want, 1000000
  for k = 1, n do
    local l = limits[k]
    local amount, part, most = scale(l[4], factor), 50, l[11]
    if strategy == 3 then
      -- The time of a lease counts, too.
      local rate = l[5] / amount
      amount, part = burst_of(l, amount), 150
      most = floor(amount * rate / part)
    end
    units = min(units, amount < 100 and 0 or floor(amount / part) - leases[2],
      floor((l[10] - amount / 10) / 8))
    lasts = min(lasts, most)
  end
  if n == 0 or units < 1 or lasts < 100000 or #leases[1] > 4096 then
    return 0, 0
  end
  return units, lasts
end

-- Counts the units of a lease by GCRA as if all were used at its end: until then none of the debt
-- that they are is paid by waiting. The third number of a cell is the µs of units that may be given
-- back. Answers binding, limit, remaining and reset.
local function take_ahead(units, lasts, out, factor)
  local binding, r_limit, r_left, r_reset = 0, 0, 0, 0
  for k = 1, n do
    local l = limits[k]
    local amount = scale(l[4], factor)
    local burst, interval = burst_of(l, amount), l[5] / amount
    local tolerance = interval * burst
    local debt = max(l[7] - now + l[8] / 4294967296, lasts + out * interval) + units * interval
    local full = floor(debt)
    l[7], l[8] = now + full, floor((debt - full) * 4294967296)
    l[9] = min(4294967295, l[9] + floor(units * interval))
    local left, reset = floor((tolerance + slack(burst, l[5]) - debt) / interval), min(debt, tolerance)
    if k == 1 or left < r_left or (left == r_left and reset > r_reset) then
      binding, r_limit, r_left, r_reset = k - 1, amount, left, reset
    end
  end
  return binding, r_limit, r_left, r_reset
end

-- Gives what the window of a limit has counted, and its start. By GCRA there is none: units that were
-- ever paid for, be it by waiting, modulo 2^32, and below 0 the µs of each.
local function counted_by(l, amount)
  if not l then
    return 0, 0
  elseif strategy == 3 then
    return floor((l[7] + l[8] / 4294967296) * amount / l[5]) % 4294967296, -l[5] / amount
  end
  return l[8], l[7]
end

-- Writes the leases, with a new one of so many units.
local function write_leases(leases, units, factor)
  local value = leases[1]
  if units > 0 then
    value = value .. pack('<dI4B', now, units, n)
    for k = 1, n do
      local l = limits[k]
      value = value .. pack('<d', strategy == 3 and l[5] / scale(l[4], factor) or l[7])
    end
  end
  if value == '' then
    if leases[3] then
      call('DEL', KEYS[scopes + 1])
    end
  else
    call('SET', KEYS[scopes + 1], pack('<H', generation) .. value, 'EX', 10)
  end
end
