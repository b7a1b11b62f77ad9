-- begin: ask for the lease of one credential, under which one call to its issuer may be made.
--
-- Grants only if no lease is alive, no attempt is inside its quiet period, there is a reason, and
-- quota is left. In one step it takes the lock, raises the epoch, counts the call and opens the
-- attempt. Idempotent by attempt: the same attempt gets the same grant again while its lease lives.
--
-- KEYS  1 lock  2 record  3 token  4 rejected
-- ARGV  1 holder             uuid of the asking process
--       2 attempt            uuid of the call to be made
--       3 lease              ms
--       4 quiet period       ms after the lease in which nobody calls, if no result is recorded
--       5 daily quota        calls
--       6 quota day offset   ms that the issuer's day is ahead of UTC
--       7 cool-down          ms between two refreshes that were asked for (rejected, forced)
--       8 settings mark      changes when the credential's settings change
--       9 issues anew        1 if a call retires the published token, else 0
--      10 heard              epoch of the latest publication that the asker knows of, or 0
--      11 waited             1 if the asker knows of a loss of data, and has waited since, else 0
--      12 asks a day         refreshes that may be asked for (rejected, forced) in the issuer's day
--
-- Answers, the store's time in ms in second place:
--   {'granted',   now, epoch, reason, granted_at, failures, calls, calls_until}
--   {'lost',      now}       the record knows of no publication as late as the one heard of: the
--                            store lost data; nothing was changed
--   {'held',      now, ms until the lease ends, epoch}
--   {'quiet',     now, ms until the quiet period ends}
--   {'not_due',   now, due_at}
--   {'uncured',   now, due_at}   the same, told once: the token that a refresh on request brought is
--                                reported as dead, too
--   {'spent',     now, due_at}   the same, told once: it is reported as dead, and the asks of this
--                                day are used up
--   {'exhausted', now, until}

local SPENT = "applications report it as dead, and today's refreshes on request are used up"

local record, number, moment = read(KEYS[2], {'begun', 'attempt', 'reason', 'granted_at', 'open_until', 'quiet_until', 'due_at',
  'closed_until', 'failures', 'forced', 'asked_at', 'refused', 'suspect', 'calls', 'calls_until',
  'expires_at', 'asks', 'epoch', 'on_request', 'lease_until'})

-- The clock was set back, or a replica's is behind: what ends in the future would never end. The
-- epochs go on, but nothing lasts longer than if it began now, and the token may be dead.
local lasts, day = tonumber(ARGV[3]) + tonumber(ARGV[4]), 86400000
local function limit(name, most)
  if most < number(name) then
    record[name] = ms(most)
    redis.call('HSET', KEYS[2], name, record[name])
  end
