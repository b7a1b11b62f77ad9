-- commit: apply what was decided from a snapshot, in one step, or nothing at all.
--
-- It applies only if the record's revision is still the one that was loaded, if little time has
-- passed since, and if a lock that is to be taken is free. What is decided, and why, is not known
-- here. Idempotent: after a lost answer, a load shows what became of it.
--
-- It follows time.lua.
--
-- KEYS  1 record  2 lock  3 token  4 rejected
--       5 grant              if one is given, or the next key is
--       6 fields             if any are given, or the token goes, or the next key is
--       7 copy, 8 its mark   and so on, for each copy that is written or goes
-- ARGV  1 revision           that was loaded; 0 if there is none
--       2 decided at         ms, the store's time that the decision was made for
--       3 within             ms that may lie between that time and now
--       4 lock               'keep', 'take', 'shorten' or 'free'
--       5 owner              of the lock that is taken or freed
--       6 life               ms of the lock that is taken or shortened
--       7 token              to publish, or empty
--       8 expires at         ms, of that token
--       9 report             'clear' if a report about the token that is replaced or published is
--                            dealt with; 'withdraw' if the token goes, and any report with it
--      10 grant              that the issuer is asked with next, or empty
--      11 previous           grant, or empty
--      12 generation         of the grant
--      13 fields             to stand beside the token that is published, or empty
--      14 copies             how many arguments follow for them, two for each: copy.lua
--         set                how many of the arguments that follow are fields to set, with a value each,
--                            four fields in a row; the rest are fields to delete
--
-- Answers {'committed', now, revision}, or {'conflict', now, revision}: nothing was changed.
--
-- Proxies of clouds read a script before they run it. They refuse a key that does not stand in its call
-- as KEYS[1] does, a command in a variable, unpack, and PUBLISH: messages are sent apart.

local now = time()

-- Anybody may have written it: what is no whole number of a sane length counts as none.
local text = redis.call('HGET', KEYS[1], 'revision') or '0'
local revision = #text < 17 and tonumber(string.match(text, '^%d+$')) or 0
if 9000000000000000 < revision then revision = 0 end

if ms(revision) ~= ARGV[1] or tonumber(ARGV[3]) < math.abs(now - tonumber(ARGV[2])) then
  return {'conflict', ms(now), ms(revision)}
end
if ARGV[7] ~= '' and tonumber(ARGV[8]) <= now then return {'conflict', ms(now), ms(revision)} end
if ARGV[4] == 'take' and not redis.call('SET', KEYS[2], ARGV[5], 'NX', 'PX', ARGV[6]) then
  return {'conflict', ms(now), ms(revision)}
end

-- A lock of another type was not set by evertoken, and is left alone.
if ARGV[4] == 'shorten' then redis.call('PEXPIRE', KEYS[2], ARGV[6]) end
if ARGV[4] == 'free' and redis.pcall('GET', KEYS[2]) == ARGV[5] then redis.call('DEL', KEYS[2]) end

-- A report of another type is no reason to keep a token from being published. No token is longer
-- than what is compared.
if ARGV[9] == 'clear' then
  local report = redis.pcall('GETRANGE', KEYS[4], 0, 4096)
  if report ~= '' and (report == ARGV[7] or report == redis.call('GETRANGE', KEYS[3], 0, 4096)) then
    redis.call('DEL', KEYS[4])
  end
end
-- Before the token: a script may end where Redis refuses to write, and a grant that is lost needs a
-- person.
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[5], 'current', ARGV[10], 'previous', ARGV[11], 'generation', ARGV[12])
end
if ARGV[9] == 'withdraw' then redis.call('DEL', KEYS[3], KEYS[4], KEYS[6]) end
local life = ms(tonumber(ARGV[8]) - now)
if ARGV[13] ~= '' then redis.call('SET', KEYS[6], ARGV[13], 'PX', life) end
if ARGV[7] ~= '' then redis.call('SET', KEYS[3], ARGV[7], 'PX', life) end
local copied = 14
-- COPIES

-- At least the time, so that two histories of one record do not have a revision in common.
revision = math.max(revision + 1, now)
redis.call('HSET', KEYS[1], 'revision', ms(revision))
local set = 15 + tonumber(ARGV[14])
local rest = set + 1 + tonumber(ARGV[set])
for at = set + 1, rest - 1, 8 do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3],
    ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 7])
end
for at = rest, #ARGV do redis.call('HDEL', KEYS[1], ARGV[at]) end
return {'committed', ms(now), ms(revision)}
