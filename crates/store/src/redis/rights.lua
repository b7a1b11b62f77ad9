-- rights: try what the other scripts do, on keys of a credential that nobody has. Nothing is left
-- behind: what is set is deleted, in the same step.
--
-- KEYS  1 lock  2 record
-- ARGV  1 id                 for the messages
--       2 channel of changed
--       3 channel of rejected
--
-- Answers, for each command that was refused: its name, and the server's words

local refused = {}
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = command
    refused[#refused + 1] = answer.err
    return false
  end
  return true
end

try('TIME')
try('GET', KEYS[1])
try('GETRANGE', KEYS[1], '0', '1')
try('HGET', KEYS[2], 'epoch')
-- What could not be deleted is not set.
if try('DEL', KEYS[2]) then
  try('SET', KEYS[1], 'a check', 'PX', '10000')
  try('HSET', KEYS[2], 'epoch', '0')
  try('HDEL', KEYS[2], 'epoch')
  try('PEXPIRE', KEYS[2], '10000')
  redis.call('DEL', KEYS[2])
  redis.call('DEL', KEYS[1])
end
try('PUBLISH', ARGV[2], '{"id":"' .. ARGV[1] .. '","epoch":0,"expires_at":0,"due_at":0}')
try('PUBLISH', ARGV[3], ARGV[1])
return refused
