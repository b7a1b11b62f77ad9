// node-easywechat, unmodified, with a cache that reads Redis: node-easywechat.js PORT ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number.
'use strict';
const { existsSync } = require('fs');
const { createClient } = require('redis');
const { CacheInterface, OfficialAccount } = require('node-easywechat');

const [port, issuer, stop] = process.argv.slice(2);

class Copies extends CacheInterface {
  constructor(redis) { super(); this.redis = redis; }
  async get(key) { return JSON.parse(await this.redis.get(key)); }
  async has(key) { return (await this.redis.exists(key)) === 1; }
  async set() { throw new Error('it has fetched a token for itself'); }
  async delete() { return false; }
}

async function main() {
  const redis = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  const app = new OfficialAccount({
    app_id: 'wx0123456789abcdef', secret: 'no secret', http: { baseURL: `${issuer}/` },
  });
  app.setCache(new Copies(redis));
  app.getAccessToken().setKey('wx-token');
  const seen = new Set();
  while (!existsSync(stop)) {
    const token = await app.getAccessToken().getToken();
    const answer = (await app.getClient().get('/cgi-bin/get_api_domain_ip')).toObject();
    if (!answer.ip_list) throw new Error(`the call was refused with ${answer.errcode}`);
    if (!seen.has(token)) console.log('token', seen.add(token).size);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await redis.quit();
}

main();
