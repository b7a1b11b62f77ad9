// Lark's Node SDK, unmodified, whose calls are all passed on: with-lark.js FORWARD ISSUER STOP
//
// It asks for the next token when 180 s are left of one, and asks the issuer nothing.
'use strict';
const lark = require('@larksuiteoapi/node-sdk');
const calls = require('./calls');

const [forward, , stop] = process.argv.slice(2);
const client = new lark.Client({ appId: 'cli1', appSecret: 'key-of-web-0123456789', domain: forward });

calls(stop, () => client.tokenManager.getTenantAccessToken(), async () => {
  const answer = await client.request({ method: 'POST', url: '/open-apis/jssdk/ticket/get', data: {} });
  if (answer.code !== 0) throw new Error(`the call was refused with ${answer.code}`);
});
