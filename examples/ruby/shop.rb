# Calls WeChat with the token that evertoken keeps fresh: ruby shop.rb REDIS_URL WECHAT_URL
#
# The client is redis-rb: gem install redis, or apt-get install ruby-redis

require "json"
require "net/http"
require "redis"

STORE, WECHAT = Redis.new(url: ARGV[0]), ARGV[1]
DEAD = [40001, 40014, 42001]

def current_token
  STORE.get("evertoken:{shop}:token") or
    abort "no token of shop is valid: `evertoken status` tells why"
end

# Reports a dead token if it still stands; tells what stands then, or five seconds later.
def replaced(token)
  newer = current_token
  return newer if newer != token

  STORE.set("evertoken:{shop}:rejected", token, ex: 600)
  STORE.publish("evertoken:rejected", "shop")
  50.times do
    sleep 0.1
    newer = current_token
    break if newer != token
  end
  newer
end

def call
  token = current_token
  answer = yield token
  if DEAD.include?(answer["errcode"])
    newer = replaced(token)
    answer = yield newer if newer != token
  end
  answer
end

answer = call do |token|
  JSON.parse(Net::HTTP.get(URI("#{WECHAT}/cgi-bin/get_api_domain_ip?access_token=#{token}")))
end
puts JSON.generate(answer)
