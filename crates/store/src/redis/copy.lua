-- copy: what an SDK reads beside the token, in a key of its own, unless that of a later token stands
-- there. A commit has it once for each copy, with numbers in place of COPY and MARK. Alone it is run
-- where such a key is in another slot, and where one is to be mended.
--
-- Before it stand: `now`, ms; `life`, ms until the copy ends; `copied`, the number of the argument
-- before its own two: what its mark becomes, an epoch and a fingerprint; and its value, or empty if it goes.
--
-- What Redis refuses here keeps no token from being published.
do
  local mark, value = ARGV[copied + 1], ARGV[copied + 2]
  local stands = redis.pcall('GETRANGE', KEYS[MARK], 0, 15)
  stands = type(stands) == 'string' and tonumber(string.match(stands, '^%d+')) or 0
  -- An epoch is the time of its grant. Nobody has begun one in a month.
  if now + 2678400000 < stands then stands = 0 end
  if stands <= tonumber(string.match(mark, '^%d+')) then
    if value == '' then
      redis.pcall('DEL', KEYS[COPY])
      -- It keeps out what a mend under way still writes of the token that went.
      redis.pcall('SET', KEYS[MARK], mark, 'PX', 600000)
    elseif 0 < tonumber(life) then
      local done = redis.pcall('SET', KEYS[COPY], value, 'PX', life)
      if not done.err then redis.pcall('SET', KEYS[MARK], mark, 'PX', life) end
    end
  end
  copied = copied + 2
end
