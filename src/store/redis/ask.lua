-- ask: an operator asks for a refresh now. The wish stands in the record; workers are woken.
--
-- KEYS  1 record
-- ARGV  1 cool-down          ms between two refreshes that were asked for
--       2 asks a day         refreshes that may be asked for in the issuer's day
--       3 id                 for the message
--       4 channel            of the message
--
-- Answers, the store's time in ms in second place:
--   {'asked',   now}
--   {'cooling', now, ms until the next one may be asked for}
--   {'spent',   now, until}   those of this day are used up

local _, number, moment = read(KEYS[1], {'asked_at', 'asks', 'calls_until'})
local calls_until = moment('calls_until')
if now < calls_until and tonumber(ARGV[2]) <= number('asks') then
  return {'spent', ms(now), ms(calls_until)}
end
local cooled_at = cooled(number('asked_at'), tonumber(ARGV[1]))
if now < cooled_at then return {'cooling', ms(now), ms(cooled_at - now)} end

redis.call('HSET', KEYS[1], 'forced', '1')
redis.call('PUBLISH', ARGV[4], ARGV[3])
return {'asked', ms(now)}
