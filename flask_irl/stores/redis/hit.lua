-- Counts one request of one client against all its limits, all or nothing. The twin of
-- admission.decide.
--
-- KEYS[1]  the client: head, override, cells of its own limits, profile
-- KEYS[2+] one for each further scope: its cells
-- ARGV[1]  the packed plan (see pack_plan); and unless they are 1 and the server's TIME:
-- ARGV[2]  the cost
-- ARGV[3]  now in µs, or ''
-- and where a quota lease is asked for or ends (cost 1; see quota_lease.lua):
-- ARGV[4]  units wanted, whether nothing is to be counted, when the ended lease was given, and the
--          units of it that nobody has used
-- KEYS[+1] the client's quota leases
-- Answers a packed Hit, with the rest of a Leased behind it if a lease was asked for, and one byte
-- more if a damaged value was met, which counts as absent.
local unpack, pack, call, pcall = struct.unpack, struct.pack, redis.call, redis.pcall
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local plan, cost, now, ask = ARGV[1], 1, nil, ARGV[4]
if ARGV[2] then
  cost, now = tonumber(ARGV[2]), tonumber(ARGV[3])
end
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end

local strategy, enforce, steps, scopes, signature, at = unpack('<BBBBH', plan)
local answer = pcall('GET', KEYS[1])

-- include slack
-- Answers the commonest case in half the time: a client that is known and sound, without an
-- override, is admitted by the only limit that counts: its own, or that of a second scope where the
-- first has none or is on standby. All other cases are left to the code below. The client's key
-- lives an eighth longer than it must, so that only one request in each eighth has to renew it,
-- and the others write their few bytes in place. (An error is a table of length 0.)
if scopes <= 2 and not ask and answer and #answer >= 22 and #answer <= 65536 then
  local step, ncells, counted, generation, _, last, score, place = unpack('<BBHHI4df', answer)
  local rung = min(step, steps - 1)
  local factor = unpack('<d', plan, at + 8 * rung)
  local count, own, ttl, from = unpack('<BBI4', plan, at + 8 * steps)
  local eighth, cell, passed = ttl * 125000, false, 0
  if step < 128 and factor > 0 and (enforce == 1 or rung == 0) and last > 0
    and floor(now / eighth) == floor(last / eighth) and score - score == 0
    and #answer >= 22 + 16 * ncells
  then
    if scopes == 1 then
      cell = count == 1 and own == 0 and ncells == 1 and counted == signature and answer
    elseif count == 0 or own == 2 then
      passed = count
      count, own, ttl, from = unpack('<BBI4', plan, from + 24 * count)
      local raw = count == 1 and pcall('GET', KEYS[2])
      if raw and #raw == 18 and unpack('<H', raw) == generation then
        cell, place = raw, 3
      end
    end
  end
  local most, window, burst, anchor, current, previous = 0, 0, 0, 0, 0, 0
  if cell then
    most, window, burst = unpack('<ddd', plan, from)
    anchor, current, previous = unpack('<dI4I4', cell, place)
  end
  if window > 0 and anchor == anchor then
    local amount, left, reset = max(1, floor(most * factor + 0.5)), -1, 0
    if strategy == 1 then
      local elapsed = now - anchor
      if elapsed < 0 then
        anchor, elapsed = now, 0
      elseif (current == 0 and previous == 0) or elapsed >= 2 * window then
        anchor, current, previous, elapsed = now, 0, 0, 0
      elseif elapsed >= window then
        anchor, current, previous, elapsed = anchor + window, 0, current, elapsed - window
      end
      current, reset = current + cost, window - elapsed
      left = amount - current
      if previous > 0 then
        left = left - max(0, ceil(previous * reset / window) - 1)
      end
    elseif strategy == 2 then
      if current == 0 or anchor > now or now >= anchor + window then
        current, anchor = anchor > now and current or 0, now
      end
      current, reset = current + cost, anchor + window - now
      left = amount - current
    elseif anchor <= now + window then
      burst = 1 + floor((burst - 1) * amount / most)
      local interval = window / amount
      local tolerance = interval * burst
      local room = tolerance + slack(burst, window)
      local owed = max(anchor - now + current / 4294967296, 0)
      local debt = owed + cost * interval
      local whole = floor(debt)
      anchor, current = now + whole, floor((debt - whole) * 4294967296)
      previous = min(previous, floor(owed))
      left, reset = floor((room - debt) / interval), min(debt, tolerance)
    end
    if left >= 0 then
      if scopes == 1 then
        call('SETRANGE', KEYS[1], 10, pack('<dfdI4I4', now, score, anchor, current, previous))
      else
        call('SETRANGE', KEYS[1], 10, pack('<d', now))
        call('SET', KEYS[2], pack('<HdI4I4', generation, anchor, current, previous), 'EX', ttl)
      end
      return pack('<BBBBfI4I4ddddB', 1, passed, step, 0, score, amount, left, reset, 0, now, now - last, 0)
    end
  end
