-- time: what the store's clock shows, in ms.
--
-- KEYS  1 record

-- Redis before 5 takes no write after a question for the time without this.
if redis.replicate_commands then redis.replicate_commands() end

local function ms(number) return string.format('%.0f', number) end

local function time()
  local answer = redis.pcall('TIME')
  if not answer.err then
    return tonumber(answer[1]) * 1000 + math.floor(tonumber(answer[2]) / 1000)
  end
  -- A server without TIME: what is left of a key whose end is known, the year 2100, tells as much.
  local is_made = redis.call('HSETNX', KEYS[1], 'revision', '0') == 1
  redis.call('PEXPIREAT', KEYS[1], '4102444800000')
  local left = redis.call('PTTL', KEYS[1])
  if is_made then redis.call('DEL', KEYS[1]) else redis.call('PERSIST', KEYS[1]) end
  return 4102444800000 - left
end

