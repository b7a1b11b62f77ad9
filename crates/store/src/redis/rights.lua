-- rights: try what commit.lua does, on keys of a credential that nobody has. Nothing is left behind:
-- what is set is deleted, in the same step.
--
-- KEYS  1 record  2 lock
--
-- Answers, for each command that was refused: its name, and the server's words

local refused = {}
local function try(command, answer)
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = command
    refused[#refused + 1] = answer.err
    return false
  end
  return true
end

try('TIME', redis.pcall('TIME'))
try('GET', redis.pcall('GET', KEYS[2]))
try('GETRANGE', redis.pcall('GETRANGE', KEYS[2], '0', '1'))
try('HGET', redis.pcall('HGET', KEYS[1], 'epoch'))
-- What could not be deleted is not set.
if try('DEL', redis.pcall('DEL', KEYS[1])) then
  try('SET', redis.pcall('SET', KEYS[2], 'a check', 'PX', '10000'))
  try('HSET', redis.pcall('HSET', KEYS[1], 'epoch', '0'))
  try('HDEL', redis.pcall('HDEL', KEYS[1], 'epoch'))
  try('PEXPIRE', redis.pcall('PEXPIRE', KEYS[1], '10000'))
  redis.call('DEL', KEYS[1])
  redis.call('DEL', KEYS[2])
end
return refused
