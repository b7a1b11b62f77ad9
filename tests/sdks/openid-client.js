// openid-client, unmodified, at the OAuth door, which speaks TLS: openid-client.js DOOR ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number. The
// library keeps no token, so the application asks for the next one when 10 s are left.
'use strict';
const { existsSync } = require('fs');
const oauth = require('openid-client');

const [door, issuer, stop] = process.argv.slice(2);
const server = { issuer: door, token_endpoint: `${door}/oauth2/token` };
const config = new oauth.Configuration(server, 'web', 'key-of-web-0123456789');

async function main() {
  let granted;
  let until = 0;
  const seen = new Set();
  while (!existsSync(stop)) {
    if (until <= performance.now()) {
      const asked = performance.now();
      granted = await oauth.clientCredentialsGrant(config, { scope: 'shop' });
      until = asked + (granted.expires_in - 10) * 1000;
    }
    const token = granted.access_token;
    const answer = await fetch(`${issuer}/cgi-bin/get_api_domain_ip?access_token=${token}`);
    const { ip_list: list, errcode } = await answer.json();
    if (!list) throw new Error(`the call was refused with ${errcode}`);
    if (!seen.has(token)) console.log('token', seen.add(token).size);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

main();
