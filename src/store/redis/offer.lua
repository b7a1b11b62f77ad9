-- offer: a worker brings back what it published, in case the store has lost it.
--
-- The token stands again if the record knows of no publication as late. What has begun since stays
-- as it is: its result will replace the token, or leave it. Idempotent.
--
-- KEYS  1 lock  2 record  3 token
-- ARGV  1 holder
--       2 attempt            that brought the token
--       3 epoch              under which it was published
--       4 token              the bytes
--       5 age                ms since it was asked for
--       6 expires in         ms
--       7 due in             ms
--       8 calls              counted when it was fetched
--       9 calls until        end of the quota's window then, ms
--      10 about              the beginning of the message: the id, and the store
--      11 channel            of the message
--
-- Answers, the store's time in ms in second place:
--   {'restored', now}
--   {'known',    now}        the record knows of this publication, or of a later one
--   {'expired',  now}        its life is over; nothing was written

local record, number = read(KEYS[2], {'begun', 'epoch', 'due_at', 'calls', 'calls_until'})

local epoch, left = tonumber(ARGV[3]), tonumber(ARGV[6])
if epoch <= number('epoch') then return {'known', ms(now)} end
if left <= 0 then return {'expired', ms(now)} end

local due_at = now + tonumber(ARGV[7])
redis.call('SET', KEYS[3], ARGV[4], 'PX', ms(left))
redis.call('HSET', KEYS[2], 'epoch', ms(epoch), 'published_by', ARGV[2],
  'issued_at', ms(now - tonumber(ARGV[5])), 'expires_at', ms(now + left))
redis.call('HDEL', KEYS[2], 'dated')

-- The calls of one window: whoever remembers most is believed.
local calls, calls_until = number('calls'), number('calls_until')
local offered, offered_until = tonumber(ARGV[8]), tonumber(ARGV[9])
if now < offered_until and (calls_until <= now or calls < offered) then
  redis.call('HSET', KEYS[2], 'calls', ARGV[8], 'calls_until', ARGV[9])
end

if number('begun') <= epoch then
  -- Nothing has begun since: all that an older record says beside is about an older token.
  redis.call('HSET', KEYS[2], 'begun', ms(epoch), 'holder', ARGV[1], 'due_at', ms(due_at),
    'failures', '0')
  redis.call('HDEL', KEYS[2], 'lease_until', 'open_until', 'quiet_until', 'closed_until', 'error',
    'error_at', 'refused', 'suspect', 'overlapped', 'late')
  if redis.pcall('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
else
  due_at = number('due_at')
end
tell(ARGV[11], ARGV[10], epoch, now + left, due_at)
return {'restored', ms(now)}
