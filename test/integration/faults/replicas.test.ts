import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { Verdict } from '../../../proto/gen/latchkey/v1/verify_service.ts';
import { createClients, type Clients } from '../../support/clients.ts';
import { startServer, type TestServer } from '../../support/start-server.ts';
import {
  CALL_MS,
  HASTY,
  MAX_STALENESS_MS,
  SLACK_MS,
  startBehindProxy,
  type ServerBehindProxy,
} from './server-behind-proxy.ts';
import { observe, watchVerdicts } from './watch-verdicts.ts';

/** Two replicas on one database: `near` makes the changes, and `far` hears of them through a proxy. */
let far: ServerBehindProxy;
let near: TestServer;
let nearClients: Clients;
let key: { readonly id: string; readonly token: string };

beforeAll(async () => {
  // So patient that what it notices sooner, it noticed by polling.
  far = await startBehindProxy({ server: { env: { LATCHKEY_MAX_STALENESS_MS: '20000' } } });
  near = await startServer({
    databaseUrl: far.database.url,
    env: { ...HASTY, LATCHKEY_ROOT_TOKEN: far.server.rootToken },
  });
  nearClients = createClients({ address: near.address, token: near.rootToken });
});
afterAll(async () => {
  nearClients.close();
  await near.stop();
  await far.close();
});
beforeEach(async () => {
  key = await far.createKey();
  expect((await observe(far.clients, key.token)).verdict).toBe('VERDICT_VALID');
});

/** Many polls, and a tenth of the bound of staleness, ms. */
const SOON_MS = 2000;

/** What `far` says of the key until it says `verdict`; fails if that takes so long that it was no poll that told it. */
async function farSays(verdict: string, token = key.token): Promise<void> {
  const startMs = performance.now();
  const seen = await watchVerdicts(far.clients, token, (observation) => observation.verdict === verdict);
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  expect(seen.every(({ failure }) => failure === undefined)).toBe(true);
}

it('refuses what another replica revoked as soon as it has polled', async () => {
  await nearClients.keys.revokeKey({ id: key.id });
  await farSays('VERDICT_REVOKED');
});

it('follows another replica through every change of a key', async () => {
  const { keys } = nearClients;
  await keys.disableKey({ id: key.id });
  await farSays('VERDICT_DISABLED');
  await keys.enableKey({ id: key.id });
  await farSays('VERDICT_VALID');
  await keys.updateKey({
    key: { id: key.id, resourceAccess: { access: { $case: 'listed', value: { ids: ['store-1'] } } } },
    updateMask: ['resource_access'],
  });
  await farSays('VERDICT_RESOURCE_NOT_ALLOWED');
  await keys.deleteKey({ id: key.id });
  await farSays('VERDICT_NOT_FOUND');
  await keys.undeleteKey({ id: key.id });
  await farSays('VERDICT_RESOURCE_NOT_ALLOWED');
});

it('is as fresh as a verification asks, at once, however seldom it polls', async () => {
  const seldom = await startBehindProxy({
    server: { env: { LATCHKEY_POLL_MS: '10000', LATCHKEY_MAX_STALENESS_MS: '20000' } },
  });
  const other = await startServer({
    databaseUrl: seldom.database.url,
    env: { ...HASTY, LATCHKEY_ROOT_TOKEN: seldom.server.rootToken },
  });
  const otherClients = createClients({ address: other.address, token: other.rootToken });
  const victim = await seldom.createKey();
  expect((await observe(seldom.clients, victim.token)).verdict).toBe('VERDICT_VALID');
  const { revision } = await otherClients.keys.revokeKey({ id: victim.id });
  // That it does not know of it yet is what makes the next line a proof.
  expect((await observe(seldom.clients, victim.token)).verdict).toBe('VERDICT_VALID');
  const { verdict } = await seldom.clients.verify.verify({ token: victim.token, minRevision: revision });
  expect(verdict).toBe(Verdict.VERDICT_REVOKED);
  otherClients.close();
  await other.stop();
  await seldom.close();
});

it('lets no root key in that another replica revoked', async () => {
  const { key: rootKey, token } = await nearClients.keys.createKey({
    key: { keyspaceId: 'ks_latchkey', scopes: ['verify'] },
  });
  const clients = createClients({ address: far.server.address, token });
  const verdict = async (): Promise<string> => (await observe(clients, key.token)).verdict ?? 'refused';
  expect(await verdict()).toBe('VERDICT_VALID');
  await nearClients.keys.revokeKey({ id: rootKey?.id ?? '' });
  const startMs = performance.now();
  const seen = await watchVerdicts(clients, key.token, ({ failure }) => failure !== undefined);
  expect(seen.at(-1)?.failure?.reason).toBe('CALLER_UNKNOWN');
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  clients.close();
});

it('accepts nothing that is sent after the effective time of a revocation, even where a replica is cut off', async () => {
  const cutOff = await startBehindProxy();
  const other = await startServer({
    databaseUrl: cutOff.database.url,
    env: { ...HASTY, LATCHKEY_ROOT_TOKEN: cutOff.server.rootToken },
  });
  const otherClients = createClients({ address: other.address, token: other.rootToken });
  try {
    const victim = await cutOff.createKey();
    expect((await observe(cutOff.clients, victim.token)).verdict).toBe('VERDICT_VALID');
    cutOff.proxy.stall();
    const watching = watchVerdicts(cutOff.clients, victim.token, ({ failure }) => failure !== undefined);
    const { effectiveTime } = await otherClients.keys.revokeKey({ id: victim.id });
    const effectiveMs = effectiveTime?.getTime() ?? 0;
    const seen = await watching;

    const accepted = seen.filter(({ verdict }) => verdict === 'VERDICT_VALID');
    // It could not know better at first, which is what the effective time is for.
    expect(accepted.length).toBeGreaterThan(0);
    for (const { sentWallMs } of accepted) expect(sentWallMs).toBeLessThan(effectiveMs);
    expect(effectiveMs - (accepted[0]?.sentWallMs ?? 0)).toBeLessThan(MAX_STALENESS_MS + SLACK_MS);

    await cutOff.proxy.pass();
    const back = await watchVerdicts(cutOff.clients, victim.token, ({ verdict }) => verdict !== undefined);
    expect(back.at(-1)?.verdict).toBe('VERDICT_REVOKED');
    expect(back.every(({ answeredMs, sentMs }) => answeredMs - sentMs < CALL_MS + SLACK_MS)).toBe(true);
  } finally {
    otherClients.close();
    await other.stop();
    await cutOff.close();
  }
});
