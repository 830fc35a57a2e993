// Preloaded (`node --import`) into the conformance runner, which knows no credentials: adds `Authorization` to every
// request to the gateway. Nothing stands between the runner and the gateway, so Host, Origin and timing are the real ones.

import { Agent, setGlobalDispatcher } from 'undici';

const { BARTIZAN_URL: url, BARTIZAN_KEY: key } = process.env;
const { origin } = new URL(url);

const credential = (dispatch) => (options, handler) => {
  if (String(options.origin) !== origin) return dispatch(options, handler);
  const given = options.headers ?? [];
  const mine = ['authorization', `Bearer ${key}`];
  let headers;
  if (Array.isArray(given)) headers = [...given, ...mine];
  else if (typeof given[Symbol.iterator] === 'function') headers = [...[...given].flat(), ...mine];
  else headers = { ...given, authorization: mine[1] };
  return dispatch({ ...options, headers }, handler);
};

setGlobalDispatcher(new Agent().compose(credential));
