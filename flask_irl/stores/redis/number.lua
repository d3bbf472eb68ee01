-- Reads a whole number of at most 15 digits; nil for anything else. The twin of parse_whole.
local function whole(value)
  if type(value) == 'string' and #value <= 15 and string.find(value, '^%d+$') then
    return tonumber(value)
  end
  return nil
end

