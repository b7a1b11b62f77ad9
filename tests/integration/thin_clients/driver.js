// What the tests ask of the client in Node.js: a line of JSON each, answered by one.

const { createInterface } = require("readline");
const { inspect } = require("util");
const { Client, isDead } = require("../../../clients/node/evertoken.js");

const client = new Client(process.argv[2]);

const does = {
  async token({ id }) {
    const token = await client.token(id);
    return { token: token.text, remaining: token.remaining, shown: inspect(token) };
  },
  async many({ count }) {
    const all = await Promise.all(Array.from({ length: count }, () => client.token("shop")));
    return { got: all.length };
  },
  async call({ good }) {
    const used = [];
    const request = async (token) => {
      used.push(token.text);
      return token.text === good ? "good" : "dead";
    };
    const answer = await client.call("shop", request, (answer) => answer === "dead");
    return { answer, used };
  },
  async wechat({ url }) {
    const request = async (token) => {
      const answer = await fetch(`${url}/cgi-bin/get_api_domain_ip?access_token=${token}`);
      return answer.json();
    };
    return { answer: await client.call("shop", request, isDead) };
  },
};

async function main() {
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    const answer = await does[asked.do](asked).catch((error) => ({
      error: error.constructor.name,
      message: error.message,
    }));
    console.log(JSON.stringify(answer));
  }
  client.close();
}

main();
