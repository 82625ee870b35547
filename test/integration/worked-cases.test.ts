/**
 * Three cases as users have them, each from the creation of its keys to every verdict that can come of them: the last
 * tests see to it that none is left out.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { CLIENT_REFUSALS, VERDICTS, type ClientRefusal, type Verdict } from '../../core/verdict.ts';
import type {
  Api,
  CreatedKey,
  KeyAttributes,
  LatchkeyError,
  NewPolicy,
  VerifyRequest,
  VerifyResult,
} from '../../sdk/src/index.ts';
import { createTestClock } from '../support/test-clock.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const clock = createTestClock();
const served = serveLatchkey({ clock });

/** Nothing can rotate a secret yet, and nothing is limited yet. */
const NOT_YET: ReadonlySet<Verdict> = new Set(['SECRET_RETIRED', 'RATE_LIMITED', 'CREDITS_EXHAUSTED']);

/** One request to verify, and what must come of it. */
interface Row {
  readonly what: string;
  /** The key, by its name in the case. */
  readonly key: string;
  readonly request: Omit<VerifyRequest, 'token'>;
  readonly verdict: Verdict;
  readonly clientRefusal?: ClientRefusal;
  readonly missingScopes?: readonly string[];
}

interface WorkedCase {
  readonly title: string;
  readonly slug: string;
  readonly apis: readonly Api[];
  /** A policy that every key refers to whose attributes say so by `policy: true`. */
  readonly policy?: Omit<NewPolicy, 'keyspaceId'>;
  readonly keys: Readonly<Record<string, KeyAttributes & { readonly policy?: true }>>;
  readonly rows: readonly Row[];
}

const operation = (api: string, verb: string, path: string) => ({ api, verb, path });
const statuses = operation('shop', 'GET', '/api/v1/orders/statuses');
const order = operation('shop', 'GET', '/api/v1/orders/4711');
const refund = operation('shop', 'POST', '/api/v1/orders/4711/refunds');
const prices = operation('shop', 'PUT', '/api/v1/prices/17');
const ping = operation('shop', 'GET', '/api/v1/ping');

