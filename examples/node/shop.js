// Calls WeChat with the token that evertoken keeps fresh: node shop.js REDIS_URL WECHAT_URL
//
// The client is node-redis: npm install redis, or apt-get install node-redis

const { createClient } = require("redis");
const { setTimeout: sleep } = require("timers/promises");

const [url, wechat] = process.argv.slice(2);
const store = createClient({ url });
const DEAD = [40001, 40014, 42001];

async function currentToken() {
  const token = await store.get("evertoken:{shop}:token");
  if (token === null) throw new Error("no token of shop is valid: `evertoken status` tells why");
  return token;
}

// Reports a dead token if it still stands; tells what stands then, or five seconds later.
async function replaced(token) {
  let newer = await currentToken();
  if (newer !== token) return newer;
  await store.set("evertoken:{shop}:rejected", token, { EX: 600 });
  await store.publish("evertoken:rejected", "shop");
  for (let tries = 0; tries < 50 && newer === token; tries++) {
    await sleep(100);
    newer = await currentToken();
  }
  return newer;
}

async function call(request) {
  const token = await currentToken();
  const answer = await request(token);
  if (!DEAD.includes(answer.errcode)) return answer;
  const newer = await replaced(token);
  return newer === token ? answer : request(newer);
}

async function domainIps(token) {
  const answer = await fetch(`${wechat}/cgi-bin/get_api_domain_ip?access_token=${token}`);
  return answer.json();
}

async function main() {
  await store.connect();
  try {
    console.log(JSON.stringify(await call(domainIps)));
  } finally {
    await store.quit();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
