-- What wrk prints at its end, for a program to read.
function done(summary, latency)
   local errors = summary.errors
   print(string.format("outcome %d %d %d %d %d %d", summary.requests, summary.bytes, summary.duration,
      latency:percentile(50), latency:percentile(99),
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
