<?php
// Calls WeChat with the token that evertoken keeps fresh: php shop.php REDIS_HOST:PORT WECHAT_URL
//
// The client is phpredis: pecl install redis, or apt-get install php-redis

[, $address, $wechat] = $argv;
[$host, $port] = explode(':', $address);
$store = new Redis();
$store->connect($host, (int) $port);
const DEAD = [40001, 40014, 42001];

function current_token(Redis $store): string
{
    $token = $store->get('evertoken:{shop}:token');
    if ($token === false) {
        throw new RuntimeException('no token of shop is valid: `evertoken status` tells why');
    }
    return $token;
}

/** Reports a dead token if it still stands; tells what stands then, or five seconds later. */
function replaced(Redis $store, string $token): string
{
    $newer = current_token($store);
    if ($newer === $token) {
        $store->set('evertoken:{shop}:rejected', $token, ['ex' => 600]);
        $store->publish('evertoken:rejected', 'shop');
        for ($try = 0; $try < 50 && $newer === $token; $try++) {
            usleep(100000);
            $newer = current_token($store);
        }
    }
    return $newer;
}

function call(Redis $store, callable $request): array
{
    $token = current_token($store);
    $answer = $request($token);
    if (in_array($answer['errcode'] ?? 0, DEAD, true)) {
        $newer = replaced($store, $token);
        if ($newer !== $token) {
            $answer = $request($newer);
        }
    }
    return $answer;
}

echo json_encode(call($store, function (string $token) use ($wechat): array {
    $url = "$wechat/cgi-bin/get_api_domain_ip?access_token=" . urlencode($token);
    return json_decode(file_get_contents($url), true);
})), "\n";
