// The MCP server that the conformance runner's server scenarios call, on the official TypeScript SDK.
//
// It implements what each scenario's description asks of a server, no more, so that the same scenario can be run
// against it directly and through the gateway. It listens on loopback, checks Host and Origin (the
// `dns-rebinding-protection` scenario asks for that), keeps events so that a cut stream can be resumed, and prints one
// line of JSON with its address. It carries no credential check: the gateway in front of it does.

import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema, CompleteRequestSchema, CreateMessageResultSchema, ElicitResultSchema,
  GetPromptRequestSchema, ListPromptsRequestSchema, ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema, ListToolsRequestSchema, ReadResourceRequestSchema,
  SetLevelRequestSchema, SubscribeRequestSchema, UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==';
const BODY_BYTES = 1 << 20;
const RETRY_MS = 500;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (words) => ({ type: 'text', text: words });
const says = (words) => ({ content: [text(words)] });
const NO_ARGUMENTS = { type: 'object', properties: {} };
const one = (name) => ({ type: 'object', properties: { [name]: { type: 'string' } }, required: [name] });

/** Events by stream, in the order of storing; ids carry the stream, so a replay never crosses streams. */
class Events {
  #events = [];
  #next = 1;

  async storeEvent(stream, message) {
    const id = `${stream}_${this.#next++}`;
    this.#events.push({ id, stream, message });
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#events.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(last, { send }) {
    const at = this.#events.findIndex((event) => event.id === last);
    if (at < 0) throw new Error('no such event');
    const { stream } = this.#events[at];
    for (const event of this.#events.slice(at + 1)) {
      if (event.stream === stream && Object.keys(event.message).length > 0) await send(event.id, event.message);
    }
    return stream;
  }
}

async function elicit(extra, message, properties, required) {
  const answer = await extra.sendRequest(
    { method: 'elicitation/create', params: { message, requestedSchema: { type: 'object', properties, required } } },
    ElicitResultSchema,
  );
  return `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
}

const titled = (values) => values.map(([value, title]) => ({ const: value, title }));

const TOOLS = {
  test_simple_text: {
    description: 'Returns one text block',
    run: () => says('This is a simple text response for testing.'),
  },
  test_image_content: {
    description: 'Returns a one-pixel image',
    run: () => ({ content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] }),
  },
  test_audio_content: {
    description: 'Returns a very short sound',
    run: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  },
  test_embedded_resource: {
    description: 'Returns an embedded resource',
    run: () => ({
      content: [{
        type: 'resource',
        resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' },
      }],
    }),
  },
  test_multiple_content_types: {
    description: 'Returns text, an image and a resource',
    run: () => ({
      content: [
        text('Multiple content types test:'),
        { type: 'image', data: PNG, mimeType: 'image/png' },
        {
          type: 'resource',
          resource: {
            uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"test":"data","value":123}',
          },
        },
      ],
    }),
  },
  test_tool_with_logging: {
    description: 'Logs three times while it works',
    run: async (_, extra) => {
      const log = (data) => extra.sendNotification({
        method: 'notifications/message', params: { level: 'info', logger: 'conformance', data },
      });
      await log('Tool execution started');
      await pause(50);
      await log('Tool processing data');
      await pause(50);
      await log('Tool execution completed');
      return says('Logged three times.');
    },
  },
  test_tool_with_progress: {
    description: 'Reports progress while it works',
    run: async (_, extra) => {
      const progressToken = extra._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined) {
          await extra.sendNotification({
            method: 'notifications/progress', params: { progressToken, progress, total: 100 },
          });
        }
        if (progress < 100) await pause(50);
      }
      return says('Progress reported.');
    },
  },
  test_error_handling: {
    description: 'Always fails',
    run: () => {
      throw new Error('This tool intentionally returns an error for testing');
    },
  },
  test_sampling: {
    description: "Asks the client's model",
    inputSchema: one('prompt'),
    run: async ({ prompt }, extra) => {
      const answer = await extra.sendRequest(
        {
          method: 'sampling/createMessage',
          params: { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 },
        },
        CreateMessageResultSchema,
      );
      return says(`LLM response: ${answer.content.text ?? ''}`);
    },
  },
  test_elicitation: {
    description: "Asks the client's user",
    inputSchema: one('message'),
    run: async ({ message }, extra) => says(`User response: ${await elicit(extra, message, {
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    }, ['username', 'email'])}`),
  },
  test_elicitation_sep1034_defaults: {
    description: 'Asks with defaults of every primitive type',
    run: async (_, extra) => says(`Elicitation completed: ${await elicit(extra, 'Please fill in', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }, [])}`),
  },
  test_elicitation_sep1330_enums: {
    description: 'Asks with every enum shape',
    run: async (_, extra) => says(`Elicitation completed: ${await elicit(extra, 'Please choose', {
      untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
      titledSingle: {
        type: 'string',
        oneOf: titled([['value1', 'First Option'], ['value2', 'Second Option'], ['value3', 'Third Option']]),
      },
      legacyEnum: {
        type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
      titledMulti: {
        type: 'array',
        items: { anyOf: titled([['value1', 'First Choice'], ['value2', 'Second Choice'], ['value3', 'Third Choice']]) },
      },
    }, [])}`),
  },
  test_reconnection: {
    description: 'Cuts its stream in the middle of the call',
    run: async (_, extra) => {
      // Older revisions cannot resume, and the SDK then offers no way to cut.
      extra.closeSSEStream?.();
      await pause(100);
      return says('Reconnection test completed successfully.');
    },
  },
  json_schema_2020_12_tool: {
    description: 'Tool with JSON Schema 2020-12 features',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
      },
      properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
    run: (given) => says(JSON.stringify(given)),
  },
};

const RESOURCES = {
  'test://static-text': {
    name: 'Static text', mimeType: 'text/plain', text: 'This is the content of the static text resource.',
  },
  'test://static-binary': { name: 'Static binary', mimeType: 'image/png', blob: PNG },
  'test://watched-resource': { name: 'Watched', mimeType: 'text/plain', text: 'This may change.' },
};

const PROMPTS = {
  test_simple_prompt: {
    description: 'A prompt without arguments',
    messages: () => [{ role: 'user', content: text('This is a simple prompt for testing.') }],
  },
  test_prompt_with_arguments: {
    description: 'A prompt with two arguments',
    arguments: [
      { name: 'arg1', description: 'First test argument', required: true },
      { name: 'arg2', description: 'Second test argument', required: true },
    ],
    messages: ({ arg1, arg2 }) => [
      { role: 'user', content: text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`) },
    ],
  },
  test_prompt_with_embedded_resource: {
    description: 'A prompt that embeds a resource',
    arguments: [{ name: 'resourceUri', description: 'URI of the resource to embed', required: true }],
    messages: ({ resourceUri }) => [
      {
        role: 'user',
        content: {
          type: 'resource',
          resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        },
      },
      { role: 'user', content: text('Please process the embedded resource above.') },
    ],
  },
  test_prompt_with_image: {
    description: 'A prompt with an image',
    messages: () => [
      { role: 'user', content: { type: 'image', data: PNG, mimeType: 'image/png' } },
      { role: 'user', content: text('Please analyze the image above.') },
    ],
  },
};

