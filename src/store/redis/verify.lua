-- verify: may the asker have the issuer verify the published token now? One of a fleet may, once in a
-- period.
--
-- The period runs from the last publication, or from the last time that this was granted. Nothing is
-- verified while an attempt is open, the token may be dead, or a refresh is due before an answer: the
-- refresh tells the same. If the answer is lost, the token goes unverified for one period.
--
-- KEYS  1 record  2 token
-- ARGV  1 period             ms
--       2 takes              ms that the issuer may take to answer
--
-- Answers, the store's time in ms in second place:
--   {'yours',      now, token}
--   {'not_before', now, at}     ask again then

local record, number, moment = read(KEYS[1], {'verified_at', 'issued_at', 'due_at', 'open_until', 'suspect'})
local period, takes = tonumber(ARGV[1]), tonumber(ARGV[2])

local token = redis.call('GET', KEYS[2])
if not token then return {'not_before', ms(now), ms(now + period)} end
if record.open_until or record.suspect or moment('due_at') <= now + takes then
  return {'not_before', ms(now), ms(now + math.min(period, takes))}
end
-- A moment that lies ahead was not written by this clock, and counts as none.
local last = 0
for _, name in ipairs({'verified_at', 'issued_at'}) do
  if number(name) <= now then last = math.max(last, number(name)) end
end
if now < last + period then return {'not_before', ms(now), ms(last + period)} end

redis.call('HSET', KEYS[1], 'verified_at', ms(now))
return {'yours', ms(now), token}
