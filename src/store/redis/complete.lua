-- complete: publish the token that an attempt brought.
--
-- Publishes token and record in one step if no later epoch has begun. Owning the lock is not the
-- condition: a worker that overslept its lease, with nobody having begun since, holds the only live
-- token. Idempotent by attempt.
--
-- KEYS  1 lock  2 record  3 token  4 rejected
-- ARGV  1 holder
--       2 attempt
--       3 epoch
--       4 token              the bytes
--       5 expires_at         ms, reckoned from before the request was sent
--       6 due_at             ms
--       7 issues anew        1 if a call retires the published token, else 0
--       8 late               1 if the answer came after the lease had ended, else 0
--       9 id                 for the message
--      10 channel            of the message
--      11 issued_at          ms, from before the request was sent
--
-- Answers, the store's time in ms in second place:
--   {'published', now, expires_at, due_at}   a new token stands; also the answer to a second asking
--   {'repeated',  now, expires_at, due_at}   the issuer gave the token that stood already
--   {'fenced',    now, epoch, suspect}       a later attempt has begun; suspect is 1 if the order
--                                            of the two calls is in doubt
--   {'expired',   now}                       its life is over already; nothing was written

local record, number = read(KEYS[2], {'begun', 'epoch', 'published_by', 'expires_at', 'due_at', 'overlapped', 'doubted_by'})

local epoch, expires_at, due_at = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local current = redis.call('GET', KEYS[3])

if epoch < number('begun') then
  -- The epoch orders grants, not what the issuer did. If this answer came late, its call may have
  -- been the later one at the issuer, and the token that stands may be dead.
  local doubtful = ARGV[7] == '1' and ARGV[8] == '1' and current ~= ARGV[4]
  if doubtful and record.doubted_by ~= ARGV[2] then
    redis.call('HSET', KEYS[2], 'suspect', 'two calls to the issuer overlapped',
      'overlapped', ms(number('begun')), 'doubted_by', ARGV[2])
    if now < number('due_at') then redis.call('HSET', KEYS[2], 'due_at', ms(now)) end
    tell(ARGV[10], ARGV[9], number('epoch'), number('expires_at'), now)
  end
  return {'fenced', ms(now), ms(number('begun')), doubtful and '1' or '0'}
end

if number('epoch') == epoch and record.published_by == ARGV[2] then
  return {'published', ms(now), ms(number('expires_at')), ms(number('due_at'))}
end
if expires_at <= now then return {'expired', ms(now)} end

local repeated = current == ARGV[4]
-- The same token never gets a shorter life than was published for it.
if repeated then expires_at = math.max(expires_at, number('expires_at')) end
-- A doubt that arose during this very call is not settled by it: one more call is due at once.
local doubtful = number('overlapped') == epoch
if doubtful then due_at = now end

redis.call('SET', KEYS[3], ARGV[4], 'PX', ms(expires_at - now))
redis.call('HSET', KEYS[2], 'begun', ms(epoch), 'epoch', ms(epoch), 'published_by', ARGV[2],
  'holder', ARGV[1], 'issued_at', ARGV[11], 'expires_at', ms(expires_at),
  'due_at', ms(due_at), 'failures', '0')
redis.call('HDEL', KEYS[2], 'lease_until', 'open_until', 'quiet_until', 'closed_until', 'error',
  'error_at', 'refused')
if not doubtful then redis.call('HDEL', KEYS[2], 'suspect', 'overlapped') end

-- A report about the token that was replaced, or that the issuer stands by, has been dealt with.
-- One of another type is no reason to keep a token from being published: begin says what is wrong.
local rejected = redis.pcall('GET', KEYS[4])
if rejected and (rejected == current or rejected == ARGV[4]) then redis.call('DEL', KEYS[4]) end

-- A lock of another type was not set by evertoken, and is left alone.
if redis.pcall('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
tell(ARGV[10], ARGV[9], epoch, expires_at, due_at)
return {repeated and 'repeated' or 'published', ms(now), ms(expires_at), ms(due_at)}
