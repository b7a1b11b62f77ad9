// co-wechat-api, unmodified, whose calls are all passed on: co-wechat-api.js FORWARD ISSUER STOP
//
// It asks for the next token when 10 s are left of one, and asks the issuer nothing.
'use strict';
const WeChatAPI = require('co-wechat-api');
const calls = require('./calls');

const [forward, , stop] = process.argv.slice(2);
const api = new WeChatAPI('wx0123456789abcdef', 'key-of-web-0123456789');
api.prefix = `${forward}/cgi-bin/`;
api.setOpts({ timeout: 10000 }); // Its own 3 s are shorter than the wait for a successor.

calls(stop, async () => (await api.ensureAccessToken()).accessToken, async (token) => {
  const answer = await api.request(`${api.prefix}get_api_domain_ip?access_token=${token}`);
  if (!answer.ip_list) throw new Error('the call was not answered');
});
