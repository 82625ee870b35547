import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLatchkey, rateLimitHeaders } from '@latchkey/sdk';

const rootToken = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token: rootToken, tls: false });
const { keys, keyspaces, limits, owners, policies } = latchkey;
const { keyspace } = await keyspaces.create({ slug: 'reports', tokenPrefix: 'rep' });
const keyspaceId = keyspace.id;

// A plan: 100 requests in any minute, and 500 pages a month, which are charged only where they are named.
const refill = { amount: 500, interval: 'MONTHLY', day: 1, maxBalance: 500 } as const;
const { policy } = await policies.create({
  keyspaceId,
  displayName: 'basic plan',
  limits: [
    { name: 'requests', rate: { limit: 100, windowMs: 60_000 } },
    { name: 'pages', credits: { initial: 500, refill }, onDemand: true },
  ],
});
// All keys of this customer together: 200 requests in any minute.
const all = { name: 'all-requests', rate: { limit: 200, windowMs: 60_000 } };
const owner = { keyspaceId, id: 'acme' };
await owners.create({ ...owner, limits: [all] });
const { key, token } = await keys.create({ keyspaceId, ownerId: owner.id, policyIds: [policy.id] });

/** Prints reports: the summary costs one page, the book 300. */
async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const pages = request.url === '/book' ? 300 : 1;
    const bearer = request.headers.authorization?.replace(/^Bearer /i, '') ?? '';
    const result = await latchkey.verify({ token: bearer, charges: { pages } });
    const limited = result.verdict === 'RATE_LIMITED' || result.verdict === 'CREDITS_EXHAUSTED';
    response.writeHead(result.valid ? 200 : limited ? 429 : 401, rateLimitHeaders(result));
    response.end(result.verdict);
  } catch (error) {
    // Latchkey could not decide: nobody passes, and it is nobody's fault but ours.
    console.error(error);
    response.writeHead(503).end();
  }
}

const server = createServer((request, response) => void handle(request, response));
await once(server.listen(0, '127.0.0.1'), 'listening');
const { port } = server.address() as AddressInfo;
const get = (path: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}`, connection: 'close' },
  });

// What a comment after a console.log says is what it prints.
const first = await get('/book');
console.log(first.status, first.headers.get('RateLimit-Policy')); // 200 "requests";q=100;w=60, "pages";q=500, "all-requests";q=200;w=60
console.log(first.headers.get('RateLimit')?.replaceAll(/;t=\d+/g, ';t=…')); // "requests";r=99;t=…, "pages";r=200;t=…, "all-requests";r=199;t=…

// From all of the limits or from none: this costs no request, because there are too few pages.
const second = await get('/book');
console.log(second.status, await second.text(), second.headers.has('Retry-After')); // 429 CREDITS_EXHAUSTED true
const look = await latchkey.verify({ token, charges: { pages: 1 }, checkOnly: true });
console.log(look.limits.map(({ name, remaining }) => `${name} ${remaining}`)); // [ 'requests 99', 'pages 200', 'all-requests 199' ]

// Sell more pages; whatever a change does, done twice with one request id it is done once.
const sold = await limits.adjustCredits({ keyId: key.id }, 'pages', { set: 1000 }, { note: 'invoice 4711' });
console.log(sold.balance, (await get('/book')).status); // 1000 200

// Stop what is charged to one limit for an hour, on every replica, without touching the policy.
await limits.setOverride({ keyId: key.id }, 'requests', { value: 0, ttlMs: 3_600_000 });
const stopped = await latchkey.verify({ token });
console.log(stopped.verdict, stopped.limits.find(({ refused }) => refused)?.name); // RATE_LIMITED requests
await limits.clearOverride({ keyId: key.id }, 'requests');
console.log((await get('/summary')).status); // 200

// What there is, and where it comes from: those of the key, then those of its owner.
const states = await limits.status({ keyId: key.id });
console.log(states.map(({ limit, policyId }) => `${limit.name} ${policyId === policy.id}`)); // [ 'pages true', 'requests true', 'all-requests false' ]

server.close();
latchkey.close();
