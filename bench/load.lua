-- wrk's script: sends prepared requests in turn, checks every status, and the body of every 20th answer.
--   wrk -s load.lua URL -- FILE STATUS TEXT
-- FILE has a request a line: method, path, Cart-Token, Authorization and body, split by tabs. A body must hold TEXT.
-- The last line of its output is the outcome as JSON.

local worker

function setup(thread)
  worker = thread
end

function init(args)
  local file, unpack_line = args[1], "^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$"
  status_wanted, text = tonumber(args[2]), args[3]
  requests, turn, answers, checked, wrong, example = {}, 0, 0, 0, 0, ""
  for line in io.lines(file) do
    local method, path, token, authorization, body = line:match(unpack_line)
    local headers = {["Host"] = "127.0.0.1"}
    if token ~= "" then headers["Cart-Token"] = token end
    if authorization ~= "" then headers["Authorization"] = authorization end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, headers, body)
  answers = answers + 1
  local good = status == status_wanted
  if good and answers % 20 == 1 then
    checked = checked + 1
    good = body:find(text, 1, true) ~= nil and body:sub(-1) == "}"
  end
  if not good then
    wrong = wrong + 1
    if example == "" then example = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
  end
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format(
    '\n{"answers": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "checked": %d, "wrong": %d, "lost": %d, "example": "%s"}',
    worker:get("answers"), summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    worker:get("checked"), worker:get("wrong"), lost, worker:get("example")))
end
