-- fail: record that an attempt brought no token, and when to try again. The published token stays.
--
-- If the attempt overtook another one that did bring a token, and none was issued to itself, that
-- token is the last one: it is published in place of a failure.
--
-- Idempotent by attempt: an attempt whose result is recorded is not recorded again.
--
-- KEYS  1 lock  2 record  3 token  4 rejected
-- ARGV  1 holder
--       2 attempt
--       3 epoch
--       4 wait               ms until the next try
--       5 closed             ms for which nobody may ask the issuer, or 0
--       6 error              one sentence, without any secret
--       7 suspect            why the published token may be dead, or empty
--       8 quiet period       ms for which nobody calls, because the outcome is unknown, or 0
--       9 refused mark       mark of the settings that the issuer refused for good, or empty
--      10 not sent           1 if no byte of the request was sent: the call is not counted
--      11 about              the beginning of the message: the id, and the store
--      12 channel            of the message, sent if the credential is left to others at once
--
-- Answers, the store's time in ms in second place:
--   {'failed',   now, due_at}
--   {'restored', now, expires_at, due_at}   the token of the overtaken attempt stands
--   {'fenced',   now, epoch}                a later attempt has begun

local record, number = read(KEYS[2], {'begun', 'attempt', 'open_until', 'due_at', 'failures', 'calls', 'refused', 'epoch',
  'expires_at', 'doubted_by', 'published_by', 'late'})

local epoch = tonumber(ARGV[3])
if epoch < number('begun') then
  -- Its call may have been the later one at the issuer: the token that stands may be dead.
  if ARGV[7] ~= '' and record.doubted_by ~= ARGV[2] then
    redis.call('HSET', KEYS[2], 'suspect', ARGV[7], 'overlapped', ms(number('begun')),
      'doubted_by', ARGV[2])
    if now < number('due_at') then redis.call('HSET', KEYS[2], 'due_at', ms(now)) end
    -- Of two overtaken calls nobody knows which was the last.
    if record.open_until then redis.call('HSET', KEYS[2], 'late', 'unknown') end
    tell(ARGV[12], ARGV[11], number('epoch'), number('expires_at'), now)
  end
  return {'fenced', ms(now), ms(number('begun'))}
end
-- An attempt that a store which lost its data forgot is recorded all the same. What is kept there
-- was overtaken by another attempt, whose end is lost, too.
if number('begun') < epoch then
  redis.call('HSET', KEYS[2], 'begun', ms(epoch), 'attempt', ARGV[2])
  record.late = nil
elseif record.attempt ~= ARGV[2] or not record.open_until then
  local restored = number('epoch') == epoch and record.published_by ~= ARGV[2]
  if restored then return {'restored', ms(now), ms(number('expires_at')), ms(number('due_at'))} end
  return {'failed', ms(now), ms(number('due_at'))}
end

if ARGV[10] == '1' then
  redis.call('HSET', KEYS[2], 'calls', ms(math.max(number('calls') - 1, 0)))
end

local late = overtaken(record.late)
if late and ARGV[7] == '' and now < late.expires_at then
  -- Under this attempt's epoch: what is published never goes back.
  local dated = late.dated ~= '0 -' and late.dated or ''
  publish(late.token, late.by, epoch, late.issued_at, late.expires_at, late.due_at, dated)
  redis.call('HDEL', KEYS[2], 'suspect', 'overlapped')
  local closed = tonumber(ARGV[5])
  if 0 < closed then redis.call('HSET', KEYS[2], 'closed_until', ms(now + closed)) end
  unlock()
  tell(ARGV[12], ARGV[11], epoch, late.expires_at, late.due_at)
  return {'restored', ms(now), ms(late.expires_at), ms(late.due_at)}
end

local wait, closed, quiet = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[8])
local due_at = now + math.max(wait, closed, quiet)
redis.call('HSET', KEYS[2], 'due_at', ms(due_at), 'failures', ms(number('failures') + 1),
  'error', ARGV[6], 'error_at', ms(now))
redis.call('HDEL', KEYS[2], 'lease_until', 'open_until', 'quiet_until', 'closed_until', 'late')
if 0 < closed then redis.call('HSET', KEYS[2], 'closed_until', ms(now + closed)) end
if 0 < quiet then redis.call('HSET', KEYS[2], 'quiet_until', ms(now + quiet)) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2], 'suspect', ARGV[7]) end
-- The marks of the settings that were refused: a few, the newest last, so that two workers with
-- different settings do not take each other's for a change.
if ARGV[9] ~= '' then
  local refused = record.refused or ''
  if not string.find(refused, ARGV[9], 1, true) then
    refused = string.sub(refused .. ' ' .. ARGV[9], -71)
  end
  redis.call('HSET', KEYS[2], 'refused', refused)
end

unlock()
if due_at == now then
  tell(ARGV[12], ARGV[11], number('epoch'), number('expires_at'), now)
end
return {'failed', ms(now), ms(due_at)}
