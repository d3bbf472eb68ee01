-- Reads a client's state. Included by the scripts that need it.
--
-- The state is a head (step, number of cells, signature, generation, revision, last seen, score),
-- an override if 128 is added to the step, the cells, and the profile. No state is as long as 64 KiB.

-- Takes an answer of pcall('GET', key) that can't be read. Answers true if there is a value, be it
-- of another type, and false if there is none. Any other error is raised.
local function is_damaged(key, answer)
  if type(answer) == 'table' and not string.find(answer.err, 'WRONGTYPE', 1, true) then
    redis.call('GET', key)
  end
  return answer ~= false
end

-- Takes the answer of pcall('GET', key). Answers the state, or false if there is none that can be
-- read; whether it is damaged; the fields of the head, the step without the 128; the override's
-- kind (0 for none), amount and end; and the place of the first cell. The twin of decode_state.
-- (An error is a table of length 0.)
local function read_client(key, answer)
  if answer and #answer >= 22 and #answer <= 65536 then
    local step, ncells, signature, generation, revision, last, score, at =
      struct.unpack('<BBHHI4df', answer)
    local kind, amount, ends = 0, 0, 0
    local sound = last >= 0 and last <= 9007199254740992 and score - score == 0
    if step >= 128 then
      step = step - 128
      if #answer >= 35 then
        kind, amount, ends, at = struct.unpack('<BI4d', answer, at)
      end
      sound = sound and ends >= 0 and ends <= 9007199254740992
        and ((kind == 1 or kind == 2) and amount == 0
          or kind == 3 and amount >= 1 and amount <= 2147483647)
    end
    if sound and #answer >= at - 1 + 16 * ncells then
      return answer, false, step, ncells, signature, generation, revision, last, score,
        kind, amount, ends, at
    end
  end
  return false, is_damaged(key, answer), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1
end

