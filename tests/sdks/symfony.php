<?php
// Symfony's RedisAdapter, from which EasyWeChat reads its token: symfony.php PORT ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number.
set_include_path(getenv('SYMFONY'));
require 'Psr/SimpleCache/autoload.php';
require 'Symfony/Component/Cache/autoload.php';

use Symfony\Component\Cache\Adapter\RedisAdapter;
use Symfony\Component\Cache\Psr16Cache;

[, $port, $issuer, $stop] = $argv;
$redis = new Redis();
$redis->connect('127.0.0.1', (int) $port);
$cache = new Psr16Cache(new RedisAdapter($redis, 'ns'));
$seen = [];
while (!file_exists($stop)) {
    $token = $cache->get('wx-token');
    if (!is_string($token) || $token === '') {
        fwrite(STDERR, "EasyWeChat would fetch a token for itself\n");
        exit(1);
    }
    $answer = file_get_contents("$issuer/cgi-bin/get_api_domain_ip?access_token=$token");
    if (!isset(json_decode($answer, true)['ip_list'])) {
        fwrite(STDERR, "the call was refused\n");
        exit(1);
    }
    if (!isset($seen[$token])) {
        $seen[$token] = true;
        echo 'token ', count($seen), "\n";
    }
    usleep(20000);
    clearstatcache();
}
exit(0);
