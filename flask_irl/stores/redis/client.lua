-- Reads a client's state. Included by the scripts that need it.
--
-- The state is a head (step, number of cells, signature, generation, revision, last seen, score),
-- an override if 128 is added to the step, the cells, and the profile.

-- Takes the answer of pcall('GET', key). Answers the text, or false if there is none, and whether
-- the key holds another type. Any other error is raised.
local function text_of(key, answer)
  if type(answer) ~= 'table' then
    return answer, false
  end
  if not string.find(answer.err, 'WRONGTYPE', 1, true) then
    redis.call('GET', key)
  end
  return false, true
end

-- Takes the answer of pcall('GET', key). Answers the state, or false if there is none that can be
-- read; whether it is damaged; the fields of the head, the step without the 128; the override's
-- kind (0 for none), amount and end; and the place of the first cell. The twin of decode_state.
local function read_client(key, answer)
  local state, damaged = text_of(key, answer)
  if state and #state >= 22 then
    local step, ncells, signature, generation, revision, last, score, at =
      struct.unpack('<BBHHI4df', state)
    local kind, amount, ends = 0, 0, 0
    local sound = last >= 0 and last <= 9007199254740992 and score - score == 0
    if step >= 128 then
      step = step - 128
      if #state >= 35 then
        kind, amount, ends, at = struct.unpack('<BI4d', state, at)
      end
      sound = sound and ends >= 0 and ends <= 9007199254740992
        and ((kind == 1 or kind == 2) and amount == 0
          or kind == 3 and amount >= 1 and amount <= 2147483647)
    end
    if sound and #state >= at - 1 + 16 * ncells then
      return state, false, step, ncells, signature, generation, revision, last, score,
        kind, amount, ends, at
    end
  end
  return false, damaged or state ~= false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
end