function known(table, key, what) {
  if (!Object.hasOwn(table, key)) throw new Error(`no such ${what}`);
  return table[key];
}

/** One server per session: it holds that session's subscriptions and nothing else. */
function newServer() {
  const server = new Server(
    { name: 'bartizan-conformance-fixture', version: '1.0.0' },
    { capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} } },
  );
  const subscribed = new Set();

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, { description, inputSchema = NO_ARGUMENTS }]) => (
      { name, description, inputSchema })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = known(TOOLS, params.name, 'tool');
    try {
      return await tool.run(params.arguments ?? {}, extra);
    } catch (fault) {
      return { isError: true, ...says(fault.message) };
    }
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: Object.entries(RESOURCES).map(([uri, { name, mimeType }]) => (
      { uri, name, description: `${name} of the fixture`, mimeType })),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{
      uriTemplate: 'test://template/{id}/data', name: 'Data by id', description: 'Any id', mimeType: 'application/json',
    }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
    if (id !== undefined) {
      const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
      return { contents: [{ uri, mimeType: 'application/json', text: data }] };
    }
    const { name: _, ...content } = known(RESOURCES, uri, 'resource');
    return { contents: [{ uri, ...content }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
    subscribed.add(uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    subscribed.delete(uri);
    return {};
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: Object.entries(PROMPTS).map(([name, prompt]) => (
      { name, description: prompt.description, arguments: prompt.arguments })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => ({
    messages: known(PROMPTS, params.name, 'prompt').messages(params.arguments ?? {}),
  }));
  server.setRequestHandler(CompleteRequestSchema, ({ params: { argument } }) => {
    const values = ['paris', 'park', 'party', 'testing'].filter((word) => word.startsWith(argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  return server;
}

const sessions = new Map();

async function body(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function refuse(response, status, message) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }));
}

async function serve(request, response) {
  const { port } = http.address();
  const here = new Set([`127.0.0.1:${port}`, `localhost:${port}`]);
  const { host, origin } = request.headers;
  if (!here.has(host) || (origin !== undefined && !here.has(origin.replace(/^http:\/\//, '')))) {
    return refuse(response, 403, 'foreign Host or Origin');
  }
  if (new URL(request.url, 'http://localhost').pathname !== '/mcp') return refuse(response, 404, 'nothing here');
  const named = request.headers['mcp-session-id'];
  const parsed = request.method === 'POST' ? await body(request) : undefined;
  let transport = named === undefined ? undefined : sessions.get(named);
  if (transport === undefined) {
    if (named !== undefined) return refuse(response, 404, 'no such session');
    if (parsed?.method !== 'initialize') return refuse(response, 400, 'no session');
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new Events(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => sessions.set(id, transport),
    });
    transport.onclose = () => sessions.delete(transport.sessionId);
    await newServer().connect(transport);
  }
  return transport.handleRequest(request, response, parsed);
}

const http = createServer((request, response) => {
  serve(request, response).catch((fault) => {
    if (!response.headersSent) refuse(response, 400, fault.message);
  });
});
http.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${http.address().port}/mcp` })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
