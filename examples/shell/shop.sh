#!/bin/sh
# Calls WeChat with the token that evertoken keeps fresh: sh shop.sh REDIS_URL WECHAT_URL
#
# It needs redis-cli and curl.

set -eu
store=$1 wechat=$2

current_token() {
    token=$(redis-cli -u "$store" GET 'evertoken:{shop}:token')
    # redis-cli prints nothing for nil.
    [ -n "$token" ] || { echo 'no token of shop is valid: `evertoken status` tells why' >&2; exit 1; }
    echo "$token"
}

request() {
    curl --silent --show-error "$wechat/cgi-bin/get_api_domain_ip?access_token=$1"
}

token=$(current_token)
answer=$(request "$token")
case $answer in
*'"errcode":40001'* | *'"errcode":40014'* | *'"errcode":42001'*)
    newer=$(current_token)
    if [ "$newer" = "$token" ]; then
        redis-cli -u "$store" SET 'evertoken:{shop}:rejected' "$token" EX 600 >&2
        redis-cli -u "$store" PUBLISH evertoken:rejected shop >&2
        tries=0
        while [ "$newer" = "$token" ] && [ "$tries" -lt 50 ]; do
            sleep 0.1
            tries=$((tries + 1))
            newer=$(current_token)
        done
    fi
    [ "$newer" = "$token" ] || answer=$(request "$newer")
    ;;
esac
echo "$answer"
