-- wrk's script: sends prepared requests in turn, checks every status, and the body of every 20th answer.
--   wrk -s load.lua URL -- FILE TEXT ONCE SECONDS
-- FILE has a request a line: method, path, Cart-Token, Authorization and body, split by tabs. A body must hold TEXT.
-- ONCE, if it is "once": ends as soon as there are as many answers as requests; the last may be sent more than once.
-- SECONDS: ends then, if that is before wrk's own time, which is whole seconds.
-- The last line of its output is the outcome as JSON.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local now, worker = ffi.new("moment"), nil

local function seconds()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

function setup(thread)
  worker = thread
end

function init(args)
  local file, unpack_line = args[1], "^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$"
  text, once = args[2], args[3] == "once"
  longest = tonumber(args[4])
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
  began = began or seconds()
  if turn < #requests then turn = turn + 1 elseif not once then turn = 1 end
  return requests[turn]
end

function response(status, headers, body)
  answers = answers + 1
  ended = seconds()
  local good = status == 200
  if good and answers % 20 == 1 then
    checked = checked + 1
    good = body:find(text, 1, true) ~= nil and body:sub(-1) == "}"
  end
  if not good then
    wrong = wrong + 1
    if example == "" then example = status .. " " .. body:sub(1, 300):gsub('[%c"\\]', " ") end
  end
  if once and answers == #requests or ended - began >= longest then
    tell(0)
    -- wrk would sleep until its own time is up.
    os.exit(0)
  end
end

function tell(lost)
  local form = '\n{"answers": %d, "seconds": %.6f, "checked": %d, "wrong": %d, "lost": %d, "example": "%s"}\n'
  io.write(string.format(form, answers, answers > 0 and ended - began or 0, checked, wrong, lost, example))
  io.flush()
end

function done(summary)
  local errors = summary.errors
  for _, name in ipairs({"answers", "checked", "wrong", "example", "began", "ended"}) do
    _G[name] = worker:get(name)
  end
  tell(errors.connect + errors.read + errors.write + errors.timeout)
end
