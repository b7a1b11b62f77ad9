-- complete: publish the token that an attempt brought.
--
-- Publishes token and record in one step if no later epoch has begun. Owning the lock is not the
-- condition: a worker that overslept its lease, with nobody having begun since, holds the only live
-- token. If a later attempt is open, the token is kept beside the record: `fail` publishes it if
-- nothing was issued to that attempt. Idempotent by attempt.
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
--       9 about              the beginning of the message: the id, and the store
--      10 channel            of the message
--      11 issued_at          ms, from before the request was sent
--      12 lease's end        ms
--      13 dated              seconds by the clock that dated the answer, a blank, and which clock;
--                            or empty
--
-- Answers, the store's time in ms in second place:
--   {'published', now, expires_at, due_at}   a new token stands; also the answer to a second asking
--   {'replaced',  now, expires_at, due_at, early}   the same, and the token before it had died before
--                                            its end, as the early-th of the issuer's day
--   {'repeated',  now, expires_at, due_at}   the issuer gave the token that stood already
--   {'fenced',    now, epoch, suspect}       a later attempt has begun; suspect is 1 if the order
--                                            of the two calls is in doubt
--   {'expired',   now}                       its life is over already; nothing was written

local record, number, moment = read(KEYS[2], {'begun', 'epoch', 'published_by', 'expires_at', 'due_at', 'overlapped', 'doubted_by',
  'granted_at', 'open_until', 'late', 'dated', 'reason', 'accused', 'early', 'early_until',
  'calls_until'})

local epoch, expires_at, due_at = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local issued_at, dated = tonumber(ARGV[11]), ARGV[13]
-- The clock was set back since the grant: no life begins after its publication.
local ahead = math.max(issued_at - now, 0)
issued_at, expires_at, due_at = issued_at - ahead, expires_at - ahead, due_at - ahead
local current = redis.call('GET', KEYS[3])
local late = overtaken(record.late)

if epoch < number('begun') then
  -- The epoch orders grants, not what the issuer did. If this answer came late, or the store had lost
  -- the lease, its call may have been the later one at the issuer, and the token that stands may be
  -- dead. The dates of the two answers may tell.
  local overlaps = ARGV[8] == '1' or number('granted_at') < tonumber(ARGV[12])
  local was_first = epoch < number('epoch') and was_before(dated, record.dated)
  local doubtful = ARGV[7] == '1' and overlaps and not was_first and current ~= ARGV[4]
  local is_newer = number('epoch') < epoch and current ~= ARGV[4]
  if record.open_until and (doubtful or is_newer) then
    -- Of two overtaken calls nobody knows which was the last.
    local is_alone = not record.late or late and late.by == ARGV[2]
    local kept = 'unknown'
    if is_newer and is_alone and now < expires_at then
      kept = table.concat({ARGV[2], ms(issued_at), ms(expires_at), ms(due_at),
        dated ~= '' and dated or '0 -', ARGV[4]}, ' ')
    end
    redis.call('HSET', KEYS[2], 'late', kept)
  end
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
if repeated then expires_at = math.max(expires_at, math.min(number('expires_at'), FARTHEST)) end
-- A doubt that arose during this very call is not settled by it, unless the dates tell that its
-- answer is the later one: one more call is due at once.
local settled = late and was_before(late.dated, dated)
local doubtful = number('overlapped') == epoch and not settled
if doubtful then due_at = now end

publish(ARGV[4], ARGV[2], epoch, issued_at, expires_at, due_at, dated)
if not doubtful then redis.call('HDEL', KEYS[2], 'suspect', 'overlapped') end
-- If this token is reported as dead, too, a refresh on request was no cure.
local on_request = record.reason == 'rejected' or record.reason == 'requested'
if on_request and not repeated then redis.call('HSET', KEYS[2], 'on_request', ms(epoch)) end
unlock()
tell(ARGV[10], ARGV[9], epoch, expires_at, due_at)

-- A token has died early if it was accused, and the issuer gave another one within its life.
local accused = number('accused')
if current and not repeated and 0 < accused and accused == number('epoch') then
  local early = (now < moment('early_until') and number('early') or 0) + 1
  redis.call('HSET', KEYS[2], 'early', ms(early), 'early_until', ms(number('calls_until')))
  return {'replaced', ms(now), ms(expires_at), ms(due_at), ms(early)}
end
return {repeated and 'repeated' or 'published', ms(now), ms(expires_at), ms(due_at)}
