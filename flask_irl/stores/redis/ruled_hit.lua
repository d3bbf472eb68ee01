-- Counts one request of one client as each scope's role says. The twin of ruled.admit_ruled, beside
-- hit.lua, whose keys, first three arguments and answer it has.
--
-- The packed plan has two bytes more behind the steps' factors (what a refused request counts in,
-- and the place of the limit to show, 255 for none), and for each scope its role, its cost (all bits
-- for the request's own), and the number and places of the scopes whose refusals count in it.
local unpack, pack, call, pcall = struct.unpack, struct.pack, redis.call, redis.pcall
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local plan, cost, now = ARGV[1], 1, nil
if ARGV[2] then
  cost, now = tonumber(ARGV[2]), tonumber(ARGV[3])
end
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local asked = cost

local strategy, enforce, steps, scopes, signature, at = unpack('<BBBBH', plan)
-- include slack
-- include client
-- include strategies
-- include calendar
local state, damaged, step, ncells, counted, generation, revision, last, score, override, fixed,
  ends, cells_at = read_client(KEYS[1], pcall('GET', KEYS[1]))
if now >= ends then
  override = 0
end
local profile_at = cells_at + 16 * ncells

local judged = unpack('<d', plan, at + 8 * min(step, steps - 1))
local full = unpack('<d', plan, at)
local counting, shown
counting, shown, at = unpack('<BB', plan, at + 8 * steps)

-- Each limit: cell; amount, window, burst; new cell. As in hit.lua, but with its scope.
local limits, n, mended, passed, first = {}, 0, false, 0, 0
local all = {}
for s = 1, scopes do
  local scope = {s = s, from = n, of = {}}
  local own, places
  scope.count, own, scope.ttl, scope.role, scope.cost, places, at = unpack('<BBI4BI4B', plan, at)
  for _ = 1, places do
    local place
    place, at = unpack('<B', plan, at)
    scope.of[place + 1] = true
  end
  local skips = own == 2 and override ~= 3 or own == 3 and override == 3
  if skips then
    passed, first, at, scope.count = scope.count, n, at + 24 * scope.count, 0
  end
  local count, raw, pos = scope.count, nil, nil
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
  for _ = 1, count do
    n = n + 1
    local l = {0, 0, 0, 0, 0, 0}
    l[4], l[5], l[6], at = unpack('<ddd', plan, at)
    if raw then
      l[1], l[2], l[3], pos = unpack('<dI4I4', raw, pos)
      if l[1] ~= l[1] then
        l[1], l[2], l[3], damaged, mended = 0, 0, 0, true, true
      end
      local anchor = l[5] < 0 and l[1] or settle(l[1], l[4], l[5])
      if anchor ~= l[1] then
        l[1], l[3], mended = anchor, strategy == 3 and 0 or l[3], true
      end
    end
    if l[5] < 0 and into_period(l) and raw then
      mended = true
    end
    if override == 3 and s == 1 then
      l[4], l[6] = fixed, min(l[6], fixed)
    end
    l.scope, limits[n] = scope, l
  end
  all[s] = scope
end

-- Gives the place in the whole plan of a limit, by its place among those that count.
local function place_of(i)
  return i < first and i or i + passed
end

if shown >= first and shown < first + passed then
  shown = 255
end

-- Asks one limit; answers its amount at the factor, and as probe does.
local function ask(l, units, factor)
  cost = units
  local amount = scale(l[4], factor)
  if l.calendar then
    return amount, probe_period(l[1], l[2], amount, l[5])
  end
  return amount, probe(l[1], l[2], l[3], amount, l[5], 1 + floor((l[6] - 1) * amount / l[4]))
end

-- Asks all limits: see ruled.admit_ruled. Keeps the new cells in the limits if keep is true.
local function admit(factor, keep)
  for i = 1, n do
    if limits[i].scope.role == 3 then
      local amount, ok, _, _, _, left, reset, wait = ask(limits[i], 1, full)
      if not ok then
        return false, i - 1, amount, left, reset, wait
      end
    end
  end
  local admitted, binding = true, -1
  local r_limit, r_left, r_reset, r_wait = 0, 0, 0, 0
  local cells, refused = {}, {}
  for i = 1, n do
    local l = limits[i]
    local scope = l.scope
    if scope.role ~= 3 then
      local units = scope.cost == 4294967295 and asked or scope.cost
      local amount, ok, anchor, current, previous, left, reset, wait = ask(l, units, factor)
      if scope.role == 2 and not ok then
        amount, ok, anchor, current, previous, left, reset = ask(l, left, factor)
        if not ok then
          ok, anchor, current, previous = true, l[1], l[2], l[3]
        end
        wait = 0
      end
      local better
      if ok then
        if scope.role == 1 then
          left = left + units
        end
        if shown < 255 then
          better = binding < 0 or place_of(i - 1) == shown
        else
          better = binding < 0 or left < r_left or (left == r_left and reset > r_reset)
        end
        better = better and admitted
        if scope.role ~= 1 then
          cells[i] = {anchor, current, previous}
        end
      else
        better = admitted or wait > r_wait
        admitted, refused[scope.s] = false, true
      end
      if better then
        binding, r_limit, r_left, r_reset, r_wait = i - 1, amount, left, reset, wait
      end
      if not ok and counting == 1 then
        break
      end
    end
  end
  if not admitted then
    if counting == 0 then
      cells = {}
    end
    for i = 1, n do
      local scope = limits[i].scope
      if scope.role == 3 then
        local counts = next(scope.of) == nil
        for s in pairs(refused) do
          counts = counts or scope.of[s]
        end
        if counts then
          local _, _, anchor, current, previous = ask(limits[i], 1, full)
          cells[i] = {anchor, current, previous}
        end
      end
    end
  end
  if keep then
    for i, cell in pairs(cells) do
      limits[i][1], limits[i][2], limits[i][3] = cell[1], cell[2], cell[3]
      limits[i].scope.changed = true
    end
  end
  return admitted, max(binding, 0), r_limit, r_left, r_reset, r_wait
end

local admitted, binding, limit, left, reset, wait
local tight = 0
if override == 1 then
  local amount = n > 0 and limits[1][4] or 0
  admitted, binding, limit, left, reset, wait = true, n > 0 and place_of(0) or 0, amount, amount, 0, 0
elseif override == 2 then
  admitted, binding, limit, left, reset, wait = false, 0, 0, 0, ends - now, ends - now
else
  if override == 3 then
    judged = full
  end
  local looser = enforce == 0 and judged < full
  local tighter = looser and admit(judged, false)
  admitted, binding, limit, left, reset, wait = admit(enforce == 1 and judged or full, true)
  if looser and admitted and not tighter then
    tight = 1
  end
  binding = n > 0 and place_of(binding) or 0
end

local flags, word = step, ''
if override > 0 then
  flags, word = step + 128, pack('<BI4d', override, fixed, ends)
end
for s = 1, scopes do
  local scope = all[s]
  local count, ttl = scope.count, scope.ttl
  if s == 1 or scope.count > 0 and (scope.changed or mended) then
    local value
    if s > 1 then
      value = pack('<H', generation)
    elseif count == 0 and state then
      -- The plan has none of the client's own limits: its cells stay as they are.
      value = pack('<BBHHI4df', flags, ncells, counted, generation, revision, now, score)
        .. word .. string.sub(state, cells_at, profile_at - 1)
    else
      value = pack('<BBHHI4df', flags, count, signature, generation, revision, now, score)
        .. word
    end
    for k = scope.from + 1, scope.from + count do
      value = value .. pack('<dI4I4', limits[k][1], limits[k][2], limits[k][3])
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
end

return pack('<BBBBfI4I4ddddB', admitted and 1 or 0, binding, step, tight, score, limit, left, reset,
  wait, now, last == 0 and -1 or now - last, override) .. (damaged and '\1' or '')
