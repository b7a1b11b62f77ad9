-- release: give back a lease whose request was never sent, at shutdown or when too little of the
-- lease was left. The credential is due at once, the call is not counted, and the others are told.
--
-- KEYS  1 lock  2 record
-- ARGV  1 holder
--       2 attempt
--       3 about              the beginning of the message: the id, and the store
--       4 channel            of the message
--       5 tell               1 if the others are to be told, else 0
--
-- Answers, the store's time in ms in second place:
--   {'released', now}
--   {'fenced',   now}        it is not this attempt's to give back

local record, number = read(KEYS[2], {'attempt', 'open_until', 'reason', 'calls', 'epoch', 'expires_at'})

if record.attempt ~= ARGV[2] or not record.open_until then return {'fenced', ms(now)} end

redis.call('HDEL', KEYS[2], 'lease_until', 'open_until')
redis.call('HSET', KEYS[2], 'due_at', ms(now), 'calls', ms(math.max(number('calls') - 1, 0)))
-- A lock of another type was not set by evertoken, and is left alone.
if redis.pcall('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
if ARGV[5] == '1' then
  tell(ARGV[4], ARGV[3], number('epoch'), number('expires_at'), now)
end
return {'released', ms(now)}
