-- prelude: what every script of the store begins with. It is put before each of them.
--
-- Gives `now`, the store's time in ms; `ms`, a number as Redis keeps it; `read`, fields of a
-- record; `FARTHEST`, the last moment that one can hold; `overtaken`, the token that is kept beside
-- it; `was_before`, which of two answers was first; `cooled`, when a refresh may be asked for;
-- `tell`, which sends `changed`.

local function ms(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- No token lives longer than 30 days: what lies further ahead was not written by evertoken.
local FARTHEST = now + 31 * 86400000

-- Anybody may have written it: what is no whole number of a sane length counts as absent. Up to
-- this one, and the next after it, a number is exact.
local function sane(text)
  local number = #text < 17 and tonumber(string.match(text, '^%d+$')) or 0
  return number <= 9000000000000000 and number or 0
end

-- The fields of a record by name, and functions that give one as a number, and as a moment: one
-- that cannot be counts as absent.
local function read(key, names)
  local values = redis.call('HMGET', key, unpack(names))
  local record = {}
  for i, name in ipairs(names) do record[name] = values[i] end
  local function number(name) return sane(record[name] or '') end
  local function moment(name) return number(name) <= FARTHEST and number(name) or 0 end
  return record, number, moment
end

-- The token of an overtaken attempt, kept while its successor is open: by whom, when it was asked
-- for, ends and is due, the date of its answer, and the token. Nil if it is unknown which token is
-- the last one.
local function overtaken(text)
  local by, issued_at, expires_at, due_at, dated, token =
    string.match(text or '', '^(%S+) (%d+) (%d+) (%d+) (%d+ %S+) (%S+)$')
  return token and {by = by, issued_at = sane(issued_at), expires_at = sane(expires_at),
    due_at = sane(due_at), dated = dated, token = token}
end

-- Whether an answer is known to have been given before another: one clock has dated both, and whole
-- seconds tell them apart.
local function was_before(dated, other)
  local seconds, clock = string.match(dated or '', '^(%d+) (%S+)$')
  local other_seconds, other_clock = string.match(other or '', '^(%d+) (%S+)$')
  return clock ~= nil and clock == other_clock and sane(seconds) < sane(other_seconds)
end

-- When the next refresh may be asked for. A last one in the future was not.
local function cooled(asked_at, cool_down)
  return asked_at <= now + cool_down and asked_at + cool_down or 0
end

-- The message that a token or its due time has changed. What it is `about` is a JSON object that is
-- not ended yet.
local function tell(channel, about, epoch, expires_at, due_at)
  redis.call('PUBLISH', channel, about .. ',"epoch":' .. ms(epoch) ..
    ',"expires_at":' .. ms(expires_at) .. ',"due_at":' .. ms(due_at) .. '}')
end
