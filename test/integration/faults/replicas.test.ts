import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ResourceAccess } from '../../../proto/gen/latchkey/v1/key.ts';
import { KeysFate } from '../../../proto/gen/latchkey/v1/owner_service.ts';
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
import { observe, watchVerdicts, type Asked } from './watch-verdicts.ts';

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
async function farSays(verdict: string, asked: Asked = key.token): Promise<void> {
  const startMs = performance.now();
  const seen = await watchVerdicts(far.clients, asked, (observation) => observation.verdict === verdict);
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

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');
const listed = (...ids: string[]): ResourceAccess => ({ access: { $case: 'listed', value: { ids } } });

it('follows another replica through every change of a policy', async () => {
  const { keys, policies } = nearClients;
  const { policy } = await policies.createPolicy({
    policy: { keyspaceId: far.keyspaceId, displayName: randomUUID() },
  });
  const id = policy?.id ?? '';
  const attach = (policyIds: string[]) =>
    keys.updateKey({ key: { id: key.id, policyIds }, updateMask: ['policy_ids'] });
  const access = (resourceAccess: ResourceAccess) =>
    policies.updatePolicy({ policy: { id, resourceAccess }, updateMask: ['resource_access'] });
  await attach([id]);
  await farSays('VERDICT_VALID');
  await access(listed('store-1'));
  await farSays('VERDICT_RESOURCE_NOT_ALLOWED');
  await access(listed('store-1', 'store-2'));
  await farSays('VERDICT_VALID', { token: key.token, resource: 'store-2' });
  await policies.updatePolicy({
    policy: { id, restrictions: { allowedIps: ['::1'] } },
    updateMask: ['restrictions'],
  });
  await farSays('VERDICT_CLIENT_NOT_ALLOWED');
  await attach([]);
  await farSays('VERDICT_VALID');
  await policies.deletePolicy({ id });
  await farSays('VERDICT_VALID');
});

it('follows another replica through every change of an owner', async () => {
  const { keys, owners } = nearClients;
  const owner = { keyspaceId: far.keyspaceId, id: randomUUID() };
  await keys.updateKey({ key: { id: key.id, ownerId: owner.id }, updateMask: ['owner_id'] });
  await owners.suspendOwner(owner);
  await farSays('VERDICT_OWNER_SUSPENDED');
  await owners.resumeOwner(owner);
  await farSays('VERDICT_VALID');
  await owners.suspendOwner(owner);
  await farSays('VERDICT_OWNER_SUSPENDED');
  await owners.deleteOwner({ ...owner, keysFate: KeysFate.KEYS_FATE_DETACH });
  await farSays('VERDICT_VALID');
  await keys.updateKey({ key: { id: key.id, ownerId: owner.id }, updateMask: ['owner_id'] });
  await owners.deleteOwner({ ...owner, keysFate: KeysFate.KEYS_FATE_REVOKE });
  await farSays('VERDICT_REVOKED');
});

it('follows another replica through every change of a catalogue', async () => {
  const { keys, keyspaces } = nearClients;
  const method = { verb: 'GET', path: '/stores' };
  const setMethods = (methods: { verb: string; path: string; noResource?: boolean }[]) =>
    keyspaces.updateKeyspace({
      keyspace: { id: far.keyspaceId, apis: [{ name: 'stores', groups: [{ name: 'read', methods }] }] },
      updateMask: ['apis'],
    });
  await setMethods([]);
  const { token } = await keys.createKey({
    key: {
      keyspaceId: far.keyspaceId,
      resourceAccess: listed('store-1'),
      restrictions: { apiTargets: [{ api: 'stores', groups: ['read'] }] },
    },
  });
  const asked = { token, operation: { api: 'stores', ...method } };
  await farSays('VERDICT_OPERATION_NOT_ALLOWED', asked);
  await setMethods([method]);
  await farSays('VERDICT_RESOURCE_NOT_ALLOWED', asked);
  await setMethods([{ ...method, noResource: true }]);
  await farSays('VERDICT_VALID', asked);
  await setMethods([]);
  await farSays('VERDICT_OPERATION_NOT_ALLOWED', asked);
});

it('knows of the first import by another replica, and of all that becomes of an imported key', async () => {
  const { keys } = nearClients;
  const { keyspaceId } = far;
  const token = `sk_live_${randomUUID()}`;
  const tag = randomUUID();
  // That there are no imports, it knows.
  expect((await observe(far.clients, token)).verdict).toBe('VERDICT_MALFORMED');
  const { results } = await keys.importKeys({
    keyspaceId,
    keys: [{ key: { tags: [tag] }, sha256: digestOf(token) }],
  });
  const id = results[0]?.id ?? '';
  await farSays('VERDICT_VALID', token);
  await keys.disableKey({ id });
  await farSays('VERDICT_DISABLED', token);
  await keys.deleteKey({ id });
  await farSays('VERDICT_NOT_FOUND', token);
  await keys.undeleteKey({ id });
  await farSays('VERDICT_DISABLED', token);
  // That this one belongs to no key, it knows too.
  const later = `sk_live_${randomUUID()}`;
  expect((await observe(far.clients, later)).verdict).toBe('VERDICT_NOT_FOUND');
  await keys.importKeys({ keyspaceId, keys: [{ sha256: digestOf(later) }] });
  await farSays('VERDICT_VALID', later);
  await keys.batchRevokeKeys({ keyspaceId, tag });
  await farSays('VERDICT_REVOKED', token);
  await keys.reportLeakedKey({ token: later });
  await farSays('VERDICT_REVOKED', later);
});

it('refuses all keys that another replica revoked in one batch', async () => {
  const { keys } = nearClients;
  const tag = randomUUID();
  const tokens: string[] = [];
  for (let index = 0; index < 10; index += 1) {
    const { token } = await keys.createKey({ key: { keyspaceId: far.keyspaceId, tags: [tag] } });
    expect((await observe(far.clients, token)).verdict).toBe('VERDICT_VALID');
    tokens.push(token);
  }
  await keys.batchRevokeKeys({ keyspaceId: far.keyspaceId, tag });
  for (const token of tokens) await farSays('VERDICT_REVOKED', token);
  await farSays('VERDICT_VALID');
});

/** A replica that seldom polls, and another on its database. */
async function startSeldom() {
  const seldom = await startBehindProxy({
    server: { env: { LATCHKEY_POLL_MS: '9000', LATCHKEY_MAX_STALENESS_MS: '20000' } },
  });
  const other = await startServer({
    databaseUrl: seldom.database.url,
    env: { ...HASTY, LATCHKEY_ROOT_TOKEN: seldom.server.rootToken },
  });
  const otherClients = createClients({ address: other.address, token: other.rootToken });
  return { seldom, other, otherClients };
}

it('is as fresh as a verification asks of policies, owners, catalogues and imports, at once', async () => {
  const { seldom, other, otherClients } = await startSeldom();
  try {
    const { keyspaceId } = seldom;
    const { policy } = await seldom.clients.policies.createPolicy({
      policy: { keyspaceId, displayName: 'plan' },
    });
    const { token } = await seldom.clients.keys.createKey({
      key: { keyspaceId, ownerId: 'team-7', policyIds: [policy?.id ?? ''] },
    });
    const foreign = `sk_live_${randomUUID()}`;
    const operation = { api: 'stores', verb: 'GET', path: '/stores' };
    /** What it says before it can know of a change, and once it is asked to know of it. */
    const around = async (
      asked: { token: string; operation?: typeof operation },
      change: () => Promise<{ revision: string }>,
    ) => {
      const { verdict: before } = await observe(seldom.clients, asked);
      const { revision: minRevision } = await change();
      const { verdict: unaware } = await observe(seldom.clients, asked);
      const { verdict: aware } = await observe(seldom.clients, { ...asked, minRevision });
      expect(unaware).toBe(before);
      return `${before} ${aware}`;
    };
    expect(
      await around({ token: foreign }, () =>
        otherClients.keys.importKeys({ keyspaceId, keys: [{ sha256: digestOf(foreign) }] }),
      ),
    ).toBe('VERDICT_MALFORMED VERDICT_VALID');
    const access = await around({ token }, () =>
      otherClients.policies.updatePolicy({
        policy: { id: policy?.id ?? '', resourceAccess: listed('store-1') },
        updateMask: ['resource_access'],
        wait: false,
      }),
    );
    expect(access).toBe('VERDICT_VALID VERDICT_RESOURCE_NOT_ALLOWED');
    const catalogue = await around({ token, operation }, () =>
      otherClients.keyspaces.updateKeyspace({
        keyspace: {
          id: keyspaceId,
          apis: [
            { name: 'stores', groups: [{ name: 'all', methods: [{ path: '/stores', noResource: true }] }] },
          ],
        },
        updateMask: ['apis'],
        wait: false,
      }),
    );
    expect(catalogue).toBe('VERDICT_RESOURCE_NOT_ALLOWED VERDICT_VALID');
    const owner = await around({ token, operation }, () =>
      otherClients.owners.suspendOwner({ keyspaceId, id: 'team-7', wait: false }),
    );
    expect(owner).toBe('VERDICT_VALID VERDICT_OWNER_SUSPENDED');
  } finally {
    otherClients.close();
    await other.stop();
    await seldom.close();
  }
});

it('is as fresh as a verification asks, at once, however seldom it polls', async () => {
  const { seldom, other, otherClients } = await startSeldom();
  const victim = await seldom.createKey();
  expect((await observe(seldom.clients, victim.token)).verdict).toBe('VERDICT_VALID');
  const { revision } = await otherClients.keys.revokeKey({ id: victim.id, wait: false });
  // That it does not know of it yet is what makes the next line a proof.
  expect((await observe(seldom.clients, victim.token)).verdict).toBe('VERDICT_VALID');
  const { verdict } = await seldom.clients.verify.verify({ token: victim.token, minRevision: revision });
  expect(verdict).toBe(Verdict.VERDICT_REVOKED);
  otherClients.close();
  await other.stop();
  await seldom.close();
});

it('says of what it finds done that it is effective only once it knows of it itself', async () => {
  const { seldom, other, otherClients } = await startSeldom();
  const victims = await Promise.all(Array.from({ length: 20 }, () => seldom.createKey()));
  for (const { id, token } of victims) {
    expect((await observe(seldom.clients, token)).verdict).toBe('VERDICT_VALID');
    // Both at once: one of them finds the key revoked.
    const [, { effectiveTime }] = await Promise.all([
      otherClients.keys.revokeKey({ id, wait: false }),
      seldom.clients.keys.revokeKey({ id }),
    ]);
    expect(effectiveTime?.getTime()).toBeLessThanOrEqual(Date.now());
    expect((await observe(seldom.clients, token)).verdict).toBe('VERDICT_REVOKED');
  }
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
