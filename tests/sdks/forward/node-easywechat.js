// node-easywechat, unmodified, whose calls are all passed on: node-easywechat.js FORWARD ISSUER STOP
//
// Its cache asks for the next token when 10 s are left of one. It asks the issuer nothing.
'use strict';
const { CacheInterface, OfficialAccount } = require('node-easywechat');
const calls = require('./calls');

const [forward, , stop] = process.argv.slice(2);

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

const app = new OfficialAccount({
  app_id: 'wx0123456789abcdef', secret: 'key-of-web-0123456789', http: { baseURL: `${forward}/` },
});
app.setCache(new Memory());

calls(stop, () => app.getAccessToken().getToken(), async () => {
  const answer = (await app.getClient().get('/cgi-bin/get_api_domain_ip')).toObject();
  if (!answer.ip_list) throw new Error(`the call was refused with ${answer.errcode}`);
});
