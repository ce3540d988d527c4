-- Sends what tests/bench/generators.py wrote into a file, and reports one line of JSON.
-- The file: "METHOD /path" lines, header lines, an empty line, then one body a line (none for a GET).
local threads = {}
local requests = {}
local at = 0
sent = 0

function setup(thread)
   thread:set("number", #threads)
   table.insert(threads, thread)
end

function init(args)
   local paths, headers, in_head = {}, {}, true
   for line in io.lines(args[1]) do
      if in_head then
         local name, value = line:match("^([%w-]+): (.*)$")
         local method, path = line:match("^(%u+) (/.*)$")
         if path then
            wrk.method = method
            table.insert(paths, path)
         elseif name then
            headers[name] = value
         else
            in_head = false
         end
      else
         table.insert(requests, wrk.format(nil, paths[#requests % #paths + 1], headers, line))
      end
   end
   if #requests == 0 then
      for _, path in ipairs(paths) do
         table.insert(requests, wrk.format(nil, path, headers))
      end
   end
   at = math.floor(#requests / 2) * number
end

function request()
   sent = sent + 1
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency, _)
   local all = 0
   for _, thread in ipairs(threads) do
      all = all + thread:get("sent")
   end
   local errors = summary.errors
   io.write(string.format(
      '{"microseconds":%d,"requests":%d,"p50":%d,"p95":%d,"p99":%d,"max":%d,"sent":%d,"refused":%d,"broken":%d}\n',
      summary.duration, summary.requests, latency:percentile(50), latency:percentile(95), latency:percentile(99),
      latency.max, all, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
