-- Make wrk's requests, each from the next client. Arguments: the header that names the client of a
-- request, the prefix of clients' names, the number of clients. Print the figures as JSON.

local requests = {}
local last = 0

function init(args)
  for number = 1, tonumber(args[3]) do
    requests[number] = wrk.format("GET", nil, { [args[1]] = args[2] .. number })
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "refused": %d, "failed": %d, "seconds": %f, "p50_us": %f, "p99_us": %f}\n',
    summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
