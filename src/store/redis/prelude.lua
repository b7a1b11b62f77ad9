-- prelude: what every script of the store begins with. It is put before each of them.
--
-- Gives `now`, the store's time in ms; `ms`, a number as Redis keeps it; `read`, fields of a
-- record; `tell`, which sends `changed`.

local function ms(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- The fields of a record by name, and a function that gives one as a number. Anybody may have
-- written there: what is no whole number of a sane length counts as absent.
local function read(key, names)
  local values = redis.call('HMGET', key, unpack(names))
  local record = {}
  for i, name in ipairs(names) do record[name] = values[i] end
  local function number(name)
    local text = record[name] or ''
    return #text < 17 and tonumber(string.match(text, '^%d+$')) or 0
  end
  return record, number
end

-- The message that a token or its due time has changed.
local function tell(channel, id, epoch, expires_at, due_at)
  redis.call('PUBLISH', channel, '{"id":"' .. id .. '","epoch":' .. ms(epoch) ..
    ',"expires_at":' .. ms(expires_at) .. ',"due_at":' .. ms(due_at) .. '}')
end
