// An agent on the JavaScript A2A SDK: `billing.mjs CALLS` answers what it is asked, in pieces where it may, writes what it
// was asked to the file CALLS, and prints its address as JSON.

import { appendFileSync } from 'node:fs';

import { AGENT_CARD_PATH, Role, TaskState } from '@a2a-js/sdk';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server';
import { agentCardHandler, jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express';
import express from 'express';

const [calls] = process.argv.slice(2);
const part = (text) => ({
  content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: 'text/plain',
});

class Billing {
  async execute({ userMessage, taskId, contextId, task }, bus) {
    const asked = userMessage.parts.map((one) => one.content.value).join('');
    appendFileSync(calls, JSON.stringify({ asked, authorization }) + '\n');
    const status = (state) => ({ state, message: undefined, timestamp: new Date().toISOString() });
    if (asked.startsWith('short')) {
      bus.publish(AgentEvent.message({
        messageId: crypto.randomUUID(), role: Role.ROLE_AGENT, parts: [part('one line')], contextId, taskId: '',
        extensions: [], referenceTaskIds: [], metadata: undefined,
      }));
      return bus.finished();
    }
    bus.publish(AgentEvent.task(task ?? {
      id: taskId, contextId, status: status(TaskState.TASK_STATE_WORKING), artifacts: [], history: [userMessage],
      metadata: undefined,
    }));
    for (let number = 0; number < 3; number += 1) {
      bus.publish(AgentEvent.artifactUpdate({
        taskId, contextId, append: false, lastChunk: true, metadata: undefined,
        artifact: {
          artifactId: `${number}`, name: 'invoices', description: '', parts: [part(`invoice ${number}: ${asked}`)],
          metadata: undefined, extensions: [],
        },
      }));
    }
    bus.publish(AgentEvent.statusUpdate({
      taskId, contextId, status: status(TaskState.TASK_STATE_COMPLETED), metadata: undefined,
    }));
    bus.finished();
  }

  async cancelTask() {}
}

let authorization;
const app = express();
const server = app.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const card = {
    name: 'Billing', description: 'Knows the invoices.', version: '1', provider: undefined, documentationUrl: '',
    supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' }],
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false, extensions: [] },
    defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'], securitySchemes: {}, securityRequirements: [],
    signatures: [], iconUrl: '',
    skills: [{
      id: 'invoices', name: 'Invoices', description: 'Finds invoices.', tags: ['money'], examples: [], inputModes: [],
      outputModes: [], securityRequirements: [],
    }],
  };
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), new Billing());
  app.use((request, _, next) => {
    authorization = request.headers.authorization;
    next();
  });
  app.use(`/${AGENT_CARD_PATH}`, agentCardHandler({ agentCardProvider: requestHandler }));
  app.use('/rpc', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }));
  process.stdout.write(JSON.stringify({ url }) + '\n');
});
