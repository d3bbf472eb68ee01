-- wrk's requests: each from the next of so many clients. Arguments: the header that says who a
-- request is from, what clients' names begin with, how many there are. Prints its figures as JSON.

local made = {}
local last = 0

function init(args)
  for number = 1, tonumber(args[3]) do
    made[number] = wrk.format("GET", nil, { [args[1]] = args[2] .. number })
  end
end

function request()
  last = last % #made + 1
  return made[last]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "refused": %d, "failed": %d, "seconds": %f, "p50_us": %f, "p99_us": %f}\n',
    summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