const retailer: WorkedCase = {
  title: 'a retailer with stores and a partner network',
  slug: 'retailer',
  apis: [
    {
      name: 'shop',
      groups: [
        {
          name: 'orders',
          methods: [
            { verb: 'GET', path: '/api/v*/orders/*' },
            { verb: 'POST', path: '/api/v*/orders/*/refunds' },
          ],
        },
        { name: 'prices', methods: [{ path: '/api/v*/prices/**' }] },
        { name: 'service', methods: [{ verb: 'GET', path: '/api/v1/ping', noResource: true }] },
      ],
    },
  ],
  policy: {
    displayName: 'partner network',
    scopes: ['orders:status'],
    restrictions: {
      apiTargets: [{ api: 'shop', verbs: ['GET'], paths: ['/api/v*/orders/statuses'], groups: ['service'] }],
    },
  },
  keys: {
    platform: { ownerId: 'platform', scopes: ['*'], resourceAccess: 'ALL' },
    store: {
      ownerId: 'store-1',
      scopes: ['orders:*'],
      resourceAccess: { ids: ['store-1'] },
      restrictions: { apiTargets: [{ api: 'shop', groups: ['orders', 'service'] }] },
    },
    partner: { ownerId: 'partner', policy: true, resourceAccess: { ids: ['store-1', 'store-2'] } },
  },
  rows: [
    {
      what: 'the platform changes prices of a store',
      key: 'platform',
      request: { operation: prices, resource: 'store-3', scopes: ['prices:write'] },
      verdict: 'VALID',
    },
    {
      what: 'the platform asks about no store and names no operation',
      key: 'platform',
      request: {},
      verdict: 'VALID',
    },
    {
      what: 'a store reads an order of its own',
      key: 'store',
      request: { operation: order, resource: 'store-1', scopes: ['orders:read'] },
      verdict: 'VALID',
    },
    {
      what: 'a store refunds an order of its own',
      key: 'store',
      request: { operation: refund, resource: 'store-1', scopeQuery: 'admin OR orders:refund' },
      verdict: 'VALID',
    },
    {
      what: 'a store pings, for no store',
      key: 'store',
      request: { operation: ping },
      verdict: 'VALID',
    },
    {
      what: 'a store reads an order of another store',
      key: 'store',
      request: { operation: order, resource: 'store-2' },
      verdict: 'RESOURCE_NOT_ALLOWED',
    },
    {
      what: 'a store reads an order of no store in particular',
      key: 'store',
      request: { operation: order },
      verdict: 'RESOURCE_NOT_ALLOWED',
    },
    {
      what: 'a store changes prices',
      key: 'store',
      request: { operation: prices, resource: 'store-1' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'a store reads by a verb that the block has not',
      key: 'store',
      request: { operation: { ...order, verb: 'DELETE' }, resource: 'store-1' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'a store does something that nobody names',
      key: 'store',
      request: { resource: 'store-1' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'a store lacks a scope',
      key: 'store',
      request: { operation: order, resource: 'store-1', scopes: ['orders:read', 'customers:read'] },
      verdict: 'SCOPE_MISSING',
      missingScopes: ['customers:read'],
    },
    {
      what: 'the partner looks up states of orders in a store of its network',
      key: 'partner',
      request: { operation: statuses, resource: 'store-2', scopes: ['orders:status'] },
      verdict: 'VALID',
    },
    {
      what: 'the partner does so in another version of the API',
      key: 'partner',
      request: { operation: { ...statuses, path: '/api/v27/orders/statuses?page=2' }, resource: 'store-1' },
      verdict: 'VALID',
    },
    {
      what: 'the partner does so in a store outside of its network',
      key: 'partner',
      request: { operation: statuses, resource: 'store-3' },
      verdict: 'RESOURCE_NOT_ALLOWED',
    },
    {
      what: 'the partner reads an order',
      key: 'partner',
      request: { operation: order, resource: 'store-1' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the partner reads an order by a detour through its own method',
      key: 'partner',
      request: {
        operation: { ...order, path: '/api/v1/orders/statuses/../4711' },
        resource: 'store-1',
      },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the partner lacks one of two alternatives',
      key: 'partner',
      request: {
        operation: statuses,
        resource: 'store-1',
        scopeQuery: 'orders:status AND (orders:write OR (admin AND audit))',
      },
      verdict: 'SCOPE_MISSING',
      missingScopes: ['orders:write'],
    },
  ],
};

const SHA1 = '5D:08:26:4B:44:E0:E5:3F:BC:CC:70:B4:F0:16:47:4C:C6:C9:D5:7E';
const OTHER_SHA1 = '00'.repeat(20);
const android = (androidCertSha1: string) => ({ androidPackage: 'com.example.shop', androidCertSha1 });
const tiles = operation('maps', 'GET', '/v1/tiles/14/8529/5975');
const geocode = operation('geocoding', 'GET', '/v1/geocode/json');

const maps: WorkedCase = {
  title: 'a maps provider with browser, app and server keys',
  slug: 'maps',
  apis: [],
  keys: {
    browser: {
      ownerId: 'site',
      scopes: ['tiles'],
      restrictions: {
        allowedReferrers: ['https://*.example.com/*', 'example.com/finder/*'],
        apiTargets: [{ api: 'maps' }, { api: 'places', paths: ['/v1/autocomplete'] }],
      },
    },
    app: {
      ownerId: 'app',
      restrictions: {
        androidApps: [{ package: 'com.example.shop', certSha1: SHA1 }],
        iosBundleIds: ['com.example.shop'],
        apiTargets: [{ api: 'maps' }],
      },
    },
    server: {
      ownerId: 'backend',
      resourceAccess: { ids: ['project-1'] },
      restrictions: {
        allowedIps: ['203.0.113.0/24', '2001:db8::/32'],
        apiTargets: [{ api: 'geocoding', verbs: ['GET'], paths: ['/v1/geocode/**'] }],
      },
    },
  },
  rows: [
    {
      what: 'a page of the site draws a map',
      key: 'browser',
      request: { operation: tiles, client: { referrer: 'https://shop.example.com/cart?item=1' } },
      verdict: 'VALID',
    },
    {
      what: 'the site itself does so where it may, in http too',
      key: 'browser',
      request: { operation: tiles, client: { referrer: 'http://example.com/finder/berlin' } },
      verdict: 'VALID',
    },
    {
      what: 'the site completes an address',
      key: 'browser',
      request: {
        operation: operation('places', 'GET', '/v1/autocomplete'),
        client: { referrer: 'https://www.example.com' },
      },
      verdict: 'VALID',
    },
    {
      what: 'another page of the site itself draws a map',
      key: 'browser',
      request: { operation: tiles, client: { referrer: 'https://example.com/blog/' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'REFERRER_NOT_ALLOWED',
    },
    {
      what: 'a site whose name begins with that of the site draws a map',
      key: 'browser',
      request: { operation: tiles, client: { referrer: 'https://shop.example.com.evil.test/' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'REFERRER_NOT_ALLOWED',
    },
    {
      what: 'a site that has the name of the site in its path draws a map',
      key: 'browser',
      request: { operation: tiles, client: { referrer: 'https://evil.test/https://shop.example.com/' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'REFERRER_NOT_ALLOWED',
    },
    {
      what: 'somebody without a page draws a map',
      key: 'browser',
      request: { operation: tiles, client: { ip: '203.0.113.7' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'APPLICATION_MISSING',
    },
    {
      what: 'the site looks up places in full',
      key: 'browser',
      request: {
        operation: operation('places', 'GET', '/v1/details'),
        client: { referrer: 'https://www.example.com' },
      },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the site geocodes',
      key: 'browser',
      request: { operation: geocode, client: { referrer: 'https://www.example.com' } },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the site lacks a scope',
      key: 'browser',
      request: {
        operation: tiles,
        client: { referrer: 'https://www.example.com' },
        scopes: ['tiles', 'satellite'],
      },
      verdict: 'SCOPE_MISSING',
      missingScopes: ['satellite'],
    },
    {
      what: 'the Android app draws a map',
      key: 'app',
      request: { operation: tiles, client: android(SHA1.replaceAll(':', '').toLowerCase()) },
      verdict: 'VALID',
    },
    {
      what: 'the iOS app draws a map',
      key: 'app',
      request: { operation: tiles, client: { iosBundleId: 'com.example.shop' } },
      verdict: 'VALID',
    },
    {
      what: 'an Android app that somebody else signed draws a map',
      key: 'app',
      request: { operation: tiles, client: android(OTHER_SHA1) },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'ANDROID_APP_NOT_ALLOWED',
    },
    {
      what: 'another iOS app draws a map',
      key: 'app',
      request: { operation: tiles, client: { iosBundleId: 'com.example.shop.evil' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IOS_APP_NOT_ALLOWED',
    },
    {
      what: 'a web page uses the key of the apps',
      key: 'app',
      request: { operation: tiles, client: { referrer: 'https://www.example.com' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'REFERRER_NOT_ALLOWED',
    },
    {
      what: 'nobody in particular uses the key of the apps',
      key: 'app',
      request: { operation: tiles },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'APPLICATION_MISSING',
    },
    {
      what: 'the server geocodes',
      key: 'server',
      request: { operation: geocode, client: { ip: '203.0.113.200' }, resource: 'project-1' },
      verdict: 'VALID',
    },
    {
      what: 'the server geocodes over IPv6',
      key: 'server',
      request: { operation: geocode, client: { ip: '2001:DB8::7' }, resource: 'project-1' },
      verdict: 'VALID',
    },
    {
      what: 'the server geocodes, as a dual-stack socket sees it',
      key: 'server',
      request: { operation: geocode, client: { ip: '::ffff:203.0.113.7' }, resource: 'project-1' },
      verdict: 'VALID',
    },
    {
      what: 'a neighbour of the server geocodes',
      key: 'server',
      request: { operation: geocode, client: { ip: '203.0.114.7' }, resource: 'project-1' },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IP_NOT_ALLOWED',
    },
    {
      what: 'something that is no address geocodes',
      key: 'server',
      request: { operation: geocode, client: { ip: '203.0.113.7:443' }, resource: 'project-1' },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IP_NOT_ALLOWED',
    },
    {
      what: 'somebody without an address geocodes',
      key: 'server',
      request: { operation: geocode, client: { referrer: 'https://www.example.com' } },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IP_MISSING',
    },
    {
      what: 'the server draws a map',
      key: 'server',
      request: { operation: tiles, client: { ip: '203.0.113.7' }, resource: 'project-1' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the server geocodes for another project',
      key: 'server',
      request: { operation: geocode, client: { ip: '203.0.113.7' }, resource: 'project-2' },
      verdict: 'RESOURCE_NOT_ALLOWED',
    },
  ],
};

const submit = { api: 'forms', path: '/medical.v1.FormService/SubmitForm' };
const clinic = { ip: '198.51.100.20' };

const forms: WorkedCase = {
  title: 'a medical-forms service with a single method',
  slug: 'forms',
  apis: [],
  keys: {
    clinic: {
      ownerId: 'clinic-7',
      scopes: ['forms:submit'],
      resourceAccess: { ids: ['clinic-7'] },
      restrictions: {
        allowedIps: ['198.51.100.16/28'],
        apiTargets: [{ api: 'forms', paths: ['/medical.v1.FormService/SubmitForm'] }],
      },
    },
  },
  rows: [
    {
      what: 'the clinic hands in a form',
      key: 'clinic',
      request: { operation: submit, client: clinic, resource: 'clinic-7', scopes: ['forms:submit'] },
      verdict: 'VALID',
    },
    {
      what: 'the clinic reads a form',
      key: 'clinic',
      request: {
        operation: { ...submit, path: '/medical.v1.FormService/GetForm' },
        client: clinic,
        resource: 'clinic-7',
      },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the clinic spells the method in another case',
      key: 'clinic',
      request: {
        operation: { ...submit, path: '/medical.v1.formservice/submitform' },
        client: clinic,
        resource: 'clinic-7',
      },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the clinic calls a method of the same name in another API',
      key: 'clinic',
      request: { operation: { ...submit, api: 'Forms' }, client: clinic, resource: 'clinic-7' },
      verdict: 'OPERATION_NOT_ALLOWED',
    },
    {
      what: 'the clinic hands in a form of another clinic',
      key: 'clinic',
      request: { operation: submit, client: clinic, resource: 'clinic-8' },
      verdict: 'RESOURCE_NOT_ALLOWED',
    },
    {
      what: 'the clinic hands in a form from somewhere else',
      key: 'clinic',
      request: { operation: submit, client: { ip: '198.51.100.32' }, resource: 'clinic-7' },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IP_NOT_ALLOWED',
    },
    {
      what: 'the service does not say from where the form came',
      key: 'clinic',
      request: { operation: submit, resource: 'clinic-7' },
      verdict: 'CLIENT_NOT_ALLOWED',
      clientRefusal: 'IP_MISSING',
    },
    {
      what: 'the service asks for more than the clinic may',
      key: 'clinic',
      request: { operation: submit, client: clinic, resource: 'clinic-7', scopeQuery: 'forms:read OR admin' },
      verdict: 'SCOPE_MISSING',
      missingScopes: ['forms:read'],
    },
  ],
};

/** The verdicts of a key's life, which every case reaches beside those of its rows. */
const OF_LIFE: readonly Verdict[] = [
  'MALFORMED',
  'NOT_FOUND',
  'REVOKED',
  'DISABLED',
  'OWNER_SUSPENDED',
  'EXPIRED',
];

const CASES = [retailer, maps, forms];

describe.each(CASES)('$title', ({ slug, apis, policy, keys, rows }) => {
  let keyspaceId: string;
  const issued = new Map<string, CreatedKey>();

  beforeAll(async () => {
    const { latchkey } = served();
    const { keyspace } = await latchkey.keyspaces.create({ slug, tokenPrefix: slug, apis });
    keyspaceId = keyspace.id;
    const policyIds =
      policy === undefined ? [] : [(await latchkey.policies.create({ keyspaceId, ...policy })).policy.id];
    for (const [name, { policy: refers, ...attributes }] of Object.entries(keys)) {
      const key = { keyspaceId, displayName: name, ...attributes };
      issued.set(name, await latchkey.keys.create(refers === true ? { ...key, policyIds } : key));
    }
  });

  const tokenOf = (name: string): string => issued.get(name)?.token ?? '';
  const expected = ({ key, verdict, clientRefusal, missingScopes = [] }: Row) => ({
    verdict,
    valid: verdict === 'VALID',
    key: { id: issued.get(key)?.key.id },
    ...(verdict === 'VALID' ? {} : { missingScopes }),
    ...(clientRefusal === undefined ? {} : { clientRefusal }),
  });

  test.each(rows)('$what: $verdict', async (row) => {
    const request = { token: tokenOf(row.key), ...row.request };
    // Cold or not, and warm.
    for (let again = 0; again < 2; again += 1) {
      const result = await served().latchkey.verify(request);
      expect(result).toMatchObject(expected(row));
      expect('clientRefusal' in result).toBe(row.clientRefusal !== undefined);
    }
  });

  test('comes out the same in one batch', async () => {
    const results: readonly (VerifyResult | LatchkeyError)[] = await served().latchkey.verifyBatch(
      rows.map(({ key, request }) => ({ token: tokenOf(key), ...request })),
    );
    expect(results).toMatchObject(rows.map(expected));
  });

  test.each(Object.keys(keys))(
    'the key %s meets every verdict of its life, whatever it is used for',
    async (name) => {
      const { latchkey, keyspaceId: otherKeyspace } = served();
      const { key, token } = issued.get(name) ?? expect.unreachable();
      const mine = rows.filter((row) => row.key === name);
      const judge = async () => {
        const verdicts = await Promise.all(
          mine.map(async ({ request }) => (await latchkey.verify({ token, ...request })).verdict),
        );
        return verdicts;
      };
      const all = (verdict: Verdict): readonly Verdict[] => mine.map(() => verdict);
      const asWritten = mine.map(({ verdict }) => verdict);
      const owner = { keyspaceId, id: key.ownerId ?? '' };

      await latchkey.owners.suspend(owner, { reason: 'unpaid' });
      expect(await judge()).toEqual(all('OWNER_SUSPENDED'));
      await latchkey.keys.disable(key.id);
      expect(await judge()).toEqual(all('DISABLED'));
      await latchkey.owners.resume(owner);
      await latchkey.keys.enable(key.id);
      expect(await judge()).toEqual(asWritten);

      await latchkey.keys.update(key.id, { expireTime: new Date(clock.nowMs() + 1000) });
      clock.advance(1000);
      expect(await judge()).toEqual(all('EXPIRED'));
      await latchkey.keys.update(key.id, { expireTime: null });
      expect(await judge()).toEqual(asWritten);

      const [first] = mine;
      const wrong = { ...first?.request, token, keyspaceId: otherKeyspace };
      expect(await latchkey.verify(wrong)).toMatchObject({ verdict: 'NOT_FOUND' });
      expect(await latchkey.verify({ ...first?.request, token: token.slice(0, -1) })).toMatchObject({
        verdict: 'MALFORMED',
      });

      await latchkey.keys.delete(key.id);
      expect(await judge()).toEqual(all('NOT_FOUND'));
      await latchkey.keys.undelete(key.id);
      expect(await judge()).toEqual(asWritten);
      await latchkey.keys.reportLeaked(token);
      expect(await judge()).toEqual(all('REVOKED'));
    },
  );

  test('leaves no verdict out', () => {
    const reached = new Set<Verdict>([...OF_LIFE, ...rows.map(({ verdict }) => verdict)]);
    const applicable = VERDICTS.filter(
      (verdict) =>
        !NOT_YET.has(verdict) &&
        // A retailer's stores may call from anywhere.
        !(verdict === 'CLIENT_NOT_ALLOWED' && slug === 'retailer'),
    );
    expect([...reached].toSorted()).toEqual([...applicable].toSorted());
    for (const name of Object.keys(keys)) {
      expect(
        rows.some(({ key, verdict }) => key === name && verdict === 'VALID'),
        name,
      ).toBe(true);
    }
  });
});

test('the cases leave no refusal of a client out', () => {
  const reached = new Set(
    CASES.flatMap(({ rows }) => rows.flatMap(({ clientRefusal }) => clientRefusal ?? [])),
  );
  expect([...reached].toSorted()).toEqual([...CLIENT_REFUSALS].toSorted());
});
