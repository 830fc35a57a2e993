// The TypeScript SDK as an agent: `client.mjs URL KEY` uses every feature once and prints what it saw as JSON.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [url, key] = process.argv.slice(2);
const client = new Client(
  { name: 'bartizan-e2e', version: '1.0.0' },
  { capabilities: { sampling: {}, elicitation: {} } },
);
client.setRequestHandler(ElicitRequestSchema, () => ({
  action: 'accept', content: { confirmed: true, reason: 'typed' },
}));
client.setRequestHandler(CreateMessageRequestSchema, () => ({
  role: 'assistant', model: 'client-model', content: { type: 'text', text: 'from typescript' },
}));

const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
await client.connect(transport);
const textOf = (result) => result.content.map((block) => block.text).join('');
const progress = [];
const seen = {
  protocol: transport.protocolVersion,
  tools: (await client.listTools()).tools.map((tool) => tool.name),
  echo: JSON.parse(textOf(await client.callTool({ name: 'echo', arguments: { text: 'ä', times: 2, mode: 'loud' } }))),
};
await client.callTool({ name: 'count', arguments: { to: 3 } }, undefined, {
  onprogress: (step) => progress.push(step.progress),
});
seen.progress = progress;
seen.elicited = textOf(await client.callTool({ name: 'confirm', arguments: {} }));
seen.sampled = textOf(await client.callTool({ name: 'think', arguments: { question: 'who?' } }));
seen.resource = (await client.readResource({ uri: 'office://handbook' })).contents[0].text;
seen.prompt = (await client.getPrompt({ name: 'summarize', arguments: { topic: 'mail' } })).messages[0].content.text;
seen.failed = (await client.callTool({ name: 'fail', arguments: {} })).isError;
await client.close();
process.stdout.write(JSON.stringify(seen));
