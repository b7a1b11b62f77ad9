// node-easywechat at WeChat's token endpoint of the door: node-easywechat-at-the-door.js DOOR ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number. Its
// cache asks for the next token when 10 s are left of one.
'use strict';
const { existsSync } = require('fs');
const { CacheInterface, OfficialAccount } = require('node-easywechat');
const AccessToken = require('node-easywechat/dist/OfficialAccount/AccessToken');
const HttpClient = require('node-easywechat/dist/Core/HttpClient/HttpClient');

const [door, issuer, stop] = process.argv.slice(2);

class Memory extends CacheInterface {
  constructor() { super(); this.kept = new Map(); }
  async get(key) {
    const { value, until } = this.kept.get(key) ?? {};
    return performance.now() < until ? value : null;
  }
  async has(key) { return (await this.get(key)) !== null; }
  async set(key, value, seconds) {
    this.kept.set(key, { value, until: performance.now() + (seconds - 10) * 1000 });
    return true;
  }
  async delete(key) { return this.kept.delete(key); }
}

async function main() {
  const [appId, key, cache] = ['wx0123456789abcdef', 'key-of-web-0123456789', new Memory()];
  const app = new OfficialAccount({ app_id: appId, secret: key, http: { baseURL: `${issuer}/` } });
  const http = HttpClient.create({ baseURL: `${door}/` });
  app.setAccessToken(new AccessToken(appId, key, 'wx-token', cache, http));
  const seen = new Set();
  while (!existsSync(stop)) {
    const token = await app.getAccessToken().getToken();
    const answer = (await app.getClient().get('/cgi-bin/get_api_domain_ip')).toObject();
    if (!answer.ip_list) throw new Error(`the call was refused with ${answer.errcode}`);
    if (!seen.has(token)) console.log('token', seen.add(token).size);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

main();
