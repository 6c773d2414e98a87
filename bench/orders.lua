-- wrk script: POSTs orders, every second one with an Idempotency-Key of its own.
-- Arguments: file with one order per line, token of this run, orders per request (0: the single endpoint), and the
-- API key, if callers need one.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread_number", threads)
end

function init(arguments)
  token = arguments[2] .. "-" .. thread_number .. "-"
  per_request = tonumber(arguments[3])
  orders = {}
  for line in io.lines(arguments[1]) do
    orders[#orders + 1] = line
  end
  sent = 0
  local common = "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\nContent-Type: application/json\r\n"
  if arguments[4] then
    common = common .. "Authorization: Bearer " .. arguments[4] .. "\r\n"
  end
  single_head = "POST /api/orders HTTP/1.1\r\n" .. common
  batch_head = "POST /api/orders/batch HTTP/1.1\r\n" .. common
end

local function single()
  sent = sent + 1
  local body = orders[sent % #orders + 1]
  local key = ""
  if sent % 2 == 0 then
    key = "Idempotency-Key: " .. token .. sent .. "\r\n"
  end
  return single_head .. key .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local function batch()
  local parts = {}
  for i = 1, per_request do
    sent = sent + 1
    local body = orders[sent % #orders + 1]
    if sent % 2 == 0 then
      body = '{"idempotencyKey":"' .. token .. sent .. '",' .. body:sub(2)
    end
    parts[i] = body
  end
  local body = '{"orders":[' .. table.concat(parts, ",") .. "]}"
  return batch_head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

function request()
  if per_request > 0 then
    return batch()
  end
  return single()
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