end

-- include client
-- include strategies
-- include calendar
local state, damaged, step, ncells, counted, generation, revision, last, score, override, fixed,
  ends, cells_at = read_client(KEYS[1], answer)
if now >= ends then
  override = 0
end
local profile_at = cells_at + 16 * ncells

local judged = unpack('<d', plan, at + 8 * min(step, steps - 1))
local full = unpack('<d', plan, at)
at = at + 8 * steps

-- Read every limit and its cell once. A cell that was counted in another way, or before the client
-- was forgotten, begins anew. The cells of a scope on standby (own is 2) are left alone while no
-- override has a limit, and those of one that yields (own is 3) while one has: such limits are passed
-- over, which moves the places of all behind them.
local limits, n, mended, passed, from, whole = {}, 0, false, 0, 0, true
local headers = {}
for s = 1, scopes do
  local count, own, ttl
  count, own, ttl, at = unpack('<BBI4', plan, at)
  local skips = own == 2 and override ~= 3 or own == 3 and override == 3
  if skips then
    passed, from, at, count = count, n, at + 24 * count, 0
  end
  local raw, pos
  if s == 1 then
    if state and counted == signature and ncells == count then
      raw, pos = state, cells_at
    end
  elseif not skips then
    raw = pcall('GET', KEYS[s])
    if raw and #raw ~= 2 + 16 * count then
      damaged = is_damaged(KEYS[s], raw)
      raw, mended = false, true
    end
    if raw then
      local born
      born, pos = unpack('<H', raw)
      if own ~= 1 and born ~= generation then
        if state then
          raw = false
        else
          generation = born
        end
      end
    end
  end
  headers[s] = {count, ttl}
  whole = whole and (raw or count == 0)
  for _ = 1, count do
    n = n + 1
    -- Cell; amount, window, burst; new cell. Of full length at once, for a table that grows is slow.
    local limit = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    limit[4], limit[5], limit[6], at = unpack('<ddd', plan, at)
    if raw then
      limit[1], limit[2], limit[3], pos = unpack('<dI4I4', raw, pos)
      if limit[1] ~= limit[1] then
        limit[1], limit[2], limit[3], damaged, mended = 0, 0, 0, true, true
      end
      local anchor = limit[5] < 0 and limit[1] or settle(limit[1], limit[4], limit[5])
      if anchor ~= limit[1] then
        limit[1], limit[3], mended = anchor, strategy == 3 and 0 or limit[3], true
      end
    end
    if limit[5] < 0 and into_period(limit) and raw then
      mended = true
    end
    if override == 3 and s == 1 then
      limit[4], limit[6] = fixed, min(limit[6], fixed)
    end
    limits[n] = limit
  end
end

