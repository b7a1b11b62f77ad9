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

local _, number = read(KEYS[1], {'asked_at'})
local cooled_at = number('asked_at') + tonumber(ARGV[1])
if now < cooled_at then return {'cooling', ms(now), ms(cooled_at - now)} end

redis.call('HSET', KEYS[1], 'forced', '1')
redis.call('PUBLISH', ARGV[3], ARGV[2])
return {'asked', ms(now)}
