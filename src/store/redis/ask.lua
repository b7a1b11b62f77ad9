-- ask: an operator asks for a refresh now. The wish stands in the record; workers are woken.
--
-- KEYS  1 record
-- ARGV  1 cool-down          ms between two refreshes that were asked for
--       2 id                 for the message
--       3 channel            of the message
--
-- Answers, the store's time in ms in second place:
--   {'asked',   now}
--   {'cooling', now, ms until the next one may be asked for}

local function ms(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- What is no whole number of a sane length counts as absent.
local text = redis.call('HGET', KEYS[1], 'asked_at') or ''
local asked_at = #text < 17 and tonumber(string.match(text, '^%d+$')) or 0
local cooled_at = asked_at + tonumber(ARGV[1])
if now < cooled_at then return {'cooling', ms(now), ms(cooled_at - now)} end

redis.call('HSET', KEYS[1], 'forced', '1')
redis.call('PUBLISH', ARGV[3], ARGV[2])
return {'asked', ms(now)}
