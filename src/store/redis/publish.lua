-- publish: how complete, and fail with the token of an overtaken attempt, publish. It stands between
-- the prelude and those two, which have the same KEYS, and holder and attempt as their first ARGV.

-- Writes a token and what the record says of it. What went wrong before is forgotten.
local function publish(token, by, epoch, issued_at, expires_at, due_at, dated)
  local current = redis.call('GET', KEYS[3])
  redis.call('SET', KEYS[3], token, 'PX', ms(expires_at - now))
  redis.call('HSET', KEYS[2], 'begun', ms(epoch), 'epoch', ms(epoch), 'published_by', by,
    'holder', ARGV[1], 'issued_at', ms(issued_at), 'expires_at', ms(expires_at),
    'due_at', ms(due_at), 'failures', '0')
  redis.call('HDEL', KEYS[2], 'lease_until', 'open_until', 'quiet_until', 'closed_until', 'error',
    'error_at', 'refused', 'late', 'dated')
  if dated ~= '' then redis.call('HSET', KEYS[2], 'dated', dated) end

  -- A report about the token that was replaced, or that the issuer stands by, has been dealt with.
  -- One of another type is no reason to keep a token from being published: begin says what is wrong.
  local rejected = redis.pcall('GET', KEYS[4])
  if rejected and (rejected == current or rejected == token) then redis.call('DEL', KEYS[4]) end
end

-- A lock of another type was not set by evertoken, and is left alone.
local function unlock()
  if redis.pcall('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
end
