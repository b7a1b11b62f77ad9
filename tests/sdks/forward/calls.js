// What each application does whose calls are passed on: it calls until the file STOP is there. It says each
// tenth call, and what it holds as its token, each that is new to it.
'use strict';
const { existsSync } = require('fs');

module.exports = async (stop, token, call) => {
  const seen = new Set();
  for (let count = 1; !existsSync(stop); count++) {
    const held = await token();
    await call(held);
    if (!seen.has(held)) console.log('holds', held);
    seen.add(held);
    if (count % 10 === 0) console.log('called', count);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