end
if now + 5000 < number('granted_at') then
  for _, name in ipairs({'lease_until', 'open_until', 'quiet_until'}) do limit(name, now + lasts) end
  for _, name in ipairs({'closed_until', 'calls_until'}) do limit(name, now + day) end
  for _, name in ipairs({'granted_at', 'due_at'}) do limit(name, now) end
  if tonumber(ARGV[3]) < redis.call('PTTL', KEYS[1]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
  record.suspect = 'the clock of the store was set back'
  redis.call('HSET', KEYS[2], 'suspect', record.suspect)
  redis.call('HDEL', KEYS[2], 'late')
end

-- A lease is alive: ours, if its reply was lost, or another's.
local lease = redis.call('GET', KEYS[1])
if lease == ARGV[1] .. ' ' .. ARGV[2] then
  return {'granted', ms(now), ms(number('begun')), record.reason or 'due',
    ms(number('granted_at')), ms(number('failures')), ms(number('calls')),
    ms(number('calls_until'))}
end
-- A failover or a restart may have brought back an older record, or none. What was in flight then
-- may be forgotten here, so whoever has not waited for it is not granted a call beside it.
local lost = number('epoch') < tonumber(ARGV[10])
if lost and ARGV[11] ~= '1' then return {'lost', ms(now)} end
if lease then
  local left = redis.call('PTTL', KEYS[1])
  -- A lock without TTL was not set by evertoken; somebody has to remove it.
  if left < 0 then left = 1000 end
  return {'held', ms(now), ms(left), ms(number('begun'))}
end

local quiet_until = math.max(moment('open_until'), moment('quiet_until'))
if now < quiet_until then return {'quiet', ms(now), ms(quiet_until - now)} end

-- The issuer's day: what was used of it, and when it ends.
local calls, asks, calls_until = number('calls'), number('asks'), number('calls_until')
if calls_until <= now or now + day < calls_until then
  calls, asks = 0, 0
  calls_until = (math.floor((now + tonumber(ARGV[6])) / day) + 1) * day - tonumber(ARGV[6])
end

-- Is there a reason?
local token = redis.call('GET', KEYS[3])
local abandoned = record.open_until
-- Applications write this key: one of another type is no report.
local rejected = token and redis.pcall('GET', KEYS[4]) == token
-- If nothing that is known here explains it, somebody else may have killed the token.
if rejected and not (record.suspect or abandoned or lost) then
  redis.call('HSET', KEYS[2], 'accused', ms(number('epoch')))
end
-- The wait after a failure is not cut short by reports: they would hammer an issuer that refuses.
local reported = rejected and number('failures') == 0
local cooled_at = cooled(number('asked_at'), tonumber(ARGV[7]))
local spent = tonumber(ARGV[12]) <= asks
-- When the next refresh that is asked for may begin.
local heard_at = spent and math.max(cooled_at, calls_until) or cooled_at
local due_at = moment('due_at')
local mended = record.refused and not string.find(record.refused, ARGV[8], 1, true)
local reason
if mended then reason = 'settings_changed'
elseif lost and number('failures') == 0 then reason = 'lost'
elseif reported and heard_at <= now then reason = 'rejected'
elseif record.forced and heard_at <= now then reason = 'requested'
elseif due_at <= now then
  if abandoned then reason = 'abandoned'
  elseif not token then reason = 'missing'
  elseif record.suspect then reason = 'suspect'
  else reason = 'due' end
elseif not token and number('failures') == 0 then reason = 'missing'
end
if not reason then
  if reported or record.forced then due_at = math.min(due_at, heard_at) end
  local answer = 'not_due'
  if reported and now < cooled_at and record.on_request and record.on_request == record.epoch then
    answer = 'uncured'
    redis.call('HDEL', KEYS[2], 'on_request')
    redis.call('HSET', KEYS[2], 'suspect', 'a refresh on request did not cure it: the new token is ' ..
      'reported as dead, too (was the secret reset? is the IP list right? does another system ' ..
      'refresh this account? does the application use the token of another account?)')
  elseif reported and spent and record.suspect ~= SPENT then
    answer = 'spent'
    redis.call('HSET', KEYS[2], 'suspect', SPENT)
  end
  return {answer, ms(now), ms(due_at)}
end

-- May the issuer be asked?
local closed_until = moment('closed_until')
if now < closed_until then return {'exhausted', ms(now), ms(closed_until)} end
local quota = tonumber(ARGV[5])
-- The last tenth is kept for tokens that are gone, may be dead, or end before two takeovers would.
local last_moment = math.min(number('expires_at'), FARTHEST) - 2 * (tonumber(ARGV[3]) + tonumber(ARGV[4]))
local urgent = not token or record.suspect or abandoned or rejected or lost or last_moment <= now
if not urgent then quota = quota - math.floor(quota / 10) end
if quota <= calls then
  local until_ms = calls_until
  if not urgent then until_ms = math.min(until_ms, last_moment) end
  return {'exhausted', ms(now), ms(until_ms)}
end

-- Granted. Of a window that was lost, nobody knows the count: only the kept tenth is left of it.
if lost then calls = math.max(calls, quota - math.floor(quota / 10)) end
local epoch = math.max(number('begun') + 1, tonumber(ARGV[10]) + 1, now)
local open_until = now + tonumber(ARGV[3]) + tonumber(ARGV[4])
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'NX', 'PX', ARGV[3])
redis.call('HSET', KEYS[2], 'begun', ms(epoch), 'attempt', ARGV[2], 'holder', ARGV[1],
  'reason', reason, 'granted_at', ms(now), 'lease_until', ms(now + tonumber(ARGV[3])), 'open_until', ms(open_until),
  'due_at', ms(open_until),
  'calls', ms(calls + 1), 'calls_until', ms(calls_until))
-- Changed settings are tried at once, but once: after that, due times hold for them, too.
if reason == 'settings_changed' then
  redis.call('HSET', KEYS[2], 'refused', string.sub(record.refused .. ' ' .. ARGV[8], -71))
end
-- Whatever its reason, it is the refresh that was wished for.
redis.call('HDEL', KEYS[2], 'forced')
if reason == 'rejected' or reason == 'requested' then
  asks = asks + 1
  redis.call('HSET', KEYS[2], 'asked_at', ms(now))
end
redis.call('HSET', KEYS[2], 'asks', ms(asks))
if rejected then redis.call('HSET', KEYS[2], 'suspect', 'an application reported it as dead') end
-- Nobody knows what was issued to a lost attempt: the token of one that it overtook is of no use.
if abandoned then redis.call('HDEL', KEYS[2], 'late') end
if abandoned and ARGV[9] == '1' then
  redis.call('HSET', KEYS[2], 'suspect', 'a worker was lost while it called the issuer')
end
if lost then redis.call('HSET', KEYS[2], 'suspect', 'the store lost a later token') end
return {'granted', ms(now), ms(epoch), reason, ms(now), ms(number('failures')), ms(calls + 1),
  ms(calls_until)}