-- include quota_lease
-- Asks all limits: see admission.admit. Stores the new cells in the limits if keep is true, with what
-- is left and the time until that is reset.
local function admit(factor, keep)
  local admitted, binding = true, 0
  local r_limit, r_left, r_reset, r_wait = 0, 0, 0, 0
  for i = 1, n do
    local l = limits[i]
    local amount = scale(l[4], factor)
    local ok, anchor, current, previous, left, reset, wait
    if l.calendar then
      ok, anchor, current, previous, left, reset, wait = probe_period(l[1], l[2], amount, l[5])
    else
      ok, anchor, current, previous, left, reset, wait =
        probe(l[1], l[2], l[3], amount, l[5], 1 + floor((l[6] - 1) * amount / l[4]))
    end
    local better
    if ok then
      better = admitted
        and (i == 1 or left < r_left or (left == r_left and reset > r_reset))
    else
      better = admitted or wait > r_wait
      admitted = false
    end
    if better then
      binding, r_limit, r_left, r_reset, r_wait = i - 1, amount, left, reset, wait
    end
    if keep then
      l[7], l[8], l[9], l[10], l[11] = anchor, current, previous, left, reset
    end
  end
  return admitted, binding, r_limit, r_left, r_reset, r_wait
end

local leases, want, alone, given
if ask then
  leases, want, alone, given = read_leases()
  if alone and not (whole and given) then
    write_leases(leases, 0)
    return 0
  end
end

local admitted, binding, limit, left, reset, wait
local tight, counts, units, lasts, factor, shown = 0, true, 0, 0, full, 0
if alone then
  counts = false
elseif override == 1 then
  admitted, counts = true, false
  local amount = n > 0 and limits[1][4] or 0
  binding, limit, left, reset, wait = n > 0 and from == 0 and passed or 0, amount, amount, 0, 0
elseif override == 2 then
  admitted, counts = false, false
  binding, limit, left, reset, wait = 0, 0, 0, ends - now, ends - now
else
  if override == 3 then
    judged = full
  end
  factor = enforce == 1 and judged or full
  admitted, binding, limit, left, reset, wait = admit(factor, true)
  if enforce == 0 and judged < full and admitted and not admit(judged, false) then
    tight = 1
  end
  if leases and want > 0 and admitted and override == 0 and factor == judged and last > 0 then
    units, lasts = lease_for(want, leases, factor)
    if units > 0 and strategy == 3 then
      binding, limit, left, reset = take_ahead(units, lasts, leases[2], factor)
    elseif units > 0 then
      cost = 1 + units
      admitted, binding, limit, left, reset, wait = admit(factor, true)
    end
  end
  shown = binding + 1
  binding = n > 0 and (binding < from and binding or binding + passed) or 0
  counts = admitted
end

-- A refusal counts nothing, but the client was seen.
local i, first, seen = 0, counts and 7 or 1, alone and last or now
local flags, word = step, ''
if override > 0 then
  flags, word = step + 128, pack('<BI4d', override, fixed, ends)
end
for s = 1, scopes do
  local count, ttl = headers[s][1], headers[s][2]
  if s == 1 or count > 0 and (counts or mended) then
    local value
    if s > 1 then
      value = pack('<H', generation)
    elseif count == 0 and state then
      -- The plan has none of the client's own limits: its cells stay as they are.
      value = pack('<BBHHI4df', flags, ncells, counted, generation, revision, seen, score)
        .. word .. string.sub(state, cells_at, profile_at - 1)
    else
      value = pack('<BBHHI4df', flags, count, signature, generation, revision, seen, score)
        .. word
    end
    for k = i + 1, i + count do
      local l = limits[k]
      value = value .. pack('<dI4I4', l[first], l[first + 1], l[first + 2])
    end
    if s > 1 then
      call('SET', KEYS[s], value, 'EX', ttl)
    else
      if override > 0 then
        ttl = max(ttl, ceil((ends - now) / 1000000))
      end
      call('SET', KEYS[s], value .. (state and string.sub(state, profile_at) or ''), 'EX',
        ttl + ceil(ttl / 8))
    end
  end
  i = i + count
end

if leases then
  write_leases(leases, units, factor)
end
if alone then
  return 1
end
return pack('<BBBBfI4I4ddddB', admitted and 1 or 0, binding, step, tight, score, limit, left, reset,
  wait, now, last == 0 and -1 or now - last, override)
  .. (leases and pack('<I4dI4d', units, lasts, counted_by(counts and limits[shown], limit)) or '')
  .. (damaged and '\1' or '')
