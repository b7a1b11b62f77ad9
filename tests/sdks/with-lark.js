// Lark's Node SDK, unmodified, with a cache that reads evertoken's token: with-lark.js PORT ISSUER STOP
//
// It calls Feishu until the file STOP is there, and says each token that is new to it by a number.
'use strict';
const { existsSync } = require('fs');
const { createClient } = require('redis');
const lark = require('@larksuiteoapi/node-sdk');

const [port, issuer, stop] = process.argv.slice(2);

async function main() {
  const redis = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  const cache = {
    get: () => redis.get('evertoken:{shop}:token'),
    set: async () => { throw new Error('it has fetched a token for itself'); },
  };
  const client = new lark.Client({ appId: 'cli1', appSecret: 'no secret', domain: issuer, cache });
  const seen = new Set();
  while (!existsSync(stop)) {
    const token = await client.tokenManager.getTenantAccessToken();
    const answer = await client.request({ method: 'POST', url: '/open-apis/jssdk/ticket/get', data: {} });
    if (answer.code !== 0) throw new Error(`the call was refused with ${answer.code}`);
    if (!seen.has(token)) console.log('token', seen.add(token).size);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await redis.quit();
}

main();
