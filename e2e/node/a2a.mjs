// The JavaScript A2A SDK as an agent: `a2a.mjs URL KEY` reads the peer's card at URL, writes to it twice and prints what
// it was told as JSON.

import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client';

const [url, key] = process.argv.slice(2);
const fetchImpl = (input, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${key}`);
  return fetch(input, { ...init, headers });
};
const factory = new ClientFactory({
  transports: [new JsonRpcTransportFactory({ fetchImpl })],
  cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
});
const client = await factory.createFromUrl(url, '.well-known/agent-card.json');
const ask = (text) => ({
  tenant: '', configuration: undefined, metadata: undefined,
  message: {
    messageId: crypto.randomUUID(), role: 1, contextId: '', taskId: '', extensions: [], referenceTaskIds: [],
    metadata: undefined,
    parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: 'text/plain' }],
  },
});
const seen = { whole: JSON.stringify(await client.sendMessage(ask('the invoices of March'))), streamed: [] };
for await (const event of client.sendMessageStream(ask('the invoices of April'))) {
  seen.streamed.push(JSON.stringify(event));
}
process.stdout.write(JSON.stringify(seen));
