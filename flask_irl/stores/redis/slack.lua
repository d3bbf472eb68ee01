-- Gives the tolerance in µs for clocks that tick in whole ones: see gcra.slack.
local function slack(burst, window)
  return 1 + burst * window / 9007199254740992
end
