-- look: the fields of a record, as far as they may be ours. It changes nothing.
--
-- Anybody may have written there: what is longer than anything of ours counts as absent, and stays
-- in Redis. One record of a hundred megabytes must not hold up all others.
--
-- KEYS  1 record
-- ARGV  the names of the fields
--
-- Answers the values in the order of the names, nil for what is absent.

local values = redis.call('HMGET', KEYS[1], unpack(ARGV))
for i, value in ipairs(values) do values[i] = value and #value <= 4096 and value end
return values
