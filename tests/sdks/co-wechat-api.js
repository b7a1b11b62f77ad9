// co-wechat-api, unmodified, with a getToken that reads Redis: co-wechat-api.js PORT ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number.
'use strict';
const { existsSync } = require('fs');
const { createClient } = require('redis');
const WeChatAPI = require('co-wechat-api');

const [port, issuer, stop] = process.argv.slice(2);

async function main() {
  const redis = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  const getToken = async () => JSON.parse(await redis.get('co:wx0123456789abcdef'));
  const saveToken = async () => { throw new Error('it has fetched a token for itself'); };
  const api = new WeChatAPI('wx0123456789abcdef', 'no secret', getToken, saveToken, true);
  api.prefix = `${issuer}/cgi-bin/`;
  const seen = new Set();
  while (!existsSync(stop)) {
    const { accessToken } = await api.ensureAccessToken();
    const { ip_list: list } = await api.request(`${api.prefix}get_api_domain_ip?access_token=${accessToken}`);
    if (!list) throw new Error('the call was not answered');
    if (!seen.has(accessToken)) console.log('token', seen.add(accessToken).size);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await redis.quit();
}

main();
